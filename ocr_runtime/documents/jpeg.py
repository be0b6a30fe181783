"""The bytes of a JPEG -> the segments that decide what is seen, its EXIF block, pages and scans."""

import re
from collections.abc import Iterator

from ocr_runtime.documents import tiff
from ocr_runtime.documents.encoded import EncodedImage
from ocr_runtime.errors import UnsupportedImage

SIGNATURE = b"\xff\xd8\xff"

LAST_ROWS = 17
"""How many rows may be missing at the end: the last row of blocks, which has 16 pixels where colour
is subsampled, and the row above it, whose colour is interpolated with theirs."""

_SOS, _EOI = 0xDA, 0xD9
_APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}

# In the compressed pixels 0xFF is followed by 0x00 or is a restart marker; elsewhere it may be
# repeated before a marker (ITU-T T.81, B.1.1). 0xD8 and 0x01 have no content.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")

_MAX_SEGMENTS = 10_000
"""A file has some hundreds at most, where metadata fills many segments of 64 KiB."""

_GAIN_MAP = re.compile(rb"hdrgm:Version|^urn:iso:std:iso:ts:21496")
"""In a photo whose second picture only says how bright its parts are (Ultra HDR)."""

_END = b"\xff\xd9"
_OTHER_PIXELS = bytes(range(1, 255))
"""Compressed pixels that are unlike the gray which a decoder puts in place of missing ones."""

_Segment = tuple[int, int, int]
"""Marker, start, end. A segment that is cut off has its end beyond that of the data."""


def prepare(data: bytes) -> EncodedImage:
    """Drop the application segments and comments that do not decide what is seen.

    What follows the end marker is ignored: some phones append a video. If the end marker is
    missing, it is added, and `other_ending` set so that the caller can tell which rows are missing.
    Orientation in XMP is ignored: browsers turn a JPEG by its EXIF block only.

    Raises:
        UnsupportedImage: it has more segments than any encoder writes, or lacks whole scans.
    """
    segments = list(_segments(data))
    scans = [segment for segment in segments if segment[0] == _SOS]
    header = segments[: segments.index(scans[0])] if scans else segments
    needed = [data[start:stop] for marker, start, stop in header if _is_needed(marker, start, stop)]
    start_of_file = b"".join([data[:2], *needed])
    if not scans or scans[0][2] > len(data):
        return EncodedImage(data=start_of_file)  # Pillow refuses it, by its size or for its pixels
    marker, start, stop = segments[-1]
    end = start if stop > len(data) else stop if marker == _EOI else len(data)
    pixels, other_ending = data[scans[0][1] : end], None
    if marker != _EOI:
        _require_all_scans(data, header, [scan for scan in scans if scan[2] <= len(data)])
        pixels = pixels.rstrip(b"\xff")  # half of an escaped 0xFF, or of a marker
        other_ending = b"".join([start_of_file, pixels, _OTHER_PIXELS, _END])
        pixels += _END
    return EncodedImage(
        data=start_of_file + pixels,
        exif=_exif(data, header),
        pages=_pages(data, header),
        # A decoder that resumes at a restart marker also finds scans inside of broken pixels.
        scans=max(len(scans), pixels.count(bytes([0xFF, _SOS]))),
        other_ending=other_ending,
    )


def _segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments up to the end marker, or to the first that is cut off."""
    position = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if not found:
            return
        marker, start, position = found[1][0], found.start(), found.end()
        if marker == _EOI:
            yield marker, start, position
            return
        position += max(2, int.from_bytes(data[position : position + 2]))
        yield marker, start, position
        if position > len(data):
            return
    raise UnsupportedImage("The JPEG has too many segments.")


def _is_needed(marker: int, start: int, stop: int) -> bool:
    """Whether a segment before the first scan decides what is seen.

    JFIF says which colours are meant and at which density, Adobe's segment which colours. Both have
    a length below which decoders ignore them, and Pillow fails.
    """
    if marker == _APP0:
        return stop - start >= 2 + 14
    if marker == _APP14:
        return stop - start >= 2 + 12
    return not (_APP1 <= marker <= _APP15 or marker == _COM)


def _exif(data: bytes, header: list[_Segment]) -> bytes:
    for marker, start, stop in header:
        if marker == _APP1 and data.startswith(b"Exif\0", start + 4):
            return data[start + 4 : stop]
    return b""


def _pages(data: bytes, header: list[_Segment]) -> int:
    """Count the pictures of a multi-picture file (CIPA DC-007), 1 for any other."""
    pages = 1
    for marker, start, stop in header:
        body = data[start + 4 : stop] if marker in (_APP1, _APP2) else b""
        if _GAIN_MAP.search(body):
            return 1
        if body.startswith(b"MPF\0"):
            pages = tiff.count_pictures(body[4:])
    return pages


def _require_all_scans(data: bytes, header: list[_Segment], scans: list[_Segment]) -> None:
    """Check that a file without its end has as many scans as it needs to be complete.

    A scan has some components; in a progressive file, some of their 64 coefficients without some
    of their low bits (ITU-T T.81, B.2.2, B.2.3, G.1.1.1).
    """
    marker, start, stop = next(part for part in header if part[0] in _SOF)
    coefficients = range(64 if marker in _PROGRESSIVE else 1)
    missing = {(component, k) for component in data[start + 10 : stop : 3] for k in coefficients}
    for _, first, _ in scans:
        count = data[first + 4]
        components = data[first + 5 : first + 5 + 2 * count : 2]
        lowest, highest, bits = data[first + 5 + 2 * count : first + 8 + 2 * count]
        if marker not in _PROGRESSIVE:
            missing -= {(component, 0) for component in components}
        elif not bits & 0x0F:
            missing -= {(each, k) for each in components for k in range(lowest, highest + 1)}
    if missing:
        raise UnsupportedImage
