"""`rapidocr-bento serve`: the arguments of rapidocr_api and of BentoML -> the service, started.

    -ip, -p, -workers and any argument of `bentoml serve` --> bentoml serve SERVICE ...

The service takes the place of this process. On Windows, where that cannot be, it is a child.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

SERVICE = "ocr_runtime.serving.service:RapidOCRService"

_DESCRIPTION = """Serve over HTTP, until the process is ended. `-ip`, `-p` and `-workers` are those
of rapidocr_api. Any other argument is passed to `bentoml serve`, as `--ssl-certfile FILE` or
`--timeout-keep-alive SECONDS`; `bentoml serve --help` lists them. Settings are environment
variables, as OCR_PROFILE=fast: see docs/settings.md."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the arguments of this command."""
    parser = subparsers.add_parser(
        "serve",
        help="serve over HTTP",
        description=_DESCRIPTION,
        usage="rapidocr-bento serve [-h] [-ip ADDRESS] [-p PORT] [-workers N] "
        "[arguments of bentoml serve]",
        allow_abbrev=False,
    )
    parser.add_argument(
        "-ip",
        "--ip",
        "--host",
        dest="host",
        metavar="ADDRESS",
        help="IP address on which to listen; all of this machine's by default",
    )
    parser.add_argument(
        "-p",
        "--port",
        dest="port",
        type=int,
        metavar="PORT",
        help="port on which to listen; 3000 by default, that of rapidocr_api was 9003",
    )
    parser.add_argument(
        "-workers",
        "--workers",
        dest="workers",
        type=int,
        metavar="N",
        help="number of worker processes, in place of the setting OCR_WORKERS",
    )
    parser.set_defaults(run=run, passes_more=True)


def run(arguments: argparse.Namespace) -> int:
    """Start the service in place of this process; where it is a child, return its exit code."""
    environ = dict(os.environ)
    if arguments.workers is not None:
        environ["OCR_WORKERS"] = str(arguments.workers)
    given = command(host=arguments.host, port=arguments.port, more=arguments.more)
    if os.name != "nt":
        os.execve(given[0], given, environ)  # noqa: S606
    return run_as_child(given, environ)


def command(*, host: str | None, port: int | None, more: Sequence[str]) -> list[str]:
    """Return the command that serves.

    Args:
        host: IP address on which to listen; None: BentoML's default.
        port: the same.
        more: further arguments of `bentoml serve`.
    """
    given = [sys.executable, "-m", "bentoml", "serve", SERVICE]
    if host is not None:
        given += ["--host", host]
    if port is not None:
        given += ["--port", str(port)]
    return [*given, *more]


def run_as_child(given: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command in a child process; return its exit code.

    Ctrl-C reaches the child as well, which then ends; so it does nothing here. A KeyboardInterrupt
    could cut off `wait` just when it has been told the exit code, which then is lost.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not inherited, unlike SIG_IGN
    try:
        return subprocess.call(given, env=environ)  # noqa: S603
    finally:
        signal.signal(signal.SIGINT, before)
