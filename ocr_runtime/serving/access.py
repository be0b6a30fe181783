"""Who may ask for work.

headers --Keys.admit--> who the caller is, or Unauthorized
"""

import hashlib
import hmac
from collections.abc import Collection

from starlette.datastructures import Headers

from ocr_runtime.errors import Unauthorized


class Keys:
    """The API keys, any one of which opens all paths; without any, all are open.

    Args:
        keys: as callers send them.
        open_to_all: paths that need none; those that end in "/" with all below them.
    """

    def __init__(self, keys: Collection[str], *, open_to_all: Collection[str]) -> None:
        self._digests = [_digest(key) for key in keys]
        self._open = frozenset(open_to_all)
        self._open_below = tuple(path for path in open_to_all if path.endswith("/") and path != "/")

    def admit(self, path: str, headers: Headers) -> str | None:
        """Name the caller by its key; None if there are no keys, or the path needs none.

        Digests are compared, each with all, so that the time tells nothing of a key.

        Raises:
            Unauthorized: there is no key in `Authorization: Bearer` or `X-API-Key`, or a wrong one.
        """
        if not self._digests or path in self._open or path.startswith(self._open_below):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        given = _digest(key)
        if sum(hmac.compare_digest(given, known) for known in self._digests):
            return given.hex()
        raise Unauthorized(headers={"WWW-Authenticate": "Bearer"})


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
