"""The bytes or base64 of an untrusted image -> an upright BGR page with square pixels.

base64 -> bytes -> png, jpeg, gif, webp: what decides what is seen -> Pillow -> colours: RGB
    -> turned as EXIF says -> stretched to square pixels -> PageImage
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import AvifImagePlugin, Image, UnidentifiedImageError, features
from PIL.ExifTags import Base as Tag
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from ocr_runtime.documents import avif, colours, density, gif, jpeg, png, tiff, webp
from ocr_runtime.documents.base64_text import from_base64
from ocr_runtime.documents.encoded import EncodedImage
from ocr_runtime.documents.kinds import guess
from ocr_runtime.documents.own_text import OwnText
from ocr_runtime.errors import (
    ImageTooLarge,
    OCRError,
    UnsupportedImage,
)

FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "BMP",
    "TIFF",
    "GIF",
    *(["AVIF"] if features.check("avif") else []),
)
"""The accepted formats, as Pillow names them. Pillow may be built without AVIF."""

_NAMES = [name.replace("WEBP", "WebP") for name in FORMATS]
ACCEPTED = f"{', '.join(_NAMES[:-1])} or {_NAMES[-1]}"
"""The accepted formats in a sentence."""

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # requests share the cores
Image.MAX_IMAGE_PIXELS = None  # our own limit is checked on the header, before a pixel is decoded
# Callers get our errors on damaged files; Pillow's messages about them would only fill the log.
logging.getLogger("PIL").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"PIL\.")

NOT_ACCEPTED = f"This is not an image in one of the accepted formats: {ACCEPTED}."
_SIGNATURES = (
    jpeg.SIGNATURE,
    png.SIGNATURE,
    *gif.SIGNATURES,
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
)
_BMP_HEADER_BYTES = (12, 40, 52, 56, 64, 108, 124)
"""The size of its header is what tells a BMP from other files that begin with "BM"."""
_PREPARE: dict[bytes | tuple[bytes, ...], Callable[[bytes], EncodedImage]] = {
    png.SIGNATURE: png.prepare,
    jpeg.SIGNATURE: jpeg.prepare,
    gif.SIGNATURES: gif.prepare,
}
# A progressive JPEG goes over its pixels once a scan, and may have any number of 75-byte scans:
# https://libjpeg-turbo.org/pmwiki/uploads/About/TwoIssueswiththeJPEGStandard.pdf
# Encoders write about 10; an image smaller than the largest accepted one may have more.
_MAX_SCANS = 20

# Colour and alpha are coded apart; a progressive AVIF has up to four layers.
_MAX_CODINGS = 4

# https://exiftool.org/TagNames/EXIF.html, 0x0112: what brings each orientation upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_AXES_SWAPPED = (5, 6, 7, 8)


@dataclass(frozen=True, kw_only=True)
class PageImage:
    """One page to be read, as a person sees it.

    Args:
        pixels: uint8, shape (H, W, 3), BGR, upright, square pixels.
        width, height: size of the page as it was sent, in pixels, EXIF orientation applied. Differs
            from that of `pixels` if the file states other densities across than down.
        pages: how many pages or frames the document has that this is one of.
        dpi: pixels per inch of the page as it was sent, across where those down differ; None if the
            file does not say.
        own_text: the text that the file holds, to be taken in place of OCR; None if that is not
            asked for, or not to be trusted.
        check_own_text: whether some lines of it are to be read by OCR before it is taken.
    """

    pixels: np.ndarray
    width: int
    height: int
    pages: int = 1
    dpi: float | None = None
    own_text: OwnText | None = None
    check_own_text: bool = False

    @classmethod
    def of(cls, pixels: np.ndarray) -> Self:
        """Make a page of pixels that are square already."""
        height, width = pixels.shape[:2]
        return cls(pixels=pixels, width=width, height=height)


def decode(image: bytes | str, *, max_pixels: int) -> PageImage:
    """Decode one image the way a person sees it in a browser.

    Only the first page or frame is read. What browsers tolerate is read: rubbish after the end,
    wrong sizes and checksums, metadata that is broken or lies, a JPEG without its end. Truncated
    files are refused. The file is turned by its EXIF orientation, or the TIFF tag of this name;
    XMP is ignored.

    If the file states different densities across and down (a fax has 204 x 98 dpi), the axis with
    fewer dots is enlarged to make the pixels square, within `max_pixels`: `density.square_size`.

    Args:
        image: an encoded image in one of `FORMATS`; as text: its base64. Its content decides which
            format it is.
        max_pixels: largest accepted width x height, checked on the header.

    Returns:
        The page, its pixels read-only.

    Raises:
        InvalidBase64, MissingImage: text that is not base64, or that is base64 of nothing.
        UnsupportedImage: not an image, damaged, truncated, or in no format of `FORMATS`.
        ImageTooLarge: more than `max_pixels` pixels.
    """
    data = from_base64(image) if isinstance(image, str) else image
    with refusing(data):
        return decode_prepared(prepare(data), max_pixels=max_pixels)


class UnknownFormat(UnsupportedImage):
    """The bytes are no image of an accepted format."""


def is_image(data: bytes) -> bool:
    """Whether a file begins as an image of an accepted format does, whatever follows."""
    if "AVIF" in FORMATS and avif.is_avif(data):
        return True
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_BYTES:
        return True
    return data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


@contextmanager
def refusing(data: bytes) -> Iterator[None]:
    """Raise `UnsupportedImage` for what Pillow raises while it decodes this file."""
    try:
        yield
    except (OCRError, MemoryError):
        raise
    except UnidentifiedImageError as exc:
        if is_image(data):
            raise UnsupportedImage from exc
        raise UnknownFormat(NOT_ACCEPTED + guess(data)) from exc
    except Exception as exc:  # Pillow raises a dozen unrelated kinds on damaged data (scripts/fuzz)
        raise UnsupportedImage from exc


def prepare(data: bytes) -> EncodedImage:
    """Leave of a file what decides what is seen of its first page."""
    for signatures, prepare_format in _PREPARE.items():
        if data.startswith(signatures):
            return prepare_format(data)
    if "AVIF" in FORMATS and avif.is_avif(data):
        return avif.prepare(data)
    if data.startswith((b"II", b"MM")):
        return EncodedImage(data=data, pages=len(tiff.page_directories(data)))
    if data.startswith(b"RIFF"):
        return EncodedImage(data=webp.with_right_size(data))
    return EncodedImage(data=data)


def format_of(file: EncodedImage) -> str:
    """Return the format's name, one of `FORMATS`; raises what Pillow does if it is none."""
    return str(_open(file.data).format)


def decode_prepared(file: EncodedImage, *, max_pixels: int) -> PageImage:
    """Decode the first page of a prepared file; raises what Pillow does if it is damaged."""
    frame = _open(file.data)
    _require_bounded_work(frame, file, max_pixels)
    if isinstance(frame, TiffImageFile):  # Pillow turns it while loading
        orientation, left_to_turn = frame.tag_v2.get(Tag.Orientation, 1), 1
    else:
        orientation = left_to_turn = tiff.orientation(file.exif or frame.info.get("exif", b""))
    page = _colours(_load(frame, file), file)
    if left_to_turn in _UPRIGHT:
        page = page.transpose(_UPRIGHT[left_to_turn])
    width, height = page.size
    swapped = orientation in _AXES_SWAPPED
    size = density.square_size(page.size, frame.info, swapped=swapped, max_pixels=max_pixels)
    if size != page.size:
        page = page.resize(size, Image.Resampling.BICUBIC)
    return PageImage(
        pixels=_samples(page),
        width=width,
        height=height,
        pages=_pages(frame, file),
        dpi=density.dots_per_inch(frame.info, swapped=swapped),
    )


def page_of(picture: Image.Image, *, pages: int) -> PageImage:
    """Make a page of a decoded picture of any mode, upright and with square pixels."""
    pixels = _samples(colours.to_rgb(picture))
    return PageImage(pixels=pixels, width=picture.width, height=picture.height, pages=pages)


def _samples(page: Image.Image) -> np.ndarray:
    """Return an RGB image as uint8, shape (H, W, 3), BGR, read-only."""
    samples = np.frombuffer(page.tobytes("raw", "BGR"), np.uint8)
    return samples.reshape(page.height, page.width, 3)


def _open(data: bytes) -> ImageFile:
    frame = Image.open(io.BytesIO(data), formats=FORMATS)
    if isinstance(frame, TiffImageFile):
        # Else Pillow follows the pointers to other directories, and fails where they are broken.
        frame.is_animated = True
        frame.info.pop("xmp", None)  # else Pillow turns the picture by it
    return frame


def _require_bounded_work(frame: ImageFile, file: EncodedImage, max_pixels: int) -> None:
    pixels = frame.width * frame.height
    if pixels > max_pixels:
        raise ImageTooLarge(
            f"The image has {frame.width} x {frame.height} pixels; "
            f"at most {max_pixels} are accepted."
        )
    if file.coded_pixels > _MAX_CODINGS * max_pixels:
        raise UnsupportedImage("The AVIF holds more pixels than it says.")
    if file.scans * pixels > _MAX_SCANS * max_pixels:
        raise UnsupportedImage("The JPEG has too many scans.")


def _load(frame: ImageFile, file: EncodedImage) -> ImageFile:
    """Decode the pixels of an opened file.

    Raises:
        UnsupportedImage: more than the last rows are missing.
    """
    try:
        frame.load()
    except OSError:
        mended = png.with_right_checksum(file.data) if frame.format == "PNG" else None
        if not mended:
            raise
        frame = _open(mended)
        frame.load()
    if file.other_ending:
        other = np.asarray(_open(file.other_ending))
        differs = (np.asarray(frame) != other).reshape(frame.height, -1).any(axis=1)
        if differs[: -jpeg.LAST_ROWS].any():
            raise UnsupportedImage
    return frame


def _colours(frame: ImageFile, file: EncodedImage) -> Image.Image:
    """Return a loaded frame in RGB.

    BMP and TIFF files whose alpha is 0 everywhere mean to be opaque: their writers left the fourth
    byte of each pixel unused. Browsers show such a BMP so (Chromium, bmp_image_reader.cc).
    """
    if frame.format not in ("BMP", "TIFF") or not colours.is_invisible(frame):
        return colours.to_rgb(frame)
    unmultiplied = tiff.without_premultiplication(file.data)
    return (_open(unmultiplied) if unmultiplied else frame).convert("RGB")


def _pages(frame: ImageFile, file: EncodedImage) -> int:
    return int(getattr(frame, "n_frames", 1)) if frame.format == "WEBP" else file.pages
