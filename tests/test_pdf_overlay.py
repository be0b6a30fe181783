"""PDFs whose text can be found and copied: of PDFs, whose pages stay as they are."""

import io
import time
from dataclasses import replace

import numpy as np
import pikepdf
import pypdfium2
import pytest
from handmade import UNREAD, Handmade, line, page
from pikepdf import Array, Dictionary, Name
from test_searchable_pdf import copied, places, shown

from ocr_runtime.errors import Timeout, UnsupportedDocument
from ocr_runtime.outputs import pdf, pdf_overlay
from ocr_runtime.reading.page import Block

SQUARE = b"0.2 0.4 0.6 rg 100 100 50 50 re f\n"
READ = page(Block(rows=[[line("found again", 100, 100, size=20)]]), width=600, height=800)


def blank(*contents, **entries):
    """A PDF with pages of 300 x 400 points."""
    document = pikepdf.new()
    for content in contents or (SQUARE,):
        sheet = document.add_blank_page(page_size=(300, 400))
        sheet.obj.Contents = document.make_stream(content)
        for name, value in entries.items():
            sheet.obj[f"/{name}"] = value
    return document


def saved(document, **options):
    buffer = io.BytesIO()
    document.save(buffer, **options)
    return buffer.getvalue()


def written(document, *pages, password=None, **options):
    data = document if isinstance(document, bytes) else saved(document, **options)
    pages = pages or (READ,)
    numbers = [each.number for each in pages]
    described = Handmade(data=data, format="PDF", numbers=numbers, password=password)
    out = b"".join(pdf.write_pages(pages, described))
    with pikepdf.open(io.BytesIO(out)) as opened:
        assert opened.check_pdf_syntax() == []
    return data, out


def test_a_page_gets_text_and_is_else_as_it_was():
    before, after = written(blank())
    assert copied(before) == ""
    assert copied(after) == "found again"
    assert np.array_equal(shown(before, width=600), shown(after, width=600))
    assert places(after)["found"] == pytest.approx([50, 340, 75, 350], abs=1)
    with pikepdf.open(io.BytesIO(after)) as document:
        assert SQUARE in document.pages[0].Contents[-1].read_bytes()


@pytest.mark.parametrize(
    ("rotate", "crop"),
    [
        pytest.param(rotate, crop, marks=[pytest.mark.slow] * (rotate != 90 or not crop))
        for rotate in (0, 90, 180, 270, -90)
        for crop in (None, [20, 40, 220, 340], [220, 340, -20, 40])
    ],
)
def test_text_lies_on_a_turned_or_cropped_page_as_it_is_shown(rotate, crop):
    """The ink of a page as Chromium shows it is found, read, and marked again in Chromium."""
    document = blank(b"0 g 120 210 60 20 re f\n", Rotate=rotate)
    if crop:
        document.pages[0].obj.CropBox = Array(crop)
    ink = shown(saved(document), width=500)[..., 0] < 128
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    left, top = columns[0], rows[0]
    wide, high = columns[-1] + 1 - left, rows[-1] + 1 - top
    read = page(
        Block(rows=[[line("ink", left, top, size=high, width=wide)]]),
        width=ink.shape[1], height=ink.shape[0],
    )  # fmt: skip
    _, after = written(document, read)
    assert places(after)["ink"] == pytest.approx([120, 210, 180, 230], abs=2)


def test_attributes_of_parents_count():
    document = blank(SQUARE, SQUARE)
    parent = document.Root.Pages
    for sheet in document.pages:
        del sheet.obj["/MediaBox"], sheet.obj["/Resources"]
    parent.MediaBox, parent.Rotate = Array([0, 0, 300, 400]), 180
    parent.Resources = Dictionary(ExtGState=Dictionary(G=Dictionary(ca=0.5)))
    upside_down = page(
        Block(rows=[[line("word", 0, 0, size=80, width=200)]]), width=600, height=800
    )
    before, after = written(saved(document), upside_down, replace(READ, number=2))
    assert places(after)["word"] == pytest.approx([200, 0, 300, 40], abs=2)
    assert copied(after, 2) == "found again"
    with pikepdf.open(io.BytesIO(after)) as opened:
        assert "/ExtGState" in opened.pages[0].obj.Resources
        assert "/Font" not in opened.Root.Pages.get("/Resources", {})
    assert np.array_equal(shown(before, width=300), shown(after, width=300))


def test_a_state_that_a_page_leaves_behind_does_not_move_the_text():
    before, after = written(blank(b"q 2 0 0 2 50 50 cm 0.5 g 10 10 20 20 re f\n"))
    assert places(after)["found"] == pytest.approx([50, 340, 75, 350], abs=1)
    assert np.array_equal(shown(before, width=300), shown(after, width=300))


def with_text(content, mode=0):
    document = blank(b"BT /F0 12 Tf %d Tr 40 300 Td %b ET\n" % (mode, content) + SQUARE)
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    document.pages[0].obj.Resources = Dictionary(Font=Dictionary(F0=document.make_indirect(font)))
    return document


def test_a_page_that_has_its_text_keeps_it():
    assert copied(written(with_text(b"(found again) Tj"))[1]) == "found again"
    assert copied(written(with_text(b"[(fou) -10 (nd ag)] TJ"))[1]) == "found ag"


def test_a_stamp_on_a_scan_is_no_text_of_its_page():
    assert copied(written(with_text(b"(4) Tj"))[1]).split() == ["found", "again", "4"]


def test_text_of_an_earlier_ocr_is_replaced():
    before, after = written(with_text(b"(f0und aga1n) Tj (and more) '", mode=3))
    assert copied(before) != ""
    assert copied(after) == "found again"
    assert np.array_equal(shown(before, width=300), shown(after, width=300))
    assert copied(written(after)[1]) == "found again"


def test_text_of_an_earlier_ocr_in_a_form_is_replaced():
    document = with_text(b"")
    form = document.make_stream(b"BT /F0 12 Tf 3 Tr 40 300 Td (old text, much of it) Tj ET")
    form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, 300, 400])
    form.Resources = document.pages[0].obj.Resources
    document.pages[0].obj.Resources.XObject = Dictionary(Old=form)
    document.pages[0].contents_add(b"/Old Do")
    before, after = written(document)
    assert copied(before) == "old text, much of it"
    assert copied(after) == "found again"


def test_the_pages_that_were_asked_for_are_kept():
    document = blank(b"", SQUARE, b"")
    document.Root.PageMode = Name.UseOutlines
    number_2 = page(Block(rows=[[line("second", 100, 100)]]), width=600, height=800, number=2)
    before, after = written(document, number_2)
    with pypdfium2.PdfDocument(after) as opened:
        assert len(opened) == 1
    assert copied(after) == "second"
    assert np.array_equal(shown(before, 2, width=300), shown(after, width=300))


def test_all_of_a_document_is_kept_with_all_of_its_pages():
    document = blank(SQUARE, SQUARE)
    document.docinfo["/Title"] = "Deeds"
    with document.open_outline() as outline:
        outline.root.append(pikepdf.OutlineItem("First", 0))
    unread = replace(UNREAD, number=2)
    _, after = written(document, READ, unread)
    with pikepdf.open(io.BytesIO(after)) as opened:
        assert opened.docinfo["/Title"] == "Deeds"
        assert "/Outlines" in opened.Root
    assert (copied(after, 1), copied(after, 2)) == ("found again", "")


@pytest.mark.parametrize("revision", [3, 4, 6])
def test_an_encrypted_file_is_written_decrypted(revision):
    locked = {
        "encryption": pikepdf.Encryption(
            owner="o", user="u", R=revision, aes=revision > 3, metadata=revision > 3
        )
    }
    data = saved(blank(), **locked)
    _, after = written(data, password="u")
    assert copied(after) == "found again"
    with pytest.raises(UnsupportedDocument):
        written(data, password="wrong")


def test_damaged_files_are_mended_or_refused():
    data = saved(blank())
    _, after = written(data[: data.rindex(b"startxref")])
    assert copied(after) == "found again"
    with pytest.raises(UnsupportedDocument, match="No text can be added to this PDF"):
        written(b"%PDF-1.7\nnothing")


@pytest.mark.parametrize("seconds_left", [-1, 0.01])
def test_writing_ends_at_the_deadline(seconds_left):
    described = Handmade(
        data=saved(blank()), format="PDF", deadline=time.monotonic() + seconds_left
    )
    with pytest.raises(Timeout):
        list(pdf.write_pages([READ], described))


@pytest.mark.slow
def test_a_file_that_takes_too_much_memory_or_time_is_refused(monkeypatch):
    document = blank()
    bomb = b"0 " * (1 << 26)
    document.pages[0].obj.Contents = document.make_stream(bomb)
    data = saved(document)
    assert len(data) < 1 << 20
    monkeypatch.setattr(pdf_overlay, "_MEMORY_BYTES", 200 << 20)
    with pytest.raises(UnsupportedDocument):
        written(data)
    monkeypatch.setattr(pdf_overlay, "_MEMORY_BYTES", 1 << 40)
    monkeypatch.setattr(pdf_overlay, "_SECONDS", 0)
    monkeypatch.setattr(pdf_overlay, "_SECONDS_PER_PAGE", 0.01)
    with pytest.raises(UnsupportedDocument):
        written(blank())
