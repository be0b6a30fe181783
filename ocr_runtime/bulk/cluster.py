"""Ray: a cluster, or one of this process's own -> actors that read.

Nothing is reported to Ray's makers, and no dashboard is started. The object store holds the names
of pages, not their pixels, so the smallest one is enough.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # these are read when Ray is imported
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray.actor import ActorHandle

from ocr_runtime.bulk.chunks import Chunk
from ocr_runtime.bulk.outcomes import PieceOutcome
from ocr_runtime.bulk.reading_actor import ChunkReader, Job
from ocr_runtime.settings import granted_cores

_STORE_BYTES = 128 << 20
"""Of an embedded Ray; its least is 75 MiB."""


class NoCluster(Exception):
    """Ray cannot be reached or started; `str(error)` is one line that says why."""


class ReadingActor:
    """A `ChunkReader` in an actor of Ray."""

    def __init__(self, job: Job) -> None:
        self._reader = ChunkReader(job)

    def start(self) -> None:
        """Load the models; see `ChunkReader.start`."""
        here = ray.get_runtime_context().get_node_id()
        nodes = {node["NodeID"]: node["Resources"].get("CPU", 0.0) for node in ray.nodes()}
        self._reader.start(node_cores=nodes.get(here, 0.0))

    def read(self, chunk: Chunk) -> list[PieceOutcome]:
        """Read a chunk; see `ChunkReader.read`."""
        return self._reader.read(chunk)


@contextlib.contextmanager
def connected(address: str | None, *, cores: int) -> Iterator[None]:
    """Use a cluster until the block ends.

    Args:
        address: of a cluster, as `ray.init` takes it; None: an embedded one on the cores of this
            machine that are granted.
        cores: of each actor.

    Raises:
        NoCluster: there is none, or this machine has not so many cores.
    """
    if address is None and cores > granted_cores():
        raise NoCluster(
            f"this machine grants only {granted_cores()} cores, so no actor can have {cores}"
        )
    try:
        if address is None:
            # Others on this machine cannot use it; Ray would keep a token in the home folder.
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            ray.init(
                address="local",
                num_cpus=granted_cores(),
                num_gpus=0,
                object_store_memory=_STORE_BYTES,
                include_dashboard=False,
                logging_level="warning",
            )
        else:
            ray.init(address=address, logging_level="warning")
    except (ConnectionError, RuntimeError, ValueError) as exc:
        raise NoCluster(f"Ray at {address or 'this machine'}: {exc}") from exc
    try:
        yield
    finally:
        ray.shutdown()


def room(cores: int) -> int:
    """How many actors of so many cores the nodes have room for at present."""
    return sum(
        int(node["Resources"].get("CPU", 0)) // cores for node in ray.nodes() if node["Alive"]
    )


def new_actor(job: Job) -> ActorHandle:
    """Ask for an actor; Ray starts it once a node has room."""
    remote = ray.remote(ReadingActor).options(
        num_cpus=job.cores, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
    )
    return remote.remote(job)
