#!/usr/bin/env python3
"""Draw examples/report.pdf: a page with text of its own, and a scanned page with a table.

The same bytes each time, with the same fpdf2.
"""

from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF

ROOT = Path(__file__).parent.parent
PARAGRAPH = (
    "Eight stations sent their readings for the whole year. None of them was moved, and only one "
    "was without power, for two days in March. The table on the next page was scanned."
)


def main() -> None:
    pdf = FPDF(format="A5")
    pdf.set_creation_date(datetime(2026, 11, 25, tzinfo=UTC))
    pdf.set_margin(18)
    pdf.add_page()
    pdf.set_font("Helvetica", style="B", size=22)
    pdf.cell(text="Weather report", new_x="LMARGIN", new_y="NEXT", h=18)
    pdf.set_font("Helvetica", size=11)
    pdf.multi_cell(0, 6, PARAGRAPH, align="L")
    pdf.add_page()
    pdf.image(ROOT / "tests/data/pages/plain_table.png", x=8, y=20, w=132)
    pdf.output(ROOT / "examples/report.pdf")


if __name__ == "__main__":
    main()
