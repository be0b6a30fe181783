"""A real browser, and what a person does with the page at `/` in it."""

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright
from serving import Server, program

HOST = "ocr.example"
"""A name, for Swagger treats 127.0.0.1 as private and shows no badge there, and browsers trust
that address as they trust HTTPS."""

DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  const held = new DataTransfer();
  held.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragover", "drop"]) {
    const event = { dataTransfer: held, bubbles: true, cancelable: true };
    document.getElementById("drop").dispatchEvent(new DragEvent(kind, event));
  }
}"""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"),
            args=["--no-sandbox", f"--host-resolver-rules=MAP {HOST} 127.0.0.1"],
        )
        yield browser
        browser.close()


@dataclass
class Visit:
    """The page at `/`, open in a browser.

    Args:
        page: of Playwright.
        asked: the address of every request that the browser made.
        said: errors and warnings in the browser's console; refusals of the policy are there too.
        dialogs: what scripts said by `alert`.
    """

    page: Page
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def drop(self, data: bytes, name: str = "page.png", kind: str = "image/png") -> None:
        """Drop a file on the page."""
        self.page.evaluate(DROP, [name, kind, base64.b64encode(data).decode()])

    def read(self, data: bytes, name: str = "page.png", kind: str = "image/png") -> None:
        """Drop a file, and wait until all of it has been read."""
        self.drop(data, name, kind)
        self.wait()

    def wait(self) -> None:
        """Wait until nothing is under way."""
        # The policy forbids `wait_for_function`, which evaluates a text in the page.
        expect(self.page.locator("#under-way")).to_be_hidden(timeout=90_000)
        expect(self.page.locator("#shown-text > *").first).to_be_attached()

    @property
    def lines(self) -> list[str]:
        """The text of the lines that are shown."""
        return self.page.locator("#shown-text [role=option]").all_text_contents()

    @property
    def hosts(self) -> set[str]:
        """The hosts that the browser asked for something."""
        return {urlsplit(each).netloc for each in self.asked if urlsplit(each).netloc}

    def clipboard(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()"))


@contextlib.contextmanager
def visit(browser: Browser, server: Server, *, host: str = "", **options: Any) -> Iterator[Visit]:
    """Open the page at `/` in a browser without a past.

    Args:
        browser: of Playwright.
        server: whose page it is.
        host: a name in place of 127.0.0.1.
        options: of `Browser.new_context`, as `locale` and `viewport`.
    """
    url = server.url.replace("127.0.0.1", host) if host else server.url
    context = browser.new_context(**{"locale": "en-US"} | options)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    visited = Visit(context.new_page())
    context.on("request", lambda request: visited.asked.append(request.url))
    visited.page.on(
        "console",
        lambda message: (
            visited.said.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    visited.page.on("pageerror", lambda error: visited.said.append(str(error)))

    def dismiss(dialog: Any) -> None:
        visited.dialogs.append(dialog.message)
        dialog.dismiss()

    visited.page.on("dialog", dismiss)
    # Playwright asks the browser to report file choosers without waiting for it, so a key that
    # is pressed right then may come first; with a listener from the start they are reported.
    visited.page.on("filechooser", lambda _: None)
    visited.page.goto(url + "/")
    visited.page.wait_for_selector("[data-ready]")
    try:
        yield visited
    finally:
        context.close()


def saved(visited: Visit, button: str) -> tuple[str, bytes]:
    """Press a button that saves a file; return its name and its bytes."""
    with visited.page.expect_download(timeout=120_000) as download:
        visited.page.locator(button).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()
