"""What schemathesis cannot know from the document: pages to send, and how the contract decides.

The document describes the fields as they are best sent. The contract takes more (a flag as text in
JSON, an empty field), and no schema tells an image from other bytes: a finding is dropped where
the contract decides so.
"""

import base64
import io
import json
import sys
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
import schemathesis
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData, UnsupportedMethodResponse

STAGES = ("use_det", "use_cls", "use_rec")
FLAGS = (*STAGES, "return_word_box", "return_single_char_box")
ON, OFF = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
NUMBERS = {"text_score": (0, 1), "box_thresh": (0, 1), "unclip_ratio": (1, 4)}
NO_IMAGE = {"unsupported_image", "invalid_base64"}


def drawn(text: str) -> bytes:
    page = Image.new("L", (40, 32), "white")
    ImageDraw.Draw(page).text((8, 4), text, fill="black", font_size=20)
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    return buffer.getvalue()


PAGES = [drawn("A7"), drawn("")]
PAGES_AS_TEXT = [base64.b64encode(page).decode() for page in PAGES]
BASE64 = st.binary().map(base64.b64encode).map(bytes.decode)

schemathesis.openapi.format("page", st.sampled_from(PAGES_AS_TEXT) | BASE64)


@schemathesis.hook
def before_load_schema(_: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Have pages sent: from random bytes no answer would come."""
    for model in raw_schema["components"]["schemas"].values():
        if "image_data" in model.get("properties", {}):
            model["properties"]["image_data"]["format"] = "page"


@schemathesis.hook
def filter_failure(
    _context: schemathesis.HookContext,
    failure: Failure,
    _case: schemathesis.Case,
    response: schemathesis.Response,
) -> bool:
    """Keep a finding unless the contract decides as the server did.

    For addresses other than /ocr it is not said here what the contract decides: of these, only
    crashes, undocumented answers and the like are kept.
    """
    if isinstance(failure, UnsupportedMethodResponse):
        # A PUT is a POST, for `curl -T`; the document describes the POST.
        return response.request.method != "PUT"
    decided = isinstance(failure, AcceptedNegativeData | RejectedPositiveData)
    if decided and urlsplit(response.request.url).path.rstrip("/") != "/ocr":
        return False
    if isinstance(failure, AcceptedNegativeData):
        return bool(reasons(sent(response.request)) - NO_IMAGE)
    if isinstance(failure, RejectedPositiveData):
        return response.json()["code"] not in reasons(sent(response.request))
    return True


def reasons(fields: dict[str, Any]) -> set[str]:
    """Say by the contract with which codes a request of these fields may be refused."""
    found = set()
    images = [fields[name] for name in ("image_file", "image_data") if fields.get(name)]
    if len(images) != 1:
        found.add("ambiguous_image" if images else "missing_image")
    elif images[0] not in PAGES + PAGES_AS_TEXT:
        found |= NO_IMAGE
    if not all(is_flag(fields.get(name)) for name in FLAGS):
        found.add("invalid_option")
    if not all(is_within(fields.get(name), *bounds) for name, bounds in NUMBERS.items()):
        found.add("invalid_option")
    if all(spelt(fields.get(name)) in OFF for name in STAGES):
        found.add("invalid_option")
    return found


def is_flag(value: object) -> bool:
    return value in (None, "") or spelt(value) in ON + OFF


def spelt(value: object) -> str:
    """Write a flag as text; 1.0 is 1 in JSON."""
    return str(int(value) if value in (0.0, 1.0) else value).lower()


def is_within(value: Any, least: float, most: float) -> bool:
    if value in (None, ""):
        return True
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    if abs(number) < sys.float_info.min:  # the models' threads take such a one for zero
        number = 0.0
    return not isinstance(value, bool) and least <= number <= most


def sent(request: requests.PreparedRequest) -> dict[str, Any]:
    """Read a request's fields; `null` is how BentoML's client writes an empty one in a form."""
    kind = request.headers["content-type"]
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    if kind == "application/octet-stream":
        return {"image_file": body}
    if kind == "application/json":
        fields = json.loads(body)
        return fields if isinstance(fields, dict) else {}
    if kind == "application/x-www-form-urlencoded":
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    else:
        message = message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
        parts = message.get_payload() if message.is_multipart() else []
        fields = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in parts
        }
        for name in set(fields) - {"image_file"}:
            fields[name] = fields[name].decode("utf-8", "replace")
    return {name: "" if value == "null" else value for name, value in fields.items()}
