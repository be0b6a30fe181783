"""The page of a PDF -> how much text it shows; the same page without text that is not seen.

Runs in the process of one document, `pdf_overlay_child`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pikepdf import (
    Array,
    ContentStreamInstruction,
    Name,
    Object,
    Operator,
    Page,
    Pdf,
    Stream,
    String,
    parse_content_stream,
    unparse_content_stream,
)

_MAX_BYTES = 1 << 20
"""Of a content stream that is looked at: some 130,000 operators, 3 s. A page of text has 50 kB."""
_MAX_DEPTH = 50
"""How far up attributes of pages are looked for; the trees of real documents have 5 levels."""
_MAX_FORMS = 100
"""How many forms of a page are looked at; OCRmyPDF puts its text into one."""

_SHOWS = {"Tj", "TJ", "'", '"'}
_UNSEEN = {3, 7}
"""Modes in which text leaves no mark: ISO 32000-1, table 106."""


class _Step(NamedTuple):
    """An operator with its operands, and the text it shows.

    Args:
        instruction: the operator.
        bytes: how long its text is; two for each character in most fonts of many characters.
        font: in which it is shown; None if unknown.
        unseen: whether the text leaves no mark.
    """

    instruction: Any
    bytes: int
    font: Object | None
    unseen: bool


def inherited(page: Page, name: str, default: Any) -> Any:
    """An attribute of a page, or of the nearest of its parents that has it."""
    node: Object = page.obj
    for _ in range(_MAX_DEPTH):
        if name in node:
            return node[name]
        if "/Parent" not in node:
            break
        node = node.Parent
    return default


def visible_characters(page: Page) -> int:
    """About how many characters a page shows as text, in its forms too."""
    return sum(
        step.bytes // (2 if step.font is not None and _is_wide(step.font) else 1)
        for content, resources in _contents(page)
        for step in _steps(content, resources)
        if not step.unseen
    )


def remove_invisible(document: Pdf, page: Page) -> None:
    """Take the text that is not seen off a page and its forms."""
    for content, resources in _contents(page):
        steps = list(_steps(content, resources))
        if not any(step.unseen and step.bytes for step in steps):
            continue
        data = unparse_content_stream(list(_left(steps)))
        if isinstance(content, Page):
            content.obj[Name.Contents] = document.make_stream(data)
        else:
            content.write(data)


def _left(steps: Iterable[_Step]) -> Iterator[Any]:
    """What is left of some steps; lines that were to begin still do."""
    for step in steps:
        if not (step.unseen and step.bytes):
            yield step.instruction
        elif str(step.instruction.operator) in ("'", '"'):
            yield ContentStreamInstruction([], Operator("T*"))


def _contents(page: Page) -> list[tuple[Any, Any]]:
    """The page and its forms, each with its resources."""
    found: list[tuple[Any, Any]] = [(page, inherited(page, "/Resources", {}))]
    seen = set()
    for _, resources in found:  # grows while it is gone through
        for form in dict(resources.get("/XObject", {})).values():
            if (
                isinstance(form, Stream)
                and form.get("/Subtype") == Name.Form
                and form.objgen not in seen
                and len(found) < _MAX_FORMS
            ):
                seen.add(form.objgen)
                found.append((form, form.get("/Resources", resources)))
    return [part for part in found if _may_have_text(part[0])]


def _may_have_text(content: Page | Object) -> bool:
    """Whether a content stream begins a text, and is not too long to be looked at."""
    contents = content.obj.get("/Contents", ()) if isinstance(content, Page) else content
    streams = [contents] if isinstance(contents, Stream) else contents
    parts = [stream.read_bytes() for stream in streams if isinstance(stream, Stream)]
    return sum(map(len, parts)) <= _MAX_BYTES and any(b"BT" in part for part in parts)


def _steps(content: Page | Object, resources: Any) -> Iterator[_Step]:
    """Go through a content stream, and follow which font and mode are set."""
    fonts = resources.get("/Font", {})
    state: tuple[Object | None, int] = (None, 0)
    stack = []
    for instruction in parse_content_stream(content):
        operator, operands = str(instruction.operator), instruction.operands
        shown = 0
        if operator == "q":
            stack.append(state)
        elif operator == "Q" and stack:
            state = stack.pop()
        elif operator == "Tr" and operands:
            state = (state[0], int(operands[0]))
        elif operator == "Tf" and operands:
            state = (fonts.get(str(operands[0])), state[1])
        elif operator in _SHOWS and operands:
            shown = _bytes(operands[-1])
        yield _Step(instruction, shown, state[0], state[1] in _UNSEEN)


def _bytes(text: Any) -> int:
    """The length of a string, or of those in the array of TJ."""
    parts = text if isinstance(text, Array) else [text]
    return sum(len(bytes(part)) for part in parts if isinstance(part, String))


def _is_wide(font: Object) -> bool:
    return font.get("/Subtype") == Name.Type0
