"""Requests for jobs whose callers do not wait for the answer."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Never

import pytest
import sqlalchemy as sa
from conftest import page_bytes

from ocr_runtime.errors import Timeout
from ocr_runtime.serving.caller_turns import CallerTurns
from ocr_runtime.serving.endpoints import ENDPOINTS
from ocr_runtime.serving.job_addresses import JobAddresses
from ocr_runtime.serving.job_database import CHUNKS, FILES, JOBS, Database
from ocr_runtime.serving.job_store import JobStore
from ocr_runtime.serving.jobs import Jobs
from ocr_runtime.serving.requests import Sent
from ocr_runtime.serving.state import RequestState, begin_request
from ocr_runtime.serving.stored_files import StoredFiles
from ocr_runtime.settings import Settings


class Request:
    """What a job is made of."""

    headers = {"content-type": "image/png"}  # noqa: RUF012

    async def body(self) -> bytes:
        return page_bytes("line.png")


class Held:
    """A function that waits, before it is called or after it, until it is let go."""

    def __init__(self, function: Any, when: str) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._function, self._when = function, when

    def method(self) -> Any:
        def held(*arguments: Any, **options: Any) -> Any:
            if self._when == "before":
                self.wait()
            result = self._function(*arguments, **options)
            if self._when == "after":
                self.wait()
            return result

        return held

    def wait(self) -> None:
        self.begun.set()
        assert self.go_on.wait(30)


@pytest.fixture(
    params=[(Sent, "open", "before"), (JobStore, "create", "before"), (JobStore, "create", "after")]
)
def held(request, monkeypatch):
    owner, name, when = request.param
    made = Held(getattr(owner, name), when)
    monkeypatch.setattr(owner, name, made.method())
    return made


def no_worker() -> Never:
    raise AssertionError("jobs are made without one")


def rows_left(
    folder: Path, way: str, held: Held, ask: Callable[[Jobs], Awaitable[object]], *tables: sa.Table
) -> int:
    """Count what is stored of a request whose caller gives up while its work is held.

    Args:
        folder: of the jobs.
        way: in which the caller gives up: "late" or "gone".
        held: what is done for the request.
        ask: sends it.
        tables: whose rows are counted.
    """
    settings = Settings(jobs_dir=folder, timeout_seconds=0.5 if way == "late" else 60)
    jobs = Jobs(settings, ENDPOINTS, worker=no_worker)

    async def scenario() -> None:
        begin_request(RequestState("id", query=(("output", "text"),)))
        answer = asyncio.ensure_future(ask(jobs))
        await asyncio.to_thread(held.begun.wait, 30)
        if way == "gone":
            answer.cancel()
        with pytest.raises(Timeout if way == "late" else asyncio.CancelledError):
            await answer
        held.go_on.set()

    asyncio.run(scenario())
    jobs._threads._executor.shutdown()
    jobs.close()
    database = Database(settings)
    with database.transaction() as connection:
        counts = [sa.select(sa.func.count()).select_from(table) for table in tables]
        left = sum(connection.scalar(count) for count in counts)
    database.close()
    return left


@pytest.mark.parametrize("way", ["late", "gone"])
def test_no_job_is_left_of_a_request_that_nobody_waits_for(held, way, tmp_path):
    def ask(jobs: Jobs) -> Awaitable[object]:
        return JobAddresses(jobs, ENDPOINTS).create(Request())

    assert rows_left(tmp_path, way, held, ask, JOBS, CHUNKS) == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("way", ["late", "gone"])
def test_no_file_is_left_of_a_request_that_nobody_waits_for(way, when, tmp_path, monkeypatch):
    held = Held(StoredFiles.add, when)
    monkeypatch.setattr(StoredFiles, "add", held.method())

    def ask(jobs: Jobs) -> Awaitable[object]:
        return jobs.keep(lambda: ("a.pdf", b"a file"))

    assert rows_left(tmp_path, way, held, ask, FILES, CHUNKS) == 0


def test_a_job_is_made_for_who_waits(tmp_path):
    settings = Settings(jobs_dir=tmp_path)
    jobs = Jobs(settings, ENDPOINTS, worker=no_worker)
    addresses = JobAddresses(jobs, ENDPOINTS)

    async def scenario() -> None:
        begin_request(RequestState("id", query=(("output", "text"),)))
        assert (await addresses.create(Request())).status_code == 202

    asyncio.run(scenario())
    jobs.close()


def test_callers_take_turns_and_a_place_that_is_given_up_is_the_next_ones():
    order: list[str] = []
    go_on = threading.Event()

    async def scenario() -> None:
        turns = CallerTurns(1, name="test")

        async def call(caller: str, name: str) -> None:
            await asyncio.wrap_future(await turns.start(caller, lambda: order.append(name)))

        first = await turns.start("a", lambda: go_on.wait(30))
        calls = [asyncio.create_task(call(name[0], name)) for name in ("a1", "a2", "a3", "b1")]
        await asyncio.sleep(0)
        calls[1].cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wrap_future(first)
        await asyncio.gather(*calls, return_exceptions=True)
        await call("c", "c1")  # the thread is free again
        turns.close()

    asyncio.run(scenario())
    assert order == ["a1", "b1", "a3", "c1"]


def test_a_turn_that_comes_at_the_moment_its_caller_goes_is_passed_on():
    async def scenario() -> None:
        turns = CallerTurns(1, name="test")
        go_on = threading.Event()
        first = await turns.start("a", lambda: go_on.wait(30))
        gone, next_one = (asyncio.create_task(turns.start(name, int)) for name in "bc")
        await asyncio.sleep(0)
        go_on.set()
        first.result(30)
        place = turns._turns._by_caller["b"][0]
        while not place.done():  # noqa: ASYNC110, a place tells its caller only
            await asyncio.sleep(0)
        gone.cancel()
        assert (await next_one).result(30) == 0
        turns.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))
