"""What the contract of another service consists of: its addresses, and how it words errors.

    Contract --> Address, one for each address of that service
                    request --handle--> answer, with the help of `Reader`
    OCRError --refusal--> an error as that service words it

A contract is one module of this folder, or a folder whose `addresses.py` has its addresses; that
module ends with its `Contract`. `contracts.py` lists them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from ocr_runtime.errors import JobsOff, OCRError, PasswordRequired
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.endpoints import Endpoint

SENTENCES: Mapping[type[OCRError], str] = {
    JobsOff: "This service keeps no files and no results: its operator has not set OCR_JOBS_DIR.",
    PasswordRequired: "The PDF is encrypted, and there is no field for its password here: send it "
    "decrypted.",
}
"""Those of contracts that have neither our jobs nor a password."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """An address of a contract.

    Args:
        method: of HTTP.
        path: as Starlette's routes have it, such as "/v1/result/{id}".
        handle: answers a request. An `OCRError` that it raises is worded by the contract.
        output: writes what is answered, where a document is read while the caller waits, so that
            the request has to be admitted to the pool.
        claims: of an address at which our own service answers too, whether the JSON of a body is
            meant for this contract.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handle: Callable[[Request, Reader], Awaitable[Response]]
    output: Endpoint | None = None
    claims: Callable[[bytes], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The addresses of another service, answered as that service does.

    Args:
        name: in the setting `OCR_COMPATIBLE`.
        addresses: all that are answered.
        refusal: writes an error as that service does; `refuse` calls it.
        sentences: of errors whose own ones name what the contract does not have, such as an option.
        outputs: that its jobs write.
        key_headers: in which its callers send their API key, besides `Authorization: Bearer` and
            `X-API-Key`.
        key_schemes: with which its callers send their API key in `Authorization`, besides
            "bearer"; in small letters.
    """

    name: str
    addresses: tuple[Address, ...]
    refusal: Callable[[OCRError], Response]
    sentences: Mapping[type[OCRError], str] = field(default_factory=lambda: SENTENCES)
    outputs: tuple[Endpoint, ...] = ()
    key_headers: tuple[str, ...] = ()
    key_schemes: tuple[str, ...] = ()

    def refuse(self, error: OCRError) -> Response:
        """Answer with an error, in the words that fit the contract."""
        sentence = self.sentences.get(type(error))
        if sentence is not None:
            error = type(error)(sentence, headers=error.headers)
        return self.refusal(error)
