"""Draw whole pages -> tests/data/pages/*.png and truth.json: `python -m scripts.drawing`.

The same bytes each time, with the same Pillow and fonts. The fonts are Liberation and Noto CJK: on
Debian, apt-get install fonts-liberation fonts-noto-cjk.
"""

import json
import sys
from pathlib import Path

from PIL import Image

from .pages import ANGLES, PAGES
from .sheet import FACES, FONTS, Sheet

FOLDER = Path(__file__).parents[2] / "tests/data/pages"
GREYS = 16


def save(sheet: Sheet, path: Path) -> None:
    """Write a PNG of 4 bits a pixel."""
    step = 255 // (GREYS - 1)
    image = Image.frombytes("P", sheet.image.size, sheet.image.point(lambda v: v // step).tobytes())
    image.putpalette([value for grey in range(GREYS) for value in 3 * [step * grey]])
    image.save(path, optimize=True)


def main() -> None:
    missing = [name for name in FACES.values() if not (FONTS / name).is_file()]
    if missing:
        sys.exit(f"{missing[0]} is missing: apt-get install fonts-liberation fonts-noto-cjk")
    FOLDER.mkdir(parents=True, exist_ok=True)
    shown, rows = [], {}
    for kind, functions in PAGES.items():
        for function in functions:
            name, sheet = function.__name__, function()
            save(sheet, FOLDER / f"{name}.png")
            rows[name] = [
                [row.text, *([text, *box] for text, box in row.words)] for row in sheet.rows
            ]
            shown.append([kind, name, 0])
    for kind, pages in ANGLES.items():
        shown += [[kind, name, angle] for name, angles in pages.items() for angle in angles]
    text = ",\n".join(
        f" {json.dumps(name)}: [\n  "
        + ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in page)
        + "\n ]"
        for name, page in rows.items()
    )
    listed = ",\n ".join(map(json.dumps, shown))
    (FOLDER / "truth.json").write_text(f'{{"pages": [\n {listed}\n],\n"rows": {{\n{text}\n}}}}\n')


if __name__ == "__main__":
    main()
