"""A PDF, and a PDF of text alone -> the pages of the first with the text of the second.

    file, text --standard input--> pdf_overlay_child --standard output--> the new PDF

qpdf, which reads and writes PDFs, is C++ and reads what strangers send. So it runs in a process of
its own for each document, with limits on memory and time.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ocr_runtime.documents.child_start import command, environment
from ocr_runtime.errors import Timeout, UnsupportedDocument

_CHILD = "ocr_runtime.outputs.pdf_overlay_child"
_SECONDS, _SECONDS_PER_PAGE = 30, 0.5
"""How long it may take. 300 scanned pages with 83 MB took 6 s on a busy machine; a page with much
text of its own takes up to 0.2 s."""
_MEMORY_BYTES = 512 << 20
"""Address space of Python and qpdf; six times the size of the files is added."""
_CHUNK = 1 << 20
_REFUSED = "No text can be added to this PDF."


def overlaid(
    data: bytes,
    text: bytes,
    *,
    numbers: Sequence[int],
    password: str | None,
    deadline: float | None = None,
) -> Iterator[bytes]:
    """Put text on the pages of a PDF.

    The pages and what is on them stay as they are. If these are all pages of the document, so do
    its outline, its form, its metadata and the rest; else only what the pages themselves need.

    Args:
        data: the PDF.
        text: a PDF with as many pages as `numbers`, each to be laid over one of them, enlarged to
            the size at which it is shown. Its text is in the font /F1, its fonts are all the same.
        numbers: of the pages that are kept, from 1.
        password: for an encrypted PDF. The new one is not encrypted.
        deadline: when the new PDF is not needed any more, as `time.monotonic` counts; None: never.

    Yields:
        The bytes of the new PDF.

    Raises:
        UnsupportedDocument: the PDF is damaged beyond repair, or takes too much memory or time.
        Timeout: the deadline has come.
    """
    opening = {
        "numbers": list(numbers),
        "password": password,
        "memory_bytes": _MEMORY_BYTES + 6 * (len(data) + len(text)),
    }
    most = _SECONDS + _SECONDS_PER_PAGE * len(numbers)
    seconds = most if deadline is None else min(most, deadline - time.monotonic())
    if seconds <= 0:
        raise Timeout
    try:
        written = _written(opening, data, text, seconds=seconds)
    except subprocess.TimeoutExpired as exc:
        raise (Timeout if seconds < most else UnsupportedDocument(_REFUSED)) from exc
    except subprocess.CalledProcessError as exc:
        raise UnsupportedDocument(_REFUSED) from exc
    for start in range(0, len(written), _CHUNK):
        yield written[start : start + _CHUNK]


def _written(opening: dict[str, Any], data: bytes, text: bytes, *, seconds: float) -> bytes:
    """Run the process, and return the new PDF."""
    opening = opening | {"bytes": len(data), "seconds": seconds}
    return subprocess.run(  # noqa: S603 - our own module
        command(_CHILD, "pikepdf"),
        input=b"".join([json.dumps(opening).encode(), b"\n", data, text]),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=seconds,
        check=True,
        env=environment(),
    ).stdout
