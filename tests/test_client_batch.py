"""A run of `rapidocr-bento read` over a folder: what is left, what fails, what ends it."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import IO

import pytest
from client_batches import Echo, opened, over_http, read_all
from serving import ROOT, free_port

from ocr_runtime.client.batch import files_left, is_left
from ocr_runtime.client.begun import Begun
from ocr_runtime.client.errors import RunEnded, UsageError
from ocr_runtime.client.main import main
from ocr_runtime.client.manifest import Outcome
from ocr_runtime.client.readers import Reading
from ocr_runtime.client.sources import Source, listed
from ocr_runtime.client.window import Window


def test_what_is_left_to_read(tmp_path):
    outcomes = [
        Outcome(target="ok.txt", source="/in"),
        Outcome(target="deleted.txt", source="/in"),
        Outcome(target="partly.txt", source="/in", unread=[2]),
        Outcome(target="failed.txt", source="/in", code="unsupported_image"),
        Outcome(target="passing.txt", source="/in", code="no_answer", transient=True),
    ]
    (tmp_path / "ok.txt").touch()
    (tmp_path / "partly.txt").touch()
    with opened(tmp_path) as manifest:
        for outcome in outcomes:
            manifest.record(outcome)

        def left(**retry: bool) -> list[str]:
            names = [*manifest.outcomes, "new.txt"]
            return [
                name for name in names if is_left(Source("/in", name), manifest, tmp_path, **retry)
            ]

        assert left(retry_failed=False) == ["deleted.txt", "passing.txt", "new.txt"]
        failed = ["partly.txt", "failed.txt"]
        assert left(retry_failed=True) == ["deleted.txt", *failed, "passing.txt", "new.txt"]


@pytest.mark.parametrize("name", ["a.png.txt", "A.PNG.txt"])
def test_an_output_of_another_file_is_not_taken_for_its_own(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png.txt").touch()
    with opened(tmp_path) as manifest:
        manifest.record(Outcome(target="a.png.txt", source=Source("x/a.png", "").recorded))
    with opened(tmp_path) as manifest:
        same = Source(str(tmp_path / "x/a.png"), "a.png.txt")
        assert not is_left(same, manifest, tmp_path, retry_failed=True)
        with pytest.raises(UsageError, match=r"is the output of .*/x/a\.png: name another folder"):
            is_left(Source("y/a.png", name), manifest, tmp_path, retry_failed=False)


def test_an_output_that_cannot_have_its_name_is_one_files_failure(tmp_path):
    for name in ("a/1.png", "b.png", "c.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    (tmp_path / "out/b.png.txt/x").mkdir(parents=True)
    (tmp_path / "out/a").touch()
    with opened(tmp_path / "out") as manifest:
        read_all(tmp_path / "in", manifest, Echo())
        codes = {name: outcome.code for name, outcome in manifest.outcomes.items()}
    assert codes == {
        "a/1.png.txt": "name_unusable",
        "b.png.txt": "name_unusable",
        "c.png.txt": "ok",
    }


class Crashing(Echo):
    """Ends this process without a word, as a decoder does that crashes, two files at once."""

    def __init__(self) -> None:
        self.window = Window(start=2, most=2)

    async def read(self, data: bytes, into: IO[bytes]) -> Reading:
        if data.startswith(b"crash"):
            os._exit(139)
        return await super().read(data, into)


def read_crashing(folder, out) -> None:
    """A run; what it records stays, whether it crashes or not."""
    with opened(out) as manifest, Begun(manifest.begun) as begun:
        read_all(folder, manifest, Crashing(), begun)


def test_a_file_that_ends_the_process_twice_is_given_up_and_no_other(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "crash-1", "crash-2", "d", "e"):
        (tmp_path / f"in/{name}.png").write_text(name)
    code = (
        "import sys; from pathlib import Path; from test_client_batch import read_crashing; "
        "read_crashing(*map(Path, sys.argv[1:]))"
    )
    codes = []
    while codes[-1:] != [0] and len(codes) < 10:
        ended = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "in", tmp_path / "out"],
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            capture_output=True,
            check=False,
        )
        assert ended.stderr == b""
        codes.append(ended.returncode)
    assert codes[0] == 139
    assert codes[-1] == 0
    with opened(tmp_path / "out") as manifest:
        found = {name: outcome.code for name, outcome in manifest.outcomes.items()}
        assert not manifest.begun.exists()
    fine = dict.fromkeys([f"{name}.png.txt" for name in "abde"], "ok")
    crashed = dict.fromkeys([f"crash-{number}.png.txt" for number in (1, 2)], "reader_crashed")
    assert found == fine | crashed


def test_a_run_that_ends_in_order_blames_no_file(tmp_path):
    path = tmp_path / "manifest.text.begun"
    with Begun(path) as begun:
        begun.begin("a")
    assert not path.exists()
    path.write_text('+ "a"\n+ "b"\n- "b"\n+ "c')
    with suppress(KeyboardInterrupt), Begun(path) as begun:
        assert [begun.is_suspect(name) for name in "abc"] == [True, False, False]
        begun.begin("a")
        begun.begin("b")
        raise KeyboardInterrupt
    assert path.read_text() == '+ "a"\n'


def test_files_without_an_answer_are_recorded_before_they_end_the_run(tmp_path):
    for name in "abcde":
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).with_suffix(".png").write_text(name)
    reader = over_http(f"http://127.0.0.1:{free_port()}", most=1)
    with opened(tmp_path / "out") as manifest:
        with pytest.raises(RunEnded, match="does not answer"):
            read_all(tmp_path / "in", manifest, reader)
        found = {name: (each.code, each.transient) for name, each in manifest.outcomes.items()}
        left = files_left(
            listed([str(tmp_path / "in")], suffix=".txt", out=None).sources,
            manifest,
            tmp_path / "out",
            retry_failed=False,
        )
    assert found == dict.fromkeys(["a.png.txt", "b.png.txt", "c.png.txt"], ("no_answer", True))
    assert "".join(source.target[0] for source in left) == "deabc"


@pytest.mark.parametrize("wrong", ["--address=localhost:3000", "--key=\u00e9"])
def test_wrong_arguments_leave_no_options_that_a_later_run_must_have(wrong, tmp_path, capsys):
    (tmp_path / "a.png").touch()
    out = tmp_path / "out"
    arguments = ["read", str(tmp_path / "a.png"), "--out", str(out)]
    assert main([*arguments, "--address", "http://localhost", wrong]) == 2
    assert "0 read" not in capsys.readouterr().err
    more = ["--dpi", "100", "--address", f"http://127.0.0.1:{free_port()}"]
    assert main([*arguments, *more]) == 1
    assert json.loads((out / "manifest.text.jsonl").read_text().splitlines()[1])["code"] == (
        "empty_file"
    )
    assert main([*arguments, "--address", "localhost:3000"]) == 2  # other options, and recorded
    assert "begun with other options" in capsys.readouterr().err
