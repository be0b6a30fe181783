"""Page -> plain text; pages -> their texts with form feeds between them."""

from collections.abc import Iterable, Iterator

from ocr_runtime.documents.document import Document
from ocr_runtime.reading.page import Block, Page, UnreadPage


def write(page: Page) -> str:
    """Write the text of a page: a line for each row, an empty line between blocks."""
    blocks = [_block(block) for block in page.blocks]
    return "\n".join(f"{block}\n" for block in blocks if block)


def write_pages(pages: Iterable[Page | UnreadPage], _document: Document) -> Iterator[str]:
    """Write pages one after the other, with a form feed between each two.

    A page without text is empty, so that the n-th page stands after n - 1 form feeds. A page that
    could not be read is one line in brackets that says so.
    """
    for index, page in enumerate(pages):
        text = _unread(page) if isinstance(page, UnreadPage) else write(page)
        # OCR gives no form feeds, but the text of a PDF may hold some.
        yield "\f" * (index > 0) + text.replace("\f", " ")


def _unread(page: UnreadPage) -> str:
    return f"[page {page.number} was not read: {page.error}]\n"


def _block(block: Block) -> str:
    rows = [" ".join(line.text for line in row if line.text) for row in block.rows]
    return "\n".join(row for row in rows if row)
