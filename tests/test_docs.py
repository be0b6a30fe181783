"""What the pages beside the README show is run, and what they list is what the code has."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import rapidocr
from conftest import TRUTH, page_bytes
from documentation import PAGES, blocks, table
from omegaconf import OmegaConf
from rapidocr.main import DEFAULT_CFG_PATH
from serving import ROOT, serving

from ocr_runtime.reading import loading
from ocr_runtime.settings import Settings

OPERATION = PAGES["docs/operation.md"]
RUN_BY = {
    "README.md": {"*": "test_readme.py"},
    "README.zh-CN.md": {"*": "test_readme.py, which holds them to those of README.md"},
    "docs/accuracy.md": {"scripts/accuracy --images FOLDER\n": "test_accuracy.py"},
    "docs/api.md": {"*": "test_reference.py"},
    "docs/bulk.md": {
        "pip install '.[bulk]'": "scripts/bulk, from the lock",
        "rapidocr-bento bulk scans --out results": "bulk/test_bulk.py, on other folders",
        "rapidocr-bento bulk 's3://": "bulk/test_bulk.py, with a local server",
        "rapidocr-bento bulk s3://scans/2026": "bulk/test_bulk.py, on folders",
        "import pyarrow.dataset": "bulk/test_bulk.py",
    },
    "docs/benchmark.md": {"scripts/bench --images DIR\n": "test_bench.py, quick"},
    "docs/command-line.md": {
        "rapidocr-bento serve ": "test_command_line.py",
        "rapidocr-bento read ": "test_read_command.py",
        "rapidocr-bento models\n": "test_command_line.py",
    },
    "docs/compatible.md": {
        "pip install '.[ocrmypdf]'\nocrmypdf --ocr-engine rapidocr scan.pdf": "scripts/ocrmypdf",
        "RAPIDOCR_KEY=... ocrmypdf --ocr-engine rapidocr": "scripts/ocrmypdf",
    },
    "docs/jobs.md": {"job=": "test_jobs.py"},
    "docs/languages.md": {"rec_model_path=": "below", "Rec:\n": "below"},
    "docs/operation.md": {
        "BENTOML_CONFIG_OPTIONS=": "test_metrics.py",
        "scripts/setup\nexport PATH=$PWD/.venv/bin:$PATH\n"
        "bentoml build\nbentoml serve rapidocr:latest\n": "scripts/image, e2e/test_bento.py",
        "bentoml build\nbentoml containerize rapidocr:latest\n": "scripts/image",
        "docker build ": "scripts/image",
        "docker run ": "e2e/test_image.py",
    },
    "docs/rapidocr.md": {"scripts/accuracy\n": "test_accuracy.py, on a folder"},
    "docs/reliability.md": {"scripts/soak --write\n": "test_soak.py, short"},
    "CONTRIBUTING.md": {"*": "CI: see test_contributing_names_what_ci_runs"},
}
"""Who runs the blocks of each page, by how they begin."""


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_the_pages_is_run(page):
    shown = re.findall(r"^```\w*\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)
    known = RUN_BY.get(page, {})
    if "*" not in known:
        begun = Counter(start for block in shown for start in known if block.startswith(start))
        assert (len(shown), begun) == (len(known), Counter(list(known)))


def test_contributing_names_what_ci_runs():
    ci = (ROOT / ".ci/run").read_text()
    for command in re.findall(r"^scripts/\w+", ci, re.MULTILINE):
        assert f"\n{command}" in "".join(blocks(PAGES["CONTRIBUTING.md"], "sh"))
    for block in blocks(PAGES["CONTRIBUTING.md"], "sh"):
        for line in block.splitlines():
            assert (ROOT / line.split()[0]).is_file(), line


def test_the_image_is_built_by_the_line_shown():
    (block,) = (each for each in blocks(OPERATION, "sh") if each.startswith("docker build "))
    arguments = block.removeprefix("docker build ")  # scripts/image runs them, then tests it
    assert f"docker build --network=host {arguments}" in (ROOT / "scripts/image").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http|#)(.*?)\)", PAGES[page]):
        assert ((ROOT / page).parent / link.partition("#")[0]).exists(), link


def test_files_and_scripts_that_the_pages_name_are_there():
    for page, text in PAGES.items():
        if page == "CHANGELOG.md":
            continue
        for name in re.findall(r"`((?:tests|scripts|deploy|examples)/[\w./*-]+)`", text):
            assert list(ROOT.glob(name)), (page, name)


@pytest.mark.parametrize("page", PAGES)
def test_settings_that_a_page_names_are_there(page):
    named = set(re.findall(r"\bOCR_[A-Z_]+[A-Z]\b", PAGES[page]))
    assert named <= set(Settings.variables())


def test_the_layers_are_listed_in_their_order():
    source = (ROOT / "ocr_runtime/serving/middleware.py").read_text()
    layers = re.findall(r"^ +\(([\w.]+), \{", source, re.MULTILINE)
    listed = table(PAGES["docs/architecture.md"], "`TrailingSlash`")
    assert [row[0].strip("`") for row in listed] == layers


def test_the_functions_on_a_requests_way_are_there():
    paths = [ROOT / "service.py", *ROOT.glob("ocr_runtime/**/*.py")]
    source = "".join(path.read_text() for path in paths)
    named = set(re.findall(r"`(?:\w+\.)*(\w+)\(\)`", PAGES["docs/architecture.md"]))
    assert {"install_middleware", "open", "page", "read"} <= named
    assert {name for name in named if f"def {name}(" not in source} == set()


def test_the_addresses_answer(server):
    for row in table(OPERATION, "`/ocr`, `/ocr/`"):
        expected = 405 if row[1].startswith("POST") else 200  # to a GET
        for path in re.findall("`(.*?)`", row[0]):
            assert server.get(path).status_code == expected, path


def test_the_series_are_there(server):
    exposed = server.get("/metrics").text
    for series, kind, *_ in table(OPERATION, "`rapidocr_answers_total`"):
        assert f"# TYPE {series.strip('`')} {kind}\n" in exposed


def test_the_defaults_of_the_options_are_rapidocrs():
    config = OmegaConf.load(DEFAULT_CFG_PATH)
    shown = config.Global.text_score, config.Det.box_thresh, loading._UNCLIP_RATIO
    numbers = re.search(
        r"`text_score` ([\d.]+)\D+`box_thresh` ([\d.]+)\D+`unclip_ratio` ([\d.]+)",
        PAGES["docs/rapidocr.md"],
    )
    assert tuple(map(float, numbers.groups())) == shown
    assert f"({config.Det.unclip_ratio} with `exact`)" in PAGES["docs/rapidocr.md"]
    stages = config.Global.use_det, config.Global.use_cls, config.Global.use_rec
    words = config.Global.return_word_box, config.Global.return_single_char_box
    assert (stages, words) == ((True, True, True), (False, False))


@pytest.mark.slow
def test_another_model_is_used_as_the_page_says(tmp_path):
    (command,) = blocks(PAGES["docs/languages.md"], "sh")
    variable, _ = re.fullmatch(r"(\w+)=(\S+) scripts/serve\n", command).groups()
    (model,) = (Path(rapidocr.__file__).parent / "models").glob("*_rec_small.onnx")
    other = shutil.copy(model, tmp_path / "other.onnx")
    with serving(tmp_path, **{variable: other}) as server:
        answer = server.ocr(page_bytes("line.png"), use_det=False).json()
    assert answer["0"]["rec_txt"] == TRUTH["line.png"][0]


def test_the_configuration_shown_is_one_of_rapidocrs_keys():
    config = OmegaConf.load(DEFAULT_CFG_PATH)
    OmegaConf.set_struct(config, value=True)  # a key that is not there is refused
    (shown,) = blocks(PAGES["docs/languages.md"], "yaml")
    merged = OmegaConf.merge(config, OmegaConf.create(shown))
    assert merged.Rec.rec_keys_path == "/models/latin_dict.txt"
