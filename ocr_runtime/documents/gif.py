"""The bytes of a GIF -> its first frame alone, or each of its frames as a file of its own."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ocr_runtime.documents.encoded import EncodedImage
from ocr_runtime.errors import UnsupportedImage

SIGNATURES = (b"GIF87a", b"GIF89a")

_MAX_BLOCKS = 1_000_000
"""How far blocks are followed, so that it takes no more than 0.2 s. A block has up to 255 bytes:
enough for 200 MB."""

_NEXT_PART = re.compile(rb"[,!;]")
_FRAME, _EXTENSION, _TRAILER = b",!;"
_GRAPHIC_CONTROL = b"!\xf9\4"


@dataclass(frozen=True, kw_only=True)
class GifFrame:
    """A frame, and what is to become of it.

    Args:
        start, end: where it lies in the file, from its separator on.
        control: the graphic control extension before it: delay, disposal and transparency.
        left, top, width, height: the part of the screen that it covers, in pixels.
    """

    start: int
    end: int
    control: bytes
    left: int
    top: int
    width: int
    height: int

    @property
    def disposal(self) -> int:
        """What follows the frame: 2, the background; 3, what was there before; else it stays."""
        return self.control[3] >> 2 & 7 if len(self.control) > 3 else 0

    def alone(self, data: bytes) -> bytes:
        """Return the frame as a file of its own, whose screen is as large as the frame."""
        header = data[:6] + struct.pack("<HH", self.width, self.height) + data[10:13]
        palette = data[13 : _header_bytes(data)]
        place = struct.pack("<HHHH", 0, 0, self.width, self.height)
        frame = b"," + place + data[self.start + 9 : self.end] + b";"
        return b"".join([header, palette, _without_disposal(self.control), frame])


def screen(data: bytes) -> tuple[int, int]:
    """Return the width and height that the header states; (0, 0) if it is cut off."""
    width, height = struct.unpack_from("<HH", data.ljust(10, b"\0"), 6)
    return int(width), int(height)


def frames(data: bytes, *, most: int) -> list[GifFrame]:
    """Find the frames, as far as the file is intact, `_MAX_BLOCKS` reach, and up to `most`."""
    found: list[GifFrame] = []
    control = b""
    for kind, start, end in _parts(data):
        if kind == _FRAME and end >= start + 10:
            left, top, width, height = struct.unpack_from("<HHHH", data, start + 1)
            place = {"left": left, "top": top, "width": width, "height": height}
            found.append(GifFrame(start=start, end=end, control=control, **place))
            control = b""
            if len(found) == most:
                break
        elif data.startswith(_GRAPHIC_CONTROL, start):
            control = data[start:end]
    return found


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
    parts = [header, _without_disposal(control), data[slice(*first)], b";"]
    return EncodedImage(data=b"".join(parts), pages=frames)


def _without_disposal(control: bytes) -> bytes:
    """Leave of a graphic control extension's flags whether there is transparency.

    Where a frame is to be disposed of, Pillow fills an image of its size when it opens the file,
    before anybody could look at that size.
    """
    return control[:3] + bytes([control[3] & 1]) + control[4:] if len(control) > 3 else control


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
