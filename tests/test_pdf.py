"""The pages of a PDF are rendered as a person sees them, within limits."""

import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from pdfs import changed, drawn, encrypted, picture, square, with_content, with_page
from PIL import Image
from test_documents import opened

from ocr_runtime.documents.document import Limits
from ocr_runtime.documents.images import ACCEPTED
from ocr_runtime.documents.pdf_process import PdfProcess
from ocr_runtime.errors import (
    EmptyDocument,
    ImageTooLarge,
    InvalidOption,
    OCRError,
    PageTooSlow,
    PasswordRequired,
    TooManyPages,
    UnsupportedDocument,
    WrongPassword,
)

RED = (0, 0, 255)
QUICK = Limits(max_pixels=50_000_000, max_pages=9, page_seconds=3)


def place_of_red(pixels: np.ndarray) -> list[int]:
    """The left, top, right and bottom of what is red, in pixels."""
    rows, columns = np.nonzero((pixels == RED).all(axis=2))
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def scaled(dpi: float, *points: float) -> list[object]:
    return [pytest.approx(point * dpi / 72, abs=1.5) for point in points]


# What a page shows


@pytest.mark.parametrize("dpi", [72, 150, 200, pytest.param(600, marks=pytest.mark.slow)])
def test_a_page_is_rendered_at_the_density_asked_for(dpi):
    with opened(drawn(square), dpi=dpi) as document:
        page = document.page(1)
    assert [page.width, page.height] == scaled(dpi, 595, 842)
    assert page.pixels.shape == (page.height, page.width, 3)
    assert (page.pixels.dtype, page.dpi, page.pages) == (np.uint8, dpi, 1)
    assert place_of_red(page.pixels) == scaled(dpi, 100, 200, 150, 250)
    assert page.pixels[0, 0].tolist() == [255, 255, 255]
    with pytest.raises(ValueError, match="read-only"):
        page.pixels[0, 0] = 0


@pytest.mark.parametrize(
    ("rotation", "place"),
    [
        (0, (100, 200, 150, 250)),
        (90, (842 - 250, 100, 842 - 200, 150)),
        (180, (595 - 150, 842 - 250, 595 - 100, 842 - 200)),
        (270, (200, 595 - 150, 250, 595 - 100)),
        (-90, (200, 595 - 150, 250, 595 - 100)),
    ],
)
def test_a_page_is_turned_as_it_says(rotation, place):
    page = opened(with_page(drawn(square), Rotate=rotation), dpi=72).page(1)
    assert (page.width > page.height) == (rotation % 180 != 0)
    assert place_of_red(page.pixels) == scaled(72, *place)


def test_of_a_page_its_crop_box_is_seen():
    data = with_page(drawn(square), CropBox=pikepdf.Array([90, 842 - 260, 290, 842 - 160]))
    page = opened(data, dpi=144).page(1)
    assert (page.width, page.height) == (400, 200)
    assert place_of_red(page.pixels) == scaled(144, 10, 40, 60, 90)


def test_annotations_and_form_fields_are_drawn():
    def annotate(pdf: pikepdf.Pdf) -> None:
        appearance = pdf.make_stream(b"1 0 0 rg 0 0 50 50 re f")
        appearance.BBox = pikepdf.Array([0, 0, 50, 50])
        appearance.Type, appearance.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        annotation = {
            "/Type": pikepdf.Name.Annot,
            "/Subtype": pikepdf.Name.Stamp,
            "/Rect": pikepdf.Array([100, 842 - 250, 150, 842 - 200]),
            "/AP": pikepdf.Dictionary(N=appearance),
            "/F": 4,
        }
        field = annotation | {
            "/Subtype": pikepdf.Name.Widget,
            "/Rect": pikepdf.Array([300, 842 - 250, 350, 842 - 200]),
            "/FT": pikepdf.Name.Tx,
            "/T": pikepdf.String("name"),
        }
        made = [pdf.make_indirect(pikepdf.Dictionary(each)) for each in (annotation, field)]
        pdf.pages[0].obj.Annots = pikepdf.Array(made)
        pdf.Root.AcroForm = pdf.make_indirect(pikepdf.Dictionary(Fields=pikepdf.Array(made[1:])))

    page = opened(changed(drawn(lambda _: None), annotate), dpi=72).page(1)
    assert place_of_red(page.pixels) == scaled(72, 100, 200, 350, 250)
    assert page.pixels[225, 200].tolist() == [255, 255, 255]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pixels", "points", "dpi"),
    [
        (None, 0, 200),
        ((2479, 3508), 595, 300),
        ((2066, 2924), 595, 250),
        ((4960, 7016), 595, 300),
        ((827, 1170), 595, 200),
        ((600, 600), 50, 200),  # a logo of 864 dpi
    ],
)
def test_without_a_density_that_of_the_pages_images_is_taken(pixels, points, dpi):
    def draw(pdf):
        if pixels:
            image = Image.new("L", pixels, 200)
            picture(image, 0, 0, points, points * pixels[1] / pixels[0])(pdf)

    page = opened(drawn(draw)).page(1)
    assert page.dpi == pytest.approx(dpi, abs=1)


def test_pages_are_chosen_and_rendered_in_any_order():
    data = drawn(*([lambda _: None] * 4), square)
    with opened(data, pages="5,2", dpi=72) as document:
        assert (document.format, document.data) == ("PDF", data)
        assert (document.pages, document.numbers) == (5, [2, 5])
        assert place_of_red(document.page(5).pixels)
        assert document.page(2).pixels.min() == 255
    with pytest.raises(InvalidOption, match="The document has 5 pages"):
        opened(data, pages="6")
    with pytest.raises(TooManyPages, match="At most 4"):
        opened(data, limits=Limits(max_pixels=50_000_000, max_pages=4, page_seconds=20))


def test_bytes_before_the_header_and_after_the_end_do_not_matter():
    data = b"\n\0 " * 50 + drawn(square) + b"\n" * 500
    assert place_of_red(opened(data, dpi=72).page(1).pixels)


# Encryption


@pytest.mark.parametrize("revision", [2, 3, 4, 6])
def test_an_encrypted_pdf_needs_its_password(revision):
    data = encrypted(drawn(square), user="geheim", owner="owner", revision=revision)
    with pytest.raises(PasswordRequired):
        opened(data)
    with pytest.raises(PasswordRequired):
        opened(data, password="")
    with pytest.raises(WrongPassword):
        opened(data, password="wrong")
    for password in ("geheim", "owner"):
        assert place_of_red(opened(data, password=password, dpi=72).page(1).pixels)


def test_a_password_may_have_any_characters():
    data = encrypted(drawn(square), user="пароль ü")
    assert place_of_red(opened(data, password="пароль ü", dpi=72).page(1).pixels)
    for wrong in ("\ud800", "\0", "x" * 100_000):
        with pytest.raises(WrongPassword):
            opened(data, password=wrong)


def test_a_pdf_that_only_forbids_changes_needs_no_password():
    data = encrypted(drawn(square), user="", owner="owner")
    assert place_of_red(opened(data, dpi=72).page(1).pixels)
    assert opened(drawn(square), password="superfluous", dpi=72).pages == 1


# What is broken


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", b"%PDF-1.7" + bytes(10_000), b"x%PDF-"])
def test_a_broken_pdf_is_refused(data):
    with pytest.raises(UnsupportedDocument, match="The PDF is damaged or truncated"):
        opened(data)


@pytest.mark.slow
def test_a_pdf_that_is_cut_off_is_mended_or_refused():
    data = drawn(square, square)
    for end in range(0, len(data), 97):
        assert set(codes(data[:end])) <= {"page", "unsupported_document", "empty_document"}


def codes(data: bytes, **options: object) -> list[str]:
    """Of each page "page" or the code of its error; or that of opening the document."""
    try:
        with opened(data, dpi=72, **options) as document:
            return outcomes(document)
    except OCRError as error:
        return [error.code]


def outcomes(document) -> list[str]:
    found = []
    for number in document.numbers:
        try:
            assert document.page(number).pixels.size
            found.append("page")
        except OCRError as error:
            found.append(error.code)
    return found


def test_a_pdf_without_pages_is_refused():
    def remove(pdf: pikepdf.Pdf) -> None:
        del pdf.pages[:]

    with pytest.raises(EmptyDocument):
        opened(changed(drawn(square), remove))


def test_a_broken_page_spoils_no_other():
    def break_second(pdf: pikepdf.Pdf) -> None:
        pdf.Root.Pages.Kids[1] = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Font))

    with opened(changed(drawn(square, square, square), break_second), dpi=72) as document:
        assert outcomes(document)[::2] == ["page", "page"]


def test_what_is_neither_a_pdf_nor_an_image_is_told_what_is_read():
    with pytest.raises(UnsupportedDocument) as error:
        opened(b"PK\3\4word/document.xml")
    assert str(error.value) == (
        f"This is neither a PDF nor an image in one of the accepted formats: {ACCEPTED}. "
        "It looks like a ZIP archive or an Office document."
    )


# Limits


def test_a_large_page_is_rendered_at_a_lower_density_and_a_huge_one_refused():
    limits = Limits(max_pixels=1_000_000, max_pages=9, page_seconds=20)
    page = opened(drawn(square), limits=limits).page(1)
    assert 990_000 < page.width * page.height <= 1_000_000
    assert 72 < page.dpi < 110
    assert place_of_red(page.pixels) == scaled(page.dpi, 100, 200, 150, 250)
    with pytest.raises(ImageTooLarge, match=r"Page 1 measures 21 x 21 inches.* 1000000 pixels"):
        opened(drawn(square, size=(1500, 1500)), limits=limits).page(1)


@pytest.mark.parametrize(
    "box",
    [[0, 0, 0, 0], [0, 0, 1e30, 1e30], [0, 0, -5, -5], [0, 0, 1e-9, 1e-9], [5, 5], "rubbish"],
)
def test_a_page_of_no_sensible_size_is_rendered_or_refused(box):
    boxed = pikepdf.Array(box) if isinstance(box, list) else pikepdf.String(box)
    with opened(with_page(drawn(square), MediaBox=boxed), dpi=72) as document:
        assert outcomes(document)[0] in ("page", "image_too_large", "unsupported_document")


@pytest.mark.slow
def test_a_page_that_takes_too_long_is_given_up_and_others_are_read():
    limits = Limits(max_pixels=50_000_000, max_pages=9, page_seconds=1)
    slow = with_content(
        b"q 0 0 595 842 re W n /x sh Q 10 10 m 500 800 600 10 20 700 c S " * 500_000
    )

    def append(pdf: pikepdf.Pdf) -> None:
        with pikepdf.open(io.BytesIO(drawn(square))) as other:
            pdf.pages.append(other.pages[0])
            pdf.pages.insert(0, other.pages[0])

    with opened(changed(slow, append), limits=limits, dpi=72) as document:
        start = time.monotonic()
        assert outcomes(document) == ["page", "page_too_slow", "page"]
        assert time.monotonic() - start < 10
        with pytest.raises(PageTooSlow, match="Rendering page 2 takes longer than 1 seconds"):
            document.page(2)
        with pytest.raises(PageTooSlow):
            document.page(2)
        with pytest.raises(UnsupportedDocument, match="Page 3 was not tried, as others failed"):
            document.page(3)


def test_a_page_that_crashes_pdfium_is_given_up_and_others_are_read():
    with opened(drawn(square, square), dpi=72) as document:
        os.kill(document._process._process.pid, signal.SIGKILL)
        with pytest.raises(UnsupportedDocument, match="Page 1 cannot be rendered"):
            document.page(1)
        assert place_of_red(document.page(2).pixels)


@pytest.mark.slow
def test_a_page_that_takes_too_much_memory_is_given_up():
    def swell(pdf: pikepdf.Pdf) -> None:
        """2.5 billion white pixels of a fax in 6 kB, turned and stretched."""
        image = pdf.make_stream(b"\xff" * 6000)
        for name, value in {
            "Subtype": pikepdf.Name.Image,
            "Width": 50_000,
            "Height": 50_000,
            "BitsPerComponent": 1,
            "ColorSpace": pikepdf.Name.DeviceGray,
            "Filter": pikepdf.Name.CCITTFaxDecode,
            "DecodeParms": pikepdf.Dictionary(K=-1, Columns=50_000, Rows=50_000),
        }.items():
            image[f"/{name}"] = value
        pdf.pages[0].obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=image))
        pdf.pages[0].obj.Contents = pdf.make_stream(b"500 20 -30 700 0 0 cm /X Do")

    data = changed(drawn(square, square), swell)
    assert codes(data, limits=QUICK) in (["page", "page"], ["page_too_slow", "page"])


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 3, 20_000])
def test_forms_that_draw_themselves_end(depth):
    def nest(pdf: pikepdf.Pdf) -> None:
        def form() -> pikepdf.Object:
            made = pdf.make_stream(b"1 0 0 rg 0 0 50 50 re f /X Do /X Do")
            made.Type, made.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
            made.BBox = pikepdf.Array([0, 0, 500, 500])
            return made

        forms = [form() for _ in range(depth)]
        for each, following in zip(forms, forms[1:] + forms[:1], strict=True):
            each.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=following))
        pdf.pages[0].obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=forms[0]))

    limits = Limits(max_pixels=50_000_000, max_pages=9, page_seconds=3)
    with opened(changed(with_content(b"/X Do"), nest), dpi=72, limits=limits) as document:
        assert outcomes(document)[0] in ("page", "page_too_slow", "unsupported_document")


def test_a_tree_of_pages_that_contains_itself_ends():
    def loop(pdf: pikepdf.Pdf) -> None:
        pdf.Root.Pages.Kids = pikepdf.Array([pdf.Root.Pages, pdf.pages[0].obj, pdf.Root.Pages])
        pdf.Root.Pages.Count = 3

    found = codes(changed(drawn(square), loop))
    assert set(found) <= {"page", "unsupported_document", "empty_document"}


def test_a_claimed_number_of_pages_is_not_believed():
    def claim(pdf: pikepdf.Pdf) -> None:
        pdf.Root.Pages.Count = 2_000_000_000

    assert codes(changed(drawn(square), claim)) == ["page"]


def test_documents_are_rendered_at_the_same_time():
    """Each thread sees its own document, whatever the others do."""
    files = [drawn(lambda pdf, side=side: square(pdf, side=side)) for side in range(20, 60, 5)]

    def side(data: bytes) -> int:
        with opened(data, dpi=72) as document:
            left, _, right, _ = place_of_red(document.page(1).pixels)
            return right - left

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(side, files * 2)) == [*range(20, 60, 5)] * 2


def test_no_process_is_left_once_a_document_is_closed():
    with opened(drawn(square)) as document:
        process = document._process._process
        assert process.poll() is None
    assert process.poll() is not None
    document = opened(drawn(square))
    process = document._process._process
    del document  # without `with`
    assert process.poll() is not None


def test_a_process_that_does_not_start_is_a_fault_of_the_service(monkeypatch):
    monkeypatch.setattr("ocr_runtime.documents.child_start._RUN", "raise SystemExit(3)")
    with pytest.raises(RuntimeError, match="did not start"):
        PdfProcess(b"", password=None, max_pixels=1)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems lack some of the limits")
@pytest.mark.parametrize(
    "attempt",
    ["open('/etc/hostname')", "socket.socket()", "os.dup(0)", "bytearray(500 << 20)", "os.pipe()"],
)
def test_the_process_of_a_pdf_has_no_files_no_connections_and_little_memory(attempt):
    code = (
        "import os, socket; from ocr_runtime.documents.child_limits import give_up_rights\n"
        f"give_up_rights(400 << 20)\ntry: {attempt}\n"
        "except (OSError, MemoryError) as error: print(type(error).__name__)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() in ("OSError", "MemoryError")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows it")
def test_the_process_of_a_pdf_sees_no_environment(monkeypatch):
    monkeypatch.setenv("OCR_API_KEYS", "secret-key")
    with opened(drawn(square)) as document:
        environ = Path(f"/proc/{document._process._process.pid}/environ")
        assert b"secret" not in environ.read_bytes()


def test_of_many_open_documents_those_used_last_keep_their_processes():
    """Each may take some hundred megabytes; 30 requests had 30."""
    two = drawn(square, square)
    limits = Limits(max_pixels=50_000_000, max_pages=9, page_seconds=20, open_pdfs=3)
    documents = [opened(two, dpi=72, limits=limits) for _ in range(6)]

    def alive() -> list[int]:
        return [i for i, each in enumerate(documents) if each._process._process.poll() is None]

    assert alive() == [3, 4, 5]
    assert place_of_red(documents[0].page(1).pixels) == place_of_red(documents[0].page(2).pixels)
    assert alive() == [0, 4, 5]
    documents[4].page(1)
    documents[1].page(2)
    assert alive() == [0, 1, 4]
    for document in documents:
        document.close()
    assert alive() == []


def test_a_process_in_use_is_not_ended_for_another_document():
    limits = Limits(max_pixels=50_000_000, max_pages=9, page_seconds=20, open_pdfs=1)
    data = drawn(*[square] * 4)

    def read(_: int) -> int:
        with opened(data, dpi=72, limits=limits) as document:
            return len([document.page(number) for number in document.numbers])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(8))) == [4] * 8
