"""The service runs on systems that lack what it uses on Linux: each of these is hidden in turn.

They are gone in every Python process of the service before it imports anything.
"""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import TRUTH, page_bytes
from serving import Server, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of these"),
]

HIDDEN = {
    "resource": "refuse_module('resource')",
    "memfd_create": "del os.memfd_create",
    "posix_fallocate": "del os.posix_fallocate",
    "sched_getaffinity": "del os.sched_getaffinity",
    "TCP_USER_TIMEOUT": "del socket.TCP_USER_TIMEOUT",
    "setpriority": "del os.setpriority",
    "fork": "del os.fork, os.forkpty",
    "/proc and /sys": "refuse('open', '/proc/', '/sys/')",
    "changes to the metrics of others": "refuse_metrics()",
}
WARNINGS = {
    "TCP_USER_TIMEOUT": "an answer that is not read holds its connection",
    "changes to the metrics of others": "the metrics of a process that has ended stay",
}
SITE = """
import builtins, os, socket, sys

def refuse_module(name):
    imported = builtins.__import__

    def import_others(wanted, names=None, *arguments, **options):
        if wanted == name and (names or {}).get("__name__", "").startswith("ocr_runtime"):
            raise ModuleNotFoundError(name)
        return imported(wanted, names, *arguments, **options)

    builtins.__import__ = import_others

def refuse(event, *paths):
    '''Refuse the paths to our own code; other packages do what each system needs.'''
    def refuse_ours(happened, arguments):
        if happened == event and str(arguments[0]).startswith(paths):
            frame = sys._getframe(1)
            while frame and "site-packages" not in frame.f_code.co_filename:
                if "ocr_runtime" in frame.f_code.co_filename:
                    raise PermissionError(13, "hidden by the test", str(arguments[0]))
                frame = frame.f_back

    sys.addaudithook(refuse_ours)

def refuse_metrics():
    '''As Windows does while a file is mapped.'''
    if folder := os.environ.get("RAPIDOCR_METRICS"):  # in a worker
        refuse("os.remove", folder)
        refuse("os.truncate", folder)

"""


def without(folder: Path, *names: str) -> str:
    """Write the module that Python runs at its start; return the folder for PYTHONPATH."""
    lines = "\n".join(HIDDEN[name] for name in names)
    (folder / "sitecustomize.py").write_text(SITE + lines + "\n")
    return str(folder)


def assert_reads(server: Server) -> None:
    answer = server.ocr(page_bytes("line.png"), use_det="false").json()
    assert [line["rec_txt"] for line in answer.values()] == TRUTH["line.png"]


def wait_until_counted(server: Server, answers: int) -> None:
    """Wait for the count, which a worker raises only after it has sent the answer."""
    counted = f'rapidocr_answers_total{{endpoint="/ocr",outcome="ok"}} {answers}.0'
    while counted not in server.get("/metrics").text:
        time.sleep(0.05)


@pytest.mark.parametrize("hidden", [[name] for name in HIDDEN] + [list(HIDDEN)], ids="+".join)
def test_a_page_is_read_and_the_metrics_are_answered_without(hidden, tmp_path):
    path = without(tmp_path, *hidden)
    with serving(tmp_path, PYTHONPATH=path) as server:
        assert_reads(server)
        wait_until_counted(server, 1)
        (killed,) = server.workers()
        os.kill(killed, signal.SIGKILL)
        while killed in server.workers():
            pass
        server.wait_until_ready()
        assert_reads(server)
        wait_until_counted(server, 2)
    assert "Traceback" not in server.log()
    logged = {name for name, warning in WARNINGS.items() if warning in server.log()}
    assert logged == WARNINGS.keys() & set(hidden)
