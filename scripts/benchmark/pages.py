"""Pages drawn for a measurement: any size, so many lines of text."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def drawn(width: int, height: int, lines: int) -> np.ndarray:
    """Draw black lines on white; uint8, shape (height, width, 3)."""
    page = Image.new("RGB", (width, height), "white")
    font = ImageFont.load_default(20)
    for number in range(lines):
        text = f"line number {number} of a drawn page"
        ImageDraw.Draw(page).text((30, 20 + number * 32), text, "black", font)
    return np.asarray(page)


def png(page: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(page).save(file, "PNG", compress_level=1)
    return file.getvalue()
