"""Pages drawn as boxes with text: lines in reading order, with nothing left to recognise.

Each page is made by a seed. Sizes are those of real pages: type of 16 to 30 pixels on a page of
1,600 x 2,200, lines 1.15 to 1.6 heights apart, gutters from 1.2 heights on, boxes that are off by
up to 6 % of their height, and paragraphs that end early.
"""

import math
import random
from collections.abc import Callable
from dataclasses import replace

from ocr_runtime.reading.page import Box, Line

WIDTH, HEIGHT = 1600, 2200
Rect = tuple[float, float, float, float, str]
"""left, top, right, bottom, text"""

CJK = "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学"


class Pen:
    """Random choices, and the text and boxes that follow from them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.size = self.rng.uniform(16, 30)
        self.pitch = self.size * self.rng.uniform(1.15, 1.6)
        self.cjk = self.rng.random() < 0.3
        self.justified = self.cjk or self.rng.random() < 0.5

    def words(self, width: float, size: float) -> str:
        """Text about as wide as `width`."""
        if self.cjk:
            return "".join(self.rng.choices(CJK, k=max(1, int(width / size))))
        text = ""
        while len(text) * size * 0.5 < width:
            text += "".join(self.rng.choices("etaoinshrdlu", k=self.rng.randint(2, 9))) + " "
        return text[: max(1, int(width / size / 0.5))].strip() or "a"

    def line(
        self, left: float, top: float, right: float, *, size: float = 0, text: str = ""
    ) -> Rect:
        size = size or self.size
        return (left, top, right, top + size, text or self.words(right - left, size))

    def cell(self, left: float, top: float, right: float) -> Rect:
        return self.line(left, top, right, text=self.words(right - left, self.size).capitalize())

    def text(self, left: float, top: float, right: float, bottom: float) -> list[Rect]:
        """Paragraphs of a column, justified or ragged, their first lines indented or spaced."""
        lines: list[Rect] = []
        indented = self.rng.random() < 0.5
        left_over = 0
        while top + self.size <= bottom:
            if not left_over:
                left_over = length = self.rng.randint(3, 12)
                if lines and not indented:
                    top += 0.5 * self.pitch
                    if top + self.size > bottom:
                        break
                start = left + 1.5 * self.size * indented
            ragged = 1.0 if self.justified else self.rng.uniform(0.82, 1.0)
            if left_over == 1:
                ragged = self.rng.uniform(0.2, 0.95)
            first = not lines or left_over == length
            write = self.cell if first else self.line
            lines.append(write(start, top, start + (right - start) * ragged))
            start, left_over, top = left, left_over - 1, top + self.pitch
        return lines

    def table(self, left: float, top: float, right: float, rows: int, columns: int) -> list[Rect]:
        """Rows of a description and figures set flush right, now and then without one."""
        first = (right - left) * self.rng.uniform(0.3, 0.5)
        step = (right - left - first) / (columns - 1)
        lines = []
        for row in range(rows):
            y = top + row * self.pitch
            lines.append(self.cell(left, y, left + first * self.rng.uniform(0.25, 0.9)))
            for column in range(1, columns):
                if row and self.rng.random() < 0.1:
                    continue
                figure = f"{self.rng.uniform(1, 10 ** self.rng.randint(1, 5)):,.2f}"
                end = left + first + step * column
                width = min(len(figure) * self.size * 0.5, step * 0.85)
                lines.append(self.line(end - width, y, end, text=figure))
        return lines


def columns(
    pen: Pen, left: float, right: float, top: float, bottom: float, *, count: int
) -> list[Rect]:
    """Columns of text side by side, on one grid of baselines or each on its own."""
    rng = pen.rng
    gutter = pen.size * rng.uniform(1.2, 3)
    width = (right - left - gutter * (count - 1)) / count
    lines = []
    grid = rng.random() < 0.5
    for column in range(count):
        x = left + column * (width + gutter)
        start = top if grid else top + rng.uniform(0, 1) * pen.pitch
        end = bottom if column < count - 1 else bottom - rng.uniform(0, 0.3) * (bottom - top)
        lines += pen.text(x, start, x + width, end)
    return lines


def page_of_columns(pen: Pen) -> list[Rect]:
    """One to four columns, some under a heading, some over a footer."""
    rng = pen.rng
    count = rng.randint(1, 4)
    pen.size = min(pen.size, 1400 / count / 12)
    pen.pitch = pen.size * rng.uniform(1.15, 1.6)
    lines, top = [], 150.0
    if rng.random() < 0.6:
        size = pen.size * rng.uniform(1.5, 3)
        width = rng.uniform(700, 1300)
        lines.append(pen.line(800 - width / 2, top, 800 + width / 2, size=size))
        top += size * 1.6
    lines += columns(pen, 100, 1500, top, 1950, count=count)
    if rng.random() < 0.6:
        lines.append(pen.line(780, 2080, 820, text="17"))
    return lines


def sections(pen: Pen) -> list[Rect]:
    """Sections with headings across the page, each of another number of columns."""
    lines, top = [], 120.0
    for _ in range(3):
        bottom = top + 560
        lines.append(pen.line(100, top, 100 + pen.rng.uniform(1050, 1400), size=pen.size * 1.5))
        lines += columns(pen, 100, 1500, top + pen.size * 2.6, bottom, count=pen.rng.randint(1, 3))
        top = bottom + pen.size * 2.5
    return lines


def front_page(pen: Pen) -> list[Rect]:
    """A newspaper's title and its date, somewhere over three to five columns."""
    rng = pen.rng
    count = rng.randint(3, 5)
    pen.size = min(pen.size, 1400 / count / 14)
    pen.pitch = pen.size * rng.uniform(1.15, 1.5)
    lines, top = [], 100.0
    left = rng.uniform(100, 700)
    for width in (rng.uniform(500, 800), rng.uniform(350, 450))[: rng.randint(1, 2)]:
        size = pen.size * rng.uniform(1.0, 3)
        start = left + rng.uniform(0, 100)
        lines.append(pen.line(start, top, start + width, size=size))
        top += size + pen.size * rng.uniform(0.3, 1.5)
    bottom = top + rng.uniform(600, 1500)
    return lines + columns(pen, 100, 1500, top, bottom, count=count)


def article_over_columns(pen: Pen) -> list[Rect]:
    """Four columns: an article of the first, and one of the others under its own heading."""
    pen.size = min(pen.size, 24)
    pen.pitch = pen.size * pen.rng.uniform(1.15, 1.5)
    gutter = pen.size * pen.rng.uniform(1.2, 2.5)
    width = (1400 - 3 * gutter) / 4
    size = pen.size * pen.rng.uniform(1.5, 2.5)
    heading = pen.line(100 + width + gutter, 100, pen.rng.uniform(1100, 1500), size=size)
    others = columns(pen, 100 + width + gutter, 1500, 120 + 1.5 * size, 1500, count=3)
    return [*pen.text(100, 100, 100 + width, 1500), heading, *others]


def page_with_table(pen: Pen) -> list[Rect]:
    """Two columns, a table across the page, two columns."""
    lines = columns(pen, 100, 1500, 100, 700, count=2)
    rows = pen.rng.randint(4, 14)
    lines += pen.table(100, 700 + 2.5 * pen.size, 1500, rows, pen.rng.randint(3, 7))
    top = 700 + 5 * pen.size + rows * pen.pitch
    return lines + columns(pen, 100, 1500, top, top + 600, count=2)


def table_in_column(pen: Pen) -> list[Rect]:
    """Two columns, in one of which there is a table."""
    pen.size = min(pen.size, 22)
    pen.pitch = pen.size * 1.3
    gap = pen.size * pen.rng.uniform(1.5, 3)
    split = pen.rng.uniform(700, 900)
    sides = [(100.0, split - gap / 2), (split + gap / 2, 1500.0)]
    where = pen.rng.randrange(2)
    lines = []
    for side, (left, right) in enumerate(sides):
        if side != where:
            lines += pen.text(left, 100, right, 1900)
            continue
        lines += pen.text(left, 100, right, 700)
        rows = pen.rng.randint(4, 14)
        lines += pen.table(left, 700 + 2 * pen.size, right, rows, pen.rng.randint(3, 4))
        lines += pen.text(left, 700 + 4 * pen.size + rows * pen.pitch, right, 1900)
    return lines


def page_of_table(pen: Pen) -> list[Rect]:
    """A table, with a heading and a note."""
    lines = [pen.line(100, 100, 700, size=pen.size * 1.5)]
    rows = pen.rng.randint(5, 40)
    lines += pen.table(100, 100 + 3 * pen.size, 1500, rows, pen.rng.randint(2, 8))
    return [*lines, pen.line(100, 100 + 5 * pen.size + rows * pen.pitch, 900)]


def directory(pen: Pen) -> list[Rect]:
    """A table of words: names, places, remarks."""
    lines = []
    count = pen.rng.randint(2, 4)
    step = 1400 / count
    for row in range(pen.rng.randint(6, 30)):
        for column in range(count):
            width = step * pen.rng.uniform(0.15, 0.9)
            left = 100 + column * step
            lines.append(pen.cell(left, 100 + row * pen.pitch, left + width))
    return lines


def receipt(pen: Pen) -> list[Rect]:
    """A narrow strip: centred lines, then items with their prices, then totals."""
    lines, top = [], 100.0
    pen.size, pen.pitch = 24, 24 * pen.rng.uniform(1.1, 1.8)
    for _ in range(pen.rng.randint(2, 6)):
        width = pen.rng.uniform(150, 450)
        lines.append(pen.line(400 - width / 2, top, 400 + width / 2))
        top += pen.pitch
    for _ in range(pen.rng.randint(3, 20)):
        if pen.rng.random() < 0.7:
            lines.append(pen.line(150, top, 175, text=str(pen.rng.randint(1, 9))))
        lines.append(pen.line(200, top, 200 + pen.rng.uniform(60, 280)))
        if pen.rng.random() < 0.8:
            price = f"{pen.rng.uniform(1, 300):.2f}"
            lines.append(pen.line(650 - len(price) * 12, top, 650, text=price))
        top += pen.pitch
    for _ in range(pen.rng.randint(1, 4)):
        top += pen.pitch
        lines.append(pen.line(150, top, 150 + pen.rng.uniform(60, 200)))
        lines.append(pen.line(580, top, 650, text="30.05"))
    return lines


def form(pen: Pen) -> list[Rect]:
    """Labels and values, two or three pairs in a row."""
    lines = []
    step = pen.rng.choice([700.0, 467.0])
    pitch = pen.pitch * pen.rng.uniform(1, 2)
    for row in range(pen.rng.randint(6, 25)):
        x = 100.0
        while x < 1400:
            label = x + pen.rng.uniform(80, 200)
            lines.append(pen.cell(x, 100 + row * pitch, label))
            if pen.rng.random() < 0.8:
                value = label + pen.size + pen.rng.uniform(40, step - 300)
                lines.append(pen.cell(label + pen.size, 100 + row * pitch, value))
            x += step
    return lines


def around_photo(pen: Pen) -> list[Rect]:
    """Two columns that give way to a photo between them, and to the caption under it."""
    pen.size = min(pen.size, 24)
    pen.pitch = pen.size * 1.25
    pen.justified = True
    gap = pen.size * pen.rng.uniform(1.5, 2.5)
    inset = pen.rng.uniform(150, 250)
    lines = []
    for left, right, side in ((100, 800 - gap / 2, 1), (800 + gap / 2, 1500, -1)):
        for line in pen.text(left, 100, right, 2000):
            _, top, end, bottom, text = line
            start = line[0]
            if 600 < top < 1400:
                if side > 0:
                    end = max(start + 60, min(end, right - inset))
                else:
                    start += inset
            lines.append((start, top, max(end, start + 60), bottom, text))
    y = 1200.0
    caption = []
    while y < 1380:
        width = pen.rng.uniform(0.5, 0.9) * (2 * inset)
        caption.append(pen.line(800 - width / 2, y, 800 + width / 2, size=pen.size * 0.8))
        y += pen.size * 1.1
    return lines + caption


def spread(pen: Pen) -> list[Rect]:
    """Two pages side by side, with a page number each."""
    lines = pen.text(80, 150, 720, 1900) + pen.text(880, 150, 1520, 1900)
    return [*lines, pen.line(80, 2000, 120, text="44"), pen.line(1480, 2000, 1520, text="45")]


def transcript(pen: Pen) -> list[Rect]:
    """Four pages on a sheet, down and then across, their lines numbered."""
    lines = []
    pen.size, pen.pitch, pen.cjk = 20, 20 * pen.rng.uniform(1.3, 1.9), False
    for left in (100, 850):
        for top in (100, 1150):
            y = top + 1.5 * pen.pitch
            for row, line in enumerate(pen.text(left + 52, y, left + 640, y + 25 * pen.pitch)):
                lines.append(pen.line(left, line[1], left + 22, text=str(row + 1)))
                lines.append(line)
    return lines


def sidebar(pen: Pen) -> list[Rect]:
    """A narrow column of figures beside a wide one of text."""
    small = Pen(pen.rng.randrange(10**6))
    small.size, small.pitch = pen.size * 0.8, pen.size * pen.rng.uniform(0.95, 1.1)
    split = pen.rng.uniform(450, 600)
    figures = small.table(100, 150, split - pen.size, pen.rng.randint(20, 50), 2)
    return figures + pen.text(split + pen.size, 150, 1500, 2000)


def novel(pen: Pen) -> list[Rect]:
    """Columns of vertical text, from the right, in one or two tiers."""
    tiers = pen.rng.randint(1, 2)
    pen.cjk = pen.justified = True
    lines = []
    for left, top, right, bottom, text in columns(pen, 100, 2100, 100, 1500, count=tiers):
        lines.append((WIDTH - bottom, left, WIDTH - top, right, text))
    return lines


KINDS: list[Callable[[Pen], list[Rect]]] = [
    page_of_columns, sections, front_page, article_over_columns, page_with_table, table_in_column,
    page_of_table, directory, receipt,
    form, around_photo, spread, transcript, sidebar, novel,
]  # fmt: skip


def drawn(kind: Callable[[Pen], list[Rect]], seed: int, skew: float = 0.0) -> list[Line]:
    """The lines of a page in reading order.

    Args:
        kind: what draws it.
        seed: another seed gives another page.
        skew: by how many degrees the page is turned clockwise.
    """
    pen = Pen(seed)
    return [_line(pen, rect, skew) for rect in kind(pen)]


def as_detected(lines: list[Line], seed: int) -> list[Line]:
    """The same lines as a detector may find them: one in 20 is missing, one in 10 in two parts."""
    rng = random.Random(seed)
    found = []
    for line in lines:
        text = line.text
        split = len(text) // 2
        if rng.random() < 0.05:
            continue
        if rng.random() < 0.1 and " " in text[split:]:
            split += text[split:].index(" ")
            share = split / len(text)
            found += [
                replace(line, text=text[:split], box=_part(line.box, 0, share)),
                replace(
                    line, text=text[split + 1 :], box=_part(line.box, share + 1 / len(text), 1)
                ),
            ]
        else:
            found.append(line)
    return found


def _part(box: Box, start: float, end: float) -> Box:
    top_left, top_right, bottom_right, bottom_left = box

    def between(a: list[float], b: list[float], share: float) -> list[float]:
        return [p + (q - p) * share for p, q in zip(a, b, strict=True)]

    return [
        between(top_left, top_right, start),
        between(top_left, top_right, end),
        between(bottom_left, bottom_right, end),
        between(bottom_left, bottom_right, start),
    ]


def _line(pen: Pen, rect: Rect, skew: float) -> Line:
    size = min(rect[2] - rect[0], rect[3] - rect[1])
    left, top, right, bottom = (edge + pen.rng.uniform(-0.06, 0.06) * size for edge in rect[:4])
    cosine, sine = math.cos(math.radians(skew)), math.sin(math.radians(skew))
    box = [
        [x * cosine - y * sine + 600, x * sine + y * cosine + 600]
        for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
    ]
    return Line(text=rect[4], score=0.99, box=box)
