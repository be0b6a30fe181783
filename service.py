"""The front door: what is served, and how it starts and stops."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # read when BentoML is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import bentoml

from ocr_runtime import __version__
from ocr_runtime.documents.images import decode
from ocr_runtime.outputs import rapidocr
from ocr_runtime.serving import logs, metrics, middleware, openapi
from ocr_runtime.serving.forms import Fields
from ocr_runtime.serving.pool import Grant, Pool
from ocr_runtime.serving.requests import OCRRequest, validate_request
from ocr_runtime.settings import Settings, SettingsError

try:
    settings = Settings.from_environ(os.environ)
except SettingsError as exc:
    sys.exit(f"rapidocr: {exc}")
logs.configure(settings.log_format)

HEAP = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Form(middleware.FromForm, OCRRequest, bentoml.IODescriptor):
    """One image and how to read it. Send either `image_file` or `image_data`."""


@bentoml.service(
    name="rapidocr",
    # A slim Python and, "", nothing that BentoML would install of its distribution: no compiler.
    image=bentoml.images.Image("docker.io/library/python:3.11-slim-bookworm", "", "3.11"),
    workers=settings.processes,
    # What is larger than 1 MiB goes back when it is freed, and is soon mapped anew: huge pages.
    envs=[{"name": name, "value": value} for name, value in HEAP.items()],
    # The pool keeps the time; BentoML's timer, which frees the slot of work that goes on
    # (bentoml/BentoML#5642), is out of its way. It keeps a timer for each request so long.
    traffic={"timeout": 2 * settings.timeout_seconds + 60},
    logging={"access": {"enabled": False}},  # `logs.request` writes that line
    metrics={"enabled": False},  # `metrics.Traffic` does it
)
class RapidOCRService:
    """Read the text in images, as RapidOCR does."""

    @bentoml.on_deployment
    def check_models() -> None:
        """Stop the start, before there are workers, if the operator's models cannot be used."""
        if settings.names_models:  # in a process: what opening them takes is not all given back
            command = [sys.executable, "-m", "ocr_runtime.reading.engine"]
            tried = subprocess.run(command, cwd=Path(__file__).parent, check=False)  # noqa: S603
            if tried.returncode:
                sys.exit(tried.returncode)

    def __init__(self) -> None:
        from ocr_runtime.reading.engine import Engine  # noqa: PLC0415, slow: not for who only starts it

        self.engine = Engine(settings)
        self.pool = Pool(
            threads=settings.threads_per_worker,
            run_bytes=settings.run_bytes,
            max_queue=settings.max_queue,
            timeout_seconds=settings.timeout_seconds,
        )
        gc.collect()
        gc.freeze()  # what is loaded stays: nobody waits for Python to look through it again

    @bentoml.api(input_spec=Form)
    @middleware.answering
    async def ocr(self, fields: Callable[[], Fields]) -> rapidocr.OCRAnswer:
        """Read the lines of text in one image."""

        def read(grant: Grant) -> rapidocr.OCRAnswer:
            started()
            with metrics.stage("decode"):
                image, options = validate_request(fields())
                page_image = decode(image, max_pixels=settings.max_pixels)
            page = self.engine.read(page_image, options, grant=grant, stage=metrics.stage)
            middleware.note(pixels=page_image.pixels.size // 3, lines=len(page.lines))
            with metrics.stage("encode"):
                return rapidocr.write(page, score_format=settings.score_format)

        with metrics.queued() as started:
            return await self.pool.run(read, caller=middleware.caller())

    @bentoml.on_shutdown
    def stop(self) -> None:
        self.pool.shutdown()


service: bentoml.Service = RapidOCRService  # the decorator has made it one
service.mount_asgi_app(openapi.app(service.apis, version=__version__, keys=bool(settings.keys)))
middleware.surround(service, settings, pool=lambda: bentoml.get_current_service().pool)
