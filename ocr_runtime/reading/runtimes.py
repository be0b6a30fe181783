"""Model file -> a function from arrays to arrays; the only module that knows ONNX Runtime.

    model file --optimise once--> sessions for 1, 2, 4 ... cores
    batch --grant of memory and cores--> session with so many threads --> output

Whatever is done here for speed changes no bit of the output. Where such an optimisation fails, the
model runs without it, and a warning in the log says why.
"""

import functools
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime import InferenceSession
from onnxruntime.datasets import get_example

from ocr_runtime.reading.graphs import in_blocks
from ocr_runtime.settings import SettingsError

logger = logging.getLogger("rapidocr")

Grant = Callable[[int], AbstractContextManager[int]]
"""Given the bytes that a run needs, returns a context that waits until the run may start, and whose
value is the number of cores that it may use."""

Reduce = Callable[[np.ndarray], Any]
"""Given a run's output, whose memory may be used again afterwards, returns what is needed of it."""

_CPU = "CPUExecutionProvider"

_LARGEST_FIRST_REGION = (1 << 31) - 1
"""Largest first region of an arena, in bytes: ONNX Runtime takes it as a 32-bit integer. Where runs
may need more than this, other regions are in use all the time, so those are kept as well."""


class Arena:
    """ONNX Runtime's memory arena: one for the sessions of all models of this process.

    It keeps the memory of a run for the next one: without it, a third of a run's time went into
    mapping memory. An arena for each session would take half as much memory again. Where runs
    overlap so that none of the free chunks is large enough, the arena adds another region.

    Args:
        run_bytes: memory that all runs at the same time may take: size of the first region,
            which is never given back.
    """

    def __init__(self, run_bytes: int) -> None:
        self.run_bytes = run_bytes
        self._keeps_all = run_bytes > _LARGEST_FIRST_REGION
        _register(min(run_bytes, _LARGEST_FIRST_REGION))
        self._tiny = InferenceSession(get_example("mul_1.onnx"), _options(1, arena=True))
        # Allocates the first region: the one that is added after a `tidy` would be small.
        self._tiny.run(["Y"], {"X": np.zeros((3, 2), np.float32)})

    def tidy(self) -> None:
        """Give back all regions but the first in which nothing is allocated; takes 0.03 ms.

        ONNX Runtime does so at the end of a run, while the run's outputs are still allocated,
        mostly in the smallest region. So this is a run of its own, of an example model that comes
        with ONNX Runtime, with its output in memory outside the arena.
        """
        if self._keeps_all:
            return
        numbers = np.zeros((3, 2), np.float32)
        binding = self._tiny.io_binding()
        binding.bind_cpu_input("X", numbers)
        binding.bind_ortvalue_output("Y", onnxruntime.OrtValue.ortvalue_from_numpy(numbers.copy()))
        self._tiny.run_with_iobinding(binding, _shrinking())


class Model:
    """One model, which any number of threads may run at once.

    The number of threads of a session is fixed when it is opened. So there is a session for all
    cores, one for half of them, and so on down to one core. Each holds the weights (14 MB for
    detection, 32 MB for recognition), since ONNX Runtime's Python interface cannot share the
    packed copies that it makes of them.

    A run that needs more memory than the whole arena has a session that does not use the arena,
    so that its memory is given back.

    Args:
        path: an ONNX file.
        setting: what chose the file; named in errors.
        cores: most cores that a run may use.
        providers: execution providers, as ONNX Runtime takes them; the first that can is used.
        number_bytes: peak memory of a run, in bytes for each number of its input.
        arena: memory of its runs.
        one_image: each batch has one image, which allows `graphs.in_blocks`.

    Raises:
        SettingsError: the file is missing or is not a model.
    """

    def __init__(
        self,
        path: Path,
        *,
        setting: str,
        cores: int,
        providers: Sequence[Any],
        number_bytes: int,
        arena: Arena,
        one_image: bool = False,
    ) -> None:
        if not path.is_file():
            raise SettingsError(f"{setting}: there is no model at {path}; nothing is downloaded")
        widths = [cores >> halvings for halvings in range(cores.bit_length())]
        wanted = [(width, True) for width in widths] + [(cores, False)]
        try:
            *sessions, self._large = _sessions(path, providers, wanted, one_image=one_image)
        except Exception as exc:  # ONNX Runtime raises kinds without a common base
            raise SettingsError(f"{setting}: {path} is not an ONNX model") from exc
        self._sessions = dict(zip(widths, sessions, strict=True))
        self._number_bytes = number_bytes
        self._arena = arena
        self.session = self._sessions[1]
        self._input = self.session.get_inputs()[0].name
        self._output = self.session.get_outputs()[0].name

    def __call__(
        self, batch: np.ndarray, *, grant: Grant | None = None, reduce: Reduce = np.asarray
    ) -> Any:
        """Compute the first output, and return what `reduce` makes of it: all of it by default.

        Args:
            batch: float32, of a shape that the model takes.
            grant: asked before the run. The number of cores never changes a bit of the output.
                Without it the run starts at once, on all cores.
            reduce: called in the context of the grant.
        """
        needed = batch.size * self._number_bytes
        with grant(needed) if grant else nullcontext(max(self._sessions)) as cores:
            self._arena.tidy()
            session = self._sessions[max(width for width in self._sessions if width <= cores)]
            if needed > self._arena.run_bytes:
                session = self._large
            (output,) = session.run([self._output], {self._input: batch})
            return reduce(output)


def describing_session(path: Path) -> InferenceSession:
    """Open a session that is not run, to ask for what is stored in a model's file."""
    return InferenceSession(str(path), _options(1, arena=False, optimise=False), providers=[_CPU])


def metadata(path: Path) -> dict[str, str]:
    """Return what a model says of itself, as the characters that it knows under "character".

    Raises:
        SettingsError: the file is not a model.
    """
    options = _options(1, arena=False)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = InferenceSession(path, options, providers=[_CPU])
    except Exception as exc:  # ONNX Runtime raises kinds without a common base
        raise SettingsError(f"{path} is not an ONNX model") from exc
    return dict(session.get_modelmeta().custom_metadata_map)


def _sessions(
    path: Path, providers: Sequence[Any], wanted: list[tuple[int, bool]], *, one_image: bool
) -> list[InferenceSession]:
    """Optimise a model once, and open sessions of the result.

    A model that other providers than the processor's have optimised cannot be stored. Then, as
    where storing fails, each session optimises the model for itself.

    Args:
        path: an ONNX file.
        providers: execution providers.
        wanted: number of threads, and whether it uses the arena, of each session.
        one_image: each batch has one image.
    """
    open_original = functools.partial(_opened, str(path), providers)
    failure = ""
    names = [name if isinstance(name, str) else name[0] for name in providers]
    if set(names) == {_CPU}:
        try:
            with _scratch_file() as stored:
                plain = open_original(1, arena=False, store_at=str(stored))
                open_stored = functools.partial(_opened, str(stored), providers, optimise=False)
                if one_image:
                    _rewrite(stored, plain, open_stored, path.name)
                return [open_stored(threads, arena=arena) for threads, arena in wanted]
        except Exception as exc:  # noqa: BLE001, it may be no model: then the next line raises
            failure = _reason(exc)
    sessions = [open_original(threads, arena=arena) for threads, arena in wanted]
    if failure:
        _warn_once(
            "The optimised models cannot be stored, so each session optimises its own; the answers "
            "are the same, but take longer",
            failure,
        )
    if (used := sessions[0].get_providers()[0]) != names[0]:
        _warn_once(f"{names[0]} cannot be used", f"the models run with {used}")
    return sessions


@contextmanager
def _scratch_file() -> Iterator[Path]:
    """Yield the path of a file that is gone afterwards: in memory if the system has such files.

    The file is not held open where it is in a folder, since ONNX Runtime could not open it on
    Windows then.
    """
    file = _file_in_memory()
    if file is None:
        with tempfile.TemporaryDirectory(prefix="rapidocr-") as folder:
            yield Path(folder, "model.onnx")
        return
    try:
        yield Path(f"/proc/self/fd/{file}")
    finally:
        os.close(file)


def _file_in_memory() -> int | None:
    """Return the descriptor of a file in memory that has a path; None if the system has none."""
    if not (hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir()):
        return None
    try:
        return os.memfd_create("model.onnx")
    except OSError:  # forbidden, or an old kernel
        return None


def _rewrite(
    stored: Path, plain: InferenceSession, open_stored: Callable[..., InferenceSession], name: str
) -> None:
    """Rewrite an optimised model by `in_blocks`, unless that changes a bit of an output.

    A model may differ from what `in_blocks` expects, and so may the blocks of this processor.

    Args:
        stored: the optimised model; rewritten in place.
        plain: a session of the model as it was.
        open_stored: opens a session of `stored`.
        name: of the model, for the log.
    """
    image = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    optimised = stored.read_bytes()
    try:
        stored.write_bytes(in_blocks(optimised))
        outputs = [
            session.run(None, {session.get_inputs()[0].name: image})
            for session in (plain, open_stored(1, arena=False))
        ]
        failure = "" if all(map(np.array_equal, *outputs)) else "its output would change"
    except Exception as exc:  # noqa: BLE001, ONNX Runtime raises kinds without a common base
        failure = _reason(exc)
    if failure:
        stored.write_bytes(optimised)
        _warn_once(
            f"{name} runs without the faster layout of its tensors; the answers are the same, but "
            "take longer",
            failure,
        )


_warned: set[str] = set()


def _warn_once(what: str, reason: str) -> None:
    """Log a warning unless there was one of the same kind in this process."""
    if what not in _warned:
        _warned.add(what)
        logger.warning("%s: %s", what, reason)


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _opened(source: str, providers: Sequence[Any], threads: int, **how: Any) -> InferenceSession:
    return InferenceSession(source, _options(threads, **how), providers=providers)


@functools.cache
def _register(first_bytes: int) -> None:
    onnxruntime.create_and_register_allocator(
        onnxruntime.OrtMemoryInfo(
            "Cpu",
            onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
            0,
            onnxruntime.OrtMemType.DEFAULT,
        ),
        # No limit, since it would count the weights too; the sizes of later regions are powers of
        # two; size of the first region, whose pages the system maps as they are used; a free chunk
        # that is more than 1 MiB too large is split.
        onnxruntime.OrtArenaCfg(0, 0, first_bytes, 1 << 20),
    )


@functools.cache
def _shrinking() -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _options(
    threads: int, *, arena: bool, optimise: bool = True, store_at: str = ""
) -> onnxruntime.SessionOptions:
    """Set what makes runs cheaper and changes no bit of their results.

    Denormal numbers count as zero: PP-OCRv6's weights have many, and processors with AVX-512
    compute with each in microcode (a detection took 720 ms, now 240 ms; on a processor without
    AVX-512 it made no difference). ONNX Runtime sets this for the thread that opens the first
    session of the process, and for threads that are started later.

    Memory is not planned by shape (`enable_mem_pattern`): shapes hardly ever come again, and the
    second run of a shape would allocate its whole plan anew. The threads of a run spin between its
    operators, and sleep when it ends, so that they never take the cores of another session.

    Args:
        threads: that compute an operator.
        arena: whether runs use the arena of the process.
        optimise: whether ONNX Runtime optimises the graph.
        store_at: path to which the optimised model is written, if any.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    options.optimized_model_filepath = store_at
    options.enable_cpu_mem_arena = arena
    options.enable_mem_pattern = False
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.use_env_allocators", "1" if arena else "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options
