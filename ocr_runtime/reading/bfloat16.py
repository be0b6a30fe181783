"""Model file -> a function from arrays to arrays in bfloat16; the only module that knows OpenVINO.

    batch --padded to one of few shapes--> model compiled for the granted cores --cut--> output

Processors with AVX512-BF16 or AMX multiply such numbers about twice as fast as float32, of which
they have the exponent and 8 bits of the fraction. OpenVINO prepares its kernels at the first run
of each new shape, which takes 20 to 70 ms and 3 to 10 MB. So inputs are padded to sizes of a short
list, and the number of kernels that are kept is bounded.
"""

import functools
import importlib.util
import os
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from queue import LifoQueue
from typing import Any

import numpy as np

from ocr_runtime.reading.bfloat16_graph import with_last_layers_small
from ocr_runtime.reading.runtimes import Grant, Reduce, describing_session
from ocr_runtime.settings import SettingsError

KERNELS = 4096
"""Kernels that the process keeps, least recently used first out. A shape of either model has 40 to
80, in 3 to 10 MB; so this bounds them to about 70 shapes. Those of `PREPARED` come on top."""

PREPARED = 100
"""Operators of each kind, of all shapes, that each compiled model keeps prepared, least recently
used first out: enough for a page or a line of the same size as the last one. On two cores of an
EPYC, with six compiled models, 12 images with 8 callers: 10.5 images/s, 9.8 with none, which takes
35 MB less (means of 2 in turns). With 400 the memory still grows after 75 shapes."""

KEPT = 384 << 20
"""Bytes up to which OpenVINO may keep memory of runs that have ended, for the next ones, counted
with that of the runs under way: about those of three pages of 960 x 736. On an EPYC detection of
12 images, one after the other, took 1.3 times as long with 128 MB as with 512."""

NUMBER_BYTES = {"Det": 55, "Rec": 200}
"""Memory of a run for each number in its input, as measured; by section of the configuration."""

_LINE_WIDTHS = tuple(
    size
    for octave in (64, 128, 256, 512, 1024, 2048, 4096, 8192)
    for size in range(octave * 9 // 8, octave * 2 + 1, octave // 8)
)
"""Eight to an octave: 72, 80, 88, 96, 104, 112, 120, 128, 144 and so on."""

_PAGE_SIDES = tuple(range(96, 4097, 96))
"""Multiples of 32, as the detector needs. The longest side of a square tile, 1632, is one."""

PADDED: dict[str, tuple[Sequence[int] | None, Sequence[int]]] = {
    "Det": (_PAGE_SIDES, _PAGE_SIDES),
    "Rec": (None, _LINE_WIDTHS),
}
"""By section of RapidOCR's configuration: heights and widths in pixels to which the input of a
model is padded; None: not at all."""


def why_not() -> str:
    """Say why this processor, or this installation, does not compute in bfloat16; "" if it does."""
    if importlib.util.find_spec("openvino") is None:
        return "OpenVINO is not installed (the extra `openvino`)"
    if "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "the processor has neither AVX512-BF16 nor AMX"
    return ""


class KeptMemory:
    """What OpenVINO holds for the runs of all models.

    Runs under way hold what they need, which their grants bound. Of runs that have ended as much
    is kept as those leave of `KEPT` bytes.
    """

    def __init__(self) -> None:
        self._idle: dict[Any, int] = {}  # bytes by request; the one that ran last is the last
        self._running = 0  # bytes
        self._lock = threading.Lock()

    def take(self, request: Any, needed: int) -> int:
        """Make room for a run that needs so many bytes.

        Returns:
            How many bytes the request holds while it runs, for `give`: what is kept for it, if
            that is more.
        """
        with self._lock:
            held = max(needed, self._idle.pop(request, 0))
            self._running += held
            self._make_room()
        return held

    def give(self, request: Any, held: int) -> None:
        """Keep the bytes that a request holds, which has run, if there is room for them."""
        with self._lock:
            self._running -= held
            self._idle[request] = held
            if held > KEPT:
                self._release(request)
            self._make_room()

    def _make_room(self) -> None:
        """Release what requests hold that are idle, those that have been longest first."""
        while self._idle and self._running + sum(self._idle.values()) > KEPT:
            self._release(next(iter(self._idle)))

    def _release(self, request: Any) -> None:
        del self._idle[request]
        request.get_compiled_model().release_memory()


class BFloat16Model:
    """One model, which any number of threads may run at once.

    Args:
        path: an ONNX file.
        setting: what chose the file; named in errors.
        cores: most cores that a run may use. A run uses all of them or one.
        at_once: most runs of one core at the same time; others wait.
        kept_memory: one for all models.
        number_bytes: peak memory of a run, in bytes for each number of its input.
        heights_and_widths: to which batches are padded, see `PADDED`.

    Raises:
        SettingsError: the file is missing.
        RuntimeError: OpenVINO cannot compile it.
    """

    def __init__(
        self,
        path: Path,
        *,
        setting: str,
        cores: int,
        at_once: int,
        kept_memory: KeptMemory,
        number_bytes: int,
        heights_and_widths: tuple[Sequence[int] | None, Sequence[int]],
    ) -> None:
        if not path.is_file():
            raise SettingsError(f"{setting}: there is no model at {path}; nothing is downloaded")
        self._path = path
        self._number_bytes = number_bytes
        self._heights, self._widths = heights_and_widths
        model = with_last_layers_small(_core().read_model(path))
        self._runners = {
            threads: _Runners(
                model,
                threads=threads,
                at_once=max(1, at_once // threads),
                kept_memory=kept_memory,
            )
            for threads in {1, cores}
        }

    @property
    def session(self) -> Any:
        """A session of ONNX Runtime, which tells what else is stored in the file."""
        return describing_session(self._path)

    def __call__(
        self, batch: np.ndarray, *, grant: Grant | None = None, reduce: Reduce = np.array
    ) -> Any:
        """Compute the first output, and return what `reduce` makes of it: a copy by default.

        Args:
            batch: float32, shape (N, 3, H, W).
            grant: asked before the run, as by `runtimes.Model`.
            reduce: called with the output, float32, whose axes that grow with the batch's sides
                are cut to what belongs to the batch as it was given. It is in OpenVINO's memory,
                which the next run overwrites. On an EPYC a line of 480 pixels takes 19.9 ms, with
                a copy of its output, 4.5 MB for which memory is mapped, 21.7 (medians of 20).
        """
        padded = self._padded(batch)
        needed = padded.size * self._number_bytes
        most = max(self._runners)
        with grant(needed) if grant else nullcontext(most) as cores:
            runners = self._runners[most if cores >= most else 1]
            return runners.run(
                padded,
                needed=needed,
                reduce=lambda output: reduce(self._cut(output, batch, padded)),
            )

    def _cut(self, output: np.ndarray, batch: np.ndarray, padded: np.ndarray) -> np.ndarray:
        """Leave out what of the output belongs to the padding."""
        if self._heights is None:  # lines: (N, frames, classes)
            frames = -(-output.shape[1] * batch.shape[3] // padded.shape[3])
            return output[:, :frames]
        return output[..., : batch.shape[2], : batch.shape[3]]

    def _padded(self, batch: np.ndarray) -> np.ndarray:
        """Pad lines with zeros, as RapidOCR does, and pages with their own edge."""
        height, width = batch.shape[2:]
        right = _at_least(self._widths, width) - width
        if self._heights is None:
            return np.pad(batch, [(0, 0), (0, 0), (0, 0), (0, right)])
        bottom = _at_least(self._heights, height) - height
        return np.pad(batch, [(0, 0), (0, 0), (0, bottom), (0, right)], mode="edge")


def _at_least(sizes: Sequence[int], length: int) -> int:
    """Return the smallest of the sizes that is not less; the length itself if all are."""
    return next((size for size in sizes if size >= length), length)


class _Runners:
    """A model compiled for runs of so many threads, as often as it runs at the same time.

    Each run at a time has a compiled model of its own, whose memory can be given back when it is
    idle, while others run.

    Args:
        model: of OpenVINO, not compiled.
        threads: of each run.
        at_once: most runs at the same time; others wait, since the cores are taken.
        kept_memory: one for all models.
    """

    def __init__(self, model: Any, *, threads: int, at_once: int, kept_memory: KeptMemory) -> None:
        self._model = model
        self._threads = threads
        self._kept_memory = kept_memory
        self._idle: LifoQueue[Any] = LifoQueue()  # the one that ran last is taken first
        for _ in range(at_once - 1):
            self._idle.put(None)  # compiled when it is needed
        self._idle.put(self._request())

    def run(self, batch: np.ndarray, *, needed: int, reduce: Reduce) -> Any:
        """Compute the first output, and return what `reduce` makes of it.

        Args:
            batch: float32, of a shape that the model takes.
            needed: bytes of memory that the run takes.
            reduce: called while the output is valid.
        """
        from openvino import Tensor  # noqa: PLC0415, only who has the extra gets here

        request = self._idle.get()
        try:
            if request is None:
                request = self._request()
            held = self._kept_memory.take(request, needed)
            try:
                image = Tensor(np.ascontiguousarray(batch), shared_memory=True)
                return reduce(request.infer({0: image}, share_outputs=True)[0])
            finally:
                self._kept_memory.give(request, held)
        finally:
            self._idle.put(request)

    def _request(self) -> Any:
        """Compile the model. What changes answers, memory or cores is not left to defaults."""
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "CPU_DENORMALS_OPTIMIZATION": True,
            "CPU_RUNTIME_CACHE_CAPACITY": PREPARED,
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self._threads,
            "ENABLE_CPU_PINNING": False,
            "ENABLE_HYPER_THREADING": True,
        }
        return _core().compile_model(self._model, "CPU", settings).create_infer_request()


@functools.cache
def _core() -> Any:
    """OpenVINO's entry, one for the process."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))  # no other way to set it
    from openvino import Core  # noqa: PLC0415, only who has the extra gets here

    return Core()
