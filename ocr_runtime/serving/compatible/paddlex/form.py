"""The JSON that is sent to PaddleX's serving -> a document, and how it is to be read.

    {"file": base64, "fileType", "useDocOrientationClassify", "textRecScoreThresh", ...} --form-->

What there is: `inference/serving/schemas` of PaddleX 3.7, https://github.com/PaddlePaddle/PaddleX.
Whether the file is a PDF or an image is told by its content, whatever `fileType` says.
"""

from typing import Self

from pydantic import Field, model_validator

from ocr_runtime.reading.page import Growth, Share
from ocr_runtime.serving.compatible.sent_file import decoded, file_form
from ocr_runtime.serving.forms import ParsedForm, json_object
from ocr_runtime.serving.requests import DocumentOptions, DocumentRequest


class Options(DocumentOptions):
    """The options that mean something here, under the names that PaddleX gives them, and ours."""

    text_score: Share | None = Field(default=None, validation_alias="textRecScoreThresh")
    box_thresh: Share | None = Field(default=None, validation_alias="textDetBoxThresh")
    unclip_ratio: Growth | None = Field(default=None, validation_alias="textDetUnclipRatio")
    use_cls: bool | None = Field(default=None, validation_alias="useTextlineOrientation")
    return_word_box: bool | None = Field(default=None, validation_alias="returnWordBox")
    find_orientation: bool | None = Field(
        default=None, validation_alias="useDocOrientationClassify"
    )
    visualize: bool | None = None
    markdown_images: bool | None = Field(default=None, validation_alias="returnMarkdownImages")
    log_id: str | None = Field(default=None, validation_alias="logId")

    @model_validator(mode="after")
    def _with_orientation(self) -> Self:
        if self.orientation is not None or self.find_orientation is None:
            return self
        return self.model_copy(update={"orientation": "auto" if self.find_orientation else "0"})


class InferRequest(DocumentRequest):
    """A document, and how it is to be read."""

    options = Options


_OPTIONS = {field.validation_alias or name for name, field in Options.model_fields.items()}


def form(body: bytes) -> ParsedForm:
    """Return the fields of a request that are read.

    Raises:
        MalformedRequest: the body is not a JSON object.
        MissingImage, InvalidBase64: `file` holds nothing, a URL, or something else than text.
    """
    content = json_object(body)
    options = {name: value for name, value in content.items() if name in _OPTIONS}
    return file_form(decoded(content.get("file"), "file"), **options)
