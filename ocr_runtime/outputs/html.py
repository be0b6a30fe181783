"""Markdown of pages -> an HTML document: headings, paragraphs, lists and tables.

    Markdown of a page --HtmlPages.section--> <section id="page-1">...</section>

What stands on a page is escaped by `outputs/markdown.py` and then here, so no markup comes of it.
"""

from html import escape

from markdown_it import MarkdownIt

_HEAD = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>{title}</title>
</head>
<body>
"""
_TAIL = "</body>\n</html>\n"


class HtmlPages:
    """Writes pages as HTML."""

    def __init__(self) -> None:
        # One for each document: its first use compiles rules, which threads must not share.
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def section(self, number: int, markdown: str) -> str:
        """Write a page.

        Args:
            number: of the page in its document, from 1.
            markdown: what it holds, as `markdown.write` makes it.
        """
        return f'<section id="page-{number}">\n{self._markdown.render(markdown)}</section>\n'


def document(title: str, sections: str) -> str:
    """Write a document.

    Args:
        title: of the document, as text.
        sections: its pages, one after the other.
    """
    return _HEAD.format(title=escape(title)) + sections + _TAIL
