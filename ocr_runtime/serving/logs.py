"""Log lines on standard output: text for people or JSON for machines, one a request.

facts of a request --request--> logger "rapidocr" --> BentoML's handlers, with our formatter
"""

import json
import logging
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

logger = logging.getLogger("rapidocr")

_LONGEST_PATH = 200


def configure(kind: Literal["text", "json"]) -> None:
    """Have all lines of this process written so, BentoML's and the web server's too.

    Called once BentoML has set up its handlers, which it does before it imports a service.
    """
    logger.setLevel(logging.INFO)
    if kind == "json":
        for name in (None, *logging.root.manager.loggerDict):
            for handler in logging.getLogger(name).handlers:
                handler.setFormatter(JSONFormatter())


def request(
    *, request_id: str, method: str, path: str, status: int | None, seconds: float, **facts: int
) -> None:
    """Write the line of a request; never what was read in its image.

    Args:
        request_id: the one in the answer's header.
        method: of HTTP.
        path: as the caller sent it, quoted here so that it stays one word of one line.
        status: None if the caller was gone before there was an answer.
        seconds: from the first to the last byte.
        facts: `pixels` and `lines` of the image, where it was read.
    """
    fields = {
        "request_id": request_id,
        "method": method,
        "path": quote(path, safe="/-_.~")[:_LONGEST_PATH],
        "status": status,
        "milliseconds": round(1000 * seconds, 1),
        **facts,
    }
    words = " ".join(f"{name}={'-' if value is None else value}" for name, value in fields.items())
    logger.info(words, extra={"fields": fields})


class JSONFormatter(logging.Formatter):
    """One object a line: `time`, `level`, and `message` or the fields of a request."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created)
            .astimezone()
            .isoformat("T", "milliseconds"),
            "level": record.levelname,
        }
        line |= getattr(record, "fields", None) or {"message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
