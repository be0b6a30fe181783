"""The bytes of an image -> a document: all pages of a TIFF, all frames of a GIF, else one page."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from ocr_runtime.documents import gif, tiff
from ocr_runtime.documents.document import Limits, TextLayer
from ocr_runtime.documents.encoded import EncodedImage
from ocr_runtime.documents.gif_frames import GifScreen
from ocr_runtime.documents.images import (
    PageImage,
    decode,
    decode_prepared,
    format_of,
    page_of,
    prepare,
    refusing,
)
from ocr_runtime.documents.own_text import OwnText
from ocr_runtime.documents.page_numbers import select

_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_GIF_FRAMES = 10_000


class ImageDocument:
    """An image file as a `Document`. Each page is decoded as `images.decode` decodes the first.

    Raises:
        UnsupportedImage: not an image, or one that is damaged before its first page.
        InvalidOption, TooManyPages: see `page_numbers.select`.
    """

    def __init__(
        self,
        data: bytes,
        *,
        limits: Limits,
        pages: str | None = None,
        text_layer: TextLayer = "never",
    ) -> None:
        self.data = data
        self.password: str | None = None
        self.deadline = limits.deadline
        self._own_text = OwnText.empty() if text_layer == "only" else None
        self._max_pixels = limits.max_pixels
        self._directories: list[int] = []
        self._frames: list[gif.GifFrame] = []
        self._file = EncodedImage(data=data)
        with refusing(data):
            self.format = self._look()
        self.pages = max(1, len(self._directories), len(self._frames))
        self.numbers: Sequence[int] = select(
            pages, count=self.pages, most=limits.max_pages, clip=limits.clip_pages
        )
        self._screen: GifScreen | None = None

    def _look(self) -> str:
        """Find the pages; return the format."""
        if self.data.startswith(_TIFF_SIGNATURES):
            self._directories = tiff.page_directories(self.data)
            return "TIFF"
        self._file = prepare(self.data)
        if self.data.startswith(gif.SIGNATURES):
            self._frames = gif.frames(self.data, most=_MAX_GIF_FRAMES)
            return "GIF"
        return format_of(self._file)

    def page(self, number: int) -> PageImage:
        """Decode one page; see `images.decode` for what it raises."""
        return replace(self._decoded(number), own_text=self._own_text)

    def _decoded(self, number: int) -> PageImage:
        with refusing(self.data):
            if self._directories:
                page = tiff.with_first_directory(self.data, self._directories[number - 1])
                file = EncodedImage(data=page, pages=self.pages)
                return decode_prepared(file, max_pixels=self._max_pixels)
            if number > 1:
                return self._gif_page(number)
            page_image = decode_prepared(self._file, max_pixels=self._max_pixels)
            return replace(page_image, pages=max(page_image.pages, self.pages))

    def _gif_page(self, number: int) -> PageImage:
        self._screen = self._screen or GifScreen(
            self.data, self._frames, max_pixels=self._max_pixels
        )
        return page_of(self._screen.at(number - 1), pages=self.pages)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._screen = None


class FirstPage:
    """The first page or frame of an image as a `Document`; nothing else of it is looked at."""

    def __init__(self, data: bytes, *, limits: Limits) -> None:
        self.data = data
        self.format = ""
        self.password: str | None = None
        self.deadline = limits.deadline
        self.numbers: Sequence[int] = [1]
        self.pages = 1
        self._max_pixels = limits.max_pixels

    def page(self, _number: int) -> PageImage:
        """Decode it; see `images.decode` for what it raises."""
        return decode(self.data, max_pixels=self._max_pixels)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""
