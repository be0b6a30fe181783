"""A page that was read, or why it was not -> JSON -> the same again."""

from pydantic import TypeAdapter

from ocr_runtime.reading.page import Page, UnreadPage

_PAGE: TypeAdapter[Page | UnreadPage] = TypeAdapter(Page | UnreadPage)


def to_json(page: Page | UnreadPage) -> bytes:
    """Write a page as JSON, from which `from_json` makes an equal one."""
    return _PAGE.dump_json(page, exclude_defaults=True)


def from_json(content: bytes) -> Page | UnreadPage:
    """Make the page again that `to_json` was given."""
    return _PAGE.validate_json(content)
