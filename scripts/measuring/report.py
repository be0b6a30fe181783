"""Figures -> Markdown: docs/accuracy.md."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.benchmark.report import grid, machine

from .measures import RATES, rates

if TYPE_CHECKING:
    from .__main__ import Measured

PAGE = Path(__file__).parents[2] / "docs/accuracy.md"

HEAD = """<!-- Written by scripts/accuracy. Run it again to change the figures. -->

# Accuracy

```sh
scripts/accuracy --images FOLDER
```

shows the first table below for images of your own: each image in the folder has a text file of the
same name (`page.png`, `page.txt`) that holds its lines in reading order, the cells of a table's row
in one line. Without `--images` it takes the drawn pages of `tests/data/pages`; `--write` writes
this page. `--rounds` says how often each page is read.

Each measure is taken over the characters, words or spaces of all pages together, after Unicode's
NFKC, with one kind of quote and of dash:

- *characters not read*: 100 less F1 of the bags of characters, wherever they stand
  ([Pletschacher and others, HIP 2015](https://doi.org/10.1145/2809544.2809554));
- *text in order wrong*: edits (Levenshtein) between the text as it is returned and the true text in
  reading order, by the length of the true text: the character error rate of ISRI (Rice, Jenkins and
  Nartker, 1996). A column read across counts here, and only here;
- *word F1*: of the bags of words; each character of Chinese is a word;
- *spaces lost* and *too many*, for 100 true ones, in lines that are read at least 90 % alike;
- *seconds a page*: of a call of the engine, on all cores, beside those of `exact`. All ways of
  reading take turns at each page. Where other work ran beside (a load average above the number of
  cores), only the ratios say something.

The options are those of a request; what is not named is as the profile has it: `standard` and
`fast` read with `orientation=auto` and `layout=auto`, `exact` with `orientation=0` and
`layout=none`, all of them with `use_cls=true`.
"""

DRAWN = """Columns, tables, receipts, forms and Chinese
pages, some of them turned or skewed; of one a line is upside down. `scripts/drawing` draws them,
`tests/test_pages.py` tests them.
"""


def write(found: dict[str, dict[str, Measured]], rounds: int) -> None:
    """Write the page.

    Args:
        found: what was measured of each way, on "drawn" pages, maybe on those of a "folder".
        rounds: how often each page was read.
    """
    _, _, load = os.getloadavg()
    how = f"Medians of {rounds} rounds; the load average of 15 minutes was {load:.0f} at the end."
    parts = [HEAD, f"{machine()} {how}\n", "## The drawn pages\n"]
    parts.append(f"{_size(found['drawn'])} {DRAWN}")
    parts.append(tables(found["drawn"]))
    if "folder" in found:
        parts += ["## A folder\n", f"{_size(found['folder'])}\n", tables(found["folder"])]
    PAGE.write_text("\n".join(parts))


def _size(found: dict[str, Measured]) -> str:
    first = next(iter(found.values()))
    return f"{len(first.seconds)} pages, {first.total['length']} characters."


def tables(found: dict[str, Measured]) -> str:
    """Show each way's rates; if there are several kinds of pages, the order of each too."""
    first = next(iter(found.values()))
    rows = []
    for way, each in found.items():
        measured = rates(each.total)
        seconds = sum(each.seconds)
        cells = [f"{measured[name]:.2f}" for name in RATES.values()]
        cells.append(f"{seconds / len(each.seconds):.2f}")
        cells.append(f"{seconds / sum(first.seconds):.2f}")
        rows.append([way, *cells])
    text = grid(["", *RATES, "seconds a page", "times those of `exact`"], rows)
    if len(first.counts) > 1:
        rows = [
            [way, *(f"{rates(count)['disordered']:.2f}" for count in each.counts.values())]
            for way, each in found.items()
        ]
        text += "\n" + grid(["text in order wrong, %", *first.counts], rows)
    return text
