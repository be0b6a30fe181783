"""SOURCE, TARGET -> every file of SOURCE read, but for what TARGET has already.

names of SOURCE --without those finished in TARGET--> pieces --> chunks --actors--> TARGET
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pyarrow as pa
import pyarrow.compute as pc

from ocr_runtime.bulk import cluster
from ocr_runtime.bulk.actor_pool import ActorPool, NotStarted, PoolFailed
from ocr_runtime.bulk.chunks import Chunk, Piece, chunks_of, divided, runs
from ocr_runtime.bulk.outcomes import Outcomes, Totals
from ocr_runtime.bulk.reading_actor import Job, lost
from ocr_runtime.bulk.sources import NoSource, Sources
from ocr_runtime.bulk.target import Begun, NoTarget, Target

REFUSALS = (NoSource, NoTarget, cluster.NoCluster, NotStarted)
"""What is said before anything is read; each says why in one line."""

ENDS = (PoolFailed, OSError)
"""What ends a run that has begun; the next run goes on from there."""

_CHUNKS_LEFT = 3
"""A chunk is at most this part of what is left for each actor."""


def read_in_bulk(
    job: Job,
    *,
    address: str | None,
    most_actors: int | None,
    most_pages: int,
    retry_failed: bool,
    report: Callable[[Totals], None],
) -> Totals:
    """Read what is missing.

    Args:
        job: what is read, and how.
        address: of a Ray cluster; None: an embedded one.
        most_actors: see `ActorPool`.
        most_pages: of a chunk.
        retry_failed: whether what earlier runs could not read is tried again.
        report: is called after each piece.

    Raises:
        NoSource, NoTarget, NoCluster: one of these cannot be used.
        NotStarted: no actor can be started.
        PoolFailed: no actor can read any more.
        OSError: results cannot be written.
    """
    target = Target(job.target)
    sources = Sources(job.source)
    listed = pa.array(sources.names(without=target.place), pa.string())
    target.begin({"source": sources.root, **job.how()})
    with ExitStack() as stack:
        if retry_failed:  # nothing is deleted unless it can be read
            stack.enter_context(cluster.connected(address, cores=job.cores))
            target.forget_failures()
        names, begun, outcomes = _missing(listed, target)
        stack.callback(outcomes.write)
        complete = outcomes.finish_complete()
        left = [name for name in names if name not in complete]
        if not left:
            target.drop_doubles()
            return outcomes.totals
        if not retry_failed:
            stack.enter_context(cluster.connected(address, cores=job.cores))
        pool = _pool(job, target, most_actors=most_actors, most_pages=most_pages)
        actors = most_actors or max(1, cluster.room(job.cores))
        chunks = _chunks(left, begun, actors=actors, most_pages=most_pages)
        for outcome in pool.read(chunks):
            outcomes.record(outcome)
            report(outcomes.totals)
        target.drop_doubles()
    return outcomes.totals


def _pool(job: Job, target: Target, *, most_actors: int | None, most_pages: int) -> ActorPool:
    return ActorPool(
        new_actor=lambda: cluster.new_actor(job),
        room=lambda: cluster.room(job.cores),
        most_actors=most_actors,
        most_pages=most_pages,
        give_up=lambda chunk: lost(chunk, target),
    )


def _missing(listed: pa.Array, target: Target) -> tuple[list[str], dict[str, Begun], Outcomes]:
    """Return the names of the files that are not finished, and what is there of them."""
    finished, failed = target.finished()
    names = listed.filter(pc.invert(pc.is_in(listed, value_set=finished))).to_pylist()
    chosen = set(names)
    begun = {name: rows for name, rows in target.begun(finished).items() if name in chosen}
    outcomes = Outcomes(target, begun, files=len(names))
    outcomes.totals.failed_before = pc.sum(pc.is_in(listed, value_set=failed)).as_py() or 0
    return names, begun, outcomes


def _chunks(
    names: list[str], begun: dict[str, Begun], *, actors: int, most_pages: int
) -> Iterator[Chunk]:
    """Put what is missing together; files of which nothing is known count as one page.

    Towards the end the chunks become smaller, so that all actors end at about the same time.
    """
    known = [
        piece
        for name in names
        if name in begun
        for first, last in runs(set(range(1, begun[name].page_count + 1)) - begun[name].pages)
        for piece in divided(Piece(source=name, first=first, last=last), most_pages=most_pages)
    ]
    # Both before anything is yielded: `begun` loses the files that are finished meanwhile.
    unknown = [Piece(source=name) for name in names if name not in begun]
    yield from chunks_of(known, most_pages=most_pages)
    done = 0
    while done < len(unknown):
        share = -(-(len(unknown) - done) // (_CHUNKS_LEFT * actors))
        pieces = unknown[done : done + min(most_pages, share)]
        yield Chunk(pieces=tuple(pieces), most_pages=most_pages)
        done += len(pieces)
