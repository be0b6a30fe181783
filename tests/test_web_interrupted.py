"""The page at `/` when work is stopped, cut off, or asked for while other work is under way."""

import re
import time

import pypdfium2
import pytest
import requests
from browsing import chromium, saved, visit
from conftest import DATA, page_bytes
from pdfs import drawn, picture, text_page
from PIL import Image
from playwright.sync_api import expect
from serving import ROOT, serving

pytestmark = pytest.mark.slow

LINE = page_bytes("line.png")
REPORT = (ROOT / "examples/report.pdf").read_bytes()
PDF = "application/pdf"

SECOND_PAGE_LATER = """() => {
  const fetched = window.fetch;
  window.fetch = async (...request) => {
    const answer = await fetched(...request);
    if (!request[0].endsWith("/pages")) return answer;
    window.fetch = fetched;
    const text = await answer.text();
    const first = text.slice(0, text.search(/\\{"number": ?2/));
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(first));
        const { signal } = request[1];
        signal.addEventListener("abort", () => controller.error(signal.reason));
      },
    });
    return new Response(body, answer);
  };
}"""
"""Has the network bring the first of two pages of the next answer only, until it is aborted."""


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service that takes jobs."""
    jobs = tmp_path_factory.mktemp("jobs")
    with serving(tmp_path_factory.mktemp("service"), OCR_JOBS_DIR=str(jobs)) as running:
        yield running


@pytest.fixture
def visited(browser, service):
    with visit(browser, service) as opened:
        yield opened


def test_no_other_button_ends_a_pdf_that_is_made(visited):
    page = visited.page
    visited.read(LINE)
    held = []
    page.route("**/pdf", lambda route: held.append(route))  # noqa: PLW0108
    with page.expect_download() as download:
        with page.expect_request("**/pdf"):
            page.locator("#pdf").click()
        expect(page.get_by_role("tab", name="Markdown")).to_be_disabled()
        page.locator("#tab-markdown").click(force=True)
        page.locator("#tab-text").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#tab-markdown")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#shown-text")).to_be_visible()
        held[0].continue_()
    assert download.value.suggested_filename == "page.pdf"
    expect(page.locator("#said")).to_have_text("The PDF is made.")
    page.locator("#tab-markdown").focus()
    page.keyboard.press("Space")
    expect(page.locator("#shown-markdown")).not_to_be_empty()


def stop_after_one_page(visited):
    """Read a document of two pages, and stop while only its first one is there."""
    page = visited.page
    page.evaluate(SECOND_PAGE_LATER)
    visited.drop(REPORT, "report.pdf", PDF)
    expect(page.locator("#step")).to_contain_text("Reading page 2 of 2", timeout=30_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#rest")).to_contain_text("Stopped. 1 of 2 pages were read.")


def test_what_was_stopped_says_so_and_goes_on(visited):
    stop_after_one_page(visited)
    page = visited.page
    expect(page.locator("#name")).to_be_focused()
    expect(page.get_by_role("button", name="Copy 1 of 2 pages")).to_be_enabled()
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#rest")).to_contain_text("已停止。 已识别 1 / 2 页。")
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Read the rest").press("Enter")
    expect(page.locator("#name")).to_be_focused()
    visited.wait()
    expect(page.locator("#rest")).to_be_hidden()
    expect(page.get_by_role("button", name="Copy all pages")).to_be_enabled()
    page.get_by_role("button", name="Next page").click()
    assert "Reykjavík" in visited.lines
    _, data = saved(visited, "#pdf")
    with pypdfium2.PdfDocument(data) as document:
        assert len(document) == 2
    assert not any("/jobs" in each for each in visited.asked)  # one request has the time


def test_markdown_is_of_the_pages_that_were_read_each_once(visited, service):
    def markdown(pages):
        fields = {"files": {"file": REPORT}, "data": {"pages": pages}, "timeout": 60}
        return requests.post(f"{service.url}/markdown", **fields).text

    def shown():
        page.get_by_role("tab", name="Markdown").click()
        expect(page.locator("#shown-markdown")).not_to_be_empty(timeout=30_000)
        return page.locator("#shown-markdown").text_content()

    stop_after_one_page(visited)
    page = visited.page
    assert shown() == markdown("1")
    page.get_by_role("button", name="Read the rest").click()
    visited.wait()
    assert shown() == f"{markdown('1')}\n<!-- page 2 -->\n\n{markdown('2')}"


def test_markdown_for_which_there_is_no_time_is_asked_for_again(visited):
    """`/markdown` says so in its text; here the network changes the service's first answer."""
    page, asked = visited.page, []

    def late(route):
        asked.append(route.request.post_data_buffer)
        answer = route.fetch()
        first, mark, second = answer.text().partition("\n<!-- page 2 -->\n\n")
        if mark:
            second = "> page 2 was not read: There was no time left for this page.\n"
        route.fulfill(response=answer, body=first + mark + second)

    visited.read(REPORT, "report.pdf", PDF)
    page.route("**/markdown", late)
    page.get_by_role("tab", name="Markdown").click()
    expect(page.locator("#shown-markdown")).to_contain_text("Reykjavík", timeout=30_000)
    expect(page.locator("#shown-markdown")).not_to_contain_text("was not read")
    assert [b'name="pages"\r\n\r\n2\r\n' in each for each in asked] == [False, True]


def test_the_pdf_is_of_the_pages_that_were_read(visited):
    stop_after_one_page(visited)
    _, data = saved(visited, "#pdf")
    with pypdfium2.PdfDocument(data) as document:
        assert len(document) == 1


def begin_job(visited):
    """Have a PDF made as a job; the network refuses what one request would answer."""
    page = visited.page
    visited.read(REPORT, "report.pdf", PDF)
    page.route("**/pdf", lambda route: route.fulfill(status=504, json={"code": "timeout"}))
    with page.expect_response("**/jobs?output=pdf") as made:
        page.locator("#pdf").click()
    return made.value.json()["id"]


def test_a_connection_that_fails_for_a_while_does_not_lose_a_job(visited):
    page, failed = visited.page, []

    def fail(route):
        failed.append(route.request.url)
        if len(failed) < 3:
            route.abort()
        elif len(failed) == 3:
            route.fulfill(status=502)
        else:
            route.continue_()

    page.route(re.compile(r"/jobs/[^/]+$"), fail)
    with page.expect_download(timeout=60_000) as download:
        begin_job(visited)
    assert download.value.suggested_filename == "report.pdf"
    assert len(failed) > 3


def test_leaving_the_page_ends_its_job(visited, service):
    """The job waits behind one of many scans, so that it is not done by itself."""
    scans = drawn(*[picture(Image.open(DATA / "pages/one_column.png"))] * 20)
    first = requests.post(
        f"{service.url}/jobs?output=pdf", files={"file": scans}, timeout=60
    ).json()["id"]
    job = begin_job(visited)
    visited.page.goto("about:blank")
    try:
        for _ in range(50):
            answer = service.get(f"/jobs/{job}")
            if answer.status_code == 404 or answer.json()["state"] == "cancelled":
                return
            time.sleep(0.1)
        pytest.fail(f"the job goes on: {answer.json()}")
    finally:
        requests.delete(f"{service.url}/jobs/{first}", timeout=60)


def test_of_several_dropped_files_the_page_says_which_is_read(visited):
    page = visited.page
    page.evaluate("""() => {
      const held = new DataTransfer();
      for (const name of ["one.png", "two.png"]) held.items.add(new File(["no picture"], name));
      const event = { dataTransfer: held, bubbles: true, cancelable: true };
      document.getElementById("drop").dispatchEvent(new DragEvent("drop", event));
    }""")
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.locator("#one-file")).to_have_text("One file at a time: one.png is read.")
    visited.read(LINE)
    expect(page.locator("#one-file")).to_be_hidden()
    expect(page.locator("#said")).to_have_text("Read: one line.")


def test_a_page_has_its_number_and_its_place_among_those_that_are_read(visited):
    page = visited.page
    page.locator("summary").click()
    page.locator("#pages").fill("2-3")
    visited.read(drawn(text_page, text_page, text_page), "three.pdf", PDF)
    expect(page.locator("#place")).to_have_text("Page 2: 1 of 2")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#place")).to_have_text("Page 3: 2 of 2")
    page.get_by_role("button", name="Next page").press("Enter")  # there is none
    expect(page.locator("#place")).to_have_text("Page 3: 2 of 2")
    expect(page.get_by_role("button", name="Next page")).to_be_focused()


def dense_page(pdf):
    """A page whose many lines take longer than a second with one thread."""
    column = Image.open(DATA / "pages/one_column.png")
    for x, y in [(0, 0), (300, 0), (0, 421), (300, 421)]:
        pdf.image(column, x, y, 297, 421)


def test_a_page_for_which_there_is_never_time_keeps_no_other_from_being_read(browser, tmp_path):
    def short(pdf):
        text_page(pdf, lines=1)

    with (
        serving(tmp_path, OCR_THREADS="1", OCR_TIMEOUT_SECONDS="1") as server,
        visit(browser, server) as visited,
    ):
        page, shown = visited.page, visited.page.locator("#shown-text")
        visited.read(drawn(dense_page, short, short), "mixed.pdf", PDF)
        for _ in range(2):
            expect(page.locator("#place")).to_have_text("1 of 3")
            expect(shown).to_contain_text("Page 1 was not read")
            expect(shown).to_contain_text("The service took too long.")
            expect(page.locator("#rest")).to_contain_text("2 of 3 pages were read.")
            with page.expect_response("**/pages") as refused:
                page.get_by_role("button", name="Read the rest").click()
            assert refused.value.status == 504
            visited.wait()
        expect(page.get_by_role("alert")).to_be_empty()
        page.get_by_role("button", name="Next page").click()
        assert len(visited.lines) == 1
