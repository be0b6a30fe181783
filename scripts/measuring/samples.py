"""Files -> pages with their truth.

tests/data/pages --drawn--> the drawn pages, some of them turned or skewed
a folder         --of_folder--> each image that has a text beside it
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ocr_runtime.documents.images import PageImage, decode
from ocr_runtime.reading.page import Box

DRAWN = Path(__file__).parents[2] / "tests/data/pages"
_MAX_PIXELS = 10**9


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A page and its truth.

    Args:
        name: what it is called in reports.
        kind: of which group it is.
        page: its pixels.
        lines: its text in reading order; the cells of a table's row are one line.
        angle: degrees clockwise by which it is turned.
        words: of each line, with their boxes in pixels of `page`, corners clockwise from the top
            left of the word as it is read; empty if unknown.
    """

    name: str
    kind: str
    page: PageImage
    lines: list[str]
    angle: int = 0
    words: list[list[tuple[str, Box]]] = field(default_factory=list)

    @property
    def orientation(self) -> int:
        """The clockwise angle that brings the page upright, but for its skew."""
        return -90 * round(self.angle / 90) % 360


def of_folder(folder: Path) -> list[Sample]:
    """Load each image `NAME.*` with its lines, which stand in `NAME.txt` in reading order.

    Raises:
        FileNotFoundError: no image has a text.
    """
    samples = []
    for text in sorted(folder.glob("*.txt")):
        for image in sorted(folder.glob(f"{text.stem}.*")):
            if image.suffix not in (".txt", ".json"):
                page = decode(image.read_bytes(), max_pixels=_MAX_PIXELS)
                lines = text.read_text("utf-8").splitlines()
                samples.append(Sample(name=image.name, kind="images", page=page, lines=lines))
    if not samples:
        raise FileNotFoundError(f"{folder}: no image has a .txt of its name beside it")
    return samples


def drawn() -> list[Sample]:
    """Load the pages that `scripts.drawing` drew."""
    truth = json.loads((DRAWN / "truth.json").read_text("utf-8"))
    return [_drawn(kind, name, angle, truth["rows"][name]) for kind, name, angle in truth["pages"]]


def _drawn(kind: str, name: str, angle: int, rows: list[list[Any]]) -> Sample:
    image = Image.open(DRAWN / f"{name}.png").convert("RGB")
    shown = _turned(image, angle)
    words = [
        [(text, _box(rect, angle, image.size, shown.size)) for text, *rect in row[1:]]
        for row in rows
    ]
    return Sample(
        name=f"{name} {angle}°" if angle else name,
        kind=kind,
        page=PageImage.of(np.ascontiguousarray(np.asarray(shown)[:, :, ::-1])),
        lines=[row[0] for row in rows],
        angle=angle,
        words=words,
    )


def _turned(image: Image.Image, angle: int) -> Image.Image:
    """Turn an image clockwise; what comes in at the corners has the colour of the paper."""
    corner = image.getpixel((0, 0))
    return image.rotate(-angle, Image.Resampling.BICUBIC, expand=True, fillcolor=corner)


def _box(rect: list[int], angle: int, before: tuple[int, int], after: tuple[int, int]) -> Box:
    """Turn a box with its page, clockwise about the middle.

    Args:
        rect: left, top, right, bottom.
        angle: in degrees.
        before: width and height of the upright page.
        after: those of the page as it is turned.
    """
    left, top, right, bottom = rect
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = []
    for x, y in ((left, top), (right, top), (right, bottom), (left, bottom)):
        across, down = x - before[0] / 2, y - before[1] / 2
        corners.append(
            [
                after[0] / 2 + across * cosine - down * sine,
                after[1] / 2 + across * sine + down * cosine,
            ]
        )
    return corners
