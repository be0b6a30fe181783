"""Memory, threads and open files of the service's processes, each second."""

import asyncio
import statistics
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Sample:
    """All processes together; memory as `scripts/bench` weighs it: resident, summed.

    `cpu_seconds` is what they have computed, `machine_seconds` what everybody has.
    """

    at: float
    resident_mb: float
    threads: int
    files: int
    processes: int
    cpu_seconds: float
    machine_seconds: float


class Samples:
    """Samples of a process and its children; none if there is no process to look at."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self.taken: list[Sample] = []

    def take(self) -> None:
        if self._pid is None:
            return
        try:
            first = psutil.Process(self._pid)
            all_of_them = [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        resident = threads = files = processes = 0
        seconds = 0.0
        for process in all_of_them:
            try:
                with process.oneshot():
                    resident += process.memory_info().rss
                    threads += process.num_threads()
                    files += process.num_fds()
                    seconds += sum(process.cpu_times()[:2])  # user and system
                    processes += 1
            except psutil.NoSuchProcess:
                continue
        machine = psutil.cpu_times()
        self.taken.append(
            Sample(
                at=time.monotonic(),
                resident_mb=resident / 1e6,
                threads=threads,
                files=files,
                processes=processes,
                cpu_seconds=seconds,
                machine_seconds=machine.user + machine.nice + machine.system,
            )
        )

    async def watch(self) -> None:
        """Take a sample each second until cancelled."""
        while True:
            self.take()
            await asyncio.sleep(1)


def sixths(samples: list[Sample]) -> list[float]:
    """The median memory of each sixth of the time; nothing if there are too few samples."""
    size = len(samples) // 6
    return [
        statistics.median(sample.resident_mb for sample in samples[place * size :][:size])
        for place in range(6 if size else 0)
    ]
