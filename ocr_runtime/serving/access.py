"""API keys: which requests are answered, and whose they are.

path and headers --Keys.admit--> the caller's name, or Unauthorized
"""

import hashlib
import hmac
import logging
from collections.abc import Collection, Iterable

from starlette.datastructures import Headers

from ocr_runtime.errors import Unauthorized

logger = logging.getLogger("rapidocr")


def warn_if_open(keys: Collection[str]) -> None:
    """Log that everybody may call, if there are no keys; to be called once for each start."""
    if not keys:
        logger.warning("no OCR_API_KEYS are set: whoever reaches the port may call this service")


class Keys:
    """The API keys; with any one of them a caller may use every path. Without keys, all may.

    Args:
        keys: as callers send them.
        open_to_all: paths that need no key; one that ends in "/" includes all below it.
        schemes: with which a key may be sent in `Authorization`, besides "bearer".
    """

    def __init__(
        self, keys: Collection[str], *, open_to_all: Collection[str], schemes: Collection[str] = ()
    ) -> None:
        self._schemes = {"bearer", *schemes}
        self._digests = [_digest(key) for key in keys]
        self._open = frozenset(open_to_all)
        self._open_below = tuple(path for path in open_to_all if path.endswith("/") and path != "/")

    def admit(self, path: str, headers: Headers, *, more: Iterable[str] = ()) -> str | None:
        """Name the caller by its key; None if there are no keys, or the path needs none.

        Args:
            path: that is asked for.
            headers: of the request.
            more: names of headers that may hold the key, besides `Authorization` and `X-API-Key`.

        Digests are compared in constant time, and with every key, so that the time it takes
        reveals nothing about the keys.

        Raises:
            Unauthorized: `Authorization: Bearer` or `X-API-Key` holds no key, or a wrong one.
        """
        if not self._digests or path in self._open or path.startswith(self._open_below):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() in self._schemes:
            key = token.strip()
        else:
            key = next((headers[name] for name in ("x-api-key", *more) if name in headers), "")
        given = _digest(key)
        if sum(hmac.compare_digest(given, known) for known in self._digests):
            return given.hex()
        raise Unauthorized(headers={"WWW-Authenticate": "Bearer"})


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
