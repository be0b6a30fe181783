"""The bytes of a GIF -> its first frame alone, and how many frames it has."""

import re
from collections.abc import Iterator

from ocr_runtime.documents.encoded import EncodedImage
from ocr_runtime.errors import UnsupportedImage

SIGNATURES = (b"GIF87a", b"GIF89a")

_MAX_BLOCKS = 1_000_000
"""How far blocks are followed, so that it takes no more than 0.2 s. A block has up to 255 bytes:
enough for 200 MB."""

_NEXT_PART = re.compile(rb"[,!;]")
_FRAME, _EXTENSION, _TRAILER = b",!;"
_GRAPHIC_CONTROL = b"!\xf9\4"


def prepare(data: bytes) -> EncodedImage:
    """Drop what does not decide what is seen of the first frame: comments and later frames.

    `pages` counts as far as the file is intact and `_MAX_BLOCKS` reach.

    Raises:
        UnsupportedImage: no frame is found.
    """
    control, first, frames = b"", (0, 0), 0
    for kind, start, end in _parts(data):
        if kind == _FRAME:
            first = first if frames else (start, end)
            frames += 1
        elif not frames and data.startswith(_GRAPHIC_CONTROL, start):
            control = data[start:end]
    if not frames:
        raise UnsupportedImage
    header = data[: _header_bytes(data)]
    return EncodedImage(data=b"".join([header, control, data[slice(*first)], b";"]), pages=frames)


def _parts(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the type, start and end of each extension and frame; the last may be cut off."""
    blocks, position = 0, _header_bytes(data)
    while blocks < _MAX_BLOCKS:
        blocks += 1
        found = _NEXT_PART.search(data, position)
        if not found or found[0][0] == _TRAILER:
            return
        kind, start = found[0][0], found.start()
        try:
            position = start + 2
            if kind == _FRAME:
                position += 9 + _palette_bytes(data[start + 9])
            while (size := data[position]) and blocks < _MAX_BLOCKS:
                position += size + 1
                blocks += 1
        except IndexError:
            yield kind, start, len(data)
            return
        position += 1
        yield kind, start, position


def _header_bytes(data: bytes) -> int:
    return 13 + (_palette_bytes(data[10]) if len(data) > 10 else 0)


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
