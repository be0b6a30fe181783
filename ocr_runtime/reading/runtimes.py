"""Model file -> something to run; the only room that knows ONNX Runtime.

batch --Model--> [until it is granted memory and cores] --> output
"""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnxruntime
from onnxruntime import InferenceSession
from onnxruntime.datasets import get_example

from ocr_runtime.reading.graphs import in_blocks
from ocr_runtime.settings import SettingsError

Grant = Callable[[int], AbstractContextManager[int]]

_LARGEST_PART = (1 << 31) - 1
"""Bytes that an arena can start with: a number of 32 bits. Where the runs may take more, they lie
in other parts all the time, which are then kept."""


class Arena:
    """Memory that the runs of all models share and keep for the next.

    To map it anew took a third of the time, and an arena for each session half as much memory
    again. Where runs overlap so that one finds no hole large enough, it gets other parts.

    Args:
        run_bytes: what runs at the same time may take; its first part, which stays.
    """

    def __init__(self, run_bytes: int) -> None:
        self.run_bytes = run_bytes
        self._keeps_all = run_bytes > _LARGEST_PART
        _register(min(run_bytes, _LARGEST_PART))
        self._tiny = InferenceSession(get_example("mul_1.onnx"), _options(1, arena=True))
        # Makes the first part: what a tidied arena makes first would be a small one.
        self._tiny.run(["Y"], {"X": np.zeros((3, 2), np.float32)})

    def tidy(self) -> None:
        """Give back the parts beyond the first in which nothing lies; takes 0.03 ms.

        ONNX Runtime does that at the end of a run, with the outputs still in their places, mostly
        in the smallest part. So the run is one of its own, of the example that comes with ONNX
        Runtime, and its output lies elsewhere.
        """
        if self._keeps_all:
            return
        numbers = np.zeros((3, 2), np.float32)
        binding = self._tiny.io_binding()
        binding.bind_cpu_input("X", numbers)
        binding.bind_ortvalue_output("Y", onnxruntime.OrtValue.ortvalue_from_numpy(numbers.copy()))
        self._tiny.run_with_iobinding(binding, _tidying())


class Model:
    """One model, which any number of threads may run at once.

    ONNX Runtime fixes the threads of a session when it opens it, so there is a session for all
    the cores, for half of them and so on down to one. Each holds the weights (14 MB for
    detection, 32 for recognition): what it packs of them, its Python interface cannot share.

    A run that needs more than all of the arena has a session without it, and gives its memory
    back.

    Args:
        path: an ONNX file.
        setting: what chose the file; named if it cannot be used.
        cores: most cores that a run may use.
        providers: execution providers, the first that can is taken.
        number_bytes: what a run takes at its peak for each number of its batch.
        arena: where its runs lie.
        one_image: each batch is of one image, which allows more: see `graphs.py`.

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
        try:
            with _optimised(path, providers, one_image=one_image) as opened:
                self._sessions = {width: opened(width, arena=True) for width in widths}
                self._large = opened(cores, arena=False)
        except Exception as exc:  # ONNX Runtime's many kinds share no base of its own
            raise SettingsError(f"{setting}: {path} is not an ONNX model") from exc
        self._number_bytes = number_bytes
        self._arena = arena
        self.session = self._sessions[1]
        self._input = self.session.get_inputs()[0].name
        self._output = self.session.get_outputs()[0].name

    def __call__(self, batch: np.ndarray, *, grant: Grant | None = None) -> np.ndarray:
        """Compute the first output.

        Args:
            batch: float32, of the shape that the model takes.
            grant: is told how many bytes the run needs, and says on how many cores it may start;
                that never changes a bit. Without it the run starts at once, on all of them.
        """
        needed = batch.size * self._number_bytes
        with grant(needed) if grant else nullcontext(max(self._sessions)) as cores:
            self._arena.tidy()
            session = self._sessions[max(width for width in self._sessions if width <= cores)]
            if needed > self._arena.run_bytes:
                session = self._large
            (output,) = session.run([self._output], {self._input: batch})
        return np.asarray(output)


@contextmanager
def _optimised(
    path: Path, providers: Sequence[Any], *, one_image: bool
) -> Iterator[Callable[..., InferenceSession]]:
    """Optimise a model once, in memory, and yield what opens sessions of the result.

    What other providers than the processor's make of a model cannot be kept: theirs optimise it.
    """
    opened = functools.partial(_opened, str(path), providers)
    if any("CPUExecutionProvider" not in provider for provider in providers):
        yield opened
        return
    with os.fdopen(os.memfd_create(path.name), "r+b") as file:
        kept = f"/proc/self/fd/{file.fileno()}"
        plain = opened(1, arena=False, kept=kept)
        opened = functools.partial(_opened, kept, providers, optimise=False)
        if one_image:
            _rewrite(file, plain, opened)
        yield opened


def _rewrite(
    file: IO[bytes], plain: InferenceSession, opened: Callable[..., InferenceSession]
) -> None:
    """Rewrite an optimised model, unless that changes a bit of what it makes of an image.

    A model may be other than `graphs.py` takes it to be, and so may a machine's blocks.
    """
    image = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    optimised = file.read()
    try:
        _replace(file, in_blocks(optimised))
        outputs = [
            session.run(None, {session.get_inputs()[0].name: image})
            for session in (plain, opened(1, arena=False))
        ]
        same = all(map(np.array_equal, *outputs))
    except Exception:  # noqa: BLE001, ONNX Runtime's many kinds share no base of their own
        same = False
    if not same:
        _replace(file, optimised)


def _replace(file: IO[bytes], content: bytes) -> None:
    file.seek(0)
    file.truncate()
    file.write(content)
    file.flush()


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
        # No limit (it would count the weights too); other parts are of some power of two; what it
        # starts with stays, and its pages are taken as they are needed; a chunk that is 1 MiB too
        # large is split.
        onnxruntime.OrtArenaCfg(0, 0, first_bytes, 1 << 20),
    )


@functools.cache
def _tidying() -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _options(
    threads: int, *, arena: bool, optimise: bool = True, kept: str = ""
) -> onnxruntime.SessionOptions:
    """Set what makes a run cheaper and changes no bit of its result.

    Denormal numbers count as zero: PP-OCRv6's weights are full of them, and processors with
    AVX-512 compute with each in microcode (a detection took 720 ms, now 240; where there is no
    AVX-512 it made no difference). ONNX Runtime sets this for the thread that opens the process's
    first session and for those started after it.

    No plan of memory by shape: shapes hardly ever come again, and the second run of one would
    allocate all of its plan anew. Threads of a run spin between its operators, and sleep when it
    ends, so that they never take the cores of another session.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    options.optimized_model_filepath = kept
    options.enable_cpu_mem_arena = arena
    options.enable_mem_pattern = False
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.use_env_allocators", "1" if arena else "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options
