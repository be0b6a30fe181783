"""What `pip install .` gives: the command, the package, and no module `service`."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from conftest import TRUTH, page_bytes
from serving import ROOT, Server, clean_environ, free_port
from wheels import build_wheel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=100)
    (packages,) = folder.glob("lib/python3*/site-packages")
    command = [folder / "bin/python", "-m", "pip", "install", "--no-deps", "--quiet", wheel]
    subprocess.run(command, check=True, timeout=100)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    paths = [*ROOT.glob("ocr_runtime/**/*.py"), *ROOT.glob("ocr_runtime/serving/web/*")]
    package = {str(path.relative_to(ROOT)) for path in paths}
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert files == package


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=clean_environ(),
        capture_output=True,
        check=False,
        timeout=100,
    )


def test_the_command_is_there_and_no_module_service(environment, tmp_path):
    command = environment / "bin/rapidocr-bento"
    shown = run(command, "--version", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, b"")
    code = "import ocr_runtime; print(ocr_runtime.__file__); import service"
    imported = run(environment / "bin/python", "-c", code, cwd=tmp_path)
    assert str(environment) in imported.stdout.decode()
    assert b"No module named 'service'" in imported.stderr


def test_it_reads(environment, tmp_path):
    (tmp_path / "line.png").write_bytes(page_bytes("line.png"))
    ended = run(environment / "bin/rapidocr-bento", "read", "line.png", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode().strip() == TRUTH["line.png"][0]


def test_it_serves(environment, tmp_path):
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [environment / "bin/rapidocr-bento", "serve", "-ip", "127.0.0.1", "-p", str(port)],
            cwd=tmp_path,
            env=clean_environ(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, tmp_path / "log")
    try:
        server.wait_until_ready()
        answer = server.ocr(page_bytes("line.png"), use_det="false").json()
        assert [entry["rec_txt"] for entry in answer.values()] == TRUTH["line.png"]
    finally:
        process.terminate()
        assert process.wait(30) == 0
