"""What the modules for single formats return: an encoded image, ready for Pillow."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EncodedImage:
    """An encoded image, and what its file states that Pillow is not asked for.

    Args:
        data: the file without what reading its first page does not need.
        exif: the EXIF block, with or without its `Exif` prefix; empty if there is none.
        pages: how many pages or frames the file has.
        scans: of a JPEG, how many passes over its pixels it makes.
        coded_pixels: of an AVIF, how many pixels its decoder works on, whatever the file says.
        other_ending: of a JPEG without its end, `data` with other bytes in place of what is
            missing. Rows that are decoded differently from it are missing.
    """

    data: bytes
    exif: bytes = b""
    pages: int = 1
    scans: int = 1
    coded_pixels: int = 0
    other_ending: bytes | None = None
