"""`rapidocr-bento bulk`: millions of pages on Ray, into Parquet files."""

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from ocr_runtime.client.errors import RunEnded, UsageError
from ocr_runtime.client.messages import say
from ocr_runtime.settings import Settings

if TYPE_CHECKING:
    from ocr_runtime.bulk.outcomes import Totals
    from ocr_runtime.bulk.reading_actor import Job

_OUTPUTS = ("text", "markdown", "lines", "hocr")
_DEFAULT_OUTPUTS = ("text", "markdown", "lines")
_SECRET = {"OCR_API_KEYS", "OCR_API_KEYS_FILE", "OCR_JOBS_STORE"}

_EPILOG = """\
SOURCE and TARGET may lie in an object store, as PyArrow names it:
  s3://bucket/scans        credentials and region as the AWS tools find them
  s3://bucket/scans?endpoint_override=storage.example.org:9000&scheme=https
  gs://bucket/scans
Settings are environment variables, as those of the service: OCR_PROFILE, OCR_MAX_PIXELS, ...
A run that was ended goes on where it was when it is started again.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `rapidocr-bento`."""
    parser = subparsers.add_parser(
        "bulk",
        help="read millions of pages on Ray, into Parquet files",
        description="Read every file of SOURCE that TARGET has no result of.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder, a prefix of an object store, or a list: *.txt or *.list, a file on a line",
    )
    parser.add_argument(
        "--out", required=True, metavar="TARGET", help="folder or prefix for the results"
    )
    parser.add_argument(
        "--to",
        nargs="+",
        choices=_OUTPUTS,
        default=_DEFAULT_OUTPUTS,
        help=f"what is kept of each page (default: {' '.join(_DEFAULT_OUTPUTS)})",
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="try again what could not be read before"
    )
    parser.add_argument(
        "--text-layer",
        choices=["auto", "never", "only"],
        default="auto",
        help="take a PDF's own text where it can be trusted, never, or always (default: auto)",
    )
    parser.add_argument(
        "--dpi", type=_dpi, metavar="N", help="of PDFs, 72 to 600 (default: that of their images)"
    )
    _add_cluster(parser)
    parser.set_defaults(run=run)


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add what says where and how the work is done."""
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="of a Ray cluster, or auto for the one of this machine; by default Ray runs in here",
    )
    parser.add_argument(
        "--cores-per-actor",
        type=_count,
        default=1,
        metavar="N",
        help="threads of each process that reads; more need less memory, one is fastest in all "
        "(default: 1)",
    )
    parser.add_argument(
        "--actors",
        type=_count,
        metavar="N",
        help="processes that read; as many are asked for even where there is no room yet, so that "
        "a cluster that can grow does (default: as many as there is room for)",
    )
    parser.add_argument(
        "--pages-per-chunk",
        type=_count,
        default=64,
        metavar="N",
        help="pages of one Parquet file, and of one turn of an actor (default: 64)",
    )


def _count(text: str) -> int:
    return _number(text, least=1)


def _dpi(text: str) -> int:
    return _number(text, least=72, most=600)


def _number(text: str, *, least: int, most: int | None = None) -> int:
    bounds = f"{least} or more" if most is None else f"{least} to {most}"
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least or (most is not None and number > most):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {bounds}")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Read in bulk.

    Returns:
        The exit status: 0: every file was read; 1: some were not; 130: interrupted.

    Raises:
        SettingsError, UsageError: nothing can be done.
        RunEnded: the rest cannot be read.
    """
    try:
        Settings.from_environ(os.environ)
        import ocr_runtime.bulk.run as bulk  # noqa: PLC0415, slow, and only with the extra
    except ModuleNotFoundError as exc:
        if exc.name not in ("ray", "pyarrow"):
            raise
        raise UsageError(
            f"{exc.name} is not installed: pip install 'rapidocr-bento[bulk]'"
        ) from exc
    progress = _Progress()
    try:
        totals = bulk.read_in_bulk(
            _job(arguments),
            address=arguments.ray,
            most_actors=arguments.actors,
            most_pages=arguments.pages_per_chunk,
            retry_failed=arguments.retry_failed,
            report=progress.report,
        )
    except bulk.REFUSALS as exc:
        progress.end()
        raise UsageError(str(exc)) from exc
    except bulk.ENDS as exc:
        progress.end()
        raise RunEnded(f"{exc}; started again, it goes on from here") from exc
    except KeyboardInterrupt:
        progress.end()
        say("Interrupted; started again, it goes on from here.")
        return 130
    progress.report(totals, last=True)
    for source, failure in totals.failures:
        say(f"{source}: {failure.code}: {failure.error}")
    more = totals.files_failed - len(totals.failures)
    if more > 0:
        say(f"... and {more} more: see the files of {arguments.out}/files")
    if totals.failed_before:
        say(f"{totals.failed_before} could not be read before: see --retry-failed")
    return 0 if totals.all_read else 1


def _job(arguments: argparse.Namespace) -> "Job":
    from ocr_runtime.bulk.reading_actor import Job  # noqa: PLC0415, as above

    given = {name: os.environ[name] for name in Settings.variables() if name in os.environ}
    return Job(
        source=_absolute(arguments.source),
        target=_absolute(arguments.out),
        outputs=tuple(arguments.to),
        cores=arguments.cores_per_actor,
        text_layer=arguments.text_layer,
        dpi=arguments.dpi,
        environ={name: value for name, value in given.items() if name not in _SECRET},
    )


def _absolute(address: str) -> str:
    """The address as it is understood elsewhere: actors have other working directories."""
    return address if "://" in address else os.path.abspath(address)  # noqa: PTH100 - links stay


class _Progress:
    """A line on standard error: on a terminal always the same one, elsewhere now and then one."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._shown = 0.0
        self._terminal = sys.stderr.isatty()

    def report(self, totals: "Totals", *, last: bool = False) -> None:
        now = time.monotonic()
        if not last and now - self._shown < (1 if self._terminal else 30):
            return
        self._shown = now
        pages = totals.pages + totals.pages_failed
        line = (
            f"{totals.files_done} of {totals.files} files, {totals.files_failed} with failures; "
            f"{pages} pages, {pages / (now - self._start):.2f} a second"
        )
        print(f"\r\033[K{line}" if self._terminal else line, end="", file=sys.stderr)
        if last or not self._terminal:
            print(file=sys.stderr)
        sys.stderr.flush()

    def end(self) -> None:
        if self._terminal:
            print(file=sys.stderr)
