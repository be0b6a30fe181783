"""Pages -> JSON as PaddleX answers it: the lines of each page, or its Markdown and its blocks.

    Page --write_ocr-----> {"prunedResult": {"rec_texts", "rec_scores", "rec_polys", ...}}
    Page --write_layout--> {"prunedResult": {"parsing_res_list", ...}, "markdown": {"text", ...}}

Pages of a PDF have 144 pixels per inch, as PaddleX renders them: its clients compute with that
where something stands on the page. What PaddleX leaves out where it has none, such as pictures, is
left out here too.
"""

import base64
import html
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from pydantic import BaseModel

from ocr_runtime.documents.document import Document
from ocr_runtime.errors import OCRError
from ocr_runtime.outputs import elements, markdown, picture
from ocr_runtime.outputs.elements import Element, Heading, Item, Paragraph, Table
from ocr_runtime.outputs.geometry import page_box
from ocr_runtime.reading.page import Line, Page, UnreadPage
from ocr_runtime.serving.compatible.paddlex.form import Options
from ocr_runtime.serving.compatible.paddlex.models import (
    ImageInfo,
    Label,
    LayoutRes,
    LayoutResult,
    MarkdownData,
    OcrRes,
    OcrResult,
    PagesInfo,
    ParsingRes,
    Poly,
    Size,
)
from ocr_runtime.serving.requests import RequestOptions
from ocr_runtime.serving.state import request_state
from ocr_runtime.settings import Settings

_PDF_DPI = 144
"""`PDF_RENDER_SCALE` of PaddleX, 2 pixels for each point."""


def write_ocr(
    pages: Iterable[Page | UnreadPage],
    document: Document,
    options: RequestOptions,
    _settings: Settings,
) -> Iterator[str]:
    """Write the lines of the pages, page by page."""

    def results() -> Iterator[tuple[Size, BaseModel]]:
        for page in _scaled(pages, document):
            lines = _lines(page, options)
            picture_of = _picture(page, lines, document, options)
            yield _size(page), OcrResult(pruned_result=lines, ocr_image=picture_of)

    return _answer("ocrResults", results(), document, options)


def write_layout(
    pages: Iterable[Page | UnreadPage],
    document: Document,
    options: RequestOptions,
    _settings: Settings,
) -> Iterator[str]:
    """Write the Markdown and the blocks of the pages, page by page."""
    no_images = isinstance(options, Options) and options.markdown_images is False

    def results() -> Iterator[tuple[Size, BaseModel]]:
        for page, blocks in elements.by_page(_scaled(pages, document)):
            text = markdown.write(page, blocks)
            lines, size = _lines(page, options), _size(page)
            picture_of = _picture(page, lines, document, options)
            yield (
                size,
                LayoutResult(
                    pruned_result=LayoutRes(
                        width=size.width,
                        height=size.height,
                        parsing_res_list=_parsing_res_list(blocks, size),
                        overall_ocr_res=lines,
                    ),
                    markdown=MarkdownData(text=text.rstrip("\n"), images=None if no_images else {}),
                    output_images=None if picture_of is None else {"overall_ocr_res": picture_of},
                ),
            )

    return _answer("layoutParsingResults", results(), document, options)


def _answer(
    name: str,
    results: Iterator[tuple[Size, BaseModel]],
    document: Document,
    options: RequestOptions,
) -> Iterator[str]:
    log_id = options.log_id if isinstance(options, Options) else None
    yield f'{{"logId":{json.dumps(log_id or request_state().request_id)},"result":{{"{name}":['
    sizes = []
    for index, (size, result) in enumerate(results):
        sizes.append(size)
        yield "," * (index > 0) + result.model_dump_json(by_alias=True, exclude_none=True)
    info = _info(sizes, document).model_dump_json(by_alias=True)
    yield f'],"dataInfo":{info}}},"errorCode":0,"errorMsg":"Success"}}'


def _info(sizes: list[Size], document: Document) -> ImageInfo | PagesInfo:
    if document.format == "PDF" or document.pages > 1:
        kind: Literal["pdf", "tiff"] = "pdf" if document.format == "PDF" else "tiff"
        return PagesInfo(num_pages=len(sizes), pages=sizes, type=kind)
    return ImageInfo(width=sizes[0].width, height=sizes[0].height)


def _scaled(pages: Iterable[Page | UnreadPage], document: Document) -> Iterator[Page | UnreadPage]:
    for page in pages:
        if isinstance(page, Page) and document.format == "PDF" and page.dpi:
            scale = _PDF_DPI / page.dpi
            yield page.resized(round(page.width * scale), round(page.height * scale))
        else:
            yield page


def _size(page: Page | UnreadPage) -> Size:
    if isinstance(page, UnreadPage):
        return Size(width=0, height=0)
    return Size(width=page.width, height=page.height)


def _lines(page: Page | UnreadPage, options: RequestOptions) -> OcrRes:
    lines = [] if isinstance(page, UnreadPage) else page.lines
    polys = [] if isinstance(page, UnreadPage) else [_poly(line, page) for line in lines]
    with_words = bool(options.return_word_box) or any(line.words is not None for line in lines)
    result = OcrRes(
        return_word_box=with_words,
        dt_polys=polys,
        rec_texts=[line.text or "" for line in lines],
        rec_scores=[round(line.score, 4) for line in lines],
        rec_polys=polys,
        rec_boxes=[_bounds([poly]) for poly in polys],
    )
    if with_words:
        words = [line.words or [] for line in lines]
        result.text_word = [[word.text for word in some] for some in words]
        result.text_word_boxes = [[_bounds([word.box]) for word in some] for some in words]
    if isinstance(page, UnreadPage):
        result.code, result.error = page.code, page.error
    return result


def _poly(line: Line, page: Page) -> Poly:
    return [[round(x), round(y)] for x, y in line.box or page_box(page)]


def _bounds(boxes: Iterable[Sequence[Sequence[float]]]) -> list[int]:
    """Left, top, right and bottom of some boxes, at least one."""
    x, y = zip(*(corner for box in boxes for corner in box), strict=True)
    return [round(value) for value in (min(x), min(y), max(x), max(y))]


def _picture(
    page: Page | UnreadPage, lines: OcrRes, document: Document, options: RequestOptions
) -> str | None:
    """Draw the lines of a page, if that is asked for; if it fails, say so beside its lines."""
    if isinstance(page, UnreadPage) or not (isinstance(options, Options) and options.visualize):
        return None
    try:
        return base64.b64encode(picture.write(page, document.page(page.number))).decode()
    except OCRError as exc:  # the page is decoded anew, which may fail
        lines.code, lines.error = exc.code, str(exc)
        return None


def _parsing_res_list(blocks: list[list[Element]], page: Size) -> list[ParsingRes]:
    found = []
    for index, block in enumerate(blocks):
        label, content = _block(block)
        boxes = [line.box for each in block for line in each.lines if line.box is not None]
        found.append(
            ParsingRes(
                block_label=label,
                block_content=content,
                block_bbox=_bounds(boxes) if boxes else [0, 0, page.width, page.height],
                block_id=index,
                block_order=index + 1,
            )
        )
    return found


def _block(block: list[Element]) -> tuple[Label, str]:
    """The label of a block and its text; of a table HTML, as PaddleX writes it."""
    match block:
        case [Heading(level=level, text=text)]:
            return ("doc_title" if level == 1 else "paragraph_title"), text
        case [Table() as table]:
            rows = (
                "".join(f"<td>{html.escape(cell.text)}</td>" for cell in row) for row in table.rows
            )
            inner = "".join(f"<tr>{row}</tr>" for row in rows)
            return "table", f"<html><body><table>{inner}</table></body></html>"
    return "text", "\n".join(text for each in block for text in _texts(each))


def _texts(element: Element) -> list[str]:
    match element:
        case Item(number=number, texts=[first, *others]):
            return [f"{number or '-'} {first}", *others]
        case Paragraph(texts=texts):
            return list(texts)
    return []
