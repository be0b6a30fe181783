"""What is sent to docling-serve -> the fields of our form.

    multipart: files and options --from_multipart--> ParsedForm
    JSON: {"sources", "options", "target"} --from_json--> ParsedForm

https://github.com/docling-project/docling-serve/blob/main/docs/usage.md
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ocr_runtime.errors import AmbiguousImage, InvalidOption, MissingImage
from ocr_runtime.serving.compatible.sent_file import decoded, file_form
from ocr_runtime.serving.forms import ParsedForm, json_object, multipart_parts
from ocr_runtime.serving.requests import DocumentOptions, DocumentRequest

WRITTEN = ("md", "json", "html", "text")
"""The values of `to_formats` that are written."""
NOT_WRITTEN = (
    *("doctags", "doclang", "dclx", "html_split_page"),
    *("yaml", "vtt", "chunks", "latex"),
)
"""Those that docling-serve knows beside them."""

_URLS = "URLs are never fetched: send the file as base64_string, in a source of the kind file."
_TARGET = (
    "The target must be inbody. Another one requires artifact storage to be configured, "
    "and this service has none: it answers with the content itself."
)
_ONE = "This service converts one document with each request, not several: send one file."
_LAST_PAGE = 999_999_999
"""The largest number that the option `pages` takes; docling's clients send larger ones for all."""
_LONGEST_NAME, _LONGEST_BREAK = 255, 255
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class ConvertOptions(DocumentOptions):
    """The options of a document, and how its answer is written.

    Args:
        filename: of the document.
        formats: what is written, some of `WRITTEN` and `NOT_WRITTEN`.
        page_break: what stands between pages in Markdown; None: a comment with the page's number.
    """

    clip_pages = True

    filename: str = ""
    formats: tuple[str, ...] = ("md",)
    page_break: str | None = None


class ConvertRequest(DocumentRequest):
    """A document, and how its answer is written."""

    options = ConvertOptions


def from_multipart(content_type: str, body: bytes) -> ParsedForm:
    """Read the fields of a form.

    Raises:
        OCRError: it is no form, has not exactly one file, or an option cannot be used.
    """
    files, sent = [], dict[str, list[Any]]()
    for part in multipart_parts(content_type, body):
        if part.name == "files":
            files.append(part)
        else:
            sent.setdefault(part.name, []).append(part.value.decode("utf-8", "replace"))
    if not files or not files[0].value:
        raise MissingImage("Send a file as files.")
    if len(files) > 1:
        raise AmbiguousImage(_ONE)
    if (sent.get("target_type") or ["inbody"])[-1] != "inbody":
        raise InvalidOption(_TARGET)
    return _form(files[0].value, files[0].file_name or "", sent)


def from_json(body: bytes) -> ParsedForm:
    """Read the fields of a JSON body.

    Raises:
        OCRError: it is no such JSON, has not exactly one file, or an option cannot be used.
    """
    content = json_object(body)
    target, options = content.get("target"), content.get("options")
    if isinstance(target, dict) and target.get("kind", "inbody") != "inbody":
        raise InvalidOption(_TARGET)
    if options is not None and not isinstance(options, dict):
        raise InvalidOption("options must be an object.")
    source = _only_source(content.get("sources"))
    data = decoded(source.get("base64_string"), "base64_string")
    filename = source.get("filename")
    sent = {name: value if isinstance(value, list) else [value]
            for name, value in (options or {}).items() if value is not None}  # fmt: skip
    return _form(data, filename if isinstance(filename, str) else "", sent)


def _only_source(sources: object) -> dict[str, Any]:
    if not isinstance(sources, list) or not sources:
        raise MissingImage("Send a file in sources, a list of one source of the kind file.")
    if len(sources) > 1:
        raise AmbiguousImage(_ONE)
    source = sources[0]
    kind = source.get("kind", "file") if isinstance(source, dict) else None
    if kind == "http":
        raise InvalidOption(_URLS)
    if kind != "file":
        raise InvalidOption("A source must be of the kind file.")
    return dict(source)


def _form(data: bytes, filename: str, sent: Mapping[str, Sequence[Any]]) -> ParsedForm:
    """Make the fields of our form.

    Args:
        data: the file.
        filename: as it was sent.
        sent: all options, each with the values that were sent.
    """
    fields: dict[str, Any] = {
        "filename": _clean(re.split(r"[/\\]", filename)[-1])[-_LONGEST_NAME:],
        "formats": _formats(sent.get("to_formats", ())),
        "pages": _pages(sent.get("page_range", ())),
        "page_break": _page_break(sent.get("md_page_break_placeholder", ())),
    }
    if not _switch("do_ocr", sent, default=True):
        fields["text_layer"] = "only"
    elif _switch("force_ocr", sent, default=False):
        fields["text_layer"] = "never"
    return file_form(data, "The file is empty.", **fields)


def _formats(values: Iterable[Any]) -> list[str]:
    names = [name.strip() for value in values for name in _text(value).split(",")]
    for name in names:
        if name not in (*WRITTEN, *NOT_WRITTEN):
            raise InvalidOption(f"to_formats must be some of {', '.join(WRITTEN)}.")
    return list(dict.fromkeys(names)) or ["md"]


def _pages(values: Sequence[Any]) -> str | None:
    """The range of pages, first and last, as our option `pages` has it; None: all."""
    if not values:
        return None
    numbers = [text.strip() for value in values for text in _text(value).split(",")]
    if len(numbers) != 2 or not all(re.fullmatch(r"[0-9]{1,20}", each) for each in numbers):
        raise InvalidOption("page_range must be two whole numbers: the first and the last page.")
    first, last = map(int, numbers)
    if not 1 <= first <= min(last, _LAST_PAGE):
        raise InvalidOption("page_range must begin with 1 or more, and not end before it begins.")
    if last <= _LAST_PAGE:
        return f"{first}-{last}"
    return None if first == 1 else f"{first}-"


def _page_break(values: Sequence[Any]) -> str | None:
    if not values or values[-1] == "":
        return None
    if not isinstance(values[-1], str) or len(values[-1]) > _LONGEST_BREAK:
        raise InvalidOption(
            f"md_page_break_placeholder must be text of at most {_LONGEST_BREAK} characters."
        )
    return _clean(values[-1])


def _switch(name: str, sent: Mapping[str, Sequence[Any]], *, default: bool) -> bool:
    values = sent.get(name) or [default]
    value = _text(values[-1]).strip().lower()
    if value == "":
        return default
    if value not in (*_TRUE, *_FALSE):
        raise InvalidOption(f"{name} must be true or false.")
    return value in _TRUE


def _text(value: object) -> str:
    """A value of a form, or of JSON, where a list or an object is none that any option takes."""
    return str(value) if isinstance(value, str | int | float) else "?"


def _clean(text: str) -> str:
    """Replace what JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
