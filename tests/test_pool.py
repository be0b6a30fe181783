"""Who computes, who waits, who is turned away."""

import asyncio
import contextlib
import functools
import gc
import os
import random
import sys
import threading
import time
import weakref
from contextvars import ContextVar

import pytest

from ocr_runtime.errors import Busy, Timeout
from ocr_runtime.serving.grants import Spare
from ocr_runtime.serving.pool import Pool


class Gate:
    """Work that goes on until it is opened, and counts those that started."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.started = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)

    def work(self, grant) -> str:
        self.started.release()
        try:
            while not self.opened.wait(0.01):
                with grant(0):
                    pass
        finally:
            self.ended.release()
        return "done"


async def until_started(gate: Gate, number: int) -> None:
    for _ in range(number):
        assert await asyncio.to_thread(gate.started.acquire, timeout=10)


async def under_way(pool: Pool, gate: Gate) -> asyncio.Task[str]:
    """Start the gate's work as a call of its own."""
    call = asyncio.create_task(pool.run(gate.work))
    await until_started(gate, 1)
    return call


async def until_idle(pool: Pool) -> None:
    while pool.computing:  # noqa: ASYNC110, it tells nobody of its end
        await asyncio.sleep(0)


def run(scenario) -> None:
    asyncio.run(scenario())


def test_results_and_exceptions_are_passed_on():
    async def scenario():
        pool = Pool(threads=1, run_bytes=100, max_queue=1, timeout_seconds=10)
        assert await pool.run(lambda _: 42) == 42
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda _: 1 / 0)
        assert await pool.run(lambda _: 43) == 43

    run(scenario)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows the niceness of a thread")
def test_what_computes_gives_way_to_what_answers():
    def niceness(_: object = None) -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)  # of this thread

    async def scenario():
        pool, before = Pool(threads=1, run_bytes=100, max_queue=1, timeout_seconds=10), niceness()
        assert await pool.run(niceness) == min(19, before + 10)
        assert niceness() == before

    run(scenario)


def test_where_the_niceness_cannot_be_set_the_pool_computes_as_well(monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse, raising=False)

    async def scenario():
        pool = Pool(threads=1, run_bytes=100, max_queue=1, timeout_seconds=10)
        assert await pool.run(lambda _: 42) == 42

    run(scenario)


def test_a_full_queue_refuses_at_once_with_retry_after():
    async def scenario():
        pool, gate = Pool(threads=2, run_bytes=100, max_queue=1, timeout_seconds=10), Gate()
        taken = [asyncio.create_task(pool.run(gate.work)) for _ in range(3)]
        await until_started(gate, 2)
        with pytest.raises(Busy) as busy:
            await pool.run(gate.work)
        assert int(busy.value.headers["Retry-After"]) >= 1
        gate.opened.set()
        assert await asyncio.gather(*taken) == ["done"] * 3
        assert await pool.run(gate.work) == "done"

    run(scenario)


def test_admit_refuses_as_run_does_and_drops_no_other_call():
    async def scenario():
        pool, gate = Pool(threads=1, run_bytes=100, max_queue=2, timeout_seconds=10), Gate()
        pool.admit("anybody")
        first = await under_way(pool, gate)
        many = [asyncio.create_task(pool.run(gate.work, caller="many")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            pool.admit("many")
        pool.admit("other")
        assert pool.waiting == 2
        gate.opened.set()
        assert await asyncio.gather(first, *many) == ["done"] * 3

    run(scenario)


def test_work_past_its_timeout_ends_at_its_next_grant_and_frees_its_thread():
    async def scenario():
        pool, gate = Pool(threads=1, run_bytes=100, max_queue=0, timeout_seconds=0.05), Gate()
        with pytest.raises(Timeout):
            await pool.run(gate.work)
        assert await asyncio.to_thread(gate.ended.acquire, timeout=10)
        while True:
            try:
                assert await pool.run(lambda _: "next") == "next"
                break
            except Busy:  # its place is freed a moment after its end
                await asyncio.sleep(0)

    run(scenario)


def test_queued_work_whose_caller_has_gone_never_starts():
    async def scenario():
        pool, gate = Pool(threads=1, run_bytes=100, max_queue=5, timeout_seconds=10), Gate()
        first = await under_way(pool, gate)
        started = []
        waiting = [asyncio.create_task(pool.run(lambda _: started.append(1))) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        more = [asyncio.create_task(pool.run(gate.work)) for _ in range(5)]  # places are free again
        gate.opened.set()
        assert await asyncio.gather(first, *more) == ["done"] * 6
        assert started == []

    run(scenario)


def test_abandoned_work_keeps_its_thread_until_its_next_grant():
    """Abandoned work cannot pile up: it counts until it has really ended."""

    async def scenario():
        pool, gate = Pool(threads=1, run_bytes=100, max_queue=0, timeout_seconds=0.05), Gate()
        with pytest.raises(Timeout):
            await pool.run(lambda _: gate.opened.wait(10))
        with pytest.raises(Busy):
            await pool.run(lambda _: "next")
        gate.opened.set()

    run(scenario)


def test_callers_take_turns():
    """A caller with many calls makes another wait for one of them, not for all."""

    async def scenario():
        pool, gate = Pool(threads=1, run_bytes=100, max_queue=9, timeout_seconds=10), Gate()
        first = await under_way(pool, gate)
        order = []
        later = []
        for caller in ("many", "many", "many", "few", "few", "one"):
            work = functools.partial(lambda caller, _: order.append(caller), caller)
            later.append(asyncio.create_task(pool.run(work, caller=caller)))
            await asyncio.sleep(0)
        assert (pool.computing, pool.waiting) == (1, 6)
        gate.opened.set()
        await asyncio.gather(first, *later)
        assert order == ["many", "few", "one", "many", "few", "many"]
        await until_idle(pool)

    run(scenario)


def test_in_a_full_queue_the_caller_with_the_most_calls_loses_its_newest():
    async def scenario():
        pool, gate = Pool(threads=1, run_bytes=100, max_queue=3, timeout_seconds=10), Gate()
        first = await under_way(pool, gate)
        many = []
        for number in range(3):
            work = functools.partial(lambda number, _: number, number)
            many.append(asyncio.create_task(pool.run(work, caller="many")))
            await asyncio.sleep(0)
        with pytest.raises(Busy):
            await pool.run(lambda _: None, caller="many")
        other = asyncio.create_task(pool.run(lambda _: "other", caller="other"))
        with pytest.raises(Busy) as busy:
            await many.pop()
        assert int(busy.value.headers["Retry-After"]) >= 1
        gate.opened.set()
        assert await asyncio.gather(first, other, *many) == ["done", "other", 0, 1]

    run(scenario)


def test_calls_that_cannot_finish_in_time_are_refused_at_once():
    async def scenario():
        pool, gate = Pool(threads=1, run_bytes=100, max_queue=9, timeout_seconds=1), Gate()
        await pool.run(lambda _: time.sleep(0.6))  # so long takes a call here
        first = await under_way(pool, gate)
        second = asyncio.create_task(pool.run(gate.work))
        await asyncio.sleep(0)
        with pytest.raises(Busy) as busy:  # 0.6 s for each of those before
            await pool.run(gate.work)
        assert busy.value.headers == {"Retry-After": "2"}
        gate.opened.set()
        assert await asyncio.gather(first, second) == ["done"] * 2

    run(scenario)


def test_work_runs_in_the_context_variables_of_its_caller():
    name: ContextVar[str] = ContextVar("name")

    async def scenario():
        pool = Pool(threads=1, run_bytes=100, max_queue=1, timeout_seconds=10)
        name.set("mine")
        assert await pool.run(lambda _: name.get()) == "mine"

    run(scenario)


def test_exceptions_leave_no_reference_cycles():
    """Not even until the garbage is collected: a body may be large."""

    class Body:
        """Stands for it; bytes cannot be watched."""

    async def refused(pool: Pool, gate: Gate) -> weakref.ref[Body]:
        body = Body()
        with contextlib.suppress(Busy, ZeroDivisionError):
            await pool.run(lambda grant: gate.work(grant) and body and 1 / 0)
        return weakref.ref(body)

    async def scenario():
        gc.disable()
        try:
            pool, gate = Pool(threads=1, run_bytes=100, max_queue=1, timeout_seconds=10), Gate()
            first = asyncio.create_task(refused(pool, gate))
            await until_started(gate, 1)
            second = asyncio.create_task(refused(pool, gate))
            await asyncio.sleep(0)
            third = await refused(pool, gate)
            assert third() is None
            gate.opened.set()
            bodies = await asyncio.gather(first, second)
            await asyncio.to_thread(pool._executor.shutdown)  # its threads hold nothing any more
            assert [body() for body in bodies] == [None, None]
        finally:
            gc.enable()

    run(scenario)


def test_no_thread_is_lost_when_callers_give_up():
    async def scenario():
        pool = Pool(threads=2, run_bytes=100, max_queue=20, timeout_seconds=10)
        dice = random.Random(0)
        for _ in range(200):
            tasks = [
                asyncio.create_task(pool.run(lambda _: None, caller=dice.choice("abc")))
                for _ in range(12)
            ]
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            for task in tasks:
                if dice.random() < 0.5:
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await until_idle(pool)
        assert pool.waiting == 0

    run(scenario)


def test_a_call_dropped_and_cancelled_in_one_iteration_frees_no_thread():
    async def scenario():
        pool, gate = Pool(threads=1, run_bytes=100, max_queue=1, timeout_seconds=10), Gate()
        first = await under_way(pool, gate)
        dropped = asyncio.create_task(pool.run(lambda _: None, caller="many"))
        await asyncio.sleep(0)
        pool._drop_one()
        dropped.cancel()
        await asyncio.gather(dropped, return_exceptions=True)
        assert pool.computing == 1
        gate.opened.set()
        await first
        await until_idle(pool)

    run(scenario)


def test_no_thread_is_lost_when_one_cannot_be_started():
    async def scenario():
        pool = Pool(threads=1, run_bytes=100, max_queue=1, timeout_seconds=10)
        pool._executor.shutdown()
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await pool.run(lambda _: None)
            assert pool.computing == 0

    run(scenario)


def test_shutdown_drops_the_calls_that_wait():
    async def scenario():
        pool, gate = Pool(threads=1, run_bytes=100, max_queue=1, timeout_seconds=10), Gate()
        first = await under_way(pool, gate)
        second = asyncio.create_task(pool.run(gate.work))
        await asyncio.sleep(0)
        pool.shutdown()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.opened.set()
        assert await first == "done"

    run(scenario)


def cores(grant, needed: int = 0) -> int:
    with grant(needed) as granted:
        return granted


def test_concurrent_calls_divide_the_cores():
    async def scenario():
        pool, gate = Pool(threads=4, run_bytes=100, max_queue=4, timeout_seconds=10), Gate()
        assert await pool.run(cores) == 4
        others = [asyncio.create_task(pool.run(gate.work))]
        await until_started(gate, 1)
        assert await pool.run(cores) == 2
        others += [asyncio.create_task(pool.run(gate.work)) for _ in range(2)]
        await until_started(gate, 2)
        assert await pool.run(cores) == 1
        gate.opened.set()
        await asyncio.gather(*others)
        assert await pool.run(cores) == 4

    run(scenario)


class Holder(Gate):
    """Work that holds so much memory until it is opened."""

    def __init__(self, needed: int) -> None:
        super().__init__()
        self.needed = needed

    def work(self, grant) -> int:
        with grant(self.needed) as granted:
            self.started.release()
            assert self.opened.wait(10)
            return granted


def test_runs_share_the_memory_and_waiting_ones_leave_their_cores_to_others():
    async def scenario():
        pool = Pool(threads=4, run_bytes=100, max_queue=4, timeout_seconds=10)
        first, second, third, small = Holder(60), Holder(40), Holder(60), Holder(1)
        tasks = [asyncio.create_task(pool.run(first.work))]
        await until_started(first, 1)
        tasks.append(asyncio.create_task(pool.run(second.work)))
        await until_started(second, 1)
        for late in (third, small):
            tasks.append(asyncio.create_task(pool.run(late.work)))
            await asyncio.sleep(0.2)
        assert not third.started.acquire(blocking=False)
        assert not small.started.acquire(blocking=False)  # would fit, but came after the third
        second.opened.set()
        assert await tasks[1] == 2  # those that wait for memory are not counted
        first.opened.set()
        await until_started(third, 1)
        await until_started(small, 1)
        third.opened.set()
        small.opened.set()
        await asyncio.gather(*tasks)

    run(scenario)


def test_a_run_that_needs_more_than_all_memory_runs_alone():
    async def scenario():
        pool = Pool(threads=2, run_bytes=100, max_queue=4, timeout_seconds=10)
        small, large = Holder(1), Holder(1000)
        tasks = [asyncio.create_task(pool.run(small.work))]
        await until_started(small, 1)
        tasks.append(asyncio.create_task(pool.run(large.work)))
        await asyncio.sleep(0.2)
        assert not large.started.acquire(blocking=False)
        small.opened.set()
        await until_started(large, 1)
        large.opened.set()
        await asyncio.gather(*tasks)

    run(scenario)


def test_work_that_waits_for_memory_times_out_and_blocks_no_other():
    async def scenario():
        pool = Pool(threads=2, run_bytes=100, max_queue=4, timeout_seconds=0.5)
        holder = Holder(100)
        first = asyncio.create_task(pool.run(holder.work))
        await until_started(holder, 1)
        with pytest.raises(Timeout):
            await pool.run(lambda grant: cores(grant, 1))
        holder.opened.set()
        with pytest.raises(Timeout):
            await first
        for needed in (100, 1):
            assert await pool.run(lambda grant, needed=needed: cores(grant, needed)) >= 1

    run(scenario)


def test_spare_calls_take_the_threads_that_are_idle():
    async def scenario():
        pool, gate = Pool(threads=3, run_bytes=1, max_queue=1, timeout_seconds=10), Gate()
        await under_way(pool, gate)
        spares = [asyncio.create_task(pool.run_spare(gate.work, Spare())) for _ in range(4)]
        await until_started(gate, 2)
        await asyncio.sleep(0.05)
        assert not gate.started.acquire(blocking=False)
        spares.pop().cancel()  # one that has not started
        gate.opened.set()
        assert await asyncio.gather(*spares) == ["done"] * 3
        pool.shutdown()

    run(scenario)


def test_no_call_waits_for_a_spare_one_which_pauses_at_its_next_grant():
    async def scenario():
        pool = Pool(threads=2, run_bytes=1, max_queue=0, timeout_seconds=10)
        spare, held, gate = Spare(), Gate(), Gate()
        running = asyncio.create_task(pool.run_spare(gate.work, spare))
        await until_started(gate, 1)
        calls = [await under_way(pool, held) for _ in range(2)]  # at once, though there is no queue
        with pytest.raises(Busy):
            await pool.run(held.work)
        while pool._grants._spares:  # noqa: ASYNC110, it tells nobody that it pauses
            await asyncio.sleep(0)
        gate.opened.set()  # it does not see that while it is paused
        done, _ = await asyncio.wait([running], timeout=0.3)
        assert not done
        held.opened.set()
        await asyncio.gather(*calls)
        assert await running == "done"
        assert spare.paused_seconds >= 0.2
        pool.shutdown()

    run(scenario)


def test_a_spare_call_that_is_needed_goes_on():
    async def scenario():
        pool = Pool(threads=1, run_bytes=1, max_queue=0, timeout_seconds=10)
        spare, held, gate = Spare(), Gate(), Gate()
        running = asyncio.create_task(pool.run_spare(gate.work, spare))
        await until_started(gate, 1)
        call = await under_way(pool, held)
        gate.opened.set()
        spare.needed.set()
        assert await running == "done"
        assert not call.done()
        held.opened.set()
        await call
        pool.shutdown()

    run(scenario)


def test_a_spare_call_whose_task_is_cancelled_ends():
    async def scenario():
        pool, held, gate = (
            Pool(threads=1, run_bytes=1, max_queue=0, timeout_seconds=10),
            Gate(),
            Gate(),
        )
        running = asyncio.create_task(pool.run_spare(gate.work, Spare()))
        await until_started(gate, 1)
        call = await under_way(pool, held)  # the other one is paused
        running.cancel()
        assert await asyncio.to_thread(gate.ended.acquire, timeout=10)
        held.opened.set()
        await call
        assert await pool.run_spare(lambda _: "next", Spare()) == "next"
        pool.shutdown()

    run(scenario)
