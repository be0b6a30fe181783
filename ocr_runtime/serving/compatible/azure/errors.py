"""An error of ours -> as Azure Document Intelligence words it: {"error": {"code", "message"}}.

Its codes: https://learn.microsoft.com/azure/ai-services/document-intelligence/v3-error-guide. What
is wrong with a file or a parameter stands in an inner error, as there.
"""

from typing import Any

from starlette.responses import JSONResponse, Response

from ocr_runtime.errors import (
    BodyTooLarge,
    EmptyDocument,
    ImageTooLarge,
    Internal,
    InvalidBase64,
    InvalidOption,
    MissingImage,
    OCRError,
    PasswordRequired,
    TooManyPages,
    UnsupportedDocument,
    UnsupportedImage,
    by_status,
)

_BY_STATUS = {
    400: "InvalidRequest",
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    413: "InvalidRequest",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
    504: "Timeout",
    507: "InsufficientStorage",
}
_OF_REQUEST = "InvalidRequest"
_INNER: dict[type[OCRError], str] = {
    BodyTooLarge: "InvalidContentLength",
    EmptyDocument: "InvalidContent",
    ImageTooLarge: "InvalidContentDimensions",
    InvalidBase64: "InvalidContent",
    MissingImage: "InvalidContent",
    PasswordRequired: "InvalidContent",
    TooManyPages: "InvalidContentLength",
    UnsupportedDocument: "InvalidContent",
    UnsupportedImage: "InvalidContent",
}


def refusal(error: OCRError) -> Response:
    """Word an error."""
    content: dict[str, Any] = {"code": _outer(type(error)), "message": str(error)}
    inner = _INNER.get(type(error))
    if inner is not None:
        content["innererror"] = {"code": inner, "message": str(error)}
    return JSONResponse({"error": content}, status_code=error.status, headers=error.headers)


def code_of(code: str | None) -> str:
    """Azure's code of the error of a job.

    Args:
        code: ours.
    """
    known = {error.code: error for errors in by_status().values() for error in errors}
    return _outer(known.get(code or "", Internal))


def _outer(error: type[OCRError]) -> str:
    if error is InvalidOption:
        return "InvalidArgument"
    return _OF_REQUEST if error in _INNER else _BY_STATUS.get(error.status, _OF_REQUEST)
