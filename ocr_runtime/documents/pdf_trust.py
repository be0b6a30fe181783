"""A page's own text and its pixels -> whether the text is what a person reads there.

A PDF's text can be anything: the invisible reading of an earlier OCR program, code numbers of
glyphs in place of characters, a stamp on a scan, text that is covered or white. So every test here
compares it with what is seen, and a page is believed as a whole or not at all. A page that is
wrongly doubted costs the time of OCR; one that is wrongly believed costs its text.
"""

import math
import unicodedata
from typing import Literal

import numpy as np

from ocr_runtime.documents.own_text import Mark, OwnText

Doubt = Literal[
    "no text",
    "invisible text",
    "characters without a meaning",
    "fonts of Type 3",
    "more pictures over the text than are looked at",
    "text that is not seen",
    "glyphs that do not look like their characters",
    "letters of another alphabet",
    "vertical writing",
    "pictures that may hold text",
    "annotations or form fields",
]

_MAX_INVISIBLE, _MAX_UNSEEN, _MAX_TYPE3 = 0.05, 0.05, 0.1
"""Shares of the characters. Some text is hidden on many good pages, as the alternative of a logo or
a number for a machine: what is not seen is left out."""
_MAX_MEANINGLESS = 0.01
_MAX_ACCENTED = 0.5
"""Share of the letters: in French 4 %, in Vietnamese less than 40. Cyrillic in the code page 1251
that is taken for Latin-1 has nearly 100."""
_MAX_VERTICAL = 0.3
"""Share of the steps from one character to the next. PDFium gives the characters of vertical lines
the direction of horizontal ones."""

_CONTRAST = 40  # of 255 between neighbouring pixels
_FIRST_CJK = "\u1100"  # Hangul; before it are the alphabets
_MAX_PIXELS = 9_000_000  # A4 at 300 dpi
_MAX_COVERS = 2000
_COVER_CELLS = 1000
"""Along the longer side of the page: with 2,000 pictures as large as the page, which take 0.2
seconds, a picture is known to within 1.2 pixels of an A4 page at 200 dpi."""
_NO_INK = 0.5  # pixels
_BLOCK = 16  # pixels: 2 mm at 200 dpi
_DETAILED = 6  # of a block's 256 pixels; one letter has more
_MOSTLY_PICTURE = 0.5
_MAX_UNREAD, _MAX_UNREAD_OF_SCAN = 0.02, 0.0005
"""Shares of the page that are detailed, in a picture, and without own text. A logo has 0.7 %; a
page that is a picture as a whole is a scan, of which one line of text has 0.2 %."""

_TALL = frozenset("bdfhklABCDEFGHIKLMNOPRSTUVWXYZ")
_LOW = frozenset("acemnorsuvwxz")
_DESCENDING = frozenset("gpqy")
_NARROW, _WIDE = frozenset("iljI"), frozenset("mwMW")
_MIN_LETTERS = 8
_MIN_ORDERED = 0.9
_MAX_WRONG_FONTS = 0.05


def trusted(text: OwnText, pixels: np.ndarray) -> OwnText | None:
    """Return what is seen of a page's own text; None if the page is better read by OCR."""
    reason, seen = _doubt(text, _Edges(pixels))
    return None if reason else text.only(_is_blank(text) | seen)


def reason_to_doubt(text: OwnText, pixels: np.ndarray) -> Doubt | None:
    """Return why a page's own text is not believed; None if it is.

    Args:
        text: of the page.
        pixels: the rendered page, uint8, shape (H, W, 3).
    """
    return _doubt(text, _Edges(pixels))[0]


def _doubt(text: OwnText, edges: "_Edges") -> tuple[Doubt | None, np.ndarray]:
    """Return the first of all reasons to doubt, and which characters are seen."""
    drawn = ~_is_blank(text)
    if not drawn.any():
        return "no text", drawn
    covers = _covers(text)
    if len(covers) > _MAX_COVERS:
        return "more pictures over the text than are looked at", drawn
    seen = _is_seen(text, edges, covers)
    shares: list[tuple[Doubt, float, float]] = [
        ("invisible text", text.has(Mark.INVISIBLE)[drawn].mean(), _MAX_INVISIBLE),
        ("characters without a meaning", _is_meaningless(text)[drawn].mean(), _MAX_MEANINGLESS),
        ("fonts of Type 3", text.has(Mark.TYPE3)[drawn].mean(), _MAX_TYPE3),
        ("text that is not seen", (~seen)[drawn].mean(), _MAX_UNSEEN),
        (
            "glyphs that do not look like their characters",
            _share_in_wrong_fonts(text),
            _MAX_WRONG_FONTS,
        ),
        ("letters of another alphabet", _share_of_accented(text), _MAX_ACCENTED),
        ("vertical writing", _share_below_one_another(text), _MAX_VERTICAL),
    ]
    for reason, share, most in shares:
        if share > most:
            return reason, seen
    return _doubt_about_the_rest(text, edges), seen


class _Edges:
    """Where a page has contrast: pixels that differ from the one to their right in any channel.

    Of a large page every second pixel is looked at, or fewer, so that it takes little memory.

    Args:
        pixels: uint8, shape (H, W, 3).
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.page_size = pixels.shape[1], pixels.shape[0]
        self._step = math.ceil(math.sqrt(pixels.shape[0] * pixels.shape[1] / _MAX_PIXELS))
        if self._step > 1:
            pixels = np.ascontiguousarray(pixels[:: self._step, :: self._step])
        height, width = pixels.shape[:2]
        self.size = width, height
        samples = pixels.reshape(height, -1)
        left, right = samples[:, :-3], samples[:, 3:]
        differs = np.maximum(left, right) - np.minimum(left, right) >= _CONTRAST
        found = differs[:, ::3] | differs[:, 1::3] | differs[:, 2::3]
        # counts[y, x]: edges above and to the left of the corner x, y
        self._counts = np.zeros((height + 1, width + 1), np.int32)
        np.cumsum(found, axis=1, dtype=np.int32, out=self._counts[1:, 1:-1])
        self._counts[:, -1] = self._counts[:, -2]
        np.cumsum(self._counts, axis=0, out=self._counts)

    def inside(self, boxes: np.ndarray, *, margin: int) -> np.ndarray:
        """Count the edges in each box (left, top, right, bottom), shape (N, 4)."""
        width, height = self.size
        boxes = boxes / self._step
        left, top = (np.floor(boxes[:, i]).astype(int) - margin for i in (0, 1))
        right, bottom = (np.ceil(boxes[:, i]).astype(int) + margin for i in (2, 3))
        left, right = (np.clip(each, 0, width) for each in (left, right))
        top, bottom = (np.clip(each, 0, height) for each in (top, bottom))
        below, above = (self._counts[y, right] - self._counts[y, left] for y in (bottom, top))
        counted: np.ndarray = below - above
        return counted

    def detailed_blocks(self) -> np.ndarray:
        """Tell which blocks have enough contrast for text: bool, shape (rows, columns)."""
        width, height = self.size
        rows = [*range(0, height, _BLOCK), height]
        columns = [*range(0, width, _BLOCK), width]
        corners = self._counts[np.ix_(rows, columns)]
        detailed: np.ndarray = np.diff(np.diff(corners, axis=0), axis=1) >= _DETAILED
        return detailed

    def blocks_under(self, boxes: np.ndarray) -> np.ndarray:
        """Tell which blocks any of the boxes touches: bool, shape (rows, columns)."""
        width, height = self.size
        shape = -(-height // _BLOCK), -(-width // _BLOCK)
        boxes = boxes / self._step
        on_page = (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
        on_page &= (boxes[:, 0] < width) & (boxes[:, 1] < height)
        boxes = np.clip(boxes[on_page], 0, [width, height, width, height])
        left, top = (np.floor(boxes[:, i] / _BLOCK).astype(int) for i in (0, 1))
        right, bottom = (np.ceil(boxes[:, i] / _BLOCK).astype(int) for i in (2, 3))
        steps = np.zeros((shape[0] + 1, shape[1] + 1), np.int32)
        for y, x, step in ((top, left, 1), (top, right, -1), (bottom, left, -1)):
            np.add.at(steps, (y, x), step)
        np.add.at(steps, (bottom, right), 1)
        touched: np.ndarray = steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
        return touched


def _is_blank(text: OwnText) -> np.ndarray:
    """Which characters have no ink: spaces, and line ends that PDFium added."""
    spaces = np.array([each.isspace() for each in text.text], bool)
    sides = text.tight[:, 2:] - text.tight[:, :2]
    blank: np.ndarray = text.has(Mark.GENERATED) | (spaces & (sides.min(axis=1) < _NO_INK))
    return blank


def _is_meaningless(text: OwnText) -> np.ndarray:
    """Which characters are no text: unmapped, controls, private use, unassigned, U+FFFD."""
    categories = [unicodedata.category(each) for each in text.text]
    strange = [
        kind in ("Cc", "Co", "Cn", "Cs") or each == "\ufffd"
        for kind, each in zip(categories, text.text, strict=True)
    ]
    meaningless: np.ndarray = np.array(strange, bool) | text.has(Mark.UNMAPPED)
    return meaningless


def _covers(text: OwnText) -> np.ndarray:
    """Return the positions of the opaque pictures that are drawn after any text, in that order."""
    first = text.orders[text.orders >= 0].min(initial=np.iinfo(np.int32).max)
    covers = np.flatnonzero(text.opaque & (text.picture_orders > first))
    return covers[np.argsort(text.picture_orders[covers], kind="stable")]


def _is_seen(text: OwnText, edges: _Edges, covers: np.ndarray) -> np.ndarray:
    """Which characters are drawn, have contrast, and lie below no picture that is drawn later.

    Chinese, Japanese and Korean ones in fonts that the file does not bring count as seen: a person
    whose computer has such fonts sees them, and only PDFium leaves them blank.

    Args:
        text: of the page.
        edges: of the page.
        covers: positions of the pictures that may cover text; see `_covers`.
    """
    has_font = np.array([each < _FIRST_CJK for each in text.text], bool)
    has_font |= ~text.has(Mark.NOT_EMBEDDED)
    contrast = edges.inside(text.tight, margin=2) > 0
    seen: np.ndarray = ~text.has(Mark.INVISIBLE) & (contrast | ~has_font)
    seen &= (text.orders < 0) | (text.orders >= _last_cover(text, covers, edges.page_size))
    return seen


def _last_cover(text: OwnText, covers: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Tell when the last picture is drawn that lies over the middle of each character.

    Args:
        text: N characters.
        covers: see `_covers`.
        size: width and height of the page in pixels.

    Returns:
        int32, shape (N,); -1 where there is none.
    """
    step = max(*size, 1) / _COVER_CELLS
    width, height = (math.ceil(side / step) for side in size)
    last = np.full((height, width), -1, np.int32)
    boxes = np.rint(text.pictures[covers] / step).clip(0, [width, height, width, height])
    for (left, top, right, bottom), order in zip(
        boxes.astype(int).tolist(), text.picture_orders[covers].tolist(), strict=True
    ):
        last[top:bottom, left:right] = order
    middles = (text.tight[:, :2] + text.tight[:, 2:]) / 2
    x, y = np.floor(middles / step).clip(0, [width - 1, height - 1]).astype(int).T
    found: np.ndarray = last[y, x]
    return found


def _share_in_wrong_fonts(text: OwnText) -> float:
    """Return the share of letters in fonts whose glyphs are unlike the letters they stand for.

    `h` is taller than `n`, `p` reaches below the line, `m` is wider than `l`, in whatever font.
    Where the characters of a font are shifted or shuffled, the glyphs behind them are not ordered
    so. Small capitals are not either: such a page is read by OCR.
    """
    letters = np.array([each.isascii() and each.isalpha() for each in text.text], bool)
    level = text.directions[:, 0] > 0.999
    size = np.maximum(text.loose[:, 3] - text.loose[:, 1], 1e-3)
    above = (text.origins[:, 1] - text.tight[:, 1]) / size
    below = (text.tight[:, 3] - text.origins[:, 1]) / size
    width = (text.tight[:, 2] - text.tight[:, 0]) / size
    wrong = 0
    by_font = np.flatnonzero(letters)
    by_font = by_font[np.argsort(text.fonts[by_font], kind="stable")]
    for of_font in np.split(by_font, np.flatnonzero(np.diff(text.fonts[by_font])) + 1):

        def among(
            some: frozenset[str], values: np.ndarray, of: np.ndarray = of_font[level[of_font]]
        ) -> np.ndarray:
            return np.array([values[i] for i in of if text.text[i] in some])

        ordered = min(
            _ordered(among(_TALL, above), among(_LOW, above)),
            _ordered(among(_DESCENDING, below), among(_LOW, below)),
            _ordered(among(_WIDE, width), among(_NARROW, width)),
        )
        wrong += len(of_font) if ordered < _MIN_ORDERED else 0
    return float(wrong / max(1, letters.sum()))


def _ordered(greater: np.ndarray, smaller: np.ndarray) -> float:
    """Return how likely one of the first is greater than one of the second; 1 if they are few."""
    if min(len(greater), len(smaller)) < _MIN_LETTERS:
        return 1.0
    smaller = np.sort(smaller)
    below = np.searchsorted(smaller, greater, "left") + np.searchsorted(smaller, greater, "right")
    return float(below.sum() / 2 / len(greater) / len(smaller))


def _share_of_accented(text: OwnText) -> float:
    """Return the share of letters that are accented ones of Latin-1."""
    letters = [each for each in text.text if each.isalpha()]
    return sum("\xc0" <= each <= "\xff" for each in letters) / max(1, len(letters))


def _share_below_one_another(text: OwnText) -> float:
    """Return how many characters stand right below the one before, as letters on a spine."""
    solid = ~_is_blank(text)
    across, down = np.abs(np.diff(text.origins[solid], axis=0)).T
    size = (text.loose[solid, 3] - text.loose[solid, 1])[1:]
    below = (across < 0.3 * size) & (down > 0.5 * size) & (down < 2 * size)
    level = text.directions[solid, 0][1:] > 0.999
    return float((below & level).sum() / max(1, len(size)))


def _doubt_about_the_rest(text: OwnText, edges: _Edges) -> Doubt | None:
    """Look for text outside of the own text: in pictures, annotations and form fields."""
    unread = edges.detailed_blocks() & ~edges.blocks_under(text.loose)
    pictures = edges.blocks_under(text.pictures)
    most = _MAX_UNREAD_OF_SCAN if pictures.mean() > _MOSTLY_PICTURE else _MAX_UNREAD
    if (unread & pictures).mean() > most:
        return "pictures that may hold text"
    if (unread & edges.blocks_under(text.annotations)).any():
        return "annotations or form fields"
    return None
