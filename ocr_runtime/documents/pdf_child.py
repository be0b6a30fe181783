"""The process that reads one PDF: requests on standard input, pages on standard output.

    {"bytes": N, "password": null, ...} and the file --> {"ready": true}
    {} --> {"pages": 12}
    {"index": 0, "dpi": null, "text": false} --> {"width": W, "height": H, "dpi": D, ...}
        and W x H x 3 bytes, BGR; and where its text is asked for, "text" and `pdf_characters`'s
        arrays, "more" bytes

Each message is a line of JSON, and what follows it. A failure is answered `{"failure": [kind]}`.
`pdf_process` starts one for each document, so that no document meets another, and ends it if it
hangs. Before it looks at the file it gives up, where the system lets it, all that it does not need:
further files and connections, processes, memory and processor time beyond its limits.
"""

import json
import sys
from typing import Any, BinaryIO

from ocr_runtime.documents.child_limits import allow_seconds, give_up_rights
from ocr_runtime.documents.pdf_characters import characters
from ocr_runtime.documents.pdf_pages import Pdf, PdfError, own_dpi, pixel_size, size_in_points

Reply = tuple[dict[str, Any], list[Any]]
"""A line of JSON, and what is sent after it."""


def main() -> None:
    """Answer requests until standard input ends."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    opening = json.loads(requests.readline())
    give_up_rights(opening["memory_bytes"])
    _send(({"ready": True}, []), replies)
    child = _Child(opening, requests)
    for line in requests:
        request = json.loads(line)
        allow_seconds(request["seconds"])
        _send(child.answer(request), replies)


class _Child:
    """What answers the requests about one document."""

    def __init__(self, opening: dict[str, Any], requests: BinaryIO) -> None:
        self._data = requests.read(opening["bytes"])
        self._password = opening["password"]
        self._max_pixels = opening["max_pixels"]
        self._pdf: Pdf | None = None

    def answer(self, request: dict[str, Any]) -> Reply:
        try:
            if self._pdf is None:
                self._pdf = Pdf(self._data, self._password)
                return {"pages": len(self._pdf)}, []
            return self._page(self._pdf, request)
        except PdfError as error:
            return {"failure": error.args}, []
        except MemoryError:
            return {"failure": ["memory"]}, []

    def _page(self, pdf: Pdf, request: dict[str, Any]) -> Reply:
        with pdf.page(request["index"]) as page:
            dpi = request["dpi"] or own_dpi(page)
            points = size_in_points(page)
            width, height, dpi = pixel_size(points, dpi=dpi, max_pixels=self._max_pixels)
            samples = pdf.render(page, width, height)
            reply = {"width": width, "height": height, "dpi": dpi}
            if not request["text"]:
                return reply, [samples]
            text, arrays = characters(page)
            more = sum(len(part) * part.itemsize for part in arrays)
            return reply | {"text": text, "more": more}, [samples, *arrays]


def _send(reply: Reply, replies: BinaryIO) -> None:
    line, parts = reply
    replies.write(json.dumps(line).encode() + b"\n")
    replies.writelines(parts)
    replies.flush()


if __name__ == "__main__":
    main()
