"""How many pages of a job are read at once, and in which order."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ocr_runtime.serving.grants import Grant, Spare
from ocr_runtime.serving.job_database import Lost
from ocr_runtime.serving.job_pages import JobPages
from ocr_runtime.serving.pool import Pool


class Job:
    """A job whose pages take some milliseconds, on a pool of its own."""

    def __init__(self, pages: int, *, threads: int = 3) -> None:
        self.pool = Pool(threads=threads, run_bytes=1, max_queue=1, timeout_seconds=10)
        self.numbers = range(1, pages + 1)
        self.started: list[int] = []
        self.ended: list[int] = []
        self.at_once: list[int] = []
        self.stopped = threading.Event()
        self._lock = threading.Lock()

    def page(self, number: int, grant: Grant, _spare: Spare) -> None:
        with self._lock:
            self.started.append(number)
            self.at_once.append(len(self.started) - len(self.ended))
        for _ in range(5):
            with grant(0):
                time.sleep(0.005)
        if self.stopped.is_set():
            raise Lost
        with self._lock:
            self.ended.append(number)

    async def turn(self, work: Callable[[Grant], None]) -> None:
        await self.pool.run(work, admitted=True)

    async def gives_way(self) -> bool:
        return False

    def read(self, **options: Any) -> bool:
        chosen = {"alone": 0, "gives_way": self.gives_way, "stop": self.stopped.set} | options
        pages = JobPages(self.numbers, read=self.page, turn=self.turn, pool=self.pool)

        async def scenario() -> bool:
            try:
                return await pages.read(**chosen)
            finally:
                self.pool.shutdown()

        return asyncio.run(scenario())


@pytest.mark.parametrize(("pages", "threads"), [(1, 3), (2, 3), (20, 3), (5, 1), (0, 2)])
def test_as_many_pages_are_read_at_once_as_there_are_threads(pages, threads):
    job = Job(pages, threads=threads)
    assert job.read()
    assert job.started == list(job.numbers)
    assert sorted(job.ended) == list(job.numbers)
    assert max(job.at_once, default=0) == min(pages, threads)


def test_after_a_loss_the_first_pages_are_read_alone():
    job = Job(12)
    assert job.read(alone=3)
    assert job.at_once[:3] == [1, 1, 1]
    assert max(job.at_once) == 3
    assert job.started == list(job.numbers)


def test_a_job_that_gives_way_ends_the_pages_at_hand_and_starts_no_other():
    job = Job(30)

    async def gives_way() -> bool:
        return len(job.started) > 6

    assert not job.read(gives_way=gives_way)
    assert sorted(job.ended) == sorted(job.started) == list(range(1, len(job.ended) + 1))
    assert len(job.ended) < 12


def test_requests_take_the_threads_and_the_pages_at_hand_are_read_in_the_end():
    job = Job(8)
    busy = threading.Event()

    def request(grant: Grant) -> None:
        while not busy.wait(0.01):
            with grant(0):
                pass

    async def scenario() -> None:
        pages = JobPages(job.numbers, read=job.page, turn=job.turn, pool=job.pool)
        reading = asyncio.create_task(
            pages.read(alone=0, gives_way=job.gives_way, stop=job.stopped.set)
        )
        while len(job.started) < 3:  # noqa: ASYNC110, a thread tells nobody of its start
            await asyncio.sleep(0)
        requests = [asyncio.create_task(job.pool.run(request, caller="b")) for _ in range(2)]
        assert await asyncio.wait_for(reading, 10)  # by its own turns, and the two that had begun
        busy.set()
        await asyncio.gather(*requests)
        job.pool.shutdown()

    asyncio.run(scenario())
    assert sorted(job.ended) == list(job.numbers)


@pytest.mark.parametrize("culprit", [1, 2, 7])
def test_what_goes_wrong_with_a_page_ends_all(culprit):
    job = Job(30)
    read = job.page

    def page(number: int, grant: Grant, spare: Spare) -> None:
        if number == culprit:
            raise Lost
        read(number, grant, spare)

    job.page = page
    with pytest.raises(Lost):
        job.read()
    assert job.stopped.is_set()
    assert len(job.ended) < 15
