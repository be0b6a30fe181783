"""The BentoML service: what is served, and how it starts and stops.

BentoML finds it by `service.py` of a checkout or bento; `rapidocr-bento serve` names this module.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # read when BentoML is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import bentoml
from bentoml._internal.server.http import traffic

from ocr_runtime.serving import job_addresses, logs, openapi, startup, web_page
from ocr_runtime.serving.answers import Answer
from ocr_runtime.serving.compatible.contracts import CONTRACTS, Contracts, switched_on
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.endpoints import ENDPOINTS, Endpoint
from ocr_runtime.serving.jobs import Jobs
from ocr_runtime.serving.layers import Untimed
from ocr_runtime.serving.methods import ParseForm, with_endpoints
from ocr_runtime.serving.middleware import install_middleware
from ocr_runtime.serving.pool import Pool
from ocr_runtime.settings import Settings, SettingsError

try:
    settings = Settings.from_environ(os.environ)
except SettingsError as exc:
    sys.exit(f"rapidocr: {exc}")
logs.configure(settings.log_format)

_FOLDER = Path.cwd()
"""In which the service runs, so that relative paths in settings begin there. BentoML has gone there
while it imports this module."""

# glibc returns blocks over 1 MiB to the system when they are freed; huge pages make mapping them
# again cheap. Other allocators ignore these variables.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


@bentoml.service(
    name="rapidocr",
    # A slim Python; the empty distribution keeps BentoML from installing a compiler.
    image=bentoml.images.Image("docker.io/library/python:3.11-slim-bookworm", "", "3.11"),
    workers=settings.processes,
    envs=[{"name": name, "value": value} for name, value in ALLOCATOR.items()],
    # The pool enforces the time limit. BentoML's, which would free the slot of work that goes on
    # (bentoml/BentoML#5642), is longer than any request may take, and has no timer: see `Untimed`.
    traffic={"timeout": 2 * settings.timeout_seconds + 60},
    logging={"access": {"enabled": False}},  # `middleware.RequestLog` writes that line
    metrics={"enabled": False},  # `metrics.Traffic` counts the same
)
@with_endpoints(ENDPOINTS)
class RapidOCRService:
    """Read the text in images."""

    @bentoml.on_deployment
    def check() -> None:
        """Run once, before there are workers."""
        startup.check(settings, folder=_FOLDER)

    def __init__(self) -> None:
        from ocr_runtime.reading.engine import Engine  # noqa: PLC0415, slow, and for workers only

        self.engine = Engine(settings)
        self.pool = Pool(
            threads=settings.threads_per_worker,
            run_bytes=settings.run_bytes,
            max_queue=settings.max_queue,
            timeout_seconds=settings.timeout_seconds,
        )
        gc.collect()
        gc.freeze()  # what is loaded stays: the garbage collector need not look through it again

    async def answer(self, endpoint: Endpoint, parse_form: ParseForm) -> Any:
        """Read a document and answer as the endpoint's record says; called by its method."""
        answer = Answer(endpoint, parse_form, engine=self.engine, pool=self.pool, settings=settings)
        return await answer.send()

    @bentoml.on_shutdown
    def stop(self) -> None:
        self.pool.shutdown()


traffic.TimeoutMiddleware = Untimed
service: bentoml.Service = RapidOCRService  # the decorator has made it one
contracts = Contracts(switched_on(settings))
# Another replica, or this one before it was restarted, may answer contracts that this one does not.
written = (*ENDPOINTS, *Contracts(CONTRACTS).outputs)
jobs = Jobs(settings, written, worker=bentoml.get_current_service)
reader = Reader(settings, jobs, worker=bentoml.get_current_service)
service.mount_asgi_app(job_addresses.app(jobs, ENDPOINTS))
service.mount_asgi_app(openapi.app(ENDPOINTS, keys=bool(settings.keys)))
service.mount_asgi_app(web_page.app(settings))
install_middleware(service, settings, ENDPOINTS, contracts=contracts, reader=reader)
