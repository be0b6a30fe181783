"""What PaddleX answers at /ocr and /layout-parsing, as models.

From `inference/serving/schemas` of PaddleX 3.7, and for what `prunedResult` holds from
`inference/pipelines/ocr/result.py` and `inference/pipelines/layout_parsing/result_v2.py`.
Coordinates are whole pixels. A box is its left, top, right and bottom edge.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Poly = list[list[int]]
"""Four corners [x, y], clockwise from the top left of the text as it is read."""

Label = Literal["doc_title", "paragraph_title", "text", "table"]


class _Camel(BaseModel):
    """Fields whose names PaddleX writes as in `fieldName`."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Size(BaseModel):
    """The size of a page, in pixels; 0 for one that was not read."""

    width: int
    height: int


class ImageInfo(Size):
    """An image of one page."""

    type: Literal["image"] = "image"


class PagesInfo(_Camel):
    """A file of several pages, or a PDF."""

    num_pages: int
    pages: list[Size]
    type: Literal["pdf", "tiff"]


class OcrRes(BaseModel):
    """The lines of a page, one value in each list for a line.

    `code` and `error` say of a page why it was not read.
    """

    text_type: Literal["general"] = "general"
    return_word_box: bool
    dt_polys: list[Poly]
    rec_texts: list[str]
    rec_scores: list[float]
    rec_polys: list[Poly]
    rec_boxes: list[list[int]]
    text_word: list[list[str]] | None = None
    text_word_boxes: list[list[list[int]]] | None = None
    code: str | None = None
    error: str | None = None


class OcrResult(_Camel):
    """A page with its lines."""

    pruned_result: OcrRes
    ocr_image: str | None = None


class ParsingRes(BaseModel):
    """A block of a page."""

    block_label: Label
    block_content: str
    block_bbox: list[int]
    block_id: int
    block_order: int


class LayoutRes(BaseModel):
    """The blocks and the lines of a page."""

    width: int
    height: int
    parsing_res_list: list[ParsingRes]
    overall_ocr_res: OcrRes


class MarkdownData(_Camel):
    """The Markdown of a page. `is_start`, `is_end`: no paragraph goes on from page to page."""

    text: str
    is_start: bool = True
    is_end: bool = True
    images: dict[str, str] | None = None


class LayoutResult(_Camel):
    """A page with its blocks."""

    pruned_result: LayoutRes
    markdown: MarkdownData
    output_images: dict[str, str] | None = None


class OcrResults(_Camel):
    """What is answered at /ocr."""

    ocr_results: list[OcrResult]
    data_info: ImageInfo | PagesInfo


class LayoutResults(_Camel):
    """What is answered at /layout-parsing."""

    layout_parsing_results: list[LayoutResult]
    data_info: ImageInfo | PagesInfo


class _Answer(_Camel):
    log_id: str
    error_code: Literal[0] = 0
    error_msg: Literal["Success"] = "Success"


class OcrAnswer(_Answer):
    """The answer at /ocr."""

    result: OcrResults


class LayoutAnswer(_Answer):
    """The answer at /layout-parsing."""

    result: LayoutResults
