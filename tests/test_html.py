"""Pages as HTML."""

from handmade import UNREAD, block, page, table

from ocr_runtime.outputs import elements, html, markdown

PROSE = block(*["The harbour lies below the old town, and every morning"] * 6, top=500)


def write(*pages):
    writer = html.HtmlPages()
    written = [
        writer.section(page.number, markdown.write(page, blocks))
        for page, blocks in elements.by_page(pages)
    ]
    return html.document("A <file> & more", "".join(written))


def test_number_signs_at_the_end_of_a_heading_are_seen():
    for heading in ("Lot #", "Lot ##", "C#", "# Lot # #", "Lot \\ #"):
        written = write(page(block(heading, size=44), PROSE))
        assert f"<h1>{heading}</h1>" in written


def test_headings_paragraphs_lists_and_tables_are_elements():
    prose = ("The harbour lies below the old town, and every morning " * 6).rstrip()
    first = page(
        block("A Town", size=44),
        block("- bread", "- butter", top=200),
        table(["Item", "Price"], ["Tea", "1.20"], xs=[100, 300], top=300),
        PROSE,
    )
    assert write(first, page(number=2), UNREAD) == (
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        "<title>A &lt;file&gt; &amp; more</title>\n</head>\n<body>\n"
        '<section id="page-1">\n<h1>A Town</h1>\n<ul>\n<li>bread</li>\n<li>butter</li>\n</ul>\n'
        "<table>\n<thead>\n<tr>\n<th>Item</th>\n<th>Price</th>\n</tr>\n</thead>\n"
        "<tbody>\n<tr>\n<td>Tea</td>\n<td>1.20</td>\n</tr>\n</tbody>\n</table>\n"
        f"<p>{prose}</p>\n</section>\n"
        '<section id="page-2">\n</section>\n'
        '<section id="page-7">\n<blockquote>\n'
        "<p>page 7 was not read: The page is &lt;too&gt; large.</p>\n</blockquote>\n</section>\n"
        "</body>\n</html>\n"
    )


def test_what_stands_on_a_page_is_no_markup():
    texts = "<script>alert(1)</script>", "[a](javascript:b) ![c](d)", "&lt; &amp; *e* `f` # g"
    written = write(page(*(block(text, top=100 * i) for i, text in enumerate(texts))))
    assert written.split('<section id="page-1">\n')[1].split("</section>")[0] == (
        "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"
        "<p>[a](javascript:b) ![c](d)</p>\n"
        "<p>&amp;lt; &amp;amp; *e* `f` # g</p>\n"
    )
