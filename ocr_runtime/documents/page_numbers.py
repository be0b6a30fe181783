"""The option `pages`, as "1-3,7" -> the numbers of the pages to be read."""

import re

from ocr_runtime.errors import InvalidOption, TooManyPages

_PART = re.compile(r"\s*([0-9]{1,9})\s*(?:(-)\s*([0-9]{1,9})?\s*)?", re.ASCII)
_MAX_PARTS = 10_000
_FORM = "pages must be page numbers and ranges, as 1-3,7 or 3-"


def select(pages: str | None, *, count: int, most: int, clip: bool = False) -> list[int]:
    """Return the numbers of the pages that are asked for, from 1.

    Args:
        pages: numbers and ranges, separated by commas; a range without an end goes to the last
            page. None or blank: all pages.
        count: how many pages the document has.
        most: how many may be asked for.
        clip: whether a range may end after the last page; it then ends there.

    Returns:
        In the order of the document; a page that is named twice is there once.

    Raises:
        InvalidOption: `pages` is not of this form, or names a page that the document lacks.
        TooManyPages: more than `most`.
    """
    if pages is None or not pages.strip():
        chosen: set[int] | range = range(1, count + 1)
    else:
        parts = pages.split(",")
        if len(parts) > _MAX_PARTS:
            raise InvalidOption(f"{_FORM}; there are too many.")
        chosen = set().union(*(_range(part, count, clip=clip) for part in parts))
    if len(chosen) > most:
        raise TooManyPages(_too_many(count, most, chosen=len(chosen)))
    return sorted(chosen)


def _range(part: str, count: int, *, clip: bool) -> range:
    found = _PART.fullmatch(part)
    if not found:
        shown = f", not {part.strip()[:20]!r}" if part.isprintable() else ""
        raise InvalidOption(f"{_FORM}{shown}. {_has(count)}")
    first = int(found[1])
    last = int(found[3]) if found[3] else count if found[2] else first
    if clip and found[3] and first <= count:
        last = min(last, count)
    asked = f"pages asks for {part.strip()}"
    if first < 1 or max(first, last) > count:
        raise InvalidOption(f"{asked}. {_has(count)}")
    if first > last:
        raise InvalidOption(f"{asked}, which ends before it begins. {_has(count)}")
    return range(first, last + 1)


def _has(count: int) -> str:
    return f"The document has {count} page{'s' if count != 1 else ''}."


def _too_many(count: int, most: int, *, chosen: int) -> str:
    if chosen == count:
        return (
            f"{_has(count)} At most {most} are read at once: ask for some with pages, as 1-{most}."
        )
    return f"pages asks for {chosen} pages of {count}; at most {most} are read at once."
