"""Arguments of the command line -> the command that they name, run; its exit code.

    rapidocr-bento serve | read | bulk | models

Exit codes: 0 all done, 1 something failed, 2 wrong arguments or settings, 130 interrupted.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Collection, Sequence

from ocr_runtime import __version__
from ocr_runtime.client.errors import RunEnded, UsageError
from ocr_runtime.client.messages import say
from ocr_runtime.settings import SettingsError

COMMANDS = ("serve", "read", "bulk", "models")
"""Each is the module `NAME_command` beside this one."""

_INTERRUPTED = 130
_BROKEN_PIPE = 141
"""As shells count a process that a signal ended: 128 and the signal's number."""


def parser(commands: Collection[str] = COMMANDS) -> argparse.ArgumentParser:
    """Make the parser of these commands; each module is imported only if it is among them."""
    made = argparse.ArgumentParser(
        prog="rapidocr-bento",
        description="Read the text in documents and images, here or with a service, or serve.",
        epilog="`rapidocr-bento COMMAND --help` describes a command.",
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = made.add_subparsers(metavar="COMMAND", required=True, dest="command")
    for name in commands:
        importlib.import_module(f"ocr_runtime.client.{name}_command").add_parser(subparsers)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    named = [name for name in given[:1] if name in COMMANDS]
    made = parser(named or COMMANDS)  # one command alone starts sooner
    arguments, more = made.parse_known_args(given)
    if more and not getattr(arguments, "passes_more", False):
        made.error(f"unrecognized arguments: {' '.join(more)}")
    arguments.more = more
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except (UsageError, SettingsError) as exc:
        say(f"rapidocr-bento {arguments.command}: {exc}")
        return 2
    except RunEnded as exc:
        say(f"rapidocr-bento {arguments.command}: {exc}")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # who reads standard output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return code
