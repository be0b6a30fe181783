"""The pool of actors, on a real Ray, with actors that read nothing and of which some fail."""

import time
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("ray", reason="Ray is not installed: scripts/bulk tests with it")

import ray

from ocr_runtime.bulk import cluster
from ocr_runtime.bulk.actor_pool import ActorPool, NotStarted
from ocr_runtime.bulk.chunks import Chunk, Piece
from ocr_runtime.bulk.outcomes import PieceOutcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def embedded() -> Iterator[None]:
    with cluster.connected(None, cores=1):
        yield


def new_actors(*fail_at: int) -> Callable[[], object]:
    """Ask for actors of which these cannot start, counted from 0."""
    made = iter(range(1000))

    class Actor:
        def __init__(self, number: int) -> None:
            self.number = number

        def start(self) -> None:
            if self.number in fail_at:
                time.sleep(3)  # the others have started
                raise OSError(f"no models for {self.number}")

        def read(self, chunk: Chunk) -> list[PieceOutcome]:
            time.sleep(0.5)
            return [
                PieceOutcome(
                    piece=piece,
                    page_count=1,
                    numbers=(1,),
                    failed=0,
                    seconds=0.5,
                    failure=None,
                    left=None,
                )
                for piece in chunk.pieces
            ]

    return lambda: ray.remote(Actor).options(num_cpus=0).remote(next(made))


def read(new_actor: Callable[[], object], count: int) -> list[str]:
    pool = ActorPool(
        new_actor=new_actor, room=lambda: 2, most_actors=2, most_pages=1, give_up=lambda _: []
    )
    chunks = [Chunk(pieces=(Piece(source=str(n)),), most_pages=1) for n in range(count)]
    return sorted(outcome.piece.source for outcome in pool.read(chunks))


def test_one_node_on_which_no_actor_starts_does_not_end_the_run():
    assert read(new_actors(1, 2), 30) == sorted(map(str, range(30)))


def test_a_run_in_which_no_actor_starts_ends():
    with pytest.raises(NotStarted, match=r"^no models for \d$"):
        read(new_actors(0, 1), 2)
