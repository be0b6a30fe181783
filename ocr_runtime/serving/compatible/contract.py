"""What the contract of another service consists of: its addresses, and how it words errors.

    Contract --> Address, one for each address of that service
                    request --handle--> answer, with the help of `Reader`
    OCRError --refusal--> an error as that service words it

A contract is one module of this folder, which ends with its `Contract`; `contracts.py` lists them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from ocr_runtime.errors import OCRError
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.endpoints import Endpoint


@dataclass(frozen=True, kw_only=True)
class Address:
    """An address of a contract.

    Args:
        method: of HTTP.
        path: as Starlette's routes have it, such as "/v1/result/{id}".
        handle: answers a request. An `OCRError` that it raises is worded by the contract.
        output: writes what is answered, where the address reads a document.
        later: whether a job reads it, so that the request need not be admitted to the pool.
        claims: of an address at which our own service answers too, whether the JSON of a body is
            meant for this contract.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handle: Callable[[Request, Reader], Awaitable[Response]]
    output: Endpoint | None = None
    later: bool = False
    claims: Callable[[bytes], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The addresses of another service, answered as that service does.

    Args:
        name: in the setting `OCR_COMPATIBLE`.
        addresses: all that are answered.
        refusal: words an error as that service does.
        key_headers: in which its callers send their API key, besides `Authorization: Bearer` and
            `X-API-Key`.
        key_schemes: with which its callers send their API key in `Authorization`, besides
            "bearer"; in small letters.
    """

    name: str
    addresses: tuple[Address, ...]
    refusal: Callable[[OCRError], Response]
    key_headers: tuple[str, ...] = ()
    key_schemes: tuple[str, ...] = ()
