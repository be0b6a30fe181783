"""A job of 300 pages: whole after the service was killed twice, in memory that does not grow."""

import io
import time
from functools import partial
from pathlib import Path

import psutil
import pypdfium2
import pytest
from fpdf import FPDF
from pdfs import drawn
from serving import Server, serving
from test_jobs import get, kill, made, pages_done, pages_read, post

PAGES = 300


def numbered_page(pdf: FPDF, number: int) -> None:
    pdf.set_font("helvetica", size=14)
    pdf.text(20, 40, f"Page {number} of the report")
    for i in range(number % 4):
        pdf.text(20, 70 + 22 * i, f"Item {number + i}: {17 * number + i} pieces")


@pytest.fixture(scope="module")
def report() -> bytes:
    pages = [partial(numbered_page, number=number) for number in range(1, PAGES + 1)]
    return drawn(*pages, size=(260, 170))


def megabytes(server: Server) -> float:
    """Resident memory of the service and all of its processes."""
    first = psutil.Process(server.process.pid)
    found = 0
    for process in [first, *first.children(recursive=True)]:
        try:
            found += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it has just ended
    return found / 1e6


def follow(server: Server, job: str, *, until: int) -> list[tuple[int, float]]:
    """Return pages done and memory in MB, again and again until so many pages are done."""
    samples = []
    deadline = time.monotonic() + 400
    while True:
        found = get(server, job).json()
        samples.append((found["pages_done"], megabytes(server)))
        if found["pages_done"] >= until or found["state"] not in ("queued", "running"):
            return samples
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def result(server: Server, job: str) -> bytes:
    deadline = time.monotonic() + 60
    while (found := get(server, job).json())["state"] == "running":  # it writes the result
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (found["state"], found["pages_done"], found["errors"]) == ("done", PAGES, [])
    return get(server, f"{job}/result").content


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("output", "text_layer"), [("text", "never"), ("pdf", "auto")])
def test_a_job_of_300_pages_killed_twice_gives_what_it_gives_undisturbed(
    report, tmp_path, output, text_layer
):
    folders = [tmp_path / name for name in ("undisturbed", "killed")]
    for folder in folders:
        folder.mkdir()
    undisturbed, samples = whole(report, folders[0], output, text_layer)
    (early,) = [memory for pages, memory in samples if pages >= 20][:1]
    late = max(memory for pages, memory in samples if pages >= 20)
    assert late <= 1.1 * early, samples
    killed = killed_twice(report, folders[1], output, text_layer)
    if output == "text":
        pages = undisturbed.decode().split("\f")
        assert [page.split("\n")[0] for page in pages if page] == [
            f"Page {number} of the report" for number in range(1, PAGES + 1)
        ]
        assert killed == undisturbed
    else:
        assert texts(killed) == texts(undisturbed)
        assert len(texts(killed)) == PAGES


def whole(
    report: bytes, folder: Path, output: str, text_layer: str
) -> tuple[bytes, list[tuple[int, float]]]:
    with serving(folder, **variables(folder)) as server:
        job = made(post(server, report, output, headers={}, text_layer=text_layer))
        samples = follow(server, job, until=PAGES)
        return result(server, job), samples


def killed_twice(report: bytes, folder: Path, output: str, text_layer: str) -> bytes:
    done = 0
    for more in (60, 120):
        with serving(folder, **variables(folder)) as server:
            if not done:
                job = made(post(server, report, output, headers={}, text_layer=text_layer))
            follow(server, job, until=done + more)
            kill(server)
            done = pages_done(folder / "jobs")
    with serving(folder, **variables(folder)) as server:
        follow(server, job, until=PAGES)
        found = result(server, job)
        assert pages_read(server) == PAGES - done
        return found


def variables(folder: Path) -> dict[str, str]:
    return {"OCR_JOBS_DIR": str(folder / "jobs"), "OCR_JOBS_MAX_PAGES": str(PAGES)}


def texts(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as document:
        return [page.get_textpage().get_text_bounded() for page in document]
