"""What an address of a contract may use: documents read now, or by a job.

fields of a form --read--> answer        fields --jobs.make--> Job
"""

from collections.abc import Callable
from typing import Any

from ocr_runtime.serving.answers import Answer
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.forms import ParsedForm
from ocr_runtime.serving.jobs import Jobs, Worker
from ocr_runtime.serving.pool import Pool
from ocr_runtime.settings import Settings


class Reader:
    """Reads documents for the addresses of contracts.

    Args:
        settings: of the service.
        jobs: of all callers.
        worker: returns this worker, once it has started.
    """

    def __init__(self, settings: Settings, jobs: Jobs, *, worker: Callable[[], Worker]) -> None:
        self.settings = settings
        self.jobs = jobs
        self._worker = worker

    def pool(self) -> Pool:
        """The pool of this worker."""
        return self._worker().pool

    async def read(self, output: Endpoint, parse: Callable[[], ParsedForm]) -> Any:
        """Read a document, page by page in the pool.

        Args:
            output: writes the answer.
            parse: makes the fields of `output.request` of what was sent; called in a thread of the
                pool, since decoding takes time.

        Returns:
            what `output` writes: a pydantic model, a text, or else a response. Where an output is
            streamed it is a response, whose pages may still have to be read.

        Raises:
            OCRError: the document, its only page or an option cannot be used.
        """
        worker = self._worker()
        return await Answer(
            output, parse, engine=worker.engine, pool=worker.pool, settings=self.settings
        ).send()
