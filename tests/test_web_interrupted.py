"""The page at `/` when work is stopped, cut off, or asked for while other work is under way."""

import pytest
from browsing import chromium, visit
from conftest import page_bytes
from playwright.sync_api import expect
from serving import ROOT, serving

pytestmark = pytest.mark.slow

LINE = page_bytes("line.png")
REPORT = (ROOT / "examples/report.pdf").read_bytes()
PDF = "application/pdf"


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
