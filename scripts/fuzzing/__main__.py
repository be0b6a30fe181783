"""Mutate images, documents and request bodies; each must be read or give one of our errors.

The files are made from valid images of all formats and modes, files of several pages, PDFs and
request bodies of all content types: bits are flipped, parts cut out, repeated, swapped and
replaced. Decoding an image may take 2 seconds and 1 GB, a document 20 seconds. A crash, a timeout
or any other exception ends the run and leaves the file that caused it, `fuzz-failed.KIND`. The same
`--seed` gives the same files.
"""

import argparse
import itertools
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from ocr_runtime.documents.document import Limits
from ocr_runtime.documents.images import PageImage, decode
from ocr_runtime.documents.opening import open_document
from ocr_runtime.documents.pdf_trust import reason_to_doubt
from ocr_runtime.errors import OCRError
from ocr_runtime.reading.own_text import lines_of
from ocr_runtime.serving.forms import parse
from ocr_runtime.serving.requests import OCRRequest
from ocr_runtime.serving.validation import validate_request
from tests.serving import ROOT

from .mutations import mutate
from .originals import bodies, files_of_pages, images
from .pdfs import pdfs

SECONDS, DOCUMENT_SECONDS = 2, 20
BYTES = 1 << 30
MAX_PIXELS = 50_000_000
LIMITS = Limits(max_pixels=MAX_PIXELS, max_pages=10, page_seconds=2)
CONTENT_TYPES = {
    "multipart": "multipart/form-data; boundary=b",
    "urlencoded": "application/x-www-form-urlencoded",
    "json": "application/json",
}


def originals() -> dict[str, list[bytes]]:
    """Return valid files by their kind: `image`, `pages`, `pdf` or a content type."""
    page = Image.open(ROOT / "tests/data/line.png").convert("RGB").resize((75, 16))
    return {"image": images(), "pages": files_of_pages(page), "pdf": pdfs(page)} | bodies()


def cases(kinds: list[str], files: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield files and their kind, mutated with parts of their kind."""
    dice, valid = random.Random(seed), originals()
    every = [(kind, original) for kind in kinds or valid for original in valid[kind]]
    for kind, original in itertools.islice(itertools.cycle(every), files):
        yield kind, mutate(original, valid[kind], dice)


def outcomes(kind: str, data: bytes) -> list[str]:
    """Read one file: return what it holds or errors' codes; raise whatever else happens."""
    seconds = SECONDS if kind == "image" or kind in CONTENT_TYPES else DOCUMENT_SECONDS
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        if kind in CONTENT_TYPES:
            validate_request(parse(CONTENT_TYPES[kind], data, names=OCRRequest.names()))
            return ["request"]
        if kind == "image":
            check(decode(data, max_pixels=MAX_PIXELS))
            return ["page"]
        return pages_of(data)
    except OCRError as exc:
        return [exc.code]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def pages_of(data: bytes) -> list[str]:
    found = []
    with open_document(data, limits=LIMITS, dpi=72, text_layer="only") as document:
        for number in document.numbers:
            try:
                check(document.page(number))
                found.append("page of a document")
            except OCRError as exc:
                found.append(exc.code)
    return found


def check(page: PageImage) -> None:
    """Check that a page is one, and its own text, if it has any, within it."""
    pixels = page.pixels
    if pixels.dtype != "uint8" or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise AssertionError(f"not a page: {pixels.dtype} {pixels.shape}")
    if min(page.width, page.height, page.pages) < 1 or pixels.size > 3 * MAX_PIXELS:
        raise AssertionError(f"not a page: {page.width} x {page.height}, {page.pages} pages")
    if page.own_text is not None:
        reason_to_doubt(page.own_text, pixels)
        for line in lines_of(page.own_text):
            corners = [corner for box in (line.box, *(w.box for w in line.words)) for corner in box]
            if not all(abs(each) < 1e9 for corner in corners for each in corner):  # NaN included
                raise AssertionError(f"not a line: {line}")


def out_of_time(*_: object) -> None:
    raise SystemExit("timed out")  # not an Exception: the decoder must not catch it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default="", help="image, pages, pdf or content types; all")
    arguments = parser.parse_args()

    sys.stderr = os.fdopen(os.dup(2), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff prints its warnings there
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, used + BYTES))
    signal.signal(signal.SIGALRM, out_of_time)
    counts: Counter[str] = Counter()
    slowest = 0.0
    kinds = [each for each in arguments.kinds.split(",") if each]
    for kind, data in cases(kinds, arguments.files, arguments.seed):
        failed = Path(f"fuzz-failed.{kind}")
        failed.write_bytes(data)  # a crash of the process leaves it behind
        start = time.monotonic()
        counts.update(outcomes(kind, data))
        slowest = max(slowest, time.monotonic() - start)
        failed.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{arguments.files} files: {dict(counts)}; slowest {slowest:.2f} s, peak {peak} MB")


if __name__ == "__main__":
    main()
