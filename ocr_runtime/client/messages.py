"""What a command tells its user, on standard error."""

import sys
from contextlib import suppress


def printable(text: str) -> str:
    """Replace what is no character to print: names and answers cannot control a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def say(text: str) -> None:
    """Print a line on standard error; nobody may be there to read it."""
    with suppress(BrokenPipeError):
        print(printable(text), file=sys.stderr)
