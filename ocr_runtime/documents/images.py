"""Bytes or base64 -> an upright BGR page; trusts nothing.

image --_from_base64--> bytes --Pillow--> frame --_rgb--> colours as seen --EXIF--> page
"""

import base64
import binascii
import io
import logging
import re
import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.ExifTags import Base as Tag

from ocr_runtime.errors import ImageTooLarge, InvalidBase64, MissingImage, UnsupportedImage

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
ACCEPTED = "JPEG, PNG, WebP, BMP, TIFF or GIF"

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked on the header, before a pixel is decoded
# What Pillow has to say of damaged files is for the caller, who gets our error, not for the log.
logging.getLogger("PIL").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"PIL\.")

_NOT_AN_IMAGE = f"This is not an image in one of the formats {', '.join(FORMATS)}."
_DAMAGED = "The image is damaged or truncated."
_TOO_MANY_SCANS = "The JPEG has too many scans."
_DEEP = "Float and 32-bit or signed samples have no agreed brightness; send 8 or 16 bits a sample."

# A progressive JPEG goes over its pixels once a scan, and may have any number of 75-byte scans:
# https://libjpeg-turbo.org/pmwiki/uploads/About/TwoIssueswiththeJPEGStandard.pdf
_JPEGS = ("JPEG", "MPO")
_SCAN = b"\xff\xda"
_MAX_SCANS = 20  # of the largest image; a smaller one may have more. Encoders write about 10.

_DATA_URL = re.compile(r"\s*data:[^,]{0,256};base64,", re.IGNORECASE)
_TO_STANDARD = str.maketrans("-_", "+/", " \t\r\n\v\f")

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


@dataclass(frozen=True, kw_only=True)
class PageImage:
    """One page to be read, as a person sees it.

    Args:
        pixels: uint8, shape (H, W, 3), BGR, upright, square.
        width, height: size of the page as it was sent, in pixels, EXIF orientation applied. It is
            not that of `pixels` where the sent pixels are not square.
        pages: how many pages the document has that this is the first of.
    """

    pixels: np.ndarray
    width: int
    height: int
    pages: int = 1

    @classmethod
    def of(cls, pixels: np.ndarray) -> Self:
        """Make a page of pixels that are square already."""
        height, width = pixels.shape[:2]
        return cls(pixels=pixels, width=width, height=height)


def decode(image: bytes | str, *, max_pixels: int) -> PageImage:
    """Decode one image the way a person sees it.

    Args:
        image: an image in one of `FORMATS`, encoded; as text: its base64. Of several frames
            the first is taken. The label the client gave it is not asked.
        max_pixels: largest accepted width x height, checked on the header.

    Returns:
        The page, its pixels read-only.

    Raises:
        InvalidBase64, MissingImage: text that is not base64, or that is base64 of nothing.
        UnsupportedImage: not an image, damaged, truncated, or in no format of `FORMATS`.
        ImageTooLarge: more than `max_pixels` pixels.
    """
    data = _from_base64(image) if isinstance(image, str) else image
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as frame:
            pixels = frame.width * frame.height
            if pixels > max_pixels:
                raise ImageTooLarge(
                    f"The image has {frame.width} x {frame.height} pixels; "
                    f"at most {max_pixels} are accepted."
                )
            if frame.format in _JPEGS and data.count(_SCAN) * pixels > _MAX_SCANS * max_pixels:
                raise UnsupportedImage(_TOO_MANY_SCANS)
            frame.load()
            orientation = _orientation(frame)
            page = _rgb(frame)
    except (ImageTooLarge, UnsupportedImage, MemoryError):
        raise
    except UnidentifiedImageError as exc:
        raise UnsupportedImage(_NOT_AN_IMAGE) from exc
    except Exception as exc:  # Pillow raises a dozen unrelated kinds on damaged data (scripts/fuzz)
        raise UnsupportedImage(_DAMAGED) from exc
    if orientation in _UPRIGHT:
        page = page.transpose(_UPRIGHT[orientation])
    samples = np.frombuffer(page.tobytes("raw", "BGR"), np.uint8)
    return PageImage.of(samples.reshape(page.height, page.width, 3))


def _from_base64(text: str) -> bytes:
    prefix = _DATA_URL.match(text)
    digits = text[prefix.end() if prefix else 0 :].translate(_TO_STANDARD).rstrip("=")
    if not digits:
        raise MissingImage
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidBase64 from exc


def _orientation(frame: Image.Image) -> int:
    try:
        return int(frame.getexif().get(Tag.Orientation, 1))
    except Exception:  # noqa: BLE001, damaged EXIF turns nothing
        return 1


def _rgb(frame: Image.Image) -> Image.Image:
    """Bring any of Pillow's modes to RGB as a person sees it."""
    if frame.mode.startswith("I;16"):
        return _from_16_bit(frame)
    if frame.mode in ("I", "F"):
        raise UnsupportedImage(_DEEP)
    if frame.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(lab, srgb, "LAB", "RGB").apply(frame)
    if frame.has_transparency_data:
        return _on_ground(frame.convert("RGBA"))
    return frame.convert("RGB")


def _from_16_bit(frame: Image.Image) -> Image.Image:
    """Keep the upper 8 bits, as Pillow does for 16-bit colour.

    A TIFF may use 12 bits of the 16, or mean white by 0; Pillow leaves both as they are.
    """
    tags = getattr(frame, "tag_v2", {})
    bits = tags.get(Tag.BitsPerSample, (16,))[0]
    samples = np.asarray(frame)
    gray = (samples >> (bits - 8)).astype(np.uint8)
    if tags.get(Tag.PhotometricInterpretation) == 0:
        gray = 255 - gray
    page = Image.fromarray(gray)
    if isinstance(nothing := frame.info.get("transparency"), int):
        page = page.convert("LA")
        page.putalpha(Image.fromarray(np.where(samples == nothing, 0, 255).astype(np.uint8)))
        return _on_ground(page.convert("RGBA"))
    return page.convert("RGB")


def _on_ground(frame: Image.Image) -> Image.Image:
    """Lay a transparent RGBA frame on white, or on black where what is visible is light.

    So white text on nothing stays readable (RapidAI/RapidOCR#158, whose rule this is).
    """
    alpha = frame.getchannel("A")
    luminance = frame.convert("L").histogram(alpha.point(lambda value: 255 if value else 0))
    visible = sum(luminance)
    light = visible and sum(i * n for i, n in enumerate(luminance)) / visible >= 128
    ground = Image.new("RGB", frame.size, "black" if light else "white")
    ground.paste(frame, mask=alpha)
    return ground
