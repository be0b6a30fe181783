"""Files, one after the other -> a ZIP of them, in pieces: what is written is not held."""

import io
from zipfile import ZIP_STORED, ZipFile, ZipInfo


class _Pieces(io.BytesIO):
    """A file of which only what was written since the last `take` is in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._taken = 0

    def tell(self) -> int:
        return self._taken + super().tell()

    def seek(self, position: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position from the start of the whole file, which was not taken yet."""
        return self._taken + super().seek(position - self._taken, whence)

    def take(self) -> bytes:
        """Return what was written, and forget it."""
        data = self.getvalue()
        self._taken += len(data)
        super().seek(0)
        self.truncate()
        return data


class ZipPieces:
    """A ZIP file that is written piece by piece.

    Its entries are not compressed, as PNGs are already. Their sizes stand before them, so that it
    can be read as a stream too.
    """

    def __init__(self) -> None:
        self._pieces = _Pieces()
        self._zip = ZipFile(self._pieces, "w", ZIP_STORED)

    def add(self, name: str, data: bytes) -> bytes:
        """Return the piece of the file that holds an entry."""
        entry = ZipInfo(name)  # with the same date always
        entry.external_attr = 0o644 << 16
        self._zip.writestr(entry, data)
        return self._pieces.take()

    def end(self) -> bytes:
        """Return the last piece."""
        self._zip.close()
        return self._pieces.take()
