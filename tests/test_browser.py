"""The page at /docs sends a file and shows the answer, in a real browser."""

import pytest
from browsing import HOST, chromium
from conftest import DATA, TRUTH
from playwright.sync_api import expect

from ocr_runtime.serving.requests import OCRRequest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


def test_a_file_sent_through_the_form_shows_its_text(browser, server):
    asked = set()
    page = browser.new_page()
    page.on("request", lambda request: asked.add(request.url.split("/")[2].partition(":")[0]))
    page.goto(server.url.replace("127.0.0.1", HOST) + "/docs")
    page.locator("#operations-OCR-ocr .opblock-summary-control").click()
    page.locator('input[type="file"]').set_input_files(DATA / "chinese.png")
    page.get_by_role("button", name="Execute").click()
    answer = page.locator(".live-responses-table")
    for line in TRUTH["chinese.png"]:
        expect(answer).to_contain_text(line, timeout=60_000)
    assert asked == {HOST}
    page.close()


def test_the_form_offers_every_field(browser, server):
    page = browser.new_page()
    page.goto(server.url + "/docs")
    page.locator("#operations-OCR-ocr .opblock-summary-control").click()
    rows = page.locator("#operations-OCR-ocr tr[data-property-name]")
    expect(rows).to_have_count(len(OCRRequest.model_fields))
    page.close()
