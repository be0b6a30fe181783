"""What `rapidocr-bento read` sends to a service, and makes of what it answers."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from client_batches import over_http

from ocr_runtime.client.errors import RunEnded, UsageError
from ocr_runtime.client.over_http import refusal_wait, retry_after


@pytest.mark.parametrize("key", ["secret\x00", "secr\ret", "secret\u00e9"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_told(key):
    with pytest.raises(UsageError, match="must be printable ASCII") as refused:
        over_http(key=key)
    assert "secr" not in str(refused.value)


def test_spaces_around_a_key_are_dropped():
    assert over_http(key=" secret\r\n")._client.headers["X-API-Key"] == "secret"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 1),
        ("3", 3),
        ("0", 0),
        ("-5", 0),
        ("99999", 120),
        ("nan", 1),
        ("soon", 1),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_says_how_long_to_wait(header, seconds):
    assert retry_after(header) == seconds


def answer(status: int, **given) -> httpx.Response:
    return httpx.Response(
        status, request=httpx.Request("POST", "http://localhost:3000/text"), **given
    )


@pytest.mark.parametrize("location", ["https://user:secret@host/text", "https://host/text?a=b"])
def test_a_redirect_ends_the_run_and_names_the_address(location):
    moved = answer(308, headers={"Location": location})
    with pytest.raises(RunEnded) as ended:
        over_http()._failure(moved)
    assert str(ended.value) == ("http://localhost:3000 redirects to https://host: use that address")


def test_a_proxy_that_waited_too_long_is_asked_again_but_not_the_service():
    late = over_http()._failure(answer(504, text="<html>"))
    assert (late.code, late.transient) == ("http_504", True)
    sentence = {"code": "timeout", "error": "It took too long."}
    late = over_http()._failure(answer(504, json=sentence))
    assert (late.code, late.transient) == ("timeout", False)


@pytest.mark.parametrize("header", ["0", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "0.1"])
def test_a_refusal_is_never_answered_at_once(header):
    waits = {refusal_wait(header) for _ in range(20)}
    assert 0.5 <= min(waits) < max(waits) <= 0.625
    assert 3 <= refusal_wait("3") <= 3.75


def test_retry_after_may_be_a_date():
    date = datetime.now(UTC) + timedelta(seconds=60)
    assert 50 < retry_after(format_datetime(date, usegmt=True)) <= 60
