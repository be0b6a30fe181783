"""The parts of `rapidocr-bento read`: listing, manifest, window, waiting."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import IO

import httpx
import pytest
from serving import ROOT, free_port

from ocr_runtime.client.batch import Batch, files_left, is_left
from ocr_runtime.client.begun import Begun
from ocr_runtime.client.errors import RunEnded, UsageError
from ocr_runtime.client.fetching import Fetcher
from ocr_runtime.client.main import main, parser
from ocr_runtime.client.manifest import Draft, Manifest, Outcome
from ocr_runtime.client.over_http import OverHTTP, refusal_wait, retry_after
from ocr_runtime.client.readers import Reader, Reading
from ocr_runtime.client.reading_options import given_options
from ocr_runtime.client.sources import Source, _walk, listed
from ocr_runtime.client.window import Window


def targets(*arguments: object, out=None) -> list[str]:
    return [
        source.target
        for source in listed(list(map(str, arguments)), suffix=".txt", out=out).sources
    ]


def test_a_folder_is_listed_in_order_and_its_tree_is_kept(tmp_path):
    for name in ("b/2.pdf", "b/1.TIF", "a.png", "a.jpg", "c.doc", ".x/1.png", "b/.1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert targets(tmp_path) == ["a.jpg.txt", "a.png.txt", "b/1.TIF.txt", "b/2.pdf.txt"]
    assert listed([str(tmp_path)], suffix="", out=None).left_out == 1
    assert targets(tmp_path / "c.doc") == ["c.doc.txt"]  # named itself


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path):
    (tmp_path / "gone").mkdir()
    walk = _walk(str(tmp_path / "gone"), None)
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match="gone: No such file or directory"):
        list(walk)


def test_outputs_are_not_read(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "a.pdf").touch()
    (tmp_path / "out/a.pdf.pdf").touch()
    assert targets(tmp_path, out=tmp_path / "out") == ["a.pdf.txt"]
    for out in (tmp_path, tmp_path.parent):
        with pytest.raises(UsageError, match="name another folder"):
            targets(tmp_path, out=out)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/a/b.pdf", "example.org/a/b.pdf.txt"),
        ("HTTP://example.org", "example.org/index.txt"),
        ("http://user:word@example.org:80/x.png", "example.org_80/x.png.txt"),
        ("http://example.org/../../etc/%2e%2e/passwd", "example.org/etc/passwd.txt"),
        ("http://example.org/%2Fetc%5Cx%00.png", "example.org/_etc_x_.png.txt"),
        ("http://example.org/x?page=1", "example.org/x.c5c34f0f.txt"),
    ],
)
def test_the_output_of_a_url_stays_below_the_folder(url, name):
    assert targets(url) == [name]


@pytest.mark.parametrize(
    "url",
    ["http://user:secret@host/a.png", "https://host/a.png?key=secret", "http://host/a.png#secret"],
)
def test_secrets_of_a_url_are_not_told(url):
    source = Source(url, "")
    assert source.recorded == source.told == url.partition(":")[0] + "://host/a.png"
    with pytest.raises(UsageError) as refused:
        targets(url, url)
    assert "secret" not in str(refused.value)
    with pytest.raises(UsageError, match="it must be like") as refused:
        over_http(url.replace("http", "ftp", 1))
    assert "secret" not in str(refused.value)


def test_an_address_that_is_damaged_is_refused():
    with pytest.raises(UsageError, match="an address is damaged"):
        targets("http://user:secret@[::1/x.png")


def over_http(address: str = "http://localhost:3000", **changed: object) -> OverHTTP:
    given = {"fields": {}, "key": "", "timeout_seconds": 5, "retries": 0, "most": 8} | changed
    return OverHTTP(address, "text", **given)


@pytest.mark.parametrize("key", ["secret\x00", "secr\ret", "secret\u00e9"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_told(key):
    with pytest.raises(UsageError, match="must be printable ASCII") as refused:
        over_http(key=key)
    assert "secr" not in str(refused.value)


def test_spaces_around_a_key_are_dropped():
    assert over_http(key=" secret\r\n")._client.headers["X-API-Key"] == "secret"


def test_a_password_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv("RAPIDOCR_PASSWORD", "sesame")
    for more, password in (([], "sesame"), (["--password", "other"], "other")):
        arguments = parser(["read"]).parse_args(["read", "a.pdf", *more])
        assert given_options(arguments).password == password


def test_two_outputs_of_one_name_are_refused(tmp_path):
    for name in ("x/1.png", "y/1.png", "X2/A.png", "y2/a.PNG"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"would both be written to 1\.png\.txt"):
        targets(tmp_path / "x", tmp_path / "y")
    with pytest.raises(UsageError, match=r"would both be written to a\.PNG\.txt"):
        targets(tmp_path / "X2", tmp_path / "y2")


def opened(folder, **options):
    return Manifest(folder, to="text", options=options)


def test_a_manifest_is_read_again(tmp_path):
    done = Outcome(target="a.txt", source="a", bytes=3, pages=2, unread=[2], seconds=0.5)
    failed = Outcome(target="b\udcff.txt", source="b\udcff", code="busy", transient=True)
    with opened(tmp_path, dpi=200) as manifest:
        manifest.record(failed)
        manifest.record(done)
    with opened(tmp_path, dpi=200) as manifest:
        assert manifest.outcomes == {"a.txt": done, "b\udcff.txt": failed}


def test_a_line_that_was_not_written_to_its_end_counts_as_none(tmp_path):
    with opened(tmp_path) as manifest:
        manifest.record(Outcome(target="a.txt", source="a"))
    whole = manifest.path.read_bytes()
    for end in range(1, 60):
        manifest.path.write_bytes(whole + whole.splitlines()[1][:end])
        with opened(tmp_path) as again:
            assert list(again.outcomes) == ["a.txt"]
            again.record(Outcome(target="b.txt", source="b"))
        lines = manifest.path.read_bytes().splitlines()
        assert [json.loads(line)["target"] for line in lines[1:]] == ["a.txt", "b.txt"]
    manifest.path.write_bytes(whole[:20])  # not even its head
    with opened(tmp_path) as again:
        assert again.outcomes == {}


@pytest.mark.parametrize("line", [b"\0\0\0\n", b"{}\n", b'{"target": "a", "shout": 1}\n'])
def test_a_damaged_manifest_is_refused(line, tmp_path):
    with opened(tmp_path) as manifest:
        pass
    with manifest.path.open("ab") as file:
        file.write(line)
    with pytest.raises(UsageError, match="is damaged"):
        opened(tmp_path)


def test_a_manifest_is_of_one_run_with_its_options(tmp_path):
    with opened(tmp_path, dpi=200), pytest.raises(UsageError, match="another run writes to"):
        opened(tmp_path, dpi=200)
    with pytest.raises(UsageError, match="begun with other options"):
        opened(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"Not a directory|File exists"):
        opened(tmp_path / "file")


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


class Echo:
    """Answers with the bytes of a file."""

    def __init__(self) -> None:
        self.window = Window(start=1, most=1)

    async def read(self, data: bytes, into: IO[bytes]) -> Reading:
        into.write(data)
        return Reading(pages=1)

    async def close(self) -> None:
        pass


def read_all(folder, manifest: Manifest, reader: Reader, begun: Begun | None = None) -> None:
    async def read() -> None:
        fetcher = Fetcher(max_mb=1)
        batch = Batch(
            reader=reader,
            fetcher=fetcher,
            manifest=manifest,
            out=manifest.path.parent,
            on_outcome=lambda _: None,
            begun=begun,
        )
        try:
            sources = listed([str(folder)], suffix=".txt", out=None).sources
            left = files_left(sources, manifest, manifest.path.parent, retry_failed=False)
            await batch.read(left)
        finally:
            await fetcher.close()

    asyncio.run(read())


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
        "import sys; from pathlib import Path; from test_client_parts import read_crashing; "
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


def test_a_draft_is_seen_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a/b.txt"
    with Draft(path) as draft:
        draft.file.write(b"text")
        assert not path.exists()
        assert draft.commit() == 4
        assert path.read_bytes() == b"text"
    with Draft(path) as draft:  # and not committed
        draft.file.write(b"other")
    assert path.read_bytes() == b"text"
    assert [each.name for each in path.parent.iterdir()] == ["b.txt"]


def test_the_window_grows_until_it_is_refused_and_then_shrinks_once_a_round():
    async def use() -> None:
        window = Window(start=2, most=64)
        for _ in range(2):
            await window.enter()
        window.answered()
        window.answered()  # not all of it was needed
        assert window.limit == 3
        while window.limit < 20:
            await window.enter()
            window.answered()
        await window.enter()
        sent = window.sent()
        window.refused(sent)
        assert window.limit == 15
        window.refused(sent)  # sent before the number was cut
        assert window.limit == 15
        window.refused(window.sent())
        assert window.limit == 11.25
        for _ in range(9):
            window.leave()
        window.answered()
        assert 11.25 < window.limit < 11.35
        for _ in range(100):
            window.refused(window.sent())
        assert window.limit == 1

    asyncio.run(use())


def test_the_window_lets_wait_who_has_no_place():
    async def use() -> list[str]:
        window, order = Window(start=1, most=1), []
        await window.enter()
        waiting = asyncio.create_task(window.enter())
        await asyncio.sleep(0)
        order.append(str(waiting.done()))
        window.leave()
        await waiting
        window.answered()
        assert window.limit == 1  # it is not to grow
        return order

    assert asyncio.run(use()) == ["False"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 1),
        ("3", 3),
        ("0", 0),
        ("-5", 0),
        ("99999", 120),
        ("nan", 1),
        ("soon", 1),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_says_how_long_to_wait(header, seconds):
    assert retry_after(header) == seconds


def answer(status: int, **given) -> httpx.Response:
    return httpx.Response(
        status, request=httpx.Request("POST", "http://localhost:3000/text"), **given
    )


@pytest.mark.parametrize("location", ["https://user:secret@host/text", "https://host/text?a=b"])
def test_a_redirect_ends_the_run_and_names_the_address(location):
    moved = answer(308, headers={"Location": location})
    with pytest.raises(RunEnded) as ended:
        over_http()._failure(moved)
    assert str(ended.value) == ("http://localhost:3000 redirects to https://host: use that address")


def test_a_proxy_that_waited_too_long_is_asked_again_but_not_the_service():
    late = over_http()._failure(answer(504, text="<html>"))
    assert (late.code, late.transient) == ("http_504", True)
    sentence = {"code": "timeout", "error": "It took too long."}
    late = over_http()._failure(answer(504, json=sentence))
    assert (late.code, late.transient) == ("timeout", False)


@pytest.mark.parametrize("header", ["0", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "0.1"])
def test_a_refusal_is_never_answered_at_once(header):
    waits = {refusal_wait(header) for _ in range(20)}
    assert 0.5 <= min(waits) < max(waits) <= 0.625
    assert 3 <= refusal_wait("3") <= 3.75


def test_retry_after_may_be_a_date():
    date = datetime.now(UTC) + timedelta(seconds=60)
    assert 50 < retry_after(format_datetime(date, usegmt=True)) <= 60
