"""The page at `/` in a real browser: a file comes in, is read, shown, copied and saved."""

import base64
import io
import json
import re

import pypdfium2
import pytest
import requests
from browsing import HOST, chromium, saved, visit
from conftest import DATA, TRUTH, encoded, page_bytes
from pdfs import drawn, encrypted, picture, text_page
from PIL import Image, ImageDraw
from playwright.sync_api import expect
from serving import ROOT, serving

pytestmark = pytest.mark.slow

TABLE = page_bytes("table.png")
REPORT = (ROOT / "examples/report.pdf").read_bytes()
PDF = "application/pdf"

INK_UNDER_BOXES = """() => {
  const canvas = document.querySelector("#picture canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const shown = canvas.getBoundingClientRect();
  const scale = canvas.width / shown.width;
  const boxes = [...document.querySelectorAll("#picture polygon")].map((shape) => {
    const box = shape.getBoundingClientRect();
    return [box.left - shown.left, box.top - shown.top, box.right - shown.left,
            box.bottom - shown.top].map((each) => each * scale);
  });
  let inside = 0, all = 0;
  for (let y = 0; y < canvas.height; y += 1) {
    for (let x = 0; x < canvas.width; x += 1) {
      if (pixels.data[4 * (y * canvas.width + x)] > 100) continue;
      all += 1;
      inside += boxes.some(([left, top, right, bottom]) =>
        left <= x && x <= right && top <= y && y <= bottom);
    }
  }
  return { share: inside / all, wide: canvas.width > canvas.height };
}"""
"""Which share of the dark pixels of the picture lies in boxes, as they are seen on the screen."""


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def visited(browser, server):
    with visit(browser, server) as opened:
        yield opened
        assert opened.said == []
        assert opened.dialogs == []


def answer(server, path, data, **fields):
    return requests.post(server.url + path, files={"file": data}, data=fields, timeout=60).text


def test_a_dropped_file_is_read_shown_and_copied(visited, server):
    visited.read(TABLE)
    assert visited.lines == TRUTH["table.png"]
    expect(visited.page.locator("#said")).to_have_text(f"Read: {len(visited.lines)} lines.")
    visited.page.get_by_role("button", name="Copy").click()
    expect(visited.page.get_by_role("button", name="Copied")).to_be_visible()
    assert visited.clipboard() == answer(server, "/text", TABLE)
    assert {each.partition("?")[0] for each in visited.asked} >= {f"{server.url}/pages"}


def test_a_file_is_chosen(visited):
    with visited.page.expect_file_chooser() as chooser:
        visited.page.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files(DATA / "chinese.png")
    visited.wait()
    assert visited.lines == TRUTH["chinese.png"]
    expect(visited.page.locator("#name")).to_have_text("chinese.png")


def test_a_picture_is_pasted(visited):
    visited.page.evaluate(
        """async (data) => {
          const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
          const blob = new Blob([bytes], { type: "image/png" });
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        base64.b64encode(TABLE).decode(),
    )
    visited.page.keyboard.press("Control+V")
    visited.wait()
    assert visited.lines == TRUTH["table.png"]


def test_text_that_is_pasted_into_a_field_stays_there(visited):
    visited.page.evaluate("navigator.clipboard.writeText('2-3')")
    visited.page.locator("summary").click()
    visited.page.locator("#pages").focus()
    visited.page.keyboard.press("Control+V")
    expect(visited.page.locator("#pages")).to_have_value("2-3")
    expect(visited.page.locator("#start")).to_be_visible()


def test_a_document_of_several_pages(visited, server):
    visited.read(REPORT, "report.pdf", PDF)
    page = visited.page
    expect(page.locator("#place")).to_have_text("1 of 2")
    assert "Weather report" in visited.lines
    expect(page.locator("#picture polygon").first).to_be_attached()
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#place")).to_have_text("2 of 2")
    assert "Reykjavík" in visited.lines
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    expect(page.locator("#picture polygon")).to_have_count(len(visited.lines))
    assert page.evaluate(INK_UNDER_BOXES)["share"] > 0.9
    page.get_by_role("button", name="Copy all pages").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert visited.clipboard() == answer(server, "/text", REPORT)


def test_each_form_is_what_the_service_answers(visited, server):
    visited.read(REPORT, "report.pdf", PDF)
    page = visited.page
    assert saved(visited, "#save") == ("report.txt", answer(server, "/text", REPORT).encode())
    page.get_by_role("tab", name="Markdown").click()
    markdown = answer(server, "/markdown", REPORT)
    expect(page.locator("#shown-markdown")).to_contain_text("# Weather report")
    assert page.locator("#shown-markdown").text_content() == markdown
    assert saved(visited, "#save") == ("report.md", markdown.encode())
    page.get_by_role("tab", name="JSON").click()
    name, data = saved(visited, "#save")
    assert name == "report.json"
    assert json.loads(data) == json.loads(answer(server, "/pages", REPORT))
    asked = [each for each in visited.asked if each.endswith("/markdown")]
    assert len(asked) == 1


def test_the_searchable_pdf_is_saved(visited):
    visited.read(TABLE, "my table.png")
    name, data = saved(visited, "#pdf")
    assert name == "my table.pdf"
    with pypdfium2.PdfDocument(data) as document:
        text = document[0].get_textpage().get_text_bounded()
    for line in TRUTH["table.png"]:
        assert line in text


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_picture_is_upright_and_its_boxes_are_on_its_text(angle, kind, visited):
    upright = Image.open(DATA / "pages/one_column.png").convert("L")
    upright = upright.crop((0, 0, upright.width, upright.width // 2))  # wider than high
    data = encoded(upright.rotate(angle, expand=True, fillcolor=255), kind)
    visited.read(data, f"page.{kind.lower()}", "")
    expect(visited.page.locator("#picture polygon").first).to_be_attached(timeout=30_000)
    seen = visited.page.evaluate(INK_UNDER_BOXES)
    assert seen["share"] > 0.9
    assert seen["wide"]


def test_a_photo_that_its_exif_block_turns(visited):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = Image.open(DATA / "table.png").convert("RGB")
    visited.read(encoded(upright.rotate(90, expand=True), "JPEG", exif=exif), "photo.jpg")
    assert visited.lines == TRUTH["table.png"]
    expect(visited.page.locator("#picture polygon").first).to_be_attached()
    assert visited.page.evaluate(INK_UNDER_BOXES)["share"] > 0.9


def test_pointing_and_clicking_link_picture_and_text_both_ways(visited):
    visited.read(TABLE)
    page = visited.page
    lines, boxes = page.locator("[role=option]"), page.locator("#picture polygon")
    expect(boxes).to_have_count(len(TRUTH["table.png"]))
    for number in (1, 4):
        lines.nth(number).hover()
        expect(page.locator("polygon.pointed")).to_have_count(1)
        expect(boxes.nth(number)).to_have_class("pointed")
    for number in (2, 5):
        boxes.nth(number).hover()
        expect(page.locator(".line.pointed")).to_have_text(TRUTH["table.png"][number])
    page.mouse.move(1, 1)
    expect(page.locator(".pointed")).to_have_count(0)
    boxes.nth(3).click()
    expect(lines.nth(3)).to_be_focused()
    expect(lines.nth(3)).to_have_attribute("aria-selected", "true")
    expect(boxes.nth(3)).to_have_class(re.compile("chosen"))
    lines.nth(0).click()
    expect(boxes.nth(0)).to_have_class(re.compile("chosen"))
    expect(page.locator("polygon.chosen")).to_have_count(1)


def test_everything_is_reached_by_keyboard(visited):
    page = visited.page
    page.locator("#choose").focus()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(DATA / "table.png")
    visited.wait()
    expect(page.locator("#name")).to_be_focused()
    reached = []
    for _ in range(11):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.getAttribute('role') || "
                "document.activeElement.tagName"
            )
        )
        if reached[-1] == "option":
            break
    bar, panes = ["pdf", "another", "SUMMARY"], ["enlarge", "picture", "tab-text", "copy", "save"]
    assert reached == [*bar, *panes, "option"]
    lines, boxes = page.locator("[role=option]"), page.locator("#picture polygon")
    last = len(TRUTH["table.png"]) - 1
    for key, number in [("ArrowDown", 1), ("End", last), ("ArrowDown", last), ("ArrowUp", last - 1),
                        ("Home", 0)]:  # fmt: skip
        page.keyboard.press(key)
        expect(lines.nth(number)).to_be_focused()
        expect(boxes.nth(number)).to_have_class("chosen")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(lines.nth(0)).to_be_focused()
    page.locator("#tab-text").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#tab-json")).to_be_focused()
    expect(page.locator("#shown-text")).to_be_visible()  # until a form is chosen
    page.keyboard.press("Enter")
    expect(page.locator("#shown-json")).to_contain_text(TRUTH["table.png"][0])


def test_options_are_sent_where_they_differ_from_the_defaults(visited):
    page = visited.page
    page.get_by_text("Options").click()
    assert page.locator("#orientation option:checked").text_content().endswith("(default)")
    page.locator("#pages").fill("2")
    page.locator("#text_layer").select_option("never")
    chosen = page.evaluate("import('./web/options.js').then((options) => options.chosen())")
    assert chosen == {"pages": "2", "text_layer": "never"}
    visited.read(REPORT, "report.pdf", PDF)
    assert "Reykjavík" in visited.lines
    assert "Weather report" not in visited.lines
    page.locator("#pages").fill("1")
    page.get_by_role("button", name="Read again").click()
    expect(page.locator("#shown-text")).to_contain_text("Weather report", timeout=30_000)


def test_a_locked_pdf_is_opened_with_its_password(visited):
    page = visited.page
    visited.drop(encrypted(drawn(text_page), user="open sesame"), "locked.pdf", PDF)
    expect(page.get_by_role("alert")).to_contain_text("This PDF is locked")
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not open this PDF")
    page.locator("#password").fill("open sesame")
    page.keyboard.press("Enter")
    expect(page.locator("[role=option]").first).to_be_visible(timeout=30_000)
    expect(page.get_by_role("alert")).to_be_empty()
    assert not any("sesame" in each for each in visited.asked)
    visited.said.clear()  # the browser reports the two refusals


def test_a_page_without_text_says_so(visited):
    visited.drop(page_bytes("blank.png"))
    expect(visited.page.locator("#shown-text")).to_have_text("There is no text on this page.")


@pytest.mark.timeout(300)
def test_pages_for_which_a_request_leaves_no_time_are_asked_for_again(browser, tmp_path):
    scans = [picture(Image.open(DATA / "pages/one_column.png"))] * 20
    with (
        serving(tmp_path, OCR_THREADS="1", OCR_TIMEOUT_SECONDS="6") as server,
        visit(browser, server) as visited,
    ):
        visited.read(drawn(*scans), "scans.pdf", PDF)
        expect(visited.page.locator("#place")).to_have_text("1 of 20")
        assert len([each for each in visited.asked if each.endswith("/pages")]) > 1
        visited.page.locator("#copy").click()
        expect(visited.page.locator("#said")).to_have_text("Copied")
        texts = visited.clipboard().split("\f")
    assert len(texts) == 20
    assert set(texts) == {texts[0]}


@pytest.mark.timeout(300)
def test_a_pdf_that_takes_longer_than_a_request_is_made_as_a_job(browser, tmp_path):
    scans = [picture(Image.open(DATA / "pages/one_column.png"))] * 20
    variables = {"OCR_THREADS": "1", "OCR_TIMEOUT_SECONDS": "6", "OCR_JOBS_DIR": str(tmp_path)}
    with serving(tmp_path, **variables) as server, visit(browser, server) as visited:
        visited.read(drawn(*scans), "scans.pdf", PDF)
        name, data = saved(visited, "#pdf")
    assert name == "scans.pdf"
    with pypdfium2.PdfDocument(io.BytesIO(data)) as document:
        assert len(document) == 20
        assert len(document[19].get_textpage().get_text_bounded()) > 100


def test_the_page_speaks_chinese_to_who_does(browser, server):
    with visit(browser, server, locale="zh-CN") as visited:
        page = visited.page
        expect(page.locator("h1#title")).to_have_text("识别图片或 PDF 中的文字")
        assert page.evaluate("document.documentElement.lang") == "zh-CN"
        visited.read(page_bytes("chinese.png"), "页.png")
        assert visited.lines == TRUTH["chinese.png"]
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("button", name="Copy")).to_be_visible()
        assert visited.lines == TRUTH["chinese.png"]
        page.reload()
        expect(page.locator("h1#title")).to_have_text("Read the text in a picture or PDF")


def test_copying_works_over_plain_http_too(browser, server):
    with visit(browser, server, host=HOST) as visited:
        assert visited.page.evaluate("navigator.clipboard === undefined")
        visited.read(page_bytes("line.png"))
        visited.page.locator("#copy").click()
        expect(visited.page.locator("#said")).to_have_text("Copied")
        visited.page.get_by_text("Options").click()
        visited.page.locator("#pages").focus()
        visited.page.keyboard.press("Control+V")
        expect(visited.page.locator("#pages")).to_have_value(TRUTH["line.png"][0])


def test_what_is_read_while_more_pages_come_is_shown_already(browser, server):
    pages = [picture(Image.open(DATA / "pages/one_column.png"))] * 6
    with visit(browser, server) as visited:
        visited.drop(drawn(*pages), "scans.pdf", PDF)
        page = visited.page
        expect(page.locator("#step")).to_contain_text("of 6", timeout=30_000)
        expect(page.locator("[role=option]").first).to_be_visible(timeout=30_000)
        expect(page.locator("#under-way")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#said")).to_have_text("Stopped.")
        expect(page.locator("[role=option]").first).to_be_visible()


def test_a_small_picture_of_two_tones_has_room(visited):
    image = Image.new("RGB", (120, 40), "white")
    ImageDraw.Draw(image).rectangle((10, 10, 30, 30), fill="black")
    visited.read(encoded(image))
    assert visited.page.locator("#picture canvas").bounding_box()["width"] > 200
