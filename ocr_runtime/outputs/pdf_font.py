"""The font of the invisible text of a PDF: every character is an unseen glyph, as wide as needed.

    character and width --Codes.code--> two bytes
    Codes.to_unicode, Codes.widths, Codes.glyphs --> what the codes so far mean

So text of every script can be found and copied, and no font for it is needed. Tesseract
(pdfrenderer.cpp) and OCRmyPDF do so too, with one width for all.
"""

import base64
import math
import zlib
from collections.abc import Iterator

_STEP = 1.1
"""Ratio of two neighbouring widths: so each is at most 5 % off what is needed."""
_STEPS = -31, 19
"""Exponents of the least and the greatest width, 0.052 and 6.1 by the size of the type."""

FONT_FILE = zlib.decompress(
    base64.b64decode(
        "eNpt1EFIk2EcBvDnv82tZllhohaEiEJEl1IGE2ES2SF3KNgpZCWtNcLViAhDTyPyktBlHQKhww6S0GnI"
        "8uAhQjoURFIH6dBBYoSwILtISP932/N/QfrgkWe/fd/7fXv93hcCIIwxBNB3e/pRti2+cgYIDADBv7lb"
        "U5mHuxff6xnTmlhO4eTHnl7tZc1ALv9gJrwCd9Q0n6bv3Zw6kevNAFLVz3fyUzMFxBDS7sbog7uX5t3j"
        "N5XrR0b/IBis4T9H91bDg/pMzUOvaZ7ZvdX6K/suGW7IsF7R/Cawf0zZaXwPxDUJzbgmqUlpJjVZTUEz"
        "q5nXlFq/sqJZ12xq6jpORNOv0TEkrSlqljQbelO9d0DvEchrljV6fnBEs9B8/pDeL7QKtA1pdIbCE5pt"
        "ILIIHLgBHIwBUR27fRA4dAE4PAd0fAGOXgWO/QY614CuKmdBjyiO4xRO4zxGcQlXcA0Z3MUMiniK53iJ"
        "V/r0azr3n/ENP/ALuxKSDumRfjkrMRmTy5KStOTkvszJE3kmL6Qsr6Uqb+WDfJXv8lN2ZK85/2729Ddo"
        "O9fpSsvitLi3BC3hbZw27i1JS3pL0VLeJmmT3rK0rLcCreBtljbrbZ42761EK3kr08reKrSKt3XaurdN"
        "2qa3Oq1uJpGWCZt7u8z6zRJmCbO0WdqsaFY0WzJbMtsw26AFhMbm3mazYbO8Wd5s2WzZrG5WpwVHaGxu"
        "dZgtmNXMarQQ3xdhc6vJbJXWNkRjc6vNrEoLT9DY3Go026ZFFmlsbrXS2NzqpbG51UyL2v+yfZDG5lY7"
        "jc2tfhqb2w1obG53oLG53YLG5nYPGpvbTWhdNi+N3bdhrv0DSVry6Q=="
    )
)
"""A TrueType font of 1,568 bytes, made with fontTools: 1000 units for the em, tables head, hhea,
maxp, hmtx, loca, glyf. Glyph n + 1 is as wide as the n-th of `_STEPS`. Its outline is a line from
the origin to its width and the height 1000: PDFium takes from it which place a character has."""

_LINES = 100
"""Entries of a CMap between begin and end; Adobe Technical Note 5014 allows no more."""

_CMAP = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
{entries}
endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""


class Codes:
    """The codes of one PDF: one for each character in each width in which it occurs.

    There are 65,535. Should they run out, a character gets another width, or that of U+FFFD.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, int], int] = {}

    def code(self, character: str, width: float) -> tuple[bytes, float]:
        """Find or make the code of a character.

        Args:
            character: one.
            width: how wide it is to be, by the size of the type.

        Returns:
            Its code, and how wide it is.
        """
        # XML and many programs know neither NUL nor half of a pair.
        character = (
            "\ufffd" if character == "\0" or "\ud800" <= character <= "\udfff" else character
        )
        step = round(math.log(max(width, 1e-9), _STEP))
        step = min(max(step, _STEPS[0]), _STEPS[1])
        key = character, step
        if key not in self._codes:
            if len(self._codes) >= 0xFFFF:
                key = self._nearest(character, step)
            else:
                self._codes[key] = len(self._codes) + 1
        return self._codes[key].to_bytes(2), _width(key[1]) / 1000

    def _nearest(self, character: str, step: int) -> tuple[str, int]:
        same = [key for key in self._codes if key[0] == character]
        return min(same or list(self._codes)[-1:], key=lambda key: abs(key[1] - step))

    def widths(self) -> list[int]:
        """The widths of the codes from 1 on, in thousandths of the size of the type."""
        return [_width(step) for _, step in self._codes]

    def glyphs(self) -> bytes:
        """The glyphs of the codes from 0 on, two bytes for each."""
        steps = [step for _, step in self._codes]
        return bytes(2) + b"".join((step - _STEPS[0] + 1).to_bytes(2) for step in steps)

    def to_unicode(self) -> bytes:
        """The CMap that says which characters the codes are."""
        lines = [
            f"<{code:04X}> <{character.encode('utf-16-be').hex().upper()}>"
            for (character, _), code in self._codes.items()
        ]
        return _CMAP.format(entries="\n".join(_sections(lines))).encode()


def _width(step: int) -> int:
    return round(1000 * _STEP**step)


def _sections(lines: list[str]) -> Iterator[str]:
    for start in range(0, len(lines), _LINES):
        part = lines[start : start + _LINES]
        yield "\n".join([f"{len(part)} beginbfchar", *part, "endbfchar"])
