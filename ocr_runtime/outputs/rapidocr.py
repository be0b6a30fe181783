"""Page -> the dict that rapidocr_api answers.

Page --write--> {"0": {"rec_txt", "dt_boxes", "score"}, "1": ...}
"""

from typing import Annotated, Any, Literal, Required

from pydantic import ConfigDict, Field, RootModel
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from ocr_runtime.reading.page import Box, Page

EXAMPLE: dict[str, Any] = {
    "0": {
        "rec_txt": "香港深圳抽血，",  # noqa: RUF001
        "dt_boxes": [[265.0, 18.0], [472.0, 231.0], [431.0, 271.0], [223.0, 59.0]],
        "score": "0.8176",
    }
}

Score = Annotated[
    str | float,
    Field(description="Confidence of the last stage that ran, 0 to 1; four decimals as a string."),
]
DtBoxes = Annotated[
    Box, Field(description="Four corners [x, y] in pixels, clockwise from top left.")
]


class WordEntry(TypedDict):
    """A part of a line."""

    txt: str
    score: Score
    box: DtBoxes


class Entry(TypedDict, total=False):
    """One line of text."""

    rec_txt: Annotated[str, Field(description="The text read.")]
    dt_boxes: DtBoxes
    cls_label: Annotated[
        Literal["0", "180"],
        Field(description="The direction, where only classification was asked for."),
    ]
    score: Required[Score]
    words: list[WordEntry]


class OCRAnswer(RootModel[dict[str, Entry]]):
    """The lines by their number, from "0" upwards; `{}` where there is no text."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})


def write(page: Page, *, score_format: Literal["string", "number"]) -> OCRAnswer:
    """Write the lines of a page as the original service does."""

    def shown(score: float) -> str | float:
        return f"{score:.4f}" if score_format == "string" else score

    entries: dict[str, Entry] = {}
    for number, line in enumerate(page.lines):
        entry = entries[str(number)] = Entry(score=shown(line.score))
        if line.text is not None:
            entry["rec_txt"] = line.text
        if line.box is not None:
            entry["dt_boxes"] = line.box
        if line.direction is not None:
            entry["cls_label"] = line.direction
        if line.words is not None:
            entry["words"] = [
                WordEntry(txt=word.text, score=shown(word.score), box=word.box)
                for word in line.words
            ]
    return OCRAnswer(entries)
