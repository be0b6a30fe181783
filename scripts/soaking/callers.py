"""Good callers: so many at once, or at random at a rate that no answer slows down."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import NamedTuple

from .pages import Known, Question
from .wire import Wire


class Asked(NamedTuple):
    """When a question ended (`time.monotonic()`), how, after what time, and how much work it is."""

    at: float
    outcome: str
    seconds: float
    weight: float


def rate(asked: list[Asked], start: float, end: float) -> float:
    """Good answers a second in that time, each weighed by its work.

    Unweighed, chance would decide: a page takes up to fifty times as long as another.
    """
    good = [each.weight for each in asked if start <= each.at < end and each.outcome == "200"]
    return sum(good) / (end - start)


class Callers:
    """Ask good questions; `asked` keeps what became of them, `wrong` says what is wrong."""

    def __init__(self, wire: Wire, known: Known, questions: Iterator[Question]) -> None:
        self._wire = wire
        self._known = known
        self._questions = questions
        self._numbers = itertools.count()
        self.asked: list[Asked] = []
        self.wrong: list[str] = []

    async def ask(self) -> None:
        question = next(self._questions)
        request_id = f"soak-{next(self._numbers)}"
        start = time.monotonic()
        answer = await question.ask(self._wire, request_id)
        end = time.monotonic()
        weight = self._known.weight(question)
        self.asked.append(Asked(end, answer.outcome, end - start, weight))
        if wrong := self._known.judge(question, request_id, answer):
            self.wrong.append(wrong)

    async def take_turns(self, callers: int, seconds: float) -> float:
        """Let each of them ask again as soon as it is answered; return good answers a second.

        The first fifth of the time is not counted, so that as many are begun as are ended.
        """
        start = time.monotonic()
        end = start + seconds

        async def call() -> None:
            while time.monotonic() < end:
                await self.ask()

        await asyncio.gather(*(call() for _ in range(callers)))
        return rate(self.asked, start + seconds / 5, end)


async def arrive(
    gaps: Iterator[float], call: Callable[[], Coroutine[None, None, None]], until: float
) -> None:
    """Call after each gap, in seconds, whether or not earlier calls have ended; wait for all."""
    due = time.monotonic()
    async with asyncio.TaskGroup() as calls:
        for gap in gaps:
            due += gap
            if due >= until:
                break
            await asyncio.sleep(due - time.monotonic())
            calls.create_task(call())


def at_random(rate: float, dice: random.Random) -> Iterator[float]:
    """The gaps of arrivals that know nothing of each other (a Poisson process)."""
    while True:
        yield dice.expovariate(rate)
