"""TIFF structure in bytes -> orientation of an EXIF block, the pages, kind of transparency.

EXIF blocks and the index of a multi-picture JPEG are TIFF files without pixels. What is broken
counts as absent: the functions raise nothing.
"""

import struct
from typing import NamedTuple

_MAX_PAGES = 10_000
"""How far pages are counted: a file may claim millions, at 6 bytes each."""

_SUBFILE_TYPE, _ORIENTATION, _EXTRA_SAMPLES = 254, 274, 338
_SHORT = 3
_THUMBNAIL_OR_MASK = 0b101  # bits of the subfile type
_PREMULTIPLIED, _UNASSOCIATED = 1, 2

_MP_NUMBER, _MP_ENTRIES = 0xB001, 0xB002  # CIPA DC-007, 5.2.3
_MP_ENTRY_BYTES = 16
_MP_THUMBNAILS = (0x010001, 0x010002)


class _Entry(NamedTuple):
    """An entry of a directory; its values lie at `position` if they fit, else where that points."""

    kind: int
    number: int
    position: int


class _Tiff:
    """A TIFF or BigTIFF file. Its methods raise struct.error where the file is broken."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = {b"II*\0": "<", b"II+\0": "<", b"MM\0*": ">", b"MM\0+": ">"}.get(data[:4], "")
        if not self.order:
            raise struct.error
        self.offset_code, self.offset_bytes = ("Q", 8) if b"+" in data[:4] else ("I", 4)

    def read(self, code: str, position: int) -> int:
        """Read one number, its code as in `struct`.

        Raises:
            struct.error: it does not lie in the data.
        """
        if position > len(self.data):  # a position of 64 bits is an OverflowError to `struct`
            raise struct.error
        return int(struct.unpack_from(self.order + code, self.data, position)[0])

    def offset(self, position: int) -> int:
        """Read an offset, or a number of values, which is as long."""
        return self.read(self.offset_code, position)

    def first_directory(self) -> int:
        return self.offset(self.offset_bytes)

    def entries(self, directory: int) -> range:
        """Return the positions of a directory's entries."""
        count_code, count_bytes = ("Q", 8) if self.offset_bytes == 8 else ("H", 2)
        start, size = directory + count_bytes, 4 + 2 * self.offset_bytes
        return range(start, start + self.read(count_code, directory) * size, size)

    def entry(self, position: int) -> _Entry:
        number, value = self.offset(position + 4), position + 4 + self.offset_bytes
        return _Entry(self.read("H", position + 2), number, value)

    def find(self, tag: int) -> _Entry | None:
        """Look for a tag in the first directory."""
        for position in self.entries(self.first_directory()):
            if self.read("H", position) == tag:
                return self.entry(position)
        return None


def orientation(exif: bytes) -> int:
    """Return the orientation that an EXIF block states, 1 to 8; 1 if it states none.

    As in browsers, only a single value of type SHORT counts.
    """
    try:
        tiff = _Tiff(exif[6:] if exif.startswith(b"Exif\0") else exif)
        entry = tiff.find(_ORIENTATION)
        if entry and (entry.kind, entry.number) == (_SHORT, 1):
            value = tiff.read("H", entry.position)
            return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def page_directories(data: bytes) -> list[int]:
    """Find the directories of a TIFF's pages, up to `_MAX_PAGES`. Thumbnails and masks are none.

    The first picture always is a page: it is the one that `images.decode` reads. Where a directory
    is cut off, or said to lie behind the end of the file, it is the last one, and that page cannot
    be read.

    Returns:
        Their positions in the file, at least one.
    """
    pages: list[int] = []
    directory, seen = 0, set[int]()
    try:
        tiff = _Tiff(data)
        directory = tiff.first_directory()
        while directory and directory not in seen and len(seen) < _MAX_PAGES:
            entries = tiff.entries(directory)
            if not seen or not _is_thumbnail(tiff, entries):
                pages.append(directory)
            seen.add(directory)
            directory = tiff.offset(entries.stop)
    except struct.error:
        if directory not in seen:
            pages.append(directory)
    return pages or [directory]


def with_first_directory(data: bytes, directory: int) -> bytes:
    """Make a page the first one of its TIFF, so that Pillow reads it without looking at others.

    Args:
        data: the file.
        directory: the position of that page's directory, one of `page_directories`.
    """
    try:
        tiff = _Tiff(data)
    except struct.error:
        return data
    at = tiff.offset_bytes
    pointer = struct.pack(tiff.order + tiff.offset_code, directory)
    return data[:at] + pointer + data[2 * at :]


def _is_thumbnail(tiff: _Tiff, entries: range) -> bool:
    if not entries or tiff.read("H", entries.start) != _SUBFILE_TYPE:  # sorted, so it is the first
        return False
    kind, _, position = tiff.entry(entries.start)
    return bool(tiff.read("H" if kind == _SHORT else "I", position) & _THUMBNAIL_OR_MASK)


def count_pictures(index: bytes) -> int:
    """Count the pictures that the index of a multi-picture JPEG lists, without thumbnails."""
    try:
        tiff = _Tiff(index)
        total, entries = tiff.find(_MP_NUMBER), tiff.find(_MP_ENTRIES)
        if total is None or entries is None:
            return 1
        count = min(tiff.read("I", total.position), entries.number // _MP_ENTRY_BYTES)
        start = tiff.offset(entries.position)
        attributes = [tiff.read("I", start + _MP_ENTRY_BYTES * i) for i in range(count)]
    except struct.error:
        return 1
    return max(1, sum(each & 0xFFFFFF not in _MP_THUMBNAILS for each in attributes))


def without_premultiplication(data: bytes) -> bytes | None:
    """Declare a TIFF's colours not to be multiplied by its alpha, None if they are not.

    Where the alpha is 0 everywhere, Pillow would otherwise make all of them black.
    """
    try:
        tiff = _Tiff(data)
        entry = tiff.find(_EXTRA_SAMPLES)
        if entry is None or entry.kind != _SHORT:
            return None
        is_inline = entry.number * 2 <= tiff.offset_bytes
        position = entry.position if is_inline else tiff.offset(entry.position)
        if tiff.read("H", position) != _PREMULTIPLIED:
            return None
    except struct.error:
        return None
    value = struct.pack(tiff.order + "H", _UNASSOCIATED)
    return data[:position] + value + data[position + 2 :]
