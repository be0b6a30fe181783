"""Whole pages: columns, tables, strips, Chinese; each a function that draws one."""

import random
from collections.abc import Callable

from PIL import Image, ImageFilter

from . import texts
from .sheet import Sheet, font

GOODS = [
    ["Article", "Quantity", "Price", "Amount"],
    ["Desk lamp, black", "2", "34.90", "69.80"],
    ["Office chair", "1", "189.00", "189.00"],
    ["Bookshelf oak", "3", "79.50", "238.50"],
    ["Extension cord 5 m", "10", "8.25", "82.50"],
    ["Wall clock", "1", "24.00", "24.00"],
    ["Delivery", "", "", "19.90"],
    ["Total", "", "", "623.70"],
]
CLIMATE = [
    ["Station", "Height, m", "January", "April", "July", "October", "Rain, mm"],
    ["Bergen", "12", "1.8", "6.2", "14.9", "8.4", "2495"],
    ["Davos", "1594", "-5.3", "2.1", "12.2", "4.9", "1022"],
    ["Dublin", "48", "5.3", "8.2", "15.7", "10.6", "758"],
    ["Kraków", "237", "-2.0", "8.9", "19.1", "8.8", "673"],
    ["Lisbon", "77", "11.6", "15.0", "22.8", "18.6", "774"],
    ["Palermo", "21", "12.4", "15.6", "25.7", "20.9", "605"],
    ["Reykjavík", "61", "0.6", "3.7", "11.6", "5.0", "860"],
    ["Vienna", "198", "0.9", "11.5", "21.7", "10.9", "651"],
]
RESULTS = [
    ["Team", "Played", "Won", "Drawn", "Lost", "Goals", "Points"],
    ["Northfield", "18", "12", "4", "2", "41:15", "40"],
    ["Riverside", "18", "11", "3", "4", "36:20", "36"],
    ["Old Mill", "18", "8", "5", "5", "29:27", "29"],
    ["Harbour United", "18", "3", "2", "13", "14:44", "11"],
]
BOUGHT = [
    ("Milk 1.5 %", "1.19"), ("Rye bread 750 g", "3.49"), ("Butter", "2.29"),
    ("Apples 1.240 kg", "3.71"), ("Coffee beans", "8.99"), ("Sunflower seeds", "6.49"),
    ("Deposit", "0.25"),
]  # fmt: skip
FORM = [
    [("Surname:", "Lindqvist"), ("First name:", "Anna Maria")],
    [("Street:", "17 Garden Road"), ("Town:", "Ashford")],
    [("Born on:", "12.03.1987"), ("Nationality:", "Swedish")],
    [("Telephone:", "0044 20 7946 0958"), ("E-mail:", "anna@example.org")],
    [("Employer:", "Blue Anchor Ltd."), ("Since:", "September 2019")],
]


def one_column() -> Sheet:
    """A heading and three paragraphs, set flush."""
    sheet, face = Sheet(800, 680), font("serif", 22)
    sheet.write("A Town by the Sea", 70, 80, font("serif", 38))
    y = 140
    for text in (texts.HARBOUR, texts.LIBRARY, texts.WINTER):
        y = sheet.paragraph(text, 70, y, 660, face) + 14
    return sheet


def two_columns() -> Sheet:
    """Two flush columns under a heading, a page number under them."""
    sheet, face = Sheet(860, 640), font("serif", 20)
    sheet.centre("Roofs, Bridges and Night Trains", 430, 76, font("serif", 36))
    for x, some in ((60, (texts.BRIDGE, texts.GARDEN)), (446, (texts.RAILWAY, texts.CLOCK))):
        y = 130
        for number, text in enumerate(some):
            y = sheet.paragraph(text, x, y, 354, face, indent=24 * (number > 0))
    sheet.centre("27", 430, 600, face)
    return sheet


def sections() -> Sheet:
    """Three ragged columns, then two, each under a heading across the page."""
    sheet, face = Sheet(960, 600), font("sans", 18)
    sheet.write("What the Baker Knows", 50, 70, font("bold", 30))
    for x, text in zip((50, 350, 650), (texts.BREAD, texts.MAPS, texts.PAPER), strict=True):
        sheet.paragraph(text, x, 116, 260, face, flush=False)
    sheet.write("What the Sailor Left Out", 50, 376, font("bold", 30))
    for x, text in zip((50, 500), (texts.LIBRARY, texts.GARDEN), strict=True):
        sheet.paragraph(text, x, 422, 410, face, flush=False)
    return sheet


def newspaper() -> Sheet:
    """Four narrow columns under a title, small type."""
    sheet, face = Sheet(1000, 420), font("serif", 18)
    sheet.centre("The Morning Observer", 500, 70, font("serif", 46))
    sheet.centre("Saturday, 14 November 2026", 500, 106, font("serif", 20))
    sheet.draw.line((40, 122, 960, 122), 0, 2)
    for column in range(4):
        y = 154
        for text in texts.SHORT[2 * column : 2 * column + 2]:
            y = sheet.paragraph(text, 40 + 236 * column, y, 212, face, flush=False) + 20
    return sheet


def figure() -> Sheet:
    """Two columns; in the right one a picture with its caption."""
    sheet, face = Sheet(860, 560), font("serif", 20)
    y = sheet.paragraph(texts.MAPS, 60, 70, 350, face)
    sheet.paragraph(texts.PAPER, 60, y, 350, face, indent=24)
    sheet.image.paste(_picture(350, 220), (450, 50))
    sheet.write("Figure 3: The coast near Lisbon, about 1620", 450, 294, font("sans", 16))
    sheet.paragraph(texts.BREAD, 450, 346, 350, face)
    return sheet


def side_notes() -> Sheet:
    """A column of text, notes beside its paragraphs."""
    sheet, face, small = Sheet(900, 420), font("serif", 21), font("sans", 15)
    y = 70
    for text in (texts.CLOCK, texts.WINTER):
        y = sheet.paragraph(text, 60, y, 560, face) + 30
    for y, note in ((70, "Opened in 1902, rebuilt after the war."), (252, "The lake is called Grey Water on older maps.")):  # noqa: E501  # fmt: skip
        sheet.paragraph(note, 670, y, 180, small, flush=False)
    return sheet


def ruled_table() -> Sheet:
    """An invoice: a table with lines, text above and below."""
    sheet, face = Sheet(800, 620), font("sans", 20)
    sheet.write("Invoice 2026-0417", 60, 70, font("bold", 30))
    sheet.write("Please pay within thirty days of receipt.", 60, 112, face)
    y = sheet.table(GOODS, [60, 360, 480, 610, 740], 150, face, pitch=44, ruled=True)
    sheet.write("All prices in euros, value added tax included.", 60, y + 50, face)
    return sheet


def plain_table() -> Sheet:
    """A table of seven columns without lines, a heading above."""
    sheet, face = Sheet(940, 500), font("sans", 20)
    sheet.write("Mean temperatures in degrees", 50, 64, font("bold", 26))
    xs = [50, 210, 340, 460, 560, 650, 770, 890]
    sheet.table(CLIMATE, xs, 90, face, pitch=40, ruled=False)
    return sheet


def table_between_columns() -> Sheet:
    """Two columns, a table across the page, two columns."""
    sheet, face = Sheet(860, 820), font("serif", 20)
    for x, text in ((60, texts.HARBOUR), (446, texts.BRIDGE)):
        sheet.paragraph(text, x, 70, 354, face)
    xs = [60, 260, 360, 440, 540, 620, 720, 800]
    y = sheet.table(RESULTS, xs, 300, font("sans", 19), pitch=36, ruled=True)
    for x, text in ((60, texts.RAILWAY), (446, texts.BREAD)):
        sheet.paragraph(text, x, y + 70, 354, face)
    return sheet


def receipt() -> Sheet:
    """A strip in typewriter type: items with their prices at the right."""
    sheet, face = Sheet(440, 700), font("mono", 20)
    for number, line in enumerate(("CORNER MARKET", "22 Station Road", "Tel: 020 7946 0123")):
        sheet.centre(line, 220, 50 + 28 * number, face)
    y = 150
    sheet.write("Date: 14.11.2026", 24, y, face)
    sheet.right("Time: 18:42", 416, y, face, goes_on=True)
    for number, (name, price) in enumerate(BOUGHT):
        y = 200 + 32 * number
        sheet.write(name, 24, y, face)
        sheet.right(price, 416, y, face, goes_on=True)
    for number, (name, price) in enumerate((("TOTAL EUR", "26.41"), ("Cash", "30.00"), ("Change", "3.59"))):  # noqa: E501  # fmt: skip
        y = 460 + 32 * number
        sheet.write(name, 24, y, face)
        sheet.right(price, 416, y, face, goes_on=True)
    sheet.centre("Thank you for your visit!", 220, 600, face)
    sheet.centre("See you soon: 7 am to 10 pm", 220, 632, face)
    return sheet


def narrow_receipt() -> Sheet:
    """A strip in narrow type with narrow spaces, grey on grey."""
    sheet, face = Sheet(400, 560, paper=221, ink=51), font("narrow", 24)
    lines = [
        "Bill No: 4471 Table: 12", "Server: Maria K.", "2 x Soup of the day", "1 x Grilled trout",
        "3 x House wine (red)", "1 x Plum cake, cream",
    ]  # fmt: skip
    prices = ["", "", "11.80", "18.50", "14.70", "5.20"]
    for number, (line, price) in enumerate(zip(lines, prices, strict=True)):
        y = 60 + 40 * number
        sheet.write(line, 24, y, face, space=4)
        if price:
            sheet.right(price, 376, y, face, goes_on=True)
    for number, (name, price) in enumerate((("Net amount:", "42.18"), ("VAT 19 %:", "8.02"), ("To pay:", "50.20"))):  # noqa: E501  # fmt: skip
        y = 340 + 40 * number
        sheet.write(name, 24, y, face, space=4)
        sheet.right(price, 376, y, face, goes_on=True)
    sheet.write("Card ending in 0093, approved", 24, 500, face, space=4)
    return sheet


def form() -> Sheet:
    """Labels and what was filled in, two in a row, a rule under each."""
    sheet, label, value = Sheet(900, 480), font("sans", 18), font("mono", 20)
    sheet.write("Application for Membership", 50, 70, font("bold", 30))
    for number, row in enumerate(FORM):
        y = 140 + 56 * number
        for column, (name, text) in enumerate(row):
            x = 50 + 420 * column
            sheet.write(name, x, y, label, goes_on=column > 0)
            sheet.write(text, x + 120, y, value, goes_on=True)
            sheet.draw.line((x + 116, y + 8, x + 380, y + 8), 0)
    sheet.write("I agree to the rules of the club.", 50, 436, label)
    return sheet


def stamped() -> Sheet:
    """A short letter, stamped upside down."""
    sheet, face = Sheet(760, 420), font("serif", 22)
    sheet.write("To the Harbour Office", 60, 70, font("serif", 30))
    sheet.paragraph(texts.HARBOUR, 60, 120, 640, face)
    sheet.stamp("RECEIVED 14 NOV 2026", 640, 320, font("bold", 26))
    return sheet


def mixed() -> Sheet:
    """Chinese sentences with Latin words and numbers in them."""
    sheet, face = Sheet(760, 480), font("hei", 26)
    for number, line in enumerate(texts.MIXED):
        sheet.write(line, 50, 76 + 56 * number, face)
    return sheet


def chinese() -> Sheet:
    """Two columns of Chinese under a heading."""
    sheet, face = Sheet(860, 560), font("song", 24)
    sheet.centre("山与海的故事", 430, 76, font("hei", 38))
    for x, some in ((60, (texts.TEA, texts.MOUNTAIN)), (446, (texts.CITY, texts.SCHOOL))):
        y = 140
        for text in some:
            y = sheet.paragraph(text, x, y, 354, face, pitch=1.6)
    return sheet


def vertical() -> Sheet:
    """A page of a novel: columns of Chinese, from the right."""
    sheet, face = Sheet(720, 560), font("song", 30)
    for number, line in enumerate(texts.NOVEL):
        sheet.down(line, 640 - 56 * number, 50, face)
    return sheet


def tiers() -> Sheet:
    """Columns of Chinese from the right, in two tiers."""
    sheet, face = Sheet(640, 760), font("song", 26)
    for start, tier in ((0, texts.TEA), (390, texts.CITY)):
        text = tier.replace("、", "")
        for number in range(0, len(text), 12):
            sheet.down(text[number : number + 12], 570 - 46 * (number // 12), 40 + start, face)
    return sheet


def _picture(width: int, height: int) -> Image.Image:
    """A photo of nothing: blurred noise."""
    dice = random.Random(3)
    small = Image.new("L", (width // 24, height // 24))
    small.putdata([dice.randrange(60, 220) for _ in range(small.width * small.height)])
    return small.resize((width, height), Image.Resampling.BICUBIC).filter(
        ImageFilter.GaussianBlur(2)
    )


PAGES: dict[str, list[Callable[[], Sheet]]] = {
    "columns": [one_column, two_columns, sections, newspaper, figure, side_notes],
    "tables": [ruled_table, plain_table, table_between_columns],
    "receipts and forms": [receipt, narrow_receipt, form, stamped],
    "Chinese": [mixed, chinese, vertical, tiers],
}

ANGLES = {
    "turned": {
        "two_columns": [90, 180, 270],
        "ruled_table": [90],
        "plain_table": [180],
        "receipt": [270],
        "mixed": [180],
        "vertical": [90, 180],
    },
    "skewed": {
        "one_column": [15, -8],
        "two_columns": [-4, 5, 95],
        "sections": [-10],
        "newspaper": [3],
        "plain_table": [5],
        "receipt": [-12],
        "form": [2],
        "chinese": [-6],
    },
}
"""Pages that are shown turned too, by so many degrees clockwise."""
