"""`ocrmypdf --ocr-engine rapidocr` on a machine without Tesseract: text, places, errors."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pypdfium2
import pytest
from conftest import DATA, KEY, TRUTH
from documentation import ADDRESS, PAGES, blocks
from pdfs import FONTS, drawn, picture
from PIL import Image, ImageDraw, ImageFont
from serving import ROOT, Server, clean_environ, free_port, program, serving
from wheels import build_wheel

pytest.importorskip("ocrmypdf.pluginspec", reason="scripts/ocrmypdf tests with OCRmyPDF")

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]
DPI = 150
LINES = [
    "Twelve jolly pigs ate apples",
    "on the quay by the river",
    "and nobody was surprised",
    "Offer ends 31 December 2026",
]


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the package is installed, with its entry point."""
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))).extractall(folder)
    return clean_environ(PYTHONPATH=str(folder))


@pytest.fixture
def ocrmypdf(environ: dict[str, str], tmp_path: Path) -> Run:
    """Run OCRmyPDF with our engine on a file, and write `out.pdf`."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).with_name("ocrmypdf"), "--ocr-engine", "rapidocr"]
        return subprocess.run(
            [*map(str, [*command, *arguments]), "out.pdf"],
            cwd=tmp_path,
            env=environ | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    return run


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that asks for `KEY`."""
    with serving(tmp_path_factory.mktemp("keyed"), OCR_API_KEYS=KEY) as running:
        yield running


def poppler(path: Path) -> list[str]:
    """The lines of a PDF as Poppler copies them."""
    command = [program("pdftotext"), path, "-"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    return [line for line in shown.stdout.replace("\f", "").split("\n") if line]


def pdfium(path: Path) -> list[str]:
    """The lines of a PDF as PDFium copies them."""
    with pypdfium2.PdfDocument(path) as document:
        text = "\n".join(page.get_textpage().get_text_range() for page in document)
    return [line.strip() for line in text.splitlines() if line.strip()]


Places = list[tuple[str, float, float, float, float]]


def drawn_page() -> tuple[Image.Image, Places]:
    """A page of A4 with `LINES`, and where each of its words is: left, top, right, baseline."""
    image = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), 40)
    places = []
    for number, line in enumerate(LINES):
        x, base = 150.0, 240 + 150 * number
        for word in line.split():
            draw.text((x, base), word, font=font, fill="black", anchor="ls")
            left, top, right, _ = draw.textbbox((x, base), word, font=font, anchor="ls")
            places.append((word, left, top, right, base))
            x += draw.textlength(f"{word} ", font=font)
    return image, places


def saved(image: Image.Image, folder: Path) -> Path:
    path = folder / "page.png"
    image.save(path, dpi=(DPI, DPI))
    return path


def seen(path: Path) -> Places:
    """The words of a page as it is shown, by Poppler; the baseline is that of Noto Sans."""
    command = [program("pdftotext"), "-bbox", path, "-"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    number = r'"([\d.-]+)"'
    pattern = f"xMin={number} yMin={number} xMax={number} yMax={number}>(.*?)<"
    places = []
    for *sides, word in re.findall(pattern, shown):
        left, top, right, bottom = (float(side) * DPI / 72 for side in sides)
        places.append((word, left, top, right, bottom - (bottom - top) * 293 / 1362))
    return places


def placed(path: Path) -> Places:
    """The words of a page that is not turned, by PDFium."""
    scale = DPI / 72
    places = []
    with pypdfium2.PdfDocument(path) as document:
        text, height = document[0].get_textpage(), document[0].get_height()
        characters = text.get_text_range()
        for match in re.finditer(r"\S+", characters):
            boxes = [text.get_charbox(i, loose=True) for i in range(match.start(), match.end())]
            bottom, top = boxes[0][1], boxes[0][3]
            base = bottom + (top - bottom) * 293 / 1362
            sides = boxes[0][0], height - top, boxes[-1][2], height - base
            left, above, right, base = (side * scale for side in sides)
            places.append((match.group(), left, above, right, base))
    return places


def assert_alike(found: Places, expected: Places, *, pixels: float) -> None:
    """Words are the same, their ends and baselines at the same places but for some pixels."""
    assert [word for word, *_ in found] == [word for word, *_ in expected]
    for (word, left, _, right, base), (_, *sides) in zip(found, expected, strict=True):
        assert abs(left - sides[0]) <= pixels, word
        assert abs(right - sides[2]) <= pixels, word
        assert abs(base - sides[3]) <= pixels, word


def two_pages(folder: Path) -> Path:
    pages = [Image.open(DATA / name).convert("RGB") for name in ("latin.png", "chinese.png")]
    path = folder / "in.pdf"
    path.write_bytes(
        drawn(*(picture(page, 30, 30, 500, 500 * page.height / page.width) for page in pages))
    )
    return path


TWO_PAGES = TRUTH["latin.png"] + TRUTH["chinese.png"]


@pytest.mark.parametrize(
    ("how", "copies"),
    [
        (["--jobs", 2], [poppler, pdfium]),
        (["--pdf-renderer", "sandwich", "--no-use-threads", "--jobs", 2], [pdfium]),
    ],
)
def test_all_of_the_text_is_found_in_threads_and_in_processes(how, copies, ocrmypdf, tmp_path):
    done = ocrmypdf(*how, "--sidecar", "out.txt", two_pages(tmp_path))
    assert done.returncode == 0, done.stderr
    first, second = (tmp_path / "out.txt").read_text().split("\f")
    sidecar = [line for line in f"{first}\n{second}".splitlines() if line]
    found = [copied(tmp_path / "out.pdf") for copied in copies]
    assert [*found, sidecar] == [TWO_PAGES] * (len(copies) + 1)


def test_words_lie_where_they_are_drawn(ocrmypdf, tmp_path):
    image, places = drawn_page()
    done = ocrmypdf(saved(image, tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Output file is a PDF/A-2b" in done.stderr
    assert_alike(placed(tmp_path / "out.pdf"), places, pixels=6)
    assert_alike(seen(tmp_path / "out.pdf"), places, pixels=6)
    with pypdfium2.PdfDocument(tmp_path / "out.pdf") as document:
        creator = document.get_metadata_value("Creator")
    assert re.fullmatch(r"OCRmyPDF [\d.]+ / rapidocr-bento [\d.]+", creator)


@pytest.mark.parametrize(("turn", "renderer"), [(90, "auto"), (180, "auto"), (270, "sandwich")])
def test_a_turned_page_is_made_upright(turn, renderer, ocrmypdf, tmp_path):
    image, places = drawn_page()
    done = ocrmypdf(
        "--rotate-pages",
        "--pdf-renderer",
        renderer,
        saved(image.rotate(turn, expand=True), tmp_path),
    )
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out.pdf"
    found = seen(out)
    if renderer == "sandwich":  # in a font without descenders
        found = [(word, left, top, right, 0) for word, left, top, right, _ in found]
        places = [(word, left, top, right, 0) for word, left, top, right, _ in places]
    assert_alike(found, places, pixels=6)
    with pypdfium2.PdfDocument(out) as document:
        shown = document[0].render(scale=DPI / 72, may_draw_forms=False).to_pil().convert("L")
    assert abs(shown.width - image.width) <= 1
    ink = [sum(each.crop((150, 190, 700, 680)).histogram()[:128]) for each in (shown, image)]
    assert abs(ink[0] - ink[1]) < ink[1] / 10


def test_a_page_is_read_as_it_lies_where_it_is_not_sure_enough_that_it_is_turned(
    ocrmypdf, tmp_path
):
    image, places = drawn_page()
    done = ocrmypdf(
        *("--rotate-pages", "--rotate-pages-threshold", 20.1), saved(image.rotate(180), tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"page is facing ⇩, confidence 1\d\.\d\d - confidence too low", done.stderr)
    assert poppler(tmp_path / "out.pdf") == LINES
    found = [(word, left, right) for word, left, _, right, _ in seen(tmp_path / "out.pdf")]
    assert [word for word, *_ in found] == [word for word, *_ in places]
    for (word, left, right), (_, drawn_left, _, drawn_right, _) in zip(found, places, strict=True):
        assert abs(image.width - right - drawn_left) <= 6, word
        assert abs(image.width - left - drawn_right) <= 6, word


@pytest.mark.parametrize("angle", [3, -3])
def test_a_skewed_page_is_made_level(angle, ocrmypdf, tmp_path):
    image, places = drawn_page()
    skewed = image.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor="white")
    done = ocrmypdf("--deskew", saved(skewed, tmp_path))
    assert done.returncode == 0, done.stderr
    assert_alike(placed(tmp_path / "out.pdf"), places, pixels=12)


def test_lines_of_a_skewed_page_are_skewed(ocrmypdf, tmp_path):
    image, _ = drawn_page()
    skewed = image.rotate(-3, resample=Image.Resampling.BICUBIC, fillcolor="white")
    done = ocrmypdf(saved(skewed, tmp_path))
    assert done.returncode == 0, done.stderr
    assert pdfium(tmp_path / "out.pdf") == LINES


def test_programs_may_read_one_document_in_threads_and_the_next_in_processes(environ, tmp_path):
    two_pages(tmp_path)
    code = (
        "import ocrmypdf\n"
        "for threads in True, False:\n"
        "    ocrmypdf.ocr('in.pdf', f'{threads}.pdf', ocr_engine='rapidocr', jobs=2,\n"
        "        use_threads=threads, progress_bar=False)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, timeout=100)
    for name in ("True.pdf", "False.pdf"):
        assert poppler(tmp_path / name) == TWO_PAGES


def test_a_service_reads(keyed, ocrmypdf, tmp_path):
    done = ocrmypdf(
        *("--no-use-threads", "--jobs", 2, two_pages(tmp_path)),
        RAPIDOCR_URL=keyed.url,
        RAPIDOCR_KEY=KEY,
    )
    assert done.returncode == 0, done.stderr
    assert poppler(tmp_path / "out.pdf") == TWO_PAGES
    assert "HTTP" not in done.stderr
    assert keyed.log().count("/pages") == 3  # the trial and the pages


def test_a_service_says_which_way_up_a_page_is_and_how_skewed(keyed, ocrmypdf, tmp_path):
    image, places = drawn_page()
    turned = image.rotate(2, resample=Image.Resampling.BICUBIC, fillcolor="white")
    turned = turned.rotate(90, expand=True)
    done = ocrmypdf(
        *("--rotate-pages", "--deskew", "--rapidocr-address", keyed.url, "--rapidocr-key", KEY),
        saved(turned, tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert_alike(seen(tmp_path / "out.pdf"), places, pixels=12)


def test_the_commands_of_the_documentation_work(keyed, environ, tmp_path):
    shown = "".join(blocks(PAGES["docs/compatible.md"], "sh"))
    commands = [line for line in shown.splitlines() if "ocrmypdf --ocr-engine" in line]
    assert len(commands) == 2
    image = Image.open(DATA / "line.png").convert("RGB")
    size = (image.width + 40, image.height + 40)
    (tmp_path / "scan.pdf").write_bytes(drawn(picture(image, 20, 20, *image.size), size=size))
    for command in commands:
        run = command.replace(ADDRESS, keyed.url).replace("RAPIDOCR_KEY=...", f"RAPIDOCR_KEY={KEY}")
        subprocess.run(["bash", "-c", run], cwd=tmp_path, env=environ, check=True, timeout=100)
        assert poppler(tmp_path / "searchable.pdf") == TRUTH["line.png"]
        (tmp_path / "searchable.pdf").unlink()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rapidocr-address", "nowhere"], "--rapidocr-address nowhere: it must be like"),
        (["--rapidocr-key", "wrong-key"], "(--rapidocr-key, RAPIDOCR_KEY)"),
        ([], "(--rapidocr-key, RAPIDOCR_KEY)"),
    ],
)
def test_what_is_wrong_with_a_service_is_said(arguments, sentence, keyed, ocrmypdf, tmp_path):
    done = ocrmypdf(*arguments, DATA / "line.png", RAPIDOCR_URL=keyed.url)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert sentence in done.stderr
    assert not (tmp_path / "out.pdf").exists()


def test_a_service_that_does_not_answer_is_said_at_once(ocrmypdf, tmp_path):
    done = ocrmypdf(
        *("--rapidocr-address", f"http://127.0.0.1:{free_port()}", "--image-dpi", DPI),
        DATA / "line.png",
    )
    assert (done.returncode, done.stderr) == (
        3,
        "The service did not answer: All connection attempts failed.\n",
    )
    assert not (tmp_path / "out.pdf").exists()


def test_a_wrong_setting_is_said(ocrmypdf):
    done = ocrmypdf(DATA / "line.png", OCR_PROFILE="best")
    assert done.returncode == 1
    assert done.stderr.startswith("OCR_PROFILE='best': ")
    assert done.stderr.count("\n") == 1


def test_a_page_that_is_not_read_ends_the_command(ocrmypdf, tmp_path):
    done = ocrmypdf("--image-dpi", DPI, DATA / "line.png", OCR_MAX_PIXELS="100")
    assert done.returncode == 15
    assert "ExitCodeException: image_too_large: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.pdf").exists()


def test_a_language_that_cannot_be_read_is_refused_and_another_model_is_not(ocrmypdf):
    refused = ocrmypdf("-l", "eng+rus", "--image-dpi", DPI, DATA / "line.png")
    assert refused.returncode == 3
    assert "\nrus\n" in refused.stderr
    import rapidocr  # noqa: PLC0415, only its files

    (model,) = (Path(rapidocr.__file__).parent / "models").glob("*_rec_small.onnx")
    done = ocrmypdf(
        *("-l", "eng+rus", "--image-dpi", DPI), DATA / "line.png", rec_model_path=str(model)
    )
    assert done.returncode == 0, done.stderr


def test_an_empty_page_has_no_text(ocrmypdf, tmp_path):
    done = ocrmypdf("--rotate-pages", "--deskew", "--image-dpi", DPI, DATA / "blank.png")
    assert done.returncode == 0, done.stderr
    assert poppler(tmp_path / "out.pdf") == []


def test_other_engines_are_as_they_were(environ, tmp_path):
    alone = environ | {"PATH": str(Path(sys.executable).parent)}
    command = [Path(sys.executable).with_name("ocrmypdf"), "--image-dpi", str(DPI)]
    files = [DATA / "line.png", "out.pdf"]
    done = subprocess.run(
        [*command, *files], cwd=tmp_path, env=alone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "Could not find program 'tesseract' on the PATH" in done.stderr


def test_the_package_works_without_ocrmypdf():
    code = (
        "import json, sys; sys.modules['ocrmypdf'] = None\n"
        "import ocr_runtime.client.main, ocr_runtime.client.ocrmypdf_reading\n"
        "print(json.dumps(sorted(n for n in sys.modules if 'ocrmypdf_plugin' in n)))\n"
    )
    command = [sys.executable, "-c", code]
    shown = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert json.loads(shown.stdout) == []
