"""The command `rapidocr-bento`: its arguments, and what `serve` and `models` do."""

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from command_line import environ, rapidocr_bento, with_the_command
from conftest import TRUTH, page_bytes
from documentation import PAGES, blocks
from serving import BENTOML, ROOT, Server, clean_environ, free_port

from ocr_runtime import __version__
from ocr_runtime.client import main, serve_command
from ocr_runtime.reading.installed_models import installed_models, known_models
from ocr_runtime.serving.requests import DocumentOptions
from ocr_runtime.settings import Settings

PAGE = PAGES["docs/command-line.md"]


def options(command: str) -> set[str]:
    """The options of a command as its parser knows them."""
    (subparsers,) = (
        action for action in main.parser()._actions if getattr(action, "choices", None)
    )
    parser = subparsers.choices[command]
    return {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}


@pytest.mark.parametrize("command", main.COMMANDS)
def test_the_page_names_every_option_and_no_other(command):
    (part,) = re.findall(
        rf"^## `rapidocr-bento {command}.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    named = set(re.findall(r"(?<=[`\s,|])--?[a-z][a-z-]*", part))
    if command == "serve":
        named -= {"--ssl-certfile", "--ssl-keyfile"}  # of BentoML
    if command == "models":
        named -= {"--save", "--config"}  # of RapidOCR
    assert named == options(command)


def test_the_page_names_every_code_of_the_command_line():
    source = "".join(path.read_text() for path in (ROOT / "ocr_runtime/client").glob("*.py"))
    codes = set(re.findall(r'FileFailed\(\s*"(\w+)"', source))
    assert {"empty_file", "no_answer", "not_fetched"} <= codes
    assert {code for code in codes if f"| `{code}` |" not in PAGE} == set()


def test_every_option_of_the_service_is_an_option():
    names = {f"--{name.replace('_', '-')}" for name in DocumentOptions.model_fields}
    assert names <= options("read")


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in main.COMMANDS)])
def test_help_is_printed(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: rapidocr-bento")


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit):
        main.main(["--version"])
    assert capsys.readouterr().out == f"rapidocr-bento {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["red"], "invalid choice: 'red'"),
        (["read"], "the following arguments are required"),
        (["read", "x.png", "--shout"], "unrecognized arguments: --shout"),
        (["read", "x.png", "--ou", "x"], "unrecognized arguments: --ou x"),
        (["read", "x.png", "--to", "docx"], "invalid choice: 'docx'"),
        (["read", "x.png", "--concurrency", "0"], "must be a whole number from 1"),
        (["read", "x.png", "--layout", "tidy"], "invalid choice: 'tidy'"),
        (["read", "nowhere.png"], "there is no file nowhere.png"),
        (["read", "nowhere.png", "--dpi", "7"], "--dpi must be a whole number from 72 to 600."),
        (["read", "x.png", "--use-det", "maybe"], "--use-det must be true or false."),
        (["read", "ftp://example.org/x.png"], "only http and https are fetched"),
        (["read", "tests/data"], "several files are read into a folder: --out DIR"),
        (["read", "README.md", "LICENSE"], "several files are read into a folder: --out DIR"),
        (["read", "-", "README.md"], "- is read alone"),
        (["read", "-", "--out", "x"], "- is read alone"),
        (["read", "README.md", "--address", "localhost:3000"], "it must be like http://"),
        (["read", "README.md", "--address", "ftp://localhost"], "it must be like http://"),
        (["serve", "-p", "many"], "invalid int value: 'many'"),
        (["models", "all"], "unrecognized arguments: all"),
    ],
)
def test_wrong_arguments_exit_2_with_a_sentence(arguments, sentence, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    try:
        code = main.main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_wrong_settings_exit_2_and_are_named():
    ended = rapidocr_bento("read", "tests/data/line.png", OCR_PROFILE="slow")
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.startswith(b"rapidocr-bento read: OCR_PROFILE='slow': must be")


@pytest.mark.slow
def test_a_command_imports_only_what_it_needs():
    names = {
        "serve_command": ["numpy", "httpx", "bentoml"],
        "read_command": ["bentoml", "onnxruntime", "rapidocr"],
        "models_command": ["bentoml", "onnxruntime", "rapidocr"],
    }
    for module, slow in names.items():
        code = f"import sys, ocr_runtime.client.main, ocr_runtime.client.{module}; "
        code += f"print(sorted(set({slow}) & set(sys.modules)))"
        ended = subprocess.run(
            [sys.executable, "-c", code], env=environ(), capture_output=True, check=True
        )
        assert ended.stdout == b"[]\n", module


# serve


def serve_arguments(*given: str) -> list[str]:
    """The command that `serve` runs."""
    arguments, more = main.parser(["serve"]).parse_known_args(["serve", *given])
    return serve_command.command(host=arguments.host, port=arguments.port, more=more)[1:]


SERVE = ["-m", "bentoml", "serve", "ocr_runtime.serving.service:RapidOCRService"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        (["-ip", "0.0.0.0", "-p", "9005"], ["--host", "0.0.0.0", "--port", "9005"]),
        (["--host", "::1", "--port=9005"], ["--host", "::1", "--port", "9005"]),
        (["-p9005", "-workers", "2"], ["--port", "9005"]),
        (
            ["--ssl-certfile", "c.pem", "-p", "1", "--backlog=9"],
            ["--port", "1", "--ssl-certfile", "c.pem", "--backlog=9"],
        ),
    ],
)
def test_serve_takes_the_arguments_of_rapidocr_api_and_of_bentoml(given, expected):
    assert serve_arguments(*given) == SERVE + expected


@pytest.mark.slow
def test_serve_takes_the_place_of_its_process_and_serves(tmp_path):
    port = free_port()
    shown = next(block for block in blocks(PAGE, "sh") if "serve" in block)
    assert shown == "rapidocr-bento serve -ip 0.0.0.0 -p 9005 -workers 2\n"
    line = shown.replace("9005", str(port)).replace("0.0.0.0", "127.0.0.1")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            cwd=tmp_path,
            env=environ(PATH=with_the_command(tmp_path)),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, tmp_path / "log")
    try:
        server.wait_until_ready()
        answer = server.ocr(page_bytes("line.png"), use_det="false").json()
        assert [entry["rec_txt"] for entry in answer.values()] == TRUTH["line.png"]
        assert len(server.workers()) == 2
        command = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        assert command[1:4] == [b"-m", b"bentoml", b"serve"]  # in the place of the command
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.slow
def test_relative_paths_in_settings_begin_where_it_is_served(tmp_path):
    (tmp_path / "config.yaml").write_text("Global: {text_score: 2}\n")
    command = [sys.executable, "-m", "ocr_runtime", "serve", "-p", str(free_port())]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env=environ(OCR_CONFIG="config.yaml"),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 1
    assert "OCR_CONFIG=config.yaml: Global.text_score takes" in ended.stderr


@pytest.mark.slow
def test_wrong_arguments_of_bentoml_exit_2():
    ended = rapidocr_bento("serve", "--no-such-option")
    assert ended.returncode == 2
    assert b"No such option" in ended.stderr


def as_child(code: str) -> list[str]:
    """The command that runs Python code as `serve` runs the service on Windows."""
    run = "import os, sys; from ocr_runtime.client.serve_command import run_as_child; "
    run += f"sys.exit(run_as_child([sys.executable, '-c', {code!r}], os.environ))"
    return [sys.executable, "-c", run]


def test_where_a_process_cannot_be_replaced_the_service_is_a_child():
    """The branch for Windows, run here; nothing was run on Windows itself."""
    code = "import os, sys; print(os.environ['OCR_WORKERS'], flush=True); sys.exit(3)"
    ended = subprocess.run(
        as_child(code), env=environ(OCR_WORKERS="2"), capture_output=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (3, b"2\n")


def test_ctrl_c_reaches_the_child_and_its_exit_code_is_kept():
    child = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        as_child(child), env=environ(), stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    process.stdout.close()
    assert process.wait(30) == 7


# models


@pytest.mark.slow
def test_models_lists_what_is_installed_and_used():
    assert "rapidocr-bento models\n" in blocks(PAGE, "sh")
    listed = rapidocr_bento("models")
    assert (listed.returncode, listed.stderr) == (0, b"")
    text = listed.stdout.decode()
    assert re.search(r"recognition: PP-OCRv6_rec_small.onnx\n    21\.\d MB, used", text)
    assert re.search(r"detection: PP-OCRv6_det_small.onnx\n    \d+\.\d MB, used", text)
    assert re.search(r"direction of lines: ch_ppocr_mobile_v2.0_cls_mobile.onnx", text)
    assert "in RapidOCR's own list it is for: Chinese (Simplified)" in " ".join(text.split())
    assert "    18708 characters\n" in text
    assert "PP-OCRv5, mobile: arabic, ch, cyrillic" in text
    assert "download_models --config rapidocr.yaml" in text


def test_models_knows_what_settings_use(tmp_path):
    spec = find_spec("rapidocr")
    assert spec is not None
    models = Path(str(spec.origin)).parent / "models"
    default = installed_models(Settings())
    assert {model.path.name: model.stage for model in default if model.used_by} == {
        "PP-OCRv6_det_small.onnx": "Det",
        "ch_ppocr_mobile_v2.0_cls_mobile.onnx": "Cls",
        "PP-OCRv6_rec_small.onnx": "Rec",
    }
    mine = shutil.copy(models / "PP-OCRv6_rec_small.onnx", tmp_path / "mine.onnx")
    named = {model.path.name: model for model in installed_models(Settings(rec_model_path=mine))}
    assert (named["mine.onnx"].used_by, named["mine.onnx"].characters) == ("rec_model_path", 18708)
    assert named["PP-OCRv6_rec_small.onnx"].used_by is None
    assert {model.stage for model in known_models()} == {"Det", "Cls", "Rec"}


@pytest.mark.slow
def test_a_configuration_made_as_models_prints_is_taken_by_the_downloader_and_here(tmp_path):
    """With the models that are installed, which the downloader checks and does not fetch."""
    rapidocr = BENTOML.with_name("rapidocr")
    for arguments in (
        ["config", "--save_cfg_file", "rapidocr.yaml"],
        ["download_models", "--config", "rapidocr.yaml"],
    ):
        subprocess.run(
            [rapidocr, *arguments], cwd=tmp_path, env=clean_environ(), check=True, timeout=100
        )
    listed = rapidocr_bento("models", cwd=tmp_path, OCR_CONFIG="rapidocr.yaml")
    assert b"used (OCR_CONFIG=rapidocr.yaml: Rec)" in listed.stdout
