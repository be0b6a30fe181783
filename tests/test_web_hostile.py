"""The page at `/` with hostile names and texts: no script runs, and nothing leaves the host."""

import html

import pytest
from browsing import HOST, chromium, visit
from conftest import encoded, page_bytes
from pdfs import FONTS, drawn
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import expect
from serving import serving

pytestmark = pytest.mark.slow

MARKUP = "<img src=x onerror=alert(1)>"
SCRIPT = "<script>alert(1)</script>"
LINK = "<a href=javascript:alert(1)>click</a>"
AWAY = "<img src=http://evil.example/a.png>"
TEXTS = [SCRIPT, MARKUP, LINK, AWAY]
PDF = "application/pdf"


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def visited(browser, server):
    """The page under a name of a host, as it is seen from elsewhere."""
    with visit(browser, server, host=HOST) as opened:
        yield opened
        port = server.url.rpartition(":")[2]
        assert opened.hosts == {f"{HOST}:{port}"}
        assert opened.dialogs == []
        assert opened.said == []
        assert opened.page.locator("main img, main a[href], main script, main iframe").count() == 0


def drawn_text(*lines):
    image = Image.new("RGB", (1000, 60 + 90 * len(lines)), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(FONTS / "DejaVuSans.ttf", 40)
    for number, line in enumerate(lines):
        draw.text((40, 30 + 90 * number), line, "black", font)
    return encoded(image)


def see_all_forms(page):
    """Look at text, Markdown and JSON; return what they show."""
    shown = [page.locator("#shown-text").inner_text()]
    for form in ("Markdown", "JSON"):
        page.get_by_role("tab", name=form).click()
        expect(page.locator(f"#shown-{form.lower()}")).not_to_be_empty(timeout=30_000)
        shown.append(page.locator(f"#shown-{form.lower()}").inner_text())
    return shown


def test_a_text_that_is_markup_is_shown_as_text(visited):
    visited.read(drawn_text(*TEXTS))
    assert SCRIPT in visited.lines
    text, _, json = see_all_forms(visited.page)
    assert SCRIPT in text
    assert SCRIPT in json


def test_the_own_text_of_a_pdf_that_is_markup_is_shown_as_text(visited):
    def write(pdf):
        for number, text in enumerate(TEXTS * 4):
            pdf.text(40, 60 + 40 * number, text)

    visited.page.locator("summary").click()
    visited.page.locator("#text_layer").select_option("only")
    visited.read(drawn(write), f"{SCRIPT}.pdf", PDF)
    assert visited.lines == TEXTS * 4
    see_all_forms(visited.page)


@pytest.mark.parametrize(
    "name", [f"{MARKUP}.png", f'"><svg onload=alert(1)>{SCRIPT}', f"x{LINK}\n.png", "\u202egnp.exe"]
)
def test_a_name_that_is_markup_is_shown_as_text(name, visited):
    visited.read(page_bytes("line.png"), name)
    assert visited.page.locator("#name").text_content() == name
    visited.page.locator("#copy").click()
    with visited.page.expect_download() as download:
        visited.page.locator("#save").click()
    assert "/" not in download.value.suggested_filename


def test_a_name_that_is_markup_is_never_sent(visited):
    visited.page.evaluate("""() => {
      window.sent = [];
      const append = FormData.prototype.set;
      FormData.prototype.set = function (...field) {
        window.sent.push(field.map((each) => each instanceof Blob ? "the file" : each));
        return append.apply(this, field);
      };
    }""")
    visited.read(page_bytes("line.png"), f"{MARKUP}.png")
    assert visited.page.evaluate("window.sent") == [["file", "the file", "file"]]


def test_an_error_that_repeats_markup_is_shown_as_text(visited):
    visited.page.locator("summary").click()
    visited.page.locator("#pages").fill(MARKUP)
    visited.drop(page_bytes("line.png"), f"{SCRIPT}.png")
    alert = visited.page.get_by_role("alert")
    expect(alert).to_contain_text("<img src=x")  # the service repeats its beginning
    assert html.escape("<img src=x") in alert.inner_html()
    visited.said.clear()  # the browser reports the refusal


def test_an_svg_is_not_read_and_runs_nothing(visited):
    svg = (
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)" width="90" height="90">'
        b'<script>alert(1)</script><image href="http://evil.example/a.png" width="9" height="9"/>'
        b"</svg>"
    )
    visited.drop(svg, "page.svg", "image/svg+xml")
    expect(visited.page.get_by_role("alert")).to_contain_text("cannot be read")
    visited.said.clear()  # the browser reports the refusal


def test_a_dropped_link_or_text_is_not_followed(visited):
    before = list(visited.asked)
    prevented = visited.page.evaluate("""() => {
      const held = new DataTransfer();
      held.setData("text/uri-list", "http://evil.example/a.png");
      held.setData("text/plain", "http://evil.example/a.png");
      const event = { dataTransfer: held, bubbles: true, cancelable: true };
      return ["drop", "pages"].map((id) => {
        const drop = new DragEvent("drop", event);
        document.getElementById(id).dispatchEvent(drop);
        return drop.defaultPrevented;
      });
    }""")
    assert prevented == [True, False]  # a synthetic event has no default action; a field takes text
    expect(visited.page.locator("#start")).to_be_visible()
    assert visited.asked == before


def test_the_policy_holds_in_the_browser(browser, server):
    """If a mistake let markup in, the browser would still refuse to run and to fetch it."""
    with visit(browser, server, host=HOST) as visited:
        page = visited.page
        page.evaluate("""() => {
          const box = document.createElement("div");
          box.innerHTML = "<img src=x onerror=alert(1)><button onclick=alert(2) id=evil>x</button>";
          document.body.append(box);
          const script = document.createElement("script");
          script.textContent = "alert(3)";
          document.body.append(script);
          document.getElementById("evil").click();
        }""")
        for address in ("http://evil.example/", f"{server.url}/livez"):
            assert (
                page.evaluate(
                    "(to) => fetch(to, {mode: 'no-cors'}).then(() => 'got it', () => 'no')",
                    address,
                )
                == "no"
            )
        image = (
            "new Promise((done) => { const image = new Image(); "
            "image.onload = () => done('got it'); image.onerror = () => done('no'); "
            f"image.src = '{server.url}/from-elsewhere'; }})"
        )
        assert page.evaluate(image) == "no"
        assert "/from-elsewhere" not in server.log()
        assert visited.dialogs == []
        assert any("Content Security Policy" in each for each in visited.said)


def test_the_page_cannot_be_framed(browser, server):
    page = browser.new_page()
    page.goto(f"{server.url}/docs")
    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.evaluate("""() => {
          const frame = document.createElement("iframe");
          frame.src = "/";
          document.body.append(frame);
        }""")
    assert not any(frame.query_selector("#drop") for frame in page.frames)
    page.close()


@pytest.mark.parametrize("key", ["schlüssel-鍵", MARKUP, "a\r\nX-Evil: 1"])
def test_a_key_of_any_characters_is_only_refused(key, browser, tmp_path_factory):
    with (
        serving(tmp_path_factory.mktemp("locked"), OCR_API_KEYS="correct-key-1") as server,
        visit(browser, server, host=HOST) as visited,
    ):
        visited.page.get_by_label("API key").fill(key.replace("\r\n", " "))
        visited.drop(page_bytes("line.png"))
        expect(visited.page.get_by_role("alert")).to_contain_text("is not accepted")
        assert visited.dialogs == []
