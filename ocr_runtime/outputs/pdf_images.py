"""The page of an image file -> the image as a PDF holds it, with the very pixels of the file.

JPEG --> its own bytes; PNG --> its own compressed pixels; what PDF cannot hold --> the pixels that
were read, compressed without loss.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from ocr_runtime.documents import jpeg, png, tiff
from ocr_runtime.documents.document import Document
from ocr_runtime.documents.images import PageImage
from ocr_runtime.outputs.pdf_file import Picture

_DEVICES = {1: "/DeviceGray", 3: "/DeviceRGB", 4: "/DeviceCMYK"}
_SPACES = {"/DeviceGray": b"GRAY", "/DeviceRGB": b"RGB ", "/DeviceCMYK": b"CMYK"}
"""What an ICC profile calls them: ICC.1:2022, table 19."""

_FRAMES = {0xC0, 0xC1, 0xC2}
"""Markers of the JPEGs that PDF knows: baseline, extended and progressive, all Huffman-coded."""
_ALL_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_APP2, _SOS = 0xE2, 0xDA
_ICC = b"ICC_PROFILE\0"

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1}
"""By colour type, of those without an alpha channel."""
_PALETTE = 3
_MAX_PROFILE = 4 << 20
"""Bytes of a profile; those of printing presses have up to 3 MB."""

_ROWS = 256
"""So many rows of pixels are compressed at a time."""


def embed(document: Document, page: PageImage) -> Picture:
    """Turn the page of an image file into an image of a PDF.

    Args:
        document: an image.
        page: the page, decoded.
    """
    picture = None
    if document.format == "JPEG":
        picture = _jpeg(document.data)
    elif document.format == "PNG":
        picture = _png(document.data)
    return picture or _lossless(page.pixels)


def _jpeg(data: bytes) -> Picture | None:
    """Take a JPEG as it is, without its metadata; None if PDF knows no such JPEG."""
    file = jpeg.prepare(data)
    segments = list(_segments(file.data))
    frame = next((body for marker, body in segments if marker in _ALL_FRAMES), b"")
    known = any(marker in _FRAMES for marker, _ in segments)
    if file.other_ending or not known or len(frame) < 6:
        return None
    bits, height, width, channels = struct.unpack_from(">BHHB", frame)
    if bits != 8 or channels not in _DEVICES or not height:
        return None
    # Those with four channels are stored inverted, whatever they say: Pillow, JpegImagePlugin.
    inverted = " /Decode [1 0 1 0 1 0 1 0]" if channels == 4 else ""
    device = _DEVICES[channels]
    return Picture(
        width=width,
        height=height,
        device=device,
        profile=_fitting(_jpeg_profile(data), device),
        entries=f"/BitsPerComponent 8 /Filter /DCTDecode{inverted}",
        data=file.data,
        orientation=tiff.orientation(file.exif),
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment before the pixels."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == _SOS:
            return
        yield marker, data[position + 4 : position + 2 + length]
        position += 2 + max(2, length)


def _jpeg_profile(data: bytes) -> bytes:
    """Join the parts of a profile: number and count of each follow its name (ICC.1:2022, B.4)."""
    parts = [
        body[len(_ICC) :]
        for marker, body in _segments(data)
        if marker == _APP2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2
    ]
    complete = parts and sorted(part[0] for part in parts) == [*range(1, parts[0][1] + 1)]
    return b"".join(part[2:] for part in sorted(parts)) if complete else b""


def _fitting(profile: bytes, device: str) -> bytes | None:
    """A profile if it is one, for so many channels; viewers refuse an image with another."""
    fits = len(profile) >= 128 and profile[16:20] == _SPACES[device] and profile[36:40] == b"acsp"
    return profile if fits else None


def _png(data: bytes) -> Picture | None:
    """Take the compressed pixels of a PNG; None if it is interlaced, transparent or damaged."""
    file = png.prepare(data)
    chunks = list(_chunks(file.data))
    bodies = dict(reversed(chunks))
    header = bodies.get(b"IHDR", b"")
    if len(header) != 13 or b"tRNS" in bodies:
        return None
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    channels = _PNG_CHANNELS.get(colour)
    pixels = b"".join(body for kind, body in chunks if kind == b"IDAT")
    row_bytes = 1 + (width * bits * (channels or 0) + 7) // 8
    if not channels or interlaced or not _inflates_to(pixels, height * row_bytes):
        return None
    colours, device = "{device}", _DEVICES[channels]
    if colour == _PALETTE:
        palette, device = bodies.get(b"PLTE", b""), "/DeviceRGB"
        if not palette:
            return None
        colours = f"[/Indexed {{device}} {len(palette) // 3 - 1} <{palette.hex()}>]"
    return Picture(
        width=width,
        height=height,
        colours=colours,
        device=device,
        profile=_fitting(_png_profile(data), device),
        entries=f"/BitsPerComponent {bits} /Filter /FlateDecode /DecodeParms << /Predictor 15 "
        f"/Colors {channels} /BitsPerComponent {bits} /Columns {width} >>",
        data=pixels,
        orientation=tiff.orientation(file.exif),
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and body of each chunk."""
    position = len(png.SIGNATURE)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, data[position + 8 : position + 8 + length]
        position += 12 + length


def _png_profile(data: bytes) -> bytes:
    """Inflate the profile of a PNG; it stands before its pixels, behind its name."""
    for kind, body in _chunks(data):
        if kind == b"IDAT":
            break
        if kind == b"iCCP":
            _, _, packed = body.partition(b"\0")
            try:
                return zlib.decompressobj().decompress(packed[1:], _MAX_PROFILE)
            except zlib.error:
                break
    return b""


def _inflates_to(data: bytes, size: int) -> bool:
    """Whether compressed data is intact and has this size; inflates it in pieces."""
    inflater = zlib.decompressobj()
    left = size
    try:
        while not inflater.eof and left >= 0:
            piece = inflater.decompress(data, 1 << 20)
            left -= len(piece)
            data = inflater.unconsumed_tail
            if not piece and not inflater.eof:
                return False
    except zlib.error:
        return False
    return left == 0


def _lossless(pixels: np.ndarray) -> Picture:
    """Compress pixels: one bit for each if all are black or white, a byte if all are gray.

    Each row is stored as its difference to the one above, PNG's filter "up".

    Args:
        pixels: uint8, shape (H, W, 3), BGR.
    """
    height, width = pixels.shape[:2]
    gray = all(np.array_equal(pixels[..., 0], pixels[..., other]) for other in (1, 2))
    bits = 1 if gray and np.isin(pixels[..., 0], (0, 255)).all() else 8
    compressor = zlib.compressobj()
    parts = []
    above = np.zeros((1, -(-width * (1 if gray else 3) * bits // 8)), np.uint8)
    for start in range(0, height, _ROWS):
        rows = pixels[start : start + _ROWS]
        samples = rows[..., 0] if gray else rows[..., ::-1].reshape(len(rows), -1)
        if bits == 1:
            samples = np.packbits(samples != 0, axis=1)
        filtered = samples - np.concatenate([above, samples[:-1]])
        kind = np.full((len(rows), 1), 2, np.uint8)
        parts.append(compressor.compress(np.hstack([kind, filtered]).tobytes()))
        above = samples[-1:]
    colours = 1 if gray else 3
    return Picture(
        width=width,
        height=height,
        device=_DEVICES[colours],
        entries=f"/BitsPerComponent {bits} /Filter /FlateDecode /DecodeParms << /Predictor 15 "
        f"/Colors {colours} /BitsPerComponent {bits} /Columns {width} >>",
        data=b"".join([*parts, compressor.flush()]),
    )
