"""The parts of `rapidocr-bento read`: listing, options, manifest, window."""

import asyncio
import json

import pytest
from client_batches import opened, over_http

from ocr_runtime.client.errors import UsageError
from ocr_runtime.client.main import parser
from ocr_runtime.client.manifest import Draft, Outcome
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
