"""`rapidocr-bento read`: files, folders and URLs -> their text, here or with a service.

one file, no --out      its output on standard output
--out DIR               an output for each file, and the manifest that a later run goes on from
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO

from ocr_runtime.client.batch import Batch, files_left
from ocr_runtime.client.begun import Begun
from ocr_runtime.client.errors import FileFailed, UsageError
from ocr_runtime.client.fetching import Fetcher
from ocr_runtime.client.manifest import Manifest, Outcome
from ocr_runtime.client.messages import say
from ocr_runtime.client.progress import ProgressBar
from ocr_runtime.client.readers import Reader, Reading
from ocr_runtime.client.reading_options import add_reading_options, as_fields, given_options
from ocr_runtime.client.sources import Source, listed
from ocr_runtime.client.window import MOST_AT_ONCE
from ocr_runtime.serving.endpoints import ENDPOINTS, Endpoint
from ocr_runtime.serving.requests import DocumentOptions
from ocr_runtime.settings import Settings, SettingsError

_SUFFIXES = {
    "text": ".txt",
    "markdown": ".md",
    "hocr": ".hocr",
    "pages": ".json",
    "pdf": ".pdf",
}
_STDIN = "-"
_LARGEST_NUMBER = 1_000_000
_HELD_BYTES = 64 << 20
"""Size of an output from which it is held on the disk, until it goes to standard output."""

_DESCRIPTION = """Read the text of documents and images. One file goes to standard output; with
--out, each file has its output there, and the same command goes on where an earlier one ended.
Without --address the pages are read in this process, with the settings of the service (OCR_PROFILE
and others, see docs/settings.md)."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the arguments of this command."""
    parser = subparsers.add_parser(
        "read", help="read documents and images", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="FILE|FOLDER|URL",
        help="what to read: files, folders with all that is below them, http and https addresses, "
        "or - for standard input",
    )
    parser.add_argument(
        "--to",
        choices=list(_SUFFIXES),
        default="text",
        help="form of the output: text, Markdown, hOCR, JSON with all that was read and where it "
        "is, or a PDF whose text can be found; text by default",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the outputs: the tree of each folder that is read is mirrored there, "
        "scan.pdf becomes scan.pdf.txt",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="read again the files that failed, or of which pages did, in earlier runs with this "
        "--out",
    )
    parser.add_argument(
        "--concurrency",
        type=_whole_number,
        metavar="N",
        help="most files at once; by default as many as there are cores, with --address as many as "
        f"the service takes, at most {MOST_AT_ONCE}",
    )
    parser.add_argument(
        "--max-mb",
        type=_whole_number,
        default=100,
        metavar="N",
        help="largest file that is fetched from a URL, in MiB; 100 by default",
    )
    _add_service(parser)
    add_reading_options(parser)
    parser.set_defaults(run=run)


def _add_service(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("with a service")
    group.add_argument(
        "--address",
        default=os.environ.get("RAPIDOCR_URL") or None,
        metavar="URL",
        help="address of the service that reads, as http://localhost:3000; by default that of the "
        "environment variable RAPIDOCR_URL, if it is set",
    )
    group.add_argument(
        "--key",
        default=os.environ.get("RAPIDOCR_KEY", ""),
        help="API key; better in the environment variable RAPIDOCR_KEY, since other users of this "
        "machine may see the arguments of commands",
    )
    group.add_argument(
        "--timeout",
        type=_whole_number,
        default=300,
        metavar="SECONDS",
        help="longest silence of the service; 300 by default",
    )
    group.add_argument(
        "--retries",
        type=int,
        choices=range(21),
        default=5,
        metavar="N",
        help="how often a request without an answer is sent again, 0 to 20; 5 by default. A busy "
        "service is asked again for up to 20 minutes",
    )


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _LARGEST_NUMBER):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {_LARGEST_NUMBER}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Read; return the exit code."""
    options = given_options(arguments)
    if arguments.out is None:
        return _read_to_stdout(arguments, options)
    return _read_to_folder(arguments, options)


def _reader(arguments: argparse.Namespace, options: DocumentOptions) -> Reader:
    """Make what reads; the engine is loaded only where it is used."""
    endpoint = _endpoint(arguments.to)
    if arguments.address is None:
        from ocr_runtime.client.in_process import InProcess  # noqa: PLC0415

        environ = os.environ | {"OCR_WORKERS": "1"}  # all cores are this process's
        if arguments.concurrency is not None:
            environ["OCR_THREADS"] = str(arguments.concurrency)
        return InProcess(endpoint, options, Settings.from_environ(environ))
    from ocr_runtime.client.over_http import OverHTTP  # noqa: PLC0415

    return OverHTTP(
        arguments.address,
        endpoint.name,
        fields=as_fields(options),
        key=arguments.key,
        timeout_seconds=arguments.timeout,
        retries=arguments.retries,
        most=min(arguments.concurrency or MOST_AT_ONCE, MOST_AT_ONCE),
    )


def _endpoint(name: str) -> Endpoint:
    return next(endpoint for endpoint in ENDPOINTS if endpoint.name == name)


def _read_to_stdout(arguments: argparse.Namespace, options: DocumentOptions) -> int:
    if arguments.sources == [_STDIN]:
        source = Source(_STDIN, "")
    else:
        found = listed(_without_stdin(arguments.sources), suffix="", out=None).sources
        if len(found) != 1 or Path(arguments.sources[0]).is_dir():
            raise UsageError("several files are read into a folder: --out DIR")
        (source,) = found
    if arguments.to == "pdf" and sys.stdout.isatty():
        raise UsageError("a PDF is not for a terminal: > FILE.pdf, or --out DIR")
    # Not in the event loop, which would not be interrupted.
    data = sys.stdin.buffer.read() if source.name == _STDIN else None
    reader = _reader(arguments, options)
    with tempfile.SpooledTemporaryFile(_HELD_BYTES) as output:
        try:
            reading = asyncio.run(_read_one(source, data, reader, output, arguments.max_mb))
        except FileFailed as exc:
            say(f"{exc.code}  {source.told}: {exc}")
            return 1
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout.buffer)
    if reading.unread:
        say(f"pages {_numbers(reading.unread)} not read  {source.told}")
    return int(bool(reading.unread))


async def _read_one(
    source: Source, data: bytes | None, reader: Reader, output: IO[bytes], max_mb: int
) -> Reading:
    """Read one file; its bytes are loaded where they are None."""
    fetcher = Fetcher(max_mb=max_mb)
    try:
        if data is None:
            data = await fetcher.load(source)
        if not data:
            raise FileFailed("empty_file", "Nothing came from standard input.")
        return await reader.read(data, output)
    finally:
        await reader.close()
        await fetcher.close()


def _read_to_folder(arguments: argparse.Namespace, options: DocumentOptions) -> int:
    out: Path = arguments.out
    sources = _without_stdin(arguments.sources)
    found = listed(sources, suffix=_SUFFIXES[arguments.to], out=out)
    kept = options.model_dump(exclude_none=True, exclude={"password"})
    with Manifest(out, to=arguments.to, options=kept) as manifest:
        left = files_left(found.sources, manifest, out, retry_failed=arguments.retry_failed)
        try:
            reader = _reader(arguments, options) if left else None
        except (UsageError, SettingsError):
            manifest.withdraw()
            raise
        try:
            if reader is not None:
                bar = ProgressBar(len(found.sources), done=len(found.sources) - len(left))
                here = arguments.address is None
                with bar, Begun(manifest.begun) if here else nullcontext() as begun:
                    asyncio.run(_read_all(left, reader, manifest, bar, arguments, begun=begun))
        finally:
            outcomes = [manifest.outcome(source.target) for source in found.sources]
            _summarise([each for each in outcomes if each], len(found.sources), found.left_out)
    return int(any(each is None or not each.is_ok or each.unread for each in outcomes))


async def _read_all(
    left: Sequence[Source],
    reader: Reader,
    manifest: Manifest,
    bar: ProgressBar,
    arguments: argparse.Namespace,
    *,
    begun: Begun | None,
) -> None:
    fetcher = Fetcher(max_mb=arguments.max_mb)
    batch = Batch(
        reader=reader,
        fetcher=fetcher,
        manifest=manifest,
        out=arguments.out,
        on_outcome=lambda outcome: bar.advance(ok=outcome.is_ok),
        begun=begun,
    )
    try:
        await batch.read(left)
    finally:
        await reader.close()
        await fetcher.close()


def _without_stdin(sources: Sequence[str]) -> Sequence[str]:
    if _STDIN in sources:
        raise UsageError("- is read alone, and to standard output")
    return sources


def _summarise(outcomes: Sequence[Outcome], total: int, left_out: int) -> None:
    """Say what became of the files, each failure with its code."""
    failed = [outcome for outcome in outcomes if not outcome.is_ok]
    for outcome in outcomes:
        if outcome.unread:
            say(f"pages {_numbers(outcome.unread)} not read  {outcome.source}")
    for outcome in failed:
        say(f"{outcome.code}  {outcome.source}: {outcome.error}")
    counts = [f"{len(outcomes) - len(failed)} read"]
    counts += [f"{len(failed)} failed"] * bool(failed)
    counts += [f"{total - len(outcomes)} left"] * (total > len(outcomes))
    counts += [f"{left_out} of other kinds left out"] * bool(left_out)
    say(", ".join(counts))


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
