"""What can be wrong with a request.

    body --forms--> fields --schema--> options --decoding--> page --engine--> lines

    OCRError                           every error that a caller can see
    ├── MalformedRequest          400  the body is broken multipart or JSON
    ├── MissingImage              400  neither image_file nor image_data
    ├── AmbiguousImage            400  both of them, or one of them twice
    ├── InvalidBase64             400  image_data is not base64
    ├── InvalidOption             400  an option is not of its type or range
    ├── UnknownField              400  a field that the address does not know (OCR_STRICT)
    ├── Unauthorized              401  no API key, or a wrong one
    ├── NotFound                  404
    ├── MethodNotAllowed          405
    ├── SlowBody                  408  the body takes too long to arrive
    ├── BodyTooLarge              413  more bytes than we accept
    ├── ImageTooLarge             413  more pixels than we accept
    ├── UnsupportedMediaType      415  a content type that we do not read
    ├── UnsupportedImage          415  the bytes are not an image that we can decode
    ├── Busy                      429  the queue is full, or too long
    ├── Internal                  500  our fault; what happened is in the log only
    └── Timeout                   504  not answered in time

Each is raised with a sentence for the caller and carries nothing of the inside.
An exception that is none of these is our fault: it is logged and answered as `Internal`.
"""

from collections.abc import Iterable
from typing import ClassVar


class OCRError(Exception):
    """An error a caller can see; `str(error)` is the sentence for the caller."""

    status: ClassVar[int]
    code: ClassVar[str]
    sentence: ClassVar[str]

    def __init__(self, sentence: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence or self.sentence)
        self.headers = headers or {}

    def body(self) -> dict[str, str]:
        """The one shape of every error body."""
        return {"error": str(self), "code": self.code}


class MalformedRequest(OCRError):
    status, code = 400, "malformed_request"
    sentence = "The request is malformed."


class MissingImage(OCRError):
    status, code = 400, "missing_image"
    sentence = "Send an image: either image_file (a file part) or image_data (base64)."


class AmbiguousImage(OCRError):
    status, code = 400, "ambiguous_image"
    sentence = "/ocr takes one image: send either image_file or image_data, and only once."


class InvalidBase64(OCRError):
    status, code = 400, "invalid_base64"
    sentence = "image_data is not base64."


class InvalidOption(OCRError):
    status, code = 400, "invalid_option"
    sentence = "text_score must be a number from 0 to 1."


class UnknownField(OCRError):
    status, code = 400, "unknown_field"
    sentence = "The request has a field that this address does not know."


class Unauthorized(OCRError):
    status, code = 401, "unauthorized"
    sentence = "Send an API key: Authorization: Bearer KEY, or X-API-Key: KEY."


class NotFound(OCRError):
    status, code = 404, "not_found"
    sentence = "There is nothing at this address."


class MethodNotAllowed(OCRError):
    status, code = 405, "method_not_allowed"
    sentence = "This address does not answer this method."


class SlowBody(OCRError):
    status, code = 408, "slow_body"
    sentence = "The body took too long to arrive."


class BodyTooLarge(OCRError):
    status, code = 413, "body_too_large"
    sentence = "The body is too large."


class ImageTooLarge(OCRError):
    status, code = 413, "image_too_large"
    sentence = "The image has too many pixels."


class UnsupportedMediaType(OCRError):
    status, code = 415, "unsupported_media_type"
    sentence = "This content type is not read here."


class UnsupportedImage(OCRError):
    status, code = 415, "unsupported_image"
    sentence = "The image is damaged or truncated."


class Busy(OCRError):
    status, code = 429, "busy"
    sentence = "Too many requests are waiting; try again later."


class Internal(OCRError):
    status, code = 500, "internal"
    sentence = "Something went wrong on our side; the log knows it by the request id."


class Timeout(OCRError):
    status, code = 504, "timeout"
    sentence = "The image could not be read in the time allowed."


def by_status(
    errors: Iterable[type[OCRError]] | None = None,
) -> dict[int, list[type[OCRError]]]:
    """Group errors, by default all, by their HTTP status, in the order of the tree.

    The first of a status is the fallback for responses that BentoML or Starlette make themselves.
    """
    found: dict[int, list[type[OCRError]]] = {}
    for error in OCRError.__subclasses__() if errors is None else errors:
        found.setdefault(error.status, []).append(error)
    return found
