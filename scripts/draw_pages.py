#!/usr/bin/env python3
"""Draw the test pages: known text -> tests/data/*.png|jpg, truth.json and words.json.

    scripts/draw_pages.py            (the same bytes each time, with the same Pillow and fonts)

The glyphs are those of Noto CJK: on Debian, apt-get install fonts-noto-cjk.
"""

import json
import random
import re
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

DATA = Path(__file__).parent.parent / "tests" / "data"
FONTS = Path("/usr/share/fonts/opentype/noto")
JAPANESE, CHINESE = 0, 2  # faces of the font collections

LATIN = [
    "Die Straße führt über den Fluß nach Köln.",
    "Le garçon a mangé un gâteau à la crème brûlée.",
    "El niño pidió una piña y dos jalapeños.",
    "The quick brown fox jumps over the lazy dog.",
]
SIMPLIFIED = ["欢迎使用文字识别服务", "今天天气晴朗适合出门散步", "请在窗口领取号码等候叫号"]
KANA = ["東京駅で新幹線に乗り換えます", "コーヒーを一杯ください", "ありがとうございました"]
TABLE = [
    ["Invoice 2026-1123", "Total"],
    ["Paper A4 80g", "1250.50"],
    ["Ink black XL", "899.00"],
    ["Shipping", "12.90"],
    ["Phone", "0049 30 1234567"],
]
SMALL = [
    "Small print is often where the important words are.",
    "Read it before you sign, not after.",
    "Offer ends 31 December 2026.",
]
COLOURED = [
    ("Red on white", "#b00000", "#ffffff"),
    ("White on navy", "#ffffff", "#102050"),
    ("Yellow on green", "#ffee00", "#006030"),
    ("Black on orange", "#000000", "#ff9020"),
]
DENSE = [
    "A service that reads text must first find it. It looks at the whole page",
    "and marks the places where letters may be. Each place becomes a crop, and",
    "each crop becomes a line of text with a score that says how sure it is.",
]
WORDS = [
    "Total amount: 42.50 EUR",
    "使用 Microsoft Word 2019 编辑文档",
    "订单编号A4共25页",
    "Date: 23/11/2026 18:26:05",
    "(1) Tel: 03-9133 4364, Fax: 7805",
    "版本3.14于2026-11-23发布。见A4",
    "ILLINOIS filling station, William & co.",
]
COLUMNS = ["欢迎使用文字识别服务", "今天天气晴朗适合出门", "请在窗口领取号码"]


def font(size: int, face: int = CHINESE, *, weight: str = "Regular") -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS / f"NotoSansCJK-{weight}.ttc", size, index=face)


def page(
    lines: list[str],
    *,
    size: int,
    face: int = CHINESE,
    width: int = 800,
    ink: str = "black",
    paper: str = "white",
) -> Image.Image:
    """Lines below each other, left aligned."""
    image = Image.new("RGB", (width, 40 + len(lines) * size * 2), paper)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((30, 24 + number * size * 2), line, ink, font(size, face))
    return image


def table() -> Image.Image:
    image = Image.new("RGB", (700, 40 + 60 * len(TABLE)), "white")
    draw = ImageDraw.Draw(image)
    for row, (left, right) in enumerate(TABLE):
        draw.text((30, 24 + 60 * row), left, "black", font(28))
        draw.text((420, 24 + 60 * row), right, "black", font(28))
    return image


def coloured() -> Image.Image:
    image = Image.new("RGB", (640, 90 * len(COLOURED)), "white")
    draw = ImageDraw.Draw(image)
    for row, (text, ink, paper) in enumerate(COLOURED):
        draw.rectangle((0, 90 * row, 640, 90 * (row + 1)), paper)
        draw.text((40, 90 * row + 20), text, ink, font(36))
    return image


def noise(width: int, height: int, *, seed: int) -> Image.Image:
    """A photo of nothing: blurred noise of soft colours."""
    dice = random.Random(seed)
    small = Image.new("RGB", (width // 8, height // 8))
    small.putdata(
        [
            tuple(dice.randrange(90, 220) for _ in range(3))
            for _ in range(small.width * small.height)
        ]
    )
    return small.resize((width, height), Image.Resampling.BICUBIC).filter(
        ImageFilter.GaussianBlur(2)
    )


def on_photo() -> Image.Image:
    image = noise(800, 320, seed=7)
    draw = ImageDraw.Draw(image)
    for row, text in enumerate(["EXIT ONLY", "小心台阶", "Platform 9"]):
        draw.text(
            (60 + 120 * row, 20 + 100 * row),
            text,
            "white",
            font(52, weight="Bold"),
            stroke_width=3,
            stroke_fill="black",
        )
    return image


def skewed(degrees: float) -> Image.Image:
    return page(LATIN[2:], size=28).rotate(
        degrees, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC
    )


def line() -> Image.Image:
    return page(["One line of text"], size=32, width=340).crop((20, 16, 320, 80))


def ink(text: str, at: tuple[float, float], size: int) -> list[int]:
    """Left, top, right and bottom of what is drawn, to the pixel."""
    mask = Image.new("L", (1000, 700))
    ImageDraw.Draw(mask).text(at, text, 255, font(size))
    return list(mask.point(lambda value: 255 * (value > 100)).getbbox())


def words(
    paper: str, colour: str
) -> tuple[Image.Image, list[tuple[str, list[tuple[str, list[int]]]]]]:
    """A page, and for each line its text and its words with their boxes; CJK by character."""
    image, truth, size = Image.new("RGB", (640, 520), paper), [], 28
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(WORDS):
        y, found = 24 + number * 70, []
        draw.text((30, y), line, colour, font(size))
        for part in re.finditer(r"[\u3000-\u9fff]|[^\s\u3000-\u9fff]+", line):
            x = 30 + font(size).getlength(line[: part.start()])
            found.append((part.group(), ink(part.group(), (x, y), size)))
        truth.append((line, found))
    return image, truth


def columns() -> tuple[Image.Image, list[tuple[str, list[tuple[str, list[int]]]]]]:
    """A page of vertical columns, and its words as for `words`."""
    image, truth, size = Image.new("RGB", (400, 460), "white"), [], 32
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(COLUMNS):
        x, found = 300 - number * 90, []
        for row, character in enumerate(line):
            draw.text((x, 30 + row * 38), character, "black", font(size))
            found.append((character, ink(character, (x, 30 + row * 38), size)))
        truth.append((line, found))
    return image, truth


def main() -> None:
    if not FONTS.is_dir():
        sys.exit("The glyphs are missing: apt-get install fonts-noto-cjk")
    one = ["One line of text"]
    drawn: dict[str, tuple[Image.Image, list[str]]] = {
        "latin.png": (page(LATIN, size=28), LATIN),
        "chinese.png": (page(SIMPLIFIED, size=36), SIMPLIFIED),
        "japanese.png": (page(KANA, size=34, face=JAPANESE), KANA),
        "table.png": (table(), [cell for row in TABLE for cell in row]),
        "small.png": (page(SMALL, size=13, width=420), SMALL),
        "coloured.png": (coloured(), [text for text, _, _ in COLOURED]),
        "dense.jpg": (page(DENSE, size=20), DENSE),
        "on_photo.jpg": (on_photo(), ["EXIT ONLY", "小心台阶", "Platform 9"]),
        "skewed_left.png": (skewed(6), LATIN[2:]),
        "skewed_right.png": (skewed(-9), LATIN[2:]),
        "line.png": (line(), one),
        "line_upside_down.png": (line().rotate(180), one),
        "blank.png": (Image.new("RGB", (320, 240), "white"), []),
    }
    DATA.mkdir(parents=True, exist_ok=True)
    for name, (image, _) in drawn.items():
        image.save(DATA / name, **({"quality": 90} if name.endswith("jpg") else {"optimize": True}))
    by_word = {
        "words.png": words("white", "black"),
        "words_light.png": words("#203040", "#f0e0d0"),
        "words_vertical.png": columns(),
    }
    for name, (image, _) in by_word.items():
        image.save(DATA / name, optimize=True)
    places = {name: lines for name, (_, lines) in by_word.items()}
    (DATA / "words.json").write_text(json.dumps(places, ensure_ascii=False) + "\n")
    truth = {name: lines for name, (_, lines) in drawn.items()}
    (DATA / "truth.json").write_text(json.dumps(truth, ensure_ascii=False, indent=2) + "\n")


if __name__ == "__main__":
    main()
