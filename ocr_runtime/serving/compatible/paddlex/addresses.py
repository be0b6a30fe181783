"""PaddleX's basic serving of OCR and of layout parsing: a document as base64 in JSON -> its pages.

    POST /ocr             --> {"logId", "result": {"ocrResults", "dataInfo"}, "errorCode": 0, ...}
    POST /layout-parsing  --> {"logId", "result": {"layoutParsingResults", "dataInfo"}, ...}

Our own service answers at /ocr too; what is meant for this contract is told by the field `file`.
How PaddleX answers: `inference/serving/basic_serving` of PaddleX 3.7,
https://github.com/PaddlePaddle/PaddleX.
"""

import re
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ocr_runtime.errors import OCRError
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.compatible.contract import Address, Contract
from ocr_runtime.serving.compatible.paddlex import answer, models
from ocr_runtime.serving.compatible.paddlex.form import InferRequest, form
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.state import request_state

_FILE_FIELD = re.compile(rb'"file"\s{0,100}:')
_OUR_FIELDS = (b'"image_data"', b'"image_file"')

_OCR = Endpoint(
    name="paddlex-ocr",
    summary="Read the lines of each page, as PaddleX answers them.",
    request=InferRequest,
    answer=models.OcrAnswer,
    answer_description="The lines of each page.",
    example={},
    write=answer.write_ocr,
)

_LAYOUT = Endpoint(
    name="paddlex-layout-parsing",
    summary="Read each page as Markdown and as blocks, as PaddleX answers them.",
    request=InferRequest,
    answer=models.LayoutAnswer,
    answer_description="The Markdown and the blocks of each page.",
    example={},
    write=answer.write_layout,
)


async def _infer(request: Request, reader: Reader, *, output: Endpoint) -> Response:
    body = await whole_body(request)
    response: Response = await reader.read(output, lambda: form(body))
    return response


def _refusal(error: OCRError) -> Response:
    content = {
        "logId": request_state().request_id,
        "errorCode": error.status,
        "errorMsg": str(error),
    }
    return JSONResponse(content, status_code=error.status, headers=error.headers)


def _is_for_paddlex(body: bytes) -> bool:
    """Whether a JSON body has the field of PaddleX, and none of those of our own /ocr.

    It is not parsed, since this is asked in the event loop, and a large file takes long. Quotes in
    a text of JSON have a backslash before them, so what is found is the name of a field.
    """
    return bool(_FILE_FIELD.search(body)) and not any(name in body for name in _OUR_FIELDS)


CONTRACT = Contract(
    name="paddlex",
    addresses=(
        Address(
            method="POST",
            path="/ocr",
            handle=partial(_infer, output=_OCR),
            output=_OCR,
            claims=_is_for_paddlex,
        ),
        Address(
            method="POST",
            path="/layout-parsing",
            handle=partial(_infer, output=_LAYOUT),
            output=_LAYOUT,
        ),
    ),
    refusal=_refusal,
    sentences={},  # ours fit, since our fields pages and password are read
    key_schemes=("token",),  # as PaddlePaddle's own service takes it
)
