"""Ask /livez, /readyz and /metrics each second, each on a new connection, and time it.

    python -m scripts.soaking.probes URL SECONDS   --> JSON, in the end

It is a process of its own, so that no caller delays it; what the machine delays is known from how
late it wakes up, and is not subtracted.
"""

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

PATHS = ("/livez", "/readyz", "/metrics")
TIMEOUT_SECONDS = 10


def probe(url: str, path: str) -> tuple[float, int]:
    """Ask once: the seconds from before the connection to the answer's end, the status or 0."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    start = time.monotonic()
    connection = kind(parts.hostname or "localhost", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except (OSError, http.client.HTTPException):
        status = 0
    finally:
        connection.close()
    return time.monotonic() - start, status


def watch(url: str, seconds: float) -> dict[str, list[tuple[float, int]]]:
    """Ask each address once a second, a third of a second apart, for so long.

    Returns:
        for each address (seconds, status) of every time; and as "late" how late each began.
    """
    found: dict[str, list[tuple[float, int]]] = {path: [] for path in (*PATHS, "late")}
    start = time.monotonic()

    def ask(path: str, offset: float) -> None:
        due = start + offset
        while due < start + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            found["late"].append((time.monotonic() - due, 0))
            found[path].append(probe(url, path))
            due = max(due + 1, time.monotonic())

    threads = [
        threading.Thread(target=ask, args=(path, place / len(PATHS)))
        for place, path in enumerate(PATHS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


if __name__ == "__main__":
    print(json.dumps(watch(sys.argv[1], float(sys.argv[2]))))
