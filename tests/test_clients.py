"""One image by every way in: file, base64 in three content types, BentoML's clients, in process."""

import asyncio
import base64

import bentoml
import httpx
import pytest
import requests
from conftest import DATA, page_bytes

import service

IMAGE = DATA / "table.png"
BASE64 = base64.b64encode(page_bytes("table.png")).decode()


@pytest.fixture(scope="module")
def by_file(server) -> dict:
    return server.ocr(page_bytes("table.png")).json()


def test_base64_gives_the_same_answer_in_every_content_type(server, by_file):
    url = server.url + "/ocr"
    fields = {"image_data": BASE64}
    assert requests.post(url, data=fields).json() == by_file
    assert requests.post(url, files={"image_data": (None, BASE64)}).json() == by_file
    assert requests.post(url, json=fields).json() == by_file


def test_the_sync_client(server, by_file):
    with bentoml.SyncHTTPClient(server.url) as client:
        assert client.ocr(image_file=IMAGE) == by_file
        assert client.ocr(image_data=BASE64) == by_file
        assert client.ocr(image_data=base64.encodebytes(IMAGE.read_bytes()).decode()) == by_file
        flags = {"use_det": True, "use_cls": "True", "text_score": 0.5, "unclip_ratio": None}
        assert client.ocr(image_file=IMAGE, **flags) == by_file


def test_the_async_client(server, by_file):
    async def call() -> list[dict]:
        async with bentoml.AsyncHTTPClient(server.url) as client:
            return [await client.ocr(image_file=IMAGE), await client.ocr(image_data=BASE64)]

    assert asyncio.run(call()) == [by_file, by_file]


def test_the_sync_client_raises_what_the_caller_got_wrong(server):
    with (
        bentoml.SyncHTTPClient(server.url) as client,
        pytest.raises(bentoml.exceptions.InvalidArgument, match="invalid_option"),
    ):
        client.ocr(image_file=IMAGE, text_score=2)


def test_in_process_without_a_server(by_file):
    door = service.RapidOCRService()
    answered = asyncio.run(door.ocr(image_file=IMAGE))
    assert answered.model_dump() == by_file
    assert asyncio.run(door.ocr(image_data=BASE64)).model_dump() == by_file


def test_no_timer_keeps_what_belongs_to_an_answered_request():
    """BentoML's own would, for minutes."""

    async def left() -> list[asyncio.TimerHandle]:
        transport = httpx.ASGITransport(app=service.RapidOCRService.to_asgi())
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            answer = await client.get("/nothing")
        assert answer.json()["code"] == "not_found"
        timers = asyncio.get_running_loop()._scheduled  # asyncio has no other way to see them
        return [timer for timer in timers if not timer.cancelled()]

    assert asyncio.run(left()) == []
