"""Page -> plain text."""

from ocr_runtime.reading.page import Block, Page


def write(page: Page) -> str:
    """Write the text of a page: a line for each row, an empty line between blocks."""
    blocks = [_block(block) for block in page.blocks]
    return "\n".join(f"{block}\n" for block in blocks if block)


def _block(block: Block) -> str:
    rows = [" ".join(line.text for line in row if line.text) for row in block.rows]
    return "\n".join(row for row in rows if row)
