"""A document is closed once nobody waits for its answer any more."""

import asyncio
import gc
import threading
import time
from dataclasses import replace

import pytest
from pdfs import drawn, square

from ocr_runtime.documents import pdf_process
from ocr_runtime.reading.page import Page
from ocr_runtime.serving.answers import Answer
from ocr_runtime.serving.endpoints import PDF, TEXT
from ocr_runtime.serving.forms import ParsedForm
from ocr_runtime.serving.pool import Pool
from ocr_runtime.settings import Settings

SETTINGS = Settings.from_environ({})
FORM = ParsedForm({"file": drawn(*[square] * 5), "text_layer": "never", "dpi": 72})


@pytest.fixture
def processes(monkeypatch):
    """The processes of PDFs that are started; the garbage collector does not end any of them."""
    started = []
    start = pdf_process._start

    def recorded():
        started.append(start())
        return started[-1]

    monkeypatch.setattr(pdf_process, "_start", recorded)
    gc.disable()
    yield started
    gc.enable()
    gc.collect()


class Pausing:
    """An engine that reads nothing, and waits at its first page until it is told to go on."""

    def __init__(self, *, asks: bool) -> None:
        self.asks, self.pages = asks, 0
        self.reading, self.go_on = threading.Event(), threading.Event()

    def check(self, _):
        pass

    def read(self, *_, grant, **__):
        self.pages += 1
        self.reading.set()
        self.go_on.wait(30)
        if self.asks:
            with grant(1):
                pass
        return Page(width=10, height=10, blocks=[])


def one_thread() -> Pool:
    return Pool(threads=1, run_bytes=1 << 30, max_queue=5, timeout_seconds=60)


@pytest.mark.parametrize("endpoint", [TEXT, PDF], ids=lambda each: each.name)
@pytest.mark.parametrize("asks", [True, False])
def test_the_process_of_a_pdf_ends_once_its_caller_hangs_up_while_a_page_is_read(
    endpoint, asks, processes
):
    async def hang_up() -> int:
        engine, pool = Pausing(asks=asks), one_thread()
        answer = Answer(endpoint, lambda: FORM, engine=engine, pool=pool, settings=SETTINGS)
        task = asyncio.create_task(answer.send())
        await asyncio.to_thread(engine.reading.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        engine.go_on.set()
        await pool.run(lambda _: None)  # the thread is free again
        pool.shutdown()
        return engine.pages

    assert asyncio.run(hang_up()) == 1
    assert [process.poll() is not None for process in processes] == [True]


def test_a_request_has_its_deadline_for_its_document_too():
    seen = []

    async def answer() -> None:
        engine, pool = Pausing(asks=False), one_thread()
        engine.go_on.set()
        endpoint = replace(TEXT, write=lambda _, document, *__: seen.append(document) or iter([""]))
        await Answer(endpoint, lambda: FORM, engine=engine, pool=pool, settings=SETTINGS).send()
        pool.shutdown()

    start = time.monotonic()
    asyncio.run(answer())
    (document,) = seen
    left = document.deadline - SETTINGS.timeout_seconds
    assert start <= left <= time.monotonic()


def test_the_process_of_a_pdf_ends_if_its_answer_cannot_be_sent(processes):
    async def fail_to_send() -> None:
        engine, pool = Pausing(asks=True), one_thread()
        engine.go_on.set()
        answer = Answer(TEXT, lambda: FORM, engine=engine, pool=pool, settings=SETTINGS)
        response = await answer.send()

        async def send(_):
            raise OSError

        with pytest.raises(BaseException):  # noqa: B017, PT011 - Starlette's own
            await response({"type": "http"}, asyncio.Event().wait, send)
        pool.shutdown()

    asyncio.run(fail_to_send())
    assert [process.poll() is not None for process in processes] == [True]
