"""The page at `/` for everybody: checked by axe-core, on small screens, light and dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import chromium, visit
from conftest import page_bytes
from playwright.sync_api import expect
from serving import ROOT

pytestmark = pytest.mark.slow

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
NARROW = {"viewport": {"width": 320, "height": 640}}
REPORT = (ROOT / "examples/report.pdf").read_bytes()
STATES = ["start", "options", "text", "table", "markdown", "json", "problem"]


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


def bring(visited, state):
    """Bring the page into a state."""
    page = visited.page
    if state == "options":
        page.locator("summary").click()
    elif state == "problem":
        visited.drop(b"no picture", "an unusually long name of a file without any spaces.png" * 3)
        expect(page.get_by_role("alert")).not_to_be_empty()
    elif state != "start":
        visited.read(REPORT, "report.pdf", "application/pdf")
        expect(page.locator("#picture polygon").first).to_be_attached(timeout=30_000)
        if state == "table":
            page.get_by_role("button", name="Next page").or_(
                page.get_by_role("button", name="下一页")
            ).click()
            expect(page.locator("#shown-text .table")).to_be_visible()
            page.locator("[role=option]").nth(3).click()
        if state in ("markdown", "json"):
            page.locator(f"#tab-{state}").click()
            expect(page.locator(f"#shown-{state}")).not_to_be_empty(timeout=30_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(state, scheme, browser, server):
    with visit(browser, server, color_scheme=scheme, reduced_motion="reduce", **DESKTOP) as visited:
        bring(visited, state)
        found = Axe().run(visited.page)
        assert found.response["passes"]
        assert found.violations_count == 0, found.generate_report()


def test_axe_would_find_something(browser, server):
    with visit(browser, server) as visited:
        visited.page.evaluate("document.querySelector('label[for=pages]').remove()")
        visited.page.locator("summary").click()
        visited.page.locator("#pages").evaluate("(field) => field.removeAttribute('placeholder')")
        assert Axe().run(visited.page).violations_count == 1


@pytest.mark.parametrize("screen", [PHONE, NARROW], ids=["phone", "narrow"])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("state", STATES)
def test_nothing_is_wider_than_the_screen(state, locale, screen, browser, server):
    with visit(browser, server, locale=locale, **screen) as visited:
        bring(visited, state)
        page = visited.page
        assert page.evaluate("document.documentElement.scrollWidth") == screen["viewport"]["width"]
        for button in page.locator("button:visible").all():
            box = button.bounding_box()
            assert box["x"] >= 0, button.text_content()
            assert box["x"] + box["width"] <= screen["viewport"]["width"], button.text_content()
            assert box["height"] >= 40, button.text_content()


def test_a_phone_offers_its_camera(browser, server):
    with visit(browser, server, **PHONE) as visited:
        page = visited.page
        assert page.locator("#camera").get_attribute("capture") == "environment"
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Take a photo").tap()
        chooser.value.set_files(ROOT / "tests/data/table.png")
        visited.wait()
        page.locator("#copy").tap()
        expect(page.locator("#said")).to_have_text("Copied")
    with visit(browser, server, **DESKTOP) as visited:
        expect(visited.page.get_by_role("button", name="Take a photo")).to_be_hidden()


def test_on_a_phone_the_picture_stays_in_sight_beside_the_line_that_is_tapped(browser, server):
    with visit(browser, server, **PHONE) as visited:
        visited.read(page_bytes("pages/one_column.png"))
        last = visited.page.locator("[role=option]").last
        last.tap()
        expect(visited.page.locator("polygon.chosen")).to_be_in_viewport()
        expect(last).to_be_in_viewport()


def test_the_colours_follow_the_system(browser, server):
    grounds = {}
    for scheme in ("light", "dark"):
        with visit(browser, server, color_scheme=scheme) as visited:
            grounds[scheme] = visited.page.evaluate(
                "getComputedStyle(document.body).backgroundColor"
            )
    assert grounds == {"light": "rgb(247, 247, 244)", "dark": "rgb(19, 21, 23)"}


def test_progress_and_outcome_are_announced(browser, server):
    with visit(browser, server) as visited:
        page = visited.page
        assert page.locator("[role=status]").count() == 1
        assert page.locator("[role=alert]").count() == 1
        visited.read(page_bytes("table.png"))
        expect(page.get_by_role("status")).to_contain_text("Read: ")
        expect(page.get_by_role("listbox")).to_have_attribute("aria-label", "Lines of page 1")
