"""The frames of a GIF -> what is on its screen at each of them.

A frame covers a part of the screen, may be transparent, and says what is to become of its part
before the next one is drawn: https://www.w3.org/Graphics/GIF/spec-gif89a.txt, 23.
"""

import io
from collections.abc import Sequence

from PIL import Image

from ocr_runtime.documents.gif import GifFrame, screen
from ocr_runtime.errors import ImageTooLarge, UnsupportedImage

_MAX_SCREENS = 20
"""How often all of the largest accepted image may be drawn until a frame is reached."""

_BACKGROUND, _PREVIOUS = 2, 3
_Box = tuple[int, int, int, int]
_Colour = tuple[int, int, int, int]


class GifScreen:
    """The screen on which the frames are drawn one after the other.

    A frame that is broken is left out of those after it.

    Args:
        data: the file.
        frames: all of its frames, at least one.
        max_pixels: largest accepted width x height of the screen and of each frame.
    """

    def __init__(self, data: bytes, frames: Sequence[GifFrame], *, max_pixels: int) -> None:
        self._data, self._frames, self._max_pixels = data, frames, max_pixels
        self._failure: Exception | None = None
        self._restored: tuple[Image.Image | _Colour, _Box] | None = None
        self._restart()

    def at(self, index: int) -> Image.Image:
        """Return what is seen once a frame is drawn, in RGBA.

        Raises:
            UnsupportedImage: this frame is broken, or reaching it is too much work.
            ImageTooLarge: the screen or the frame has more than `max_pixels` pixels.
        """
        if index + 1 < self._drawn:
            self._restart()
        while self._drawn <= index:
            self._failure = None
            self._dispose()
            try:
                self._draw(self._frames[self._drawn])
            except Exception as exc:  # noqa: BLE001 - Pillow raises many kinds; kept for who asks
                self._failure = exc
            self._drawn += 1
        if self._failure:
            raise self._failure
        return self._screen

    def _restart(self) -> None:
        first = self._frames[0]
        width, height = screen(self._data)
        size = max(width, first.left + first.width), max(height, first.top + first.height)
        self._require(size)
        self._screen = Image.new("RGBA", size)
        self._drawn, self._pixels = 0, 0
        self._failure = None
        self._restored = None

    def _require(self, size: tuple[int, int]) -> None:
        if size[0] * size[1] > self._max_pixels:
            raise ImageTooLarge(
                f"The frame has {size[0]} x {size[1]} pixels; "
                f"at most {self._max_pixels} are accepted."
            )

    def _dispose(self) -> None:
        if self._restored:
            self._screen.paste(*self._restored)
        self._restored = None

    def _draw(self, frame: GifFrame) -> None:
        size, place = (frame.width, frame.height), (frame.left, frame.top)
        self._require(size)
        self._pixels += frame.width * frame.height
        if self._pixels > _MAX_SCREENS * self._max_pixels:
            raise UnsupportedImage("The GIF has too many large frames.")
        drawn = Image.open(io.BytesIO(frame.alone(self._data)), formats=["GIF"]).convert("RGBA")
        covered = (*place, place[0] + size[0], place[1] + size[1])
        if frame.disposal == _BACKGROUND:
            self._restored = (0, 0, 0, 0), covered
        elif frame.disposal == _PREVIOUS:
            self._restored = self._screen.crop(covered), covered
        self._screen.paste(drawn, place, drawn)
