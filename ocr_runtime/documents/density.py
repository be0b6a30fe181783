"""The pixel density that a file states -> pixels per inch, the size at which pixels are square."""

import math
from typing import Any

# Fax machines scan at 204 x 98, 204 x 196, 204 x 391 and 408 x 391 dpi, and at 100 to 1200 dpi with
# ratios of 1 and 2 (ITU-T T.30, table 2). Below the lower bound, letters are hardly distorted;
# beyond the upper ones, metadata is more likely wrong than true.
_RATIOS = (1.2, 3)
_DPI = (50, 2400)


def square_size(
    size: tuple[int, int], info: dict[Any, Any], *, swapped: bool, max_pixels: int
) -> tuple[int, int]:
    """Return the size of an image once its pixels are square.

    The axis with fewer dots per inch is enlarged. If that gave more than `max_pixels` pixels, both
    axes are scaled down to fit. A density that is implausible changes nothing.

    Args:
        size: width and height of the upright image, in pixels.
        info: Pillow's, of the file. JFIF's aspect ratio without unit is not looked at: programs
            disagree on which way round it is.
        swapped: the upright image was turned by 90 degrees, the densities are of the stored one.
        max_pixels: largest product of the returned width and height.
    """
    width, height = size
    try:
        across, down = map(float, _density(info))
        ratio = max(across, down) / min(across, down)
    except (TypeError, ValueError, ArithmeticError):  # metadata is never a reason to refuse
        return size
    if swapped:
        across, down = down, across
    if not _RATIOS[0] <= ratio <= _RATIOS[1]:  # NaN included
        return size
    shrink = min(1, math.sqrt(max_pixels / (width * height * ratio)))
    wide = int(width * shrink * (ratio if across < down else 1))
    high = int(height * shrink * (ratio if down < across else 1))
    return (wide, high) if min(wide, high) else size


def dots_per_inch(info: dict[Any, Any], *, swapped: bool) -> float | None:
    """Return how many pixels an inch has across the upright image.

    Args:
        info: Pillow's, of the file.
        swapped: the upright image was turned by 90 degrees, the densities are of the stored one.

    Returns:
        None if the file states no density, one without unit, or an implausible one.
    """
    try:
        stated = float(info["dpi"][1 if swapped else 0])
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError):
        return None
    return stated if _DPI[0] <= stated <= _DPI[1] else None


def _density(info: dict[Any, Any]) -> tuple[float, float]:
    """Return the densities across and down, in any unit; equal ones if the file states none."""
    if dpi := info.get("dpi"):
        across, down = map(float, dpi)
        return (
            (across, down) if all(_DPI[0] <= each <= _DPI[1] for each in (across, down)) else (1, 1)
        )
    # Without unit: PNG's pixels per unknown unit, TIFF's resolution.
    across, down = info.get("aspect") or info.get("resolution") or (1, 1)
    return across, down
