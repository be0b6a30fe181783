"""Log lines on standard output, as text or as JSON objects: one for each request.

facts of a request --request--> logger "rapidocr" --> BentoML's handlers, with our formatter

A line names its trace only if that trace is exported: BentoML gives every request trace ids, also
where its tracing is off and nothing can be looked up by them.
"""

import json
import logging
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from bentoml._internal.configuration.containers import BentoMLContainer
from opentelemetry import trace

logger = logging.getLogger("rapidocr")

_LONGEST_PATH = 200


def configure(kind: Literal["text", "json"]) -> None:
    """Set the format of all log lines of this process, including BentoML's and uvicorn's.

    To be called after BentoML has set up its handlers, which it does before it imports a service.
    """
    logger.setLevel(logging.INFO)
    for name in (None, *logging.root.manager.loggerDict):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(_name_exported_trace)
            if kind == "json":
                handler.setFormatter(JSONFormatter())


def request(
    *, request_id: str, method: str, path: str, status: int | None, seconds: float, **facts: int
) -> None:
    """Write the line of a request; never what was read in its image.

    Args:
        request_id: the one in the answer's header.
        method: the HTTP method.
        path: as it is routed; quoted here, so that it cannot break the line.
        status: None if the caller was gone before there was an answer.
        seconds: from the request's header to the end of the answer.
        facts: `pixels` and `lines` of the image, if it was read.
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
    """One object a line: `time`, `level`, and `message` or the fields of a request.

    With `trace_id` and `span_id`, as in OpenTelemetry's JSON, if the trace is exported.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created)
            .astimezone()
            .isoformat("T", "milliseconds"),
            "level": record.levelname,
        }
        line |= getattr(record, "fields", None) or {"message": record.getMessage()}
        line |= getattr(record, "trace", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _name_exported_trace(record: logging.LogRecord) -> bool:
    """Give a record the ids of its trace if that is exported, or else take BentoML's text of them.

    A filter for BentoML's handlers, after BentoML's own that sets `trace_msg`.
    """
    span = trace.get_current_span().get_span_context()
    if span.trace_flags.sampled and BentoMLContainer.tracing.exporter_type.get():
        record.trace = {
            "trace_id": trace.format_trace_id(span.trace_id),
            "span_id": trace.format_span_id(span.span_id),
        }
    else:
        record.trace_msg = ""
    return True
