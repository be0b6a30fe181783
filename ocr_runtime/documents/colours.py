"""A decoded Pillow image of any mode -> RGB, as a person sees it."""

import numpy as np
from PIL import Image, ImageCms
from PIL.ExifTags import Base as Tag

from ocr_runtime.errors import UnsupportedImage

_NO_BRIGHTNESS = (
    "Float and 32-bit or signed samples have no agreed brightness; send 8 or 16 bits a sample."
)


def to_rgb(frame: Image.Image) -> Image.Image:
    """Convert any of Pillow's modes to RGB; transparent pixels show a background.

    Raises:
        UnsupportedImage: no brightness is agreed for such samples.
    """
    if frame.mode.startswith("I;16"):
        return _from_16_bit(frame)
    if frame.mode in ("I", "F"):
        raise UnsupportedImage(_NO_BRIGHTNESS)
    if frame.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(lab, srgb, "LAB", "RGB").apply(frame)
    if frame.mode == "La":  # gray, multiplied by alpha
        frame = frame.convert("LA")
    if frame.has_transparency_data:
        return _on_background(frame.convert("RGBA"))
    return frame.convert("RGB")


def is_invisible(frame: Image.Image) -> bool:
    """Whether an alpha channel is 0 everywhere."""
    bands = frame.getbands()
    return bands[-1] in ("A", "a") and frame.getchannel(bands[-1]).getextrema() == (0, 0)


def _from_16_bit(frame: Image.Image) -> Image.Image:
    """Keep the upper 8 bits of 16-bit gray, as Pillow does for 16-bit colour.

    A TIFF may use 12 bits of the 16, or mean white by 0; Pillow leaves both as they are.
    """
    tags = getattr(frame, "tag_v2", {})
    bits = tags.get(Tag.BitsPerSample, (16,))[0]
    samples = np.asarray(frame)
    gray = (samples >> (bits - 8)).astype(np.uint8)
    if tags.get(Tag.PhotometricInterpretation) == 0:
        gray = 255 - gray
    page = Image.fromarray(gray)
    if isinstance(transparent := frame.info.get("transparency"), int):
        page = page.convert("LA")
        page.putalpha(Image.fromarray(np.where(samples == transparent, 0, 255).astype(np.uint8)))
        return _on_background(page.convert("RGBA"))
    return page.convert("RGB")


def _on_background(frame: Image.Image) -> Image.Image:
    """Lay an RGBA image on white, or on black where its visible pixels are light on average.

    So white text on a transparent background stays readable (RapidAI/RapidOCR#158).
    """
    alpha = frame.getchannel("A")
    luminance = frame.convert("L").histogram(alpha.point(lambda value: 255 if value else 0))
    visible = sum(luminance)
    light = visible and sum(i * n for i, n in enumerate(luminance)) / visible >= 128
    background = Image.new("RGB", frame.size, "black" if light else "white")
    background.paste(frame, mask=alpha)
    return background
