"""PaddleOCR's MCP server, which has documents read by a self-hosted service of PaddleX."""

import base64
import json
from typing import Any

import pytest
from clients import needs_clients, printed
from conftest import DATA, TRUTH, page_bytes
from pdfs import LINE, drawn, text_page
from serving import Server

pytestmark = [pytest.mark.slow, needs_clients]

PDF = drawn(lambda pdf: text_page(pdf, 2, "The first."), lambda pdf: text_page(pdf, 1))

PROGRAM = """
import asyncio, json, sys

from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from paddleocr_mcp.inference import create_inference
from paddleocr_mcp.tasks import create_task


async def call(url, model, arguments):
    inference = create_inference(model=model, provider="self_hosted", base_url=url)
    await inference.start()
    server = FastMCP(name=model)
    create_task(model, inference).register_tools(server)
    async with Client(server) as client:
        (tool,) = await client.list_tools()
        try:
            result = await client.call_tool(tool.name, arguments)
            answer = [part.text for part in result.content]
        except ToolError as exc:
            answer = str(exc)
    await inference.stop()
    return answer


url, *calls = sys.argv[1:]
print(json.dumps([asyncio.run(call(url, *json.loads(each))) for each in calls]))
"""


def called(server: Server, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Call the tool of the MCP server for a model; return what each call answers."""
    return list(printed(PROGRAM, server.url, *map(json.dumps, calls)))


def test_files_are_read_by_the_tools_of_the_mcp_server(compatible, tmp_path):
    (tmp_path / "two.pdf").write_bytes(PDF)
    image = base64.b64encode(page_bytes("line.png")).decode()
    pdf = {"input_data": str(tmp_path / "two.pdf"), "file_type": "pdf"}
    page = {"input_data": str(DATA / "latin.png"), "runtime_params": {"text_rec_score_thresh": 0.2}}
    (line,), (text,), (read,), (markdown,), refusal = called(
        compatible,
        ("PP-OCRv6", {"input_data": image, "output_mode": "detailed", "file_type": "image"}),
        ("PP-OCRv6", pdf),
        ("PP-OCRv5", page),
        ("PP-StructureV3", pdf),
        ("PP-StructureV3", {"input_data": "https://example.org/a.pdf", "file_type": "pdf"}),
    )
    own = compatible.ocr(page_bytes("line.png")).json()["0"]
    x, y = zip(*own["dt_boxes"], strict=True)
    edges = [round(edge) for edge in (min(x), min(y), max(x), max(y))]
    score = float(own["score"])
    assert json.loads(line) == {
        "text": own["rec_txt"],
        "confidence": score,
        "text_lines": [{"text": own["rec_txt"], "confidence": round(score, 3), "bbox": edges}],
    }
    lines = ["The first.", "The first.", LINE]
    assert text == "\n".join(lines) + "\n\nConfidence: 100.0% | 3 text lines"
    assert read.splitlines()[:4] == TRUTH["latin.png"]
    assert markdown == f"The first. The first.\n{LINE}"
    assert "HTTP 400 (self_hosted/layout-parsing)" in refusal
