"""The bytes of an AVIF -> its still picture alone, and how many pixels its decoder would work on.

libavif decodes what the AV1 data says, and scales it to what the file says: a picture of 100 x 100
pixels may hold one of 16,384 x 16,384, or thousands that are never shown. So the AV1 data is looked
at: https://aomediacodec.github.io/av1-spec/, 5.3 to 5.5; the boxes around it are those of ISO/IEC
14496-12.
"""

import struct
from collections.abc import Iterator

from ocr_runtime.documents.encoded import EncodedImage
from ocr_runtime.errors import UnsupportedImage

_BRANDS = (b"avif", b"avis")
_MAX_PARTS = 10_000
"""Boxes, items and extents of a file, and frames of an item; a still picture has some dozens."""

_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6  # types of open bitstream units
_IN_FILE, _IN_META = 0, 1  # where an item's data lies

_Box = tuple[bytes, int, int]
"""Type, start and end of what a box holds."""


def is_avif(data: bytes) -> bool:
    """Whether a file says that it is an AVIF, as its first or any other of its brands."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4]), 1024, len(data))
    return any(data[at : at + 4] in _BRANDS for at in range(8, end - 3, 4) if at != 12)


def prepare(data: bytes) -> EncodedImage:
    """Drop the animation, if there is one besides the still picture.

    Raises:
        UnsupportedImage: the file's structure is broken.
    """
    try:
        top = list(_boxes(data, 0, len(data)))
        (meta,) = (box for box in top if box[0] == b"meta")
        pixels = sum(map(_coded_pixels, _items(data, meta)))
        pages = max([1, *(_samples(data, box) for box in top if box[0] == b"moov")])
    except (ValueError, IndexError, struct.error) as exc:
        raise UnsupportedImage from exc
    return EncodedImage(data=_still(data, top), pages=pages, coded_pixels=pixels)


def _still(data: bytes, top: list[_Box]) -> bytes:
    """Make boxes of an animation free space, and its brand that of a still picture."""
    still = bytearray(data)
    for kind, start, stop in top:
        if kind == b"ftyp":
            still[start:stop] = still[start:stop].replace(b"avis", b"avif")
        elif kind == b"moov":
            at = data.rindex(kind, 0, start)
            still[at : at + 4] = b"free"
    return bytes(still)


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    """Yield the boxes of a part of the file.

    Raises:
        ValueError: they do not end where the part ends, or are too many.
    """
    for _ in range(_MAX_PARTS):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        stop = start + size if size else end
        if stop > end or stop < body:
            raise ValueError
        yield kind, body, stop
        start = stop
    raise ValueError


def _inside(data: bytes, box: _Box, *path: bytes) -> Iterator[_Box]:
    """Yield the boxes that lie below a box on a path of types."""
    for each in _boxes(data, box[1], box[2]):
        if each[0] == path[0]:
            yield from _inside(data, each, *path[1:]) if path[1:] else [each]


def _samples(data: bytes, moov: _Box) -> int:
    """Return the largest number of frames of a track."""
    sizes = _inside(data, moov, b"trak", b"mdia", b"minf", b"stbl", b"stsz")
    return max((int.from_bytes(data[start + 8 : start + 12]) for _, start, _ in sizes), default=0)


def _items(data: bytes, meta: _Box) -> Iterator[bytes]:
    """Yield what each item of the file holds: AV1 data, or metadata."""
    children = list(_boxes(data, meta[1] + 4, meta[2]))  # after version and flags
    (location,) = (box for box in children if box[0] == b"iloc")
    held = [box for box in children if box[0] == b"idat"]
    most = 2 * len(data)
    for method, extents in _locations(data, location):
        source = (0, len(data)) if method == _IN_FILE else held[0][1:]
        if method not in (_IN_FILE, _IN_META):
            raise ValueError
        parts = []
        for offset, length in extents:
            start = source[0] + offset
            parts.append(data[start : start + length if length else source[1]])
            most -= len(parts[-1])
            if most < 0:
                raise ValueError
        yield b"".join(parts)


def _locations(data: bytes, location: _Box) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield where each item's data lies, and its extents: offset and length."""
    numbers = _Numbers(data, location[1], location[2])
    version = numbers.take(4) >> 24
    sizes = numbers.take(2)
    offset_size, length_size, base_size, index_size = (
        sizes >> shift & 15 for shift in (12, 8, 4, 0)
    )
    left = _MAX_PARTS
    for _ in range(numbers.take(4 if version == 2 else 2)):
        numbers.take(4 if version == 2 else 2)
        method = numbers.take(2) & 15 if version else 0
        numbers.take(2)
        base = numbers.take(base_size)
        extents = []
        for _ in range(numbers.take(2)):
            left -= 1
            if left < 0:
                raise ValueError
            numbers.take(index_size if version else 0)
            extents.append((base + numbers.take(offset_size), numbers.take(length_size)))
        yield method, extents


class _Numbers:
    """Reads numbers of whole bytes one after the other."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data, self._at, self._end = data, start, end

    def take(self, size: int) -> int:
        start, self._at = self._at, self._at + size
        if self._at > self._end:
            raise ValueError
        return int.from_bytes(self._data[start : self._at])


def _coded_pixels(item: bytes) -> int:
    """Return how many pixels the frames of an item have in all, shown or not; 0 if it is no AV1."""
    largest, frames = 0, 0
    for kind, unit in _units(item):
        if kind == _SEQUENCE_HEADER:
            width, height = _frame_size(unit)
            largest = max(largest, width * height)
        frames += kind in (_FRAME_HEADER, _FRAME)
    return largest * max(1, frames)


def _units(item: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the content of each open bitstream unit."""
    at = 0
    for _ in range(_MAX_PARTS):
        if at >= len(item):
            return
        header = item[at]
        at += 2 if header & 4 else 1
        size = len(item) - at
        if header & 2:
            size = 0
            for i in range(8):
                size |= (item[at] & 0x7F) << 7 * i
                at += 1
                if not item[at - 1] & 0x80:
                    break
        yield header >> 3 & 15, item[at : at + min(size, 1 << 10)]
        at += size
    raise ValueError


class _Bits:
    """Reads numbers of some bits one after the other."""

    def __init__(self, data: bytes) -> None:
        self._number, self._left = int.from_bytes(data), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError
        return self._number >> self._left & (1 << count) - 1


def _frame_size(header: bytes) -> tuple[int, int]:
    """Return the largest width and height of a frame, from a sequence header (5.5.1)."""
    bits = _Bits(header)
    bits.take(4)  # profile, still picture
    if bits.take(1):  # a reduced header
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits.take(1):  # timing
        bits.take(64)
        if bits.take(1):  # equal intervals, in a code of as many zeros as there are bits
            zeros = 0
            while not bits.take(1):
                zeros += 1
            bits.take(zeros)
        if bits.take(1):  # decoder model
            delay_bits = bits.take(5) + 1
            bits.take(42)
    displays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if displays and bits.take(1):
            bits.take(4)
