"""Overload the service for a while and say whether it kept its promises."""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.serving import ROOT, serving

from .abuse import Bad, Slow, Vanishing
from .callers import Callers, arrive, at_random
from .pages import Known, deck, questions
from .probes import PATHS
from .report import Found, promises, table, write
from .samples import Samples
from .wire import Wire

OVERLOAD = 4
CORES = len(os.sched_getaffinity(0))
CAPACITY_SECONDS = (5, 60)
"""The least and the most time for which the capacity is measured."""
MOST_SPELLS, SPELL_SECONDS = 5, 90
"""Into how many spells the load is divided at most, and how long each is at least: slow callers are
answered after a minute. Between them the capacity without load is measured, since the speed of a
machine that is shared may change within minutes."""
ROUND_SECONDS = 10
"""In this time each bad kind comes once, and three slow and five vanishing callers."""


@dataclass(frozen=True)
class Address:
    """Where the service is; `pid` and `log` only if it was started here."""

    url: str
    pid: int | None = None
    log: Path | None = None

    def tracebacks(self) -> Counter[str] | None:
        """Count the exceptions in the log, by their last lines."""
        if self.log is None:
            return None
        return Counter(
            re.findall(r"^Traceback .*\n(?: .*\n)+(.*)", self.log.read_text(), re.MULTILINE)
        )


@contextlib.contextmanager
def addressed(url: str | None, profile: str) -> Iterator[Address]:
    """Start the service with its default settings but for the profile, unless there is a URL."""
    if url:
        yield Address(url)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), OCR_PROFILE=profile) as server,
    ):
        yield Address(server.url, server.process.pid, Path(folder) / "server.log")


async def soak(address: Address, minutes: float) -> Found:
    """Ask quietly, then measure the capacity and overload in turns."""
    dice = random.Random(0)
    wire, cards, known, samples = Wire(address.url), questions(), Known(), Samples(address.pid)
    callers = Callers(wire, known, deck(cards, dice))
    say(f"{len(cards) // 3} known answers, from {address.url}")
    callers.wrong += await known.learn(wire, cards)
    watching = asyncio.create_task(samples.watch())
    spells = max(1, min(MOST_SPELLS, int(minutes * 60 / SPELL_SECONDS)))
    spell_seconds = minutes * 60 / spells
    least, most = CAPACITY_SECONDS
    measured_seconds = min(most, max(least, spell_seconds / 4))

    async def capacity() -> float:
        under_load, callers.asked = callers.asked, []
        rate = await callers.take_turns(2 * CORES, measured_seconds)
        callers.asked = under_load
        say(f"capacity: {rate:.2f} good answers a second")
        if not rate:
            raise SystemExit("No good answer came; a longer run may see some.")
        return rate

    bad, slow, vanishing = Bad(wire), Slow(wire), Vanishing(wire, deck(cards, dice), dice)
    round_seconds = min(ROUND_SECONDS, spell_seconds / 3)
    probed: dict[str, list[tuple[float, int]]] = {}
    without, loads = [await capacity()], []
    cpu_before = time.process_time()
    for _ in range(spells):
        start = time.monotonic()
        slow.until = end = start + spell_seconds
        say(f"{spell_seconds / 60:g} minutes at {OVERLOAD} times that")
        probed_now, *_ = await asyncio.gather(
            probes(address.url, spell_seconds),
            arrive(at_random(OVERLOAD * without[-1], dice), callers.ask, end),
            arrive(itertools.repeat(round_seconds / len(bad.seen)), bad.ask, end),
            arrive(itertools.repeat(round_seconds / 3), slow.ask, end),
            arrive(at_random(5 / round_seconds, dice), vanishing.ask, end),
        )
        for what, seen in probed_now.items():
            probed.setdefault(what, []).extend(seen)
        cpu_seconds = time.process_time() - cpu_before
        loads.append((start, end))
        without.append(await capacity())
    watching.cancel()
    wire.close()
    await asyncio.sleep(1)
    samples.take()
    return Found(
        minutes=minutes,
        loads=loads,
        known=known.distinct,
        without=without,
        answered=callers.asked,
        wrong=callers.wrong,
        expected=bad.expected,
        bad=bad.seen,
        slow=slow.seen,
        gone=vanishing.gone,
        probed={path: probed[path] for path in PATHS},
        late=[seconds for seconds, _ in probed["late"]],
        samples=samples.taken,
        tracebacks=address.tracebacks(),
        callers_cpu=cpu_seconds / (loads[-1][1] - loads[0][0]),
    )


async def probes(url: str, seconds: float) -> dict[str, list[tuple[float, int]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "scripts.soaking.probes", url, str(seconds)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return json.loads(output)


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--address", help="of a service that runs; else one is started")
    parser.add_argument("--profile", default="standard", help="of the service that is started")
    parser.add_argument("--write", action="store_true", help="replace the report in docs/")
    arguments = parser.parse_args()
    with addressed(arguments.address, arguments.profile) as address:
        found = asyncio.run(soak(address, arguments.minutes))
    print(table(found))
    for sentence in found.wrong[:5]:
        say(f"wrong: {sentence}")
    if arguments.write:
        write(found, ROOT / "docs")
    sys.exit(any(promise.broken for promise in promises(found)))


if __name__ == "__main__":
    main()
