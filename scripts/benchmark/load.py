"""Callers that each send the next image as soon as the last is answered.

Imports nothing but the standard library: it runs in the environments of the peers too.
"""

import threading
import time
from collections.abc import Callable, Iterator


def drive(
    read: Callable[[bytes], list[str]], images: list[bytes], *, callers: int, count: int
) -> dict[str, float]:
    """Send `count` images, in turn, from so many callers at once.

    Returns:
        images a second, and the median and the 95th percentile of the latencies in seconds.
    """
    turns, latencies, failures = iter(range(count)), [], []
    lock = threading.Lock()

    def call() -> None:
        for turn in iter(lambda: _next(turns, lock), None):
            start = time.perf_counter()
            try:
                read(images[turn % len(images)])
            except Exception as exc:  # noqa: BLE001, told to the one who waits
                failures.append(exc)
                return
            latencies.append(time.perf_counter() - start)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    if failures:
        raise failures[0]
    latencies.sort()
    return {
        "rate": count / seconds,
        "p50": latencies[count // 2],
        "p95": latencies[min(count - 1, int(0.95 * count))],
    }


def _next(turns: Iterator[int], lock: threading.Lock) -> int | None:
    with lock:
        return next(turns, None)
