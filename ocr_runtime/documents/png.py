"""The bytes of a PNG -> the chunks that decide what is seen, its EXIF block, its number of frames.

Text, colour profiles and private chunks are dropped unread: nothing of them is decompressed.
"""

import struct
import zlib
from collections.abc import Iterator

from ocr_runtime.documents.encoded import EncodedImage
from ocr_runtime.errors import UnsupportedImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MAX_CHUNKS = 100_000
"""An encoder writes some 8 KiB in each chunk of pixels: chunks for 800 MB. Walking them takes less
than 0.1 s."""

_COLOUR_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_SHORTEST = {b"pHYs": 9, b"acTL": 8, b"eXIf": 8}
"""Ancillary chunks that are looked at besides tRNS, with the bytes that they have at least."""
_SHORTEST_TRANSPARENCY = {0: 2, 2: 6, 3: 1}
"""Bytes of tRNS by colour type: gray, RGB, palette. The others have an alpha channel."""


def prepare(data: bytes) -> EncodedImage:
    """Drop what does not decide what is seen, as browsers do.

    Of the ancillary chunks only transparency and pixel density reach Pillow, EXIF the caller. One
    with a wrong checksum, a wrong length or in a wrong place is ignored, as libpng does; a critical
    chunk with a wrong checksum is left in for Pillow to refuse. Orientation in XMP or in "Raw
    profile type exif" is ignored: browsers turn a PNG by its eXIf chunk only. Of an animation the
    default image is left.

    Raises:
        UnsupportedImage: it has more chunks than any encoder writes.
    """
    chunks = list(_chunks(data))
    kinds = [kind for kind, _, _ in chunks]
    before_pixels = kinds[: kinds.index(b"IDAT")] if b"IDAT" in kinds else kinds
    ancillary: dict[bytes, tuple[int, int]] = {}
    for i, (kind, start, end) in enumerate(chunks):
        in_place = kind != b"tRNS" or i < len(before_pixels)
        if kind not in ancillary and in_place and _is_usable(data, kind, start, end):
            ancillary[kind] = start, end
    needed = {ancillary[kind] for kind in (b"tRNS", b"pHYs") if kind in ancillary}
    kept = [part for kind, *part in chunks if _is_critical(kind) or tuple(part) in needed]
    bodies = {kind: data[start + 8 : end - 4] for kind, (start, end) in ancillary.items()}
    pages = min(kinds.count(b"fcTL"), int.from_bytes(bodies.get(b"acTL", b"")[:4]))
    if pages and b"fcTL" not in before_pixels:
        pages += 1  # the default image is none of the frames
    return EncodedImage(
        data=data
        if len(kept) == len(chunks)
        else b"".join([SIGNATURE, *(data[start:end] for start, end in kept)]),
        exif=bodies.get(b"eXIf", b""),
        pages=max(1, pages),
    )


def with_right_checksum(data: bytes) -> bytes | None:
    """Replace a wrong or missing checksum at the end of the compressed pixels.

    Browsers and libpng show such a picture, as all of its rows are there. Inflates the pixels once
    more, in pieces, and no further than the picture's size.

    Returns:
        The file with the right checksum; None if the checksum is not the fault.

    Raises:
        zlib.error: the compressed pixels are damaged.
    """
    chunks = list(_chunks(data))
    pixels = b"".join(data[start + 8 : end - 4] for kind, start, end in chunks if kind == b"IDAT")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    row_bytes = width * bits * _COLOUR_CHANNELS.get(colour, 4) // 8 + 2
    left = 2 * height * row_bytes  # at most: interlaced, a row is stored in several parts
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)  # without zlib's header and checksum
    checksum, rest = 1, pixels[2:]
    while not inflater.eof:
        piece = inflater.decompress(rest, 1 << 20)
        left -= len(piece)
        if not piece or left < 0:
            return None
        checksum, rest = zlib.adler32(piece, checksum), inflater.unconsumed_tail
    mended = pixels[: len(pixels) - len(inflater.unused_data)] + checksum.to_bytes(4)
    if mended == pixels:
        return None
    first = next(i for i, (kind, *_) in enumerate(chunks) if kind == b"IDAT")
    return data[: chunks[first][1]] + _chunk(b"IDAT", mended) + _chunk(b"IEND", b"")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's type, start and end up to IEND; the last may end after the data."""
    position = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        yield kind, position, end
        if kind == b"IEND":
            return
        position = end
    raise UnsupportedImage("The PNG has too many chunks.")


def _is_critical(kind: bytes) -> bool:
    return not kind[0] & 0x20


def _is_usable(data: bytes, kind: bytes, start: int, end: int) -> bool:
    """Whether a chunk is one of those that are looked at, long enough, and has its checksum."""
    shortest = _SHORTEST.get(kind)
    if kind == b"tRNS":
        shortest = _SHORTEST_TRANSPARENCY.get(data[25]) if len(data) > 25 else None
    if shortest is None or end - start < shortest + 12 or end > len(data):
        return False
    return zlib.crc32(data[start + 4 : end - 4]) == int.from_bytes(data[end - 4 : end])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
