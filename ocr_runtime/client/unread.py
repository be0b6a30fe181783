"""An output of a service -> numbers of the pages that were not read.

A service that answers while it reads cannot tell them in a header. Each output names them in its
own way.
"""

import re
from collections.abc import Iterable

_NAMED: dict[str, re.Pattern[bytes]] = {
    "text": re.compile(rb"^\[page (\d+) was not read: "),
    "markdown": re.compile(rb"^> page (\d+) was not read: "),
    "hocr": re.compile(rb"<!-- page (\d+) was not read: "),
    "pages": re.compile(rb'\{"number":(\d+),"code":"'),  # in a string the quotes were escaped
}
"""By endpoint: how a line of its output names a page that was not read."""


def unread_pages(output: str, lines: Iterable[bytes]) -> list[int]:
    """List the pages that an output names as not read.

    Args:
        output: name of the endpoint.
        lines: of the output; those of a text may hold form feeds.
    """
    named = _NAMED.get(output)
    if named is None:
        return []
    return [
        int(number)
        for line in lines
        for part in line.split(b"\f")
        for number in named.findall(part)
    ]
