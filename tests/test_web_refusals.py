"""The page at `/` when the service refuses: API keys, and what it says about each error."""

import threading

import pytest
import requests
from browsing import chromium, visit
from conftest import DATA, TRUTH, encoded, page_bytes
from pdfs import drawn, picture, text_page, with_page
from PIL import Image
from playwright.sync_api import expect
from serving import serving

pytestmark = pytest.mark.slow

LINE = page_bytes("line.png")
KEY = "correct-key-1"
PDF = "application/pdf"


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A service with keys and narrow limits."""
    with serving(
        tmp_path_factory.mktemp("strict"),
        OCR_API_KEYS=KEY,
        OCR_MAX_BODY_MB="1",
        OCR_MAX_PIXELS="1000000",
        OCR_MAX_PAGES="2",
    ) as running:
        yield running


@pytest.fixture
def admitted(browser, strict):
    """The page of that service, with a key entered."""
    with visit(browser, strict) as opened:
        opened.page.get_by_label("API key").fill(KEY)
        yield opened


def test_without_keys_there_is_no_field_for_one(browser, server):
    with visit(browser, server) as visited:
        expect(visited.page.locator("#secret")).to_be_hidden()


def test_a_key_is_asked_for_checked_and_kept_in_the_tab_only(browser, strict):
    with visit(browser, strict) as visited:
        page = visited.page
        visited.drop(LINE)
        expect(page.get_by_role("alert")).to_contain_text("needs an API key")
        expect(page.get_by_label("API key")).to_be_focused()
        page.keyboard.type("wrong-key-1")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("is not accepted")
        page.get_by_label("API key").fill(KEY)
        page.get_by_role("button", name="Use this key").click()
        visited.wait()
        expect(page.get_by_role("alert")).to_be_empty()
        assert visited.lines == TRUTH["line.png"]
        assert page.evaluate("sessionStorage.getItem('key')") == KEY
        kept = page.evaluate("JSON.stringify(localStorage) + document.cookie")
        assert KEY not in kept
        assert not any(KEY in each for each in visited.asked)
        page.reload()
        page.wait_for_selector("[data-ready]")
        visited.read(LINE)
        assert visited.lines == TRUTH["line.png"]
        other = page.context.new_page()  # another tab has its own
        other.goto(strict.url + "/")
        other.wait_for_selector("[data-ready]")
        expect(other.get_by_label("API key")).to_have_value("")
    assert KEY not in strict.log()


def test_every_request_carries_the_key(admitted):
    admitted.read(drawn(text_page, text_page), "two.pdf", PDF)
    admitted.page.get_by_role("tab", name="Markdown").click()
    expect(admitted.page.locator("#shown-markdown")).to_contain_text("quick brown fox")
    admitted.page.get_by_role("button", name="Next page").click()
    expect(admitted.page.locator("#picture polygon").first).to_be_attached(timeout=30_000)
    with admitted.page.expect_download():
        admitted.page.locator("#pdf").click()
    assert admitted.said == []


REFUSED = {
    "body_too_large": (bytes(2 << 20), "big.png", "", "takes up to 1 MiB"),
    "image_too_large": (encoded(Image.new("1", (2000, 1000))), "wide.png", "", "too many pixels"),
    "unsupported_document": (b"just some text", "note.txt", "text/plain", "cannot be read"),
    "truncated": (LINE[: len(LINE) // 2], "half.png", "image/png", "cannot be read"),
    "empty": (b"", "empty.png", "image/png", "The file is empty"),
    "too_many_pages": (drawn(*[text_page] * 3), "long.pdf", PDF, "more pages than are read"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_an_error_is_told_in_words_with_what_to_do(code, admitted):
    data, name, kind, words = REFUSED[code]
    admitted.drop(data, name, kind)
    alert = admitted.page.get_by_role("alert")
    expect(alert).to_contain_text(words)
    expect(alert.locator("p")).not_to_have_count(1)  # there is advice too
    expect(alert.get_by_role("button", name="Try again")).to_be_visible()
    expect(admitted.page.locator("#under-way")).to_be_hidden()
    admitted.page.get_by_role("button", name="中文").click()
    expect(alert).not_to_contain_text(words)
    expect(alert.get_by_role("button", name="重试")).to_be_visible()


def test_an_option_that_does_not_fit_is_explained_and_corrected(admitted):
    page = admitted.page
    page.get_by_text("Options").click()
    page.locator("#pages").fill("7-9")
    admitted.drop(LINE)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("pages asks for 7-9. The document has 1 page.")
    expect(page.locator("#pages")).to_be_focused()
    page.locator("#pages").fill("1")
    page.keyboard.press("Enter")
    expect(page.locator("[role=option]")).to_have_text(TRUTH["line.png"], timeout=30_000)


def test_the_option_that_does_not_fit_gets_the_focus(admitted):
    admitted.page.get_by_text("Options").click()
    admitted.page.locator("#dpi").fill("5")
    admitted.drop(LINE)
    expect(admitted.page.get_by_role("alert")).to_contain_text("dpi")
    expect(admitted.page.locator("#dpi")).to_be_focused()


def test_a_page_that_is_too_large_stands_beside_those_that_were_read(admitted):
    data = with_page(drawn(text_page, text_page), MediaBox=[0, 0, 14_000, 14_000])
    admitted.read(data, "mixed.pdf", PDF)
    shown = admitted.page.locator("#shown-text")
    expect(shown).to_contain_text("Page 1 was not read")
    expect(shown).to_contain_text("The picture has too many pixels.")
    expect(shown.locator("q")).not_to_be_empty()
    admitted.page.get_by_role("button", name="中文").click()
    expect(shown).to_contain_text("图片像素太多。")
    admitted.page.get_by_role("button", name="English").click()
    expect(admitted.page.locator("#rest")).to_be_hidden()  # it would not be read next time
    admitted.page.get_by_role("button", name="Next page").click()
    expect(admitted.page.locator("[role=option]").first).to_contain_text("quick brown fox")


def test_a_service_that_does_not_answer(browser, server):
    with visit(browser, server) as visited:
        visited.page.context.set_offline(True)
        visited.drop(LINE)
        expect(visited.page.get_by_role("alert")).to_contain_text("does not answer")
        visited.page.context.set_offline(False)
        visited.page.get_by_role("button", name="Try again").click()
        visited.wait()
        assert visited.lines == TRUTH["line.png"]


def test_a_busy_service_is_asked_again(browser, tmp_path):
    """With one thread and no queue a second request is refused while a first one is read."""
    slow = drawn(*[picture(Image.open(DATA / "pages/one_column.png"))] * 6)
    with (
        serving(tmp_path, OCR_THREADS="1", OCR_MAX_QUEUE="0") as server,
        visit(browser, server) as visited,
    ):
        posted = threading.Thread(
            target=requests.post,
            args=(f"{server.url}/pdf",),
            kwargs={"files": {"file": slow}, "timeout": 60},
        )
        posted.start()
        while "rapidocr_in_flight 1.0" not in server.get("/metrics").text:
            pass
        visited.drop(LINE)
        expect(visited.page.locator("#step")).to_contain_text("busy. Trying again in")
        posted.join()
        visited.wait()
        assert visited.lines == TRUTH["line.png"]


def test_a_document_that_takes_too_long(browser, tmp_path):
    large = encoded(Image.effect_noise((3000, 3000), 90))
    with (
        serving(tmp_path, OCR_THREADS="1", OCR_TIMEOUT_SECONDS="0.2") as server,
        visit(browser, server) as visited,
    ):
        visited.drop(large)
        expect(visited.page.get_by_role("alert")).to_contain_text("took too long")
