"""The requests of docling-serve's callers: those of Open WebUI's `DoclingLoader`, and of others.

Open WebUI's are written from `backend/open_webui/retrieval/loaders/main.py` of Open WebUI at its
commit 005d5505.
"""

import base64
import json
from typing import Any

import requests
from pdfs import drawn, text_page
from serving import Server

TWO_PAGES = drawn(lambda pdf: text_page(pdf, 2, "The first."), lambda pdf: text_page(pdf, 1))


def post(
    server: Server,
    body: bytes,
    name: str = "a.pdf",
    *,
    later: bool = False,
    key: str = "",
    **data: Any,
) -> requests.Response:
    """Send a file as Open WebUI's `DoclingLoader.load` does."""
    return requests.post(
        f"{server.url}/v1/convert/file{'/async' * later}",
        files={"files": (name, body, "application/pdf")},
        data={"image_export_mode": "placeholder", **data},
        headers={"X-Api-Key": key} if key else {},
        timeout=60,
    )


def post_json(server: Server, content: Any, *, later: bool = False) -> requests.Response:
    address = f"{server.url}/v1/convert/source{'/async' * later}"
    return requests.post(address, data=json.dumps(content), timeout=60)


def source(body: bytes, name: str = "a.pdf", **fields: Any) -> dict[str, Any]:
    text = base64.b64encode(body).decode()
    return {"kind": "file", "base64_string": text, "filename": name} | fields


def timed(answer: requests.Response) -> Any:
    """The content of an answer; the time that it names is left out, but it is one."""
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert content.pop("processing_time") > 0
    return content


def ended(server: Server, task: str, key: str = "") -> Any:
    """Wait for a task as clients do."""
    headers = {"X-Api-Key": key} if key else {}
    while True:
        address = f"{server.url}/v1/status/poll/{task}?wait=20"
        status = requests.get(address, headers=headers, timeout=60).json()
        if status["task_status"] in ("success", "failure"):
            return status
