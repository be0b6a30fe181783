"""Limits on request bodies while they arrive: size, time, memory in all."""

import asyncio

import pytest
from starlette.datastructures import Headers

from ocr_runtime.errors import BodyTooLarge, Busy, SlowBody
from ocr_runtime.serving.bodies import Bodies, Body


class Caller:
    """An ASGI caller that sends what a test tells it to send."""

    def __init__(self, bodies: Bodies, **headers: str) -> None:
        self._parts: asyncio.Queue[dict] = asyncio.Queue()
        sent = {"transfer-encoding": "chunked"} | headers
        self.body: Body = bodies.open(Headers(sent), self._parts.get)

    def send(self, content: bytes, *, more: bool = True) -> None:
        self._parts.put_nowait({"type": "http.request", "body": content, "more_body": more})

    def hang_up(self) -> None:
        self._parts.put_nowait({"type": "http.disconnect"})


async def hold_seven_of_the_largest(bodies: Bodies) -> None:
    for _ in range(7):
        caller = Caller(bodies)
        caller.send(bytes(bodies.most_bytes), more=False)
        await caller.body.receive()


def run(scenario) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_parts_are_passed_on_and_then_the_disconnect():
    async def scenario():
        caller = Caller(Bodies(most_bytes=100, most_seconds=10))
        caller.send(b"a")
        caller.send(b"b", more=False)
        assert [(await caller.body.receive())["body"] for _ in range(2)] == [b"a", b"b"]
        assert await caller.body.finish()
        gone = asyncio.create_task(caller.body.hung_up())
        later = asyncio.create_task(caller.body.receive())
        await asyncio.sleep(0)
        assert not gone.done()
        caller.hang_up()
        await gone
        assert await later == {"type": "http.disconnect"}

    run(scenario)


def test_an_unneeded_body_is_read_to_its_end_unless_it_expects_100_continue():
    async def scenario():
        caller = Caller(Bodies(most_bytes=100, most_seconds=10))
        skipped = asyncio.create_task(caller.body.skip())
        caller.send(bytes(60))
        await asyncio.sleep(0.01)
        assert not skipped.done()
        caller.send(b"", more=False)
        await skipped
        too_large = Caller(Bodies(most_bytes=100, most_seconds=10))
        too_large.send(bytes(101))
        with pytest.raises(BodyTooLarge):
            await too_large.body.skip()
        asking = Caller(Bodies(most_bytes=100, most_seconds=10), expect="100-continue")
        await asking.body.skip()
        assert not await asking.body.finish()

    run(scenario)


def test_a_body_over_the_limit_is_refused():
    async def scenario():
        caller = Caller(Bodies(most_bytes=100, most_seconds=10))
        caller.send(bytes(60))
        await caller.body.receive()
        caller.send(bytes(41))
        with pytest.raises(BodyTooLarge):
            await caller.body.receive()

    run(scenario)


def test_a_declared_length_over_the_limit_is_refused_unread():
    async def scenario():
        caller = Caller(Bodies(most_bytes=100, most_seconds=10), **{"content-length": "101"})
        with pytest.raises(BodyTooLarge):
            await caller.body.receive()
        caller.send(bytes(101), more=False)
        assert await caller.body.finish()  # listened to all the same

    run(scenario)


def test_a_body_that_expects_100_continue_is_not_read_after_the_answer():
    async def scenario():
        caller = Caller(Bodies(most_bytes=100, most_seconds=10), expect="100-continue")
        assert not await caller.body.finish()

    run(scenario)


def test_the_time_limit_is_for_the_whole_body():
    async def scenario():
        caller = Caller(Bodies(most_bytes=100, most_seconds=0.3))
        for _ in range(2):
            caller.send(b"a")
            await caller.body.receive()
        await asyncio.sleep(0.4)
        caller.send(b"a")
        with pytest.raises(SlowBody):
            await caller.body.receive()
        assert not await caller.body.finish()

    run(scenario)


def test_over_the_bound_of_eight_bodies_the_largest_incomplete_one_is_refused():
    async def scenario():
        bodies = Bodies(most_bytes=100, most_seconds=10)
        await hold_seven_of_the_largest(bodies)
        large, small, third = (Caller(bodies) for _ in range(3))
        large.send(bytes(60))
        await large.body.receive()
        waits = asyncio.create_task(large.body.receive())
        small.send(bytes(30))
        await small.body.receive()
        third.send(bytes(11))
        await third.body.receive()  # 801: large is refused where it waits
        with pytest.raises(Busy):
            await waits
        large.body.__exit__()
        third.send(bytes(59))
        await third.body.receive()
        small.send(b"a", more=False)
        third.send(b"a")
        with pytest.raises(Busy):  # the others have ended
            await third.body.receive()

    run(scenario)


def test_one_refusal_does_not_refuse_further_bodies():
    """Its bytes count until its task has run; until then it stays the largest."""

    async def scenario():
        bodies = Bodies(most_bytes=100, most_seconds=10)
        await hold_seven_of_the_largest(bodies)
        large, *small = (Caller(bodies) for _ in range(9))
        large.send(bytes(90))
        await large.body.receive()
        waits = asyncio.create_task(large.body.receive())
        others = [asyncio.create_task(caller.body.receive()) for caller in small]
        await asyncio.sleep(0)
        for caller in small:  # each in a turn of the loop of its own
            caller.send(bytes(20))
            await asyncio.sleep(0)
        assert [len(message["body"]) for message in await asyncio.gather(*others)] == [20] * 8
        with pytest.raises(Busy):
            await waits

    run(scenario)


def test_ended_requests_free_their_memory():
    async def scenario():
        bodies = Bodies(most_bytes=100, most_seconds=10)
        for _ in range(50):
            with bodies.open(Headers(), None):
                caller = Caller(bodies)
            caller.send(bytes(100), more=False)
            with caller.body as body:
                await body.receive()

    run(scenario)
