"""`rapidocr-bento read`, ended in the middle: nothing is lost and nothing doubled."""

import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from command_line import (
    READ,
    draw_line,
    draw_numbers,
    environ,
    manifest,
    outputs,
    rapidocr_bento,
    wait_for_outcomes,
)
from serving import ROOT

pytestmark = pytest.mark.slow

# interruptions


@pytest.mark.parametrize("where", ["here", "with a service"])
def test_ctrl_c_ends_cleanly_and_the_run_goes_on_later(where, server, tmp_path):
    texts = draw_numbers(tmp_path / "in", 300)
    out = tmp_path / "out"
    more = ["--address", server.url] if where == "with a service" else []
    command = [*READ, tmp_path / "in", "--out", out, "--use-det", "false", *more]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    wait_for_outcomes(out, 20, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert re.fullmatch(rb"\d+ read, \d+ left\n", told)
    before = manifest(out)
    assert 20 <= len(before) < 300
    assert all(line["code"] == "ok" for line in before)
    assert list(out.rglob("*.part")) == []
    assert set(outputs(out)) == {line["target"] for line in before}
    assert rapidocr_bento(*command[3:]).returncode == 0
    assert outputs(out) == texts
    assert len(manifest(out)) == 300


def test_two_runs_do_not_write_to_one_folder(server, tmp_path):
    draw_numbers(tmp_path / "in", 300)
    out = tmp_path / "out"
    command = [*READ, tmp_path / "in", "--out", out, "--address", server.url]
    with subprocess.Popen(command, cwd=ROOT, env=environ(), stderr=subprocess.DEVNULL) as process:
        wait_for_outcomes(out, 1, process)
        second = rapidocr_bento(*command[3:])
        process.kill()
    assert second.returncode == 2
    assert b"another run writes to" in second.stderr


def test_a_full_disk_ends_the_run(server, tmp_path):
    """A limit on the size of files stands for the disk; the output is written here."""
    draw_line(tmp_path / "in/a.png", "Apple")
    code = (
        "import resource, signal, sys; from ocr_runtime.client.main import main; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)); sys.exit(main())"
    )
    arguments = [tmp_path / "in", "--out", tmp_path / "out", "--to", "pages"]
    ended = subprocess.run(
        [sys.executable, "-c", code, "read", *arguments, "--address", server.url],
        env=environ(),
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert ended.returncode == 1
    assert b"File too large" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert manifest(tmp_path / "out", "pages") == []
    assert outputs(tmp_path / "out") == {}


def test_on_a_terminal_there_is_a_bar(server, tmp_path):
    draw_numbers(tmp_path / "in", 30)
    ours, theirs = pty.openpty()
    command = [*READ, tmp_path / "in", "--out", tmp_path / "out", "--address", server.url]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ(COLUMNS="120", TERM="xterm"), stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # Linux, when the last process has closed it
            pass
        os.close(ours)
    assert process.returncode == 0
    assert re.search(rb"/30.*files/s", shown)
    assert shown.rstrip().endswith(b"30 read")


# 2,000 files, killed twice


@pytest.mark.timeout(900)
@pytest.mark.parametrize("where", ["here", "with a service"])
def test_each_of_2000_files_is_read_exactly_once_though_the_run_is_killed_twice(
    where, server, tmp_path
):
    texts = draw_numbers(tmp_path / "in", 2000)
    out = tmp_path / "out"
    more = ["--address", server.url] if where == "with a service" else []
    command = [*READ, tmp_path / "in", "--out", out, "--use-det", "false", *more]
    for count in (400, 1100):
        with subprocess.Popen(
            command, cwd=ROOT, env=environ(), stderr=subprocess.DEVNULL
        ) as process:
            wait_for_outcomes(out, count, process)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    ended = subprocess.run(
        command, cwd=ROOT, env=environ(), capture_output=True, check=False, timeout=600
    )
    assert (ended.returncode, ended.stderr) == (0, b"2000 read\n")
    outcomes = manifest(out)
    assert len(outcomes) == 2000
    assert {line["target"] for line in outcomes} == set(texts)
    assert {line["code"] for line in outcomes} == {"ok"}
    assert outputs(out) == texts
    assert list(out.rglob("*.part")) == []
