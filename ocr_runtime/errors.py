"""Every error that a caller can see: HTTP status, stable code, sentence for the caller.

    anything raised while a request is handled --> {"error": "<sentence>", "code": "<code>"}

`OCRError` is the base class; each subclass is one `code`, and its docstring says when it is
raised. docs/errors.md is generated from these classes (`scripts/reference`).

A sentence is written for the caller: it holds no path, no exception text and nothing else of the
service's inside. Any other exception is a fault of the service; it is logged, and the caller gets
`Internal`.
"""

from collections.abc import Iterable
from typing import ClassVar


class OCRError(Exception):
    """An error that a caller can see; `str(error)` is the sentence for the caller.

    Args:
        sentence: in place of the class's own, where more can be said.
        headers: sent with the answer, as `Retry-After`.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    sentence: ClassVar[str]

    def __init__(self, sentence: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence or self.sentence)
        self.headers = headers or {}

    def body(self) -> dict[str, str]:
        """Return the body of the answer, the same shape for every error."""
        return {"error": str(self), "code": self.code}


class MalformedRequest(OCRError):
    """The body is not valid multipart, form or JSON data, or an option is sent twice."""

    status, code = 400, "malformed_request"
    sentence = "The request is malformed."


class MissingImage(OCRError):
    """Neither `image_file` nor `image_data` is sent, or the one sent is empty."""

    status, code = 400, "missing_image"
    sentence = "Send an image: either image_file (a file part) or image_data (base64)."


class AmbiguousImage(OCRError):
    """Both `image_file` and `image_data` are sent, or one of them twice."""

    status, code = 400, "ambiguous_image"
    sentence = "This address takes one image: send either image_file or image_data, and only once."


class InvalidBase64(OCRError):
    """`image_data` is not base64."""

    status, code = 400, "invalid_base64"
    sentence = "image_data is not base64."


class InvalidOption(OCRError):
    """An option has a wrong type or is out of range, or all three stages are switched off."""

    status, code = 400, "invalid_option"
    sentence = "text_score must be a number from 0 to 1."


class PasswordRequired(OCRError):
    """The PDF is encrypted, and no password was sent."""

    status, code = 400, "password_required"
    sentence = "The PDF is encrypted: send its password."


class WrongPassword(OCRError):
    """The PDF is encrypted, and the password that was sent does not open it."""

    status, code = 400, "wrong_password"
    sentence = "The password does not open this PDF."


class UnknownField(OCRError):
    """`OCR_STRICT` is on, and a form field or query parameter has a name unknown here."""

    status, code = 400, "unknown_field"
    sentence = "The request has a field that this address does not know."


class Unauthorized(OCRError):
    """API keys are set (`OCR_API_KEYS`), and the request has none of them."""

    status, code = 401, "unauthorized"
    sentence = "Send an API key: Authorization: Bearer KEY, or X-API-Key: KEY."


class NotFound(OCRError):
    """The path is not served here."""

    status, code = 404, "not_found"
    sentence = "There is nothing at this address."


class JobNotFound(OCRError):
    """There is no job with this id, or not any more, or it was made with another API key."""

    status, code = 404, "job_not_found"
    sentence = "There is no such job: it was never made, is not kept any longer, or is another's."


class JobsOff(OCRError):
    """Neither `OCR_JOBS_DIR` nor `OCR_JOBS_STORE` is set."""

    status, code = 404, "jobs_off"
    sentence = "This service takes no jobs: its operator has not set OCR_JOBS_DIR."


class MethodNotAllowed(OCRError):
    """The path is served, but not for this HTTP method."""

    status, code = 405, "method_not_allowed"
    sentence = "This address does not answer this method."


class NotAcceptable(OCRError):
    """`/read` is asked for a media type that no output has."""

    status, code = 406, "not_acceptable"
    sentence = "There is no answer of a media type that the request accepts."


class SlowBody(OCRError):
    """The body did not arrive within `OCR_TIMEOUT_SECONDS`."""

    status, code = 408, "slow_body"
    sentence = "The body took too long to arrive."


class JobUnfinished(OCRError):
    """The result of a job is asked for that waits or runs."""

    status, code = 409, "job_unfinished"
    sentence = "The job is not done yet."


class JobWithoutResult(OCRError):
    """The result of a job is asked for that failed or was cancelled."""

    status, code = 409, "job_without_result"
    sentence = "The job was cancelled; it has no result."


class BodyTooLarge(OCRError):
    """The body is larger than `OCR_MAX_BODY_MB`."""

    status, code = 413, "body_too_large"
    sentence = "The body is too large."


class ImageTooLarge(OCRError):
    """The image has more pixels than `OCR_MAX_PIXELS`, by its header; it is not decoded."""

    status, code = 413, "image_too_large"
    sentence = "The image has too many pixels."


class TooManyPages(OCRError):
    """More pages of a document are asked for than `OCR_MAX_PAGES`."""

    status, code = 413, "too_many_pages"
    sentence = "The document has too many pages; ask for some of them with the option pages."


class PageTooSlow(OCRError):
    """Decoding or rendering one page of a document took longer than `OCR_PAGE_SECONDS`."""

    status, code = 413, "page_too_slow"
    sentence = "Rendering this page takes too long."


class UnsupportedMediaType(OCRError):
    """The content type is not one of those listed in api.md, or the body has a content encoding."""

    status, code = 415, "unsupported_media_type"
    sentence = "This content type is not supported."


class UnsupportedImage(OCRError):
    """The bytes are not an image, or are damaged, truncated or in a format that is not read."""

    status, code = 415, "unsupported_image"
    sentence = "The image is damaged or truncated."


class UnsupportedDocument(OCRError):
    """The bytes are neither a PDF nor an image, or a PDF or one of its pages is damaged."""

    status, code = 415, "unsupported_document"
    sentence = "The PDF is damaged or truncated."


class EmptyDocument(OCRError):
    """The PDF has no pages."""

    status, code = 415, "empty_document"
    sentence = "The document has no pages."


class Busy(OCRError):
    """The queue is full or too long to answer in time; `Retry-After` says how long to wait."""

    status, code = 429, "busy"
    sentence = "Too many requests are waiting; try again later."


class TooManyJobs(OCRError):
    """`OCR_JOBS_MAX_WAITING` jobs wait, or as many of this caller as there are places left."""

    status, code = 429, "too_many_jobs"
    sentence = "Too many jobs are waiting; try again later."


class Internal(OCRError):
    """The service failed; its log has the details under the request's `X-Request-ID`."""

    status, code = 500, "internal"
    sentence = "Something went wrong in the service; its log has the details under the request id."


class JobsUnavailable(OCRError):
    """The store of the jobs does not answer; the service's log says why."""

    status, code = 503, "jobs_unavailable"
    sentence = "Jobs cannot be stored or looked up right now; try again later."


class Timeout(OCRError):
    """The request was not answered within `OCR_TIMEOUT_SECONDS` after its body had arrived."""

    status, code = 504, "timeout"
    sentence = "The image could not be read in the time allowed."


class JobsFull(OCRError):
    """The jobs would take more than `OCR_JOBS_MAX_MB` of storage."""

    status, code = 507, "jobs_full"
    sentence = "There is no room for this job; try again later, or delete jobs that are done."


OF_JOBS = (
    JobNotFound,
    JobsOff,
    JobUnfinished,
    JobWithoutResult,
    TooManyJobs,
    JobsUnavailable,
    JobsFull,
)
"""The errors that only the addresses below /jobs answer with."""


def by_status(
    errors: Iterable[type[OCRError]] | None = None,
) -> dict[int, list[type[OCRError]]]:
    """Group errors, by default all, by HTTP status, in the order in which they are defined.

    The first class of a status is the fallback for errors that BentoML or Starlette raised.
    """
    found: dict[int, list[type[OCRError]]] = {}
    for error in OCRError.__subclasses__() if errors is None else errors:
        found.setdefault(error.status, []).append(error)
    return found
