"""The bytes of a file -> whether it is text, or what it seems to be if it is not accepted."""

import re

_ISO_BRANDS = {  # https://mp4ra.org/registered-types/brands
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "a HEIC image"
    ),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF image"),
}
_OTHER_KINDS = {
    "a PDF": re.compile(rb"[\s\S]{0,1019}%PDF-"),
    "an SVG image": re.compile(rb"[\s\S]{0,1019}<svg[\s>]", re.IGNORECASE),
    "an icon": re.compile(rb"\0\0\x01\0"),
    "a ZIP archive or an Office document": re.compile(rb"PK\x03\x04"),
}

PDF = _OTHER_KINDS["a PDF"]
"""Matches the start of a PDF, which may have other bytes before it."""


_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
_MOST_SPACE = 1024
"""How many bytes are looked at for the start of a PDF after whitespace."""


def is_text(data: bytes) -> bool:
    """Whether bytes are printable ASCII alone, as no image is, and no PDF starts here.

    A PDF may be ASCII throughout, with its streams encoded so. Text that quotes the start of a PDF
    further on is text.
    """
    if data.translate(None, _PRINTABLE):
        return False
    return not data[:_MOST_SPACE].lstrip().startswith(b"%PDF-")


def guess(data: bytes) -> str:
    """Name a common kind of file that is not accepted, in a sentence; empty if it is unknown."""
    kind = _ISO_BRANDS.get(data[8:12]) if data[4:8] == b"ftyp" else None
    kind = kind or next((name for name, start in _OTHER_KINDS.items() if start.match(data)), None)
    return f" It looks like {kind}." if kind else ""
