"""Good requests, and the answers they got while nobody else asked.

    tests/data x OPTIONS x WAYS --> Question --ask--> Answer --judge--> "" or what is wrong with it

An answer must be the known one to the last digit and carry the id of its own request: one that was
another's is seen.
"""

import base64
import itertools
import json
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .wire import Answer, Wire

DATA = Path(__file__).parents[2] / "tests/data"
OPTIONS: tuple[dict[str, str], ...] = (
    {},
    {"use_det": "false", "text_score": "0"},
    {"return_word_box": "true"},
    {"use_rec": "false", "box_thresh": "0.6"},
)
WAYS = ("multipart", "urlencoded", "json")
READ_OTHERWISE = {"line.png", "line_upside_down.png", "on_photo.jpg"}
"""Pages that RapidOCR does not read line for line as they were drawn."""


@dataclass(frozen=True)
class Question:
    """A page, the options' place in `OPTIONS` and how it is sent, encoded once."""

    page: str
    options: int
    way: str
    content_type: str
    body: bytes

    async def ask(self, wire: Wire, request_id: str) -> Answer:
        return await wire.ask(*self.written(wire, request_id), keep=True)

    def written(self, wire: Wire, request_id: str) -> tuple[bytes, bytes]:
        head = wire.head(
            "POST",
            "/ocr",
            Content_Type=self.content_type,
            Content_Length=len(self.body),
            X_Request_ID=request_id,
        )
        return head, self.body


def questions() -> list[Question]:
    """Each page, with three of the four sets of options, sent in each way."""
    names = json.loads((DATA / "truth.json").read_text())
    return [
        Question(name, options, way, *encoded((DATA / name).read_bytes(), OPTIONS[options], way))
        for place, name in enumerate(names)
        for options, way in itertools.product((0, 1, 2 + place % 2), WAYS)
    ]


def encoded(image: bytes, options: dict[str, str], way: str) -> tuple[str, bytes]:
    """Encode an image and options in one of `WAYS`: content type, body."""
    if way == "multipart":
        parts = [(name, value.encode()) for name, value in options.items()]
        return multipart(("image_file", image), *parts)
    fields = {"image_data": base64.b64encode(image).decode(), **options}
    if way == "urlencoded":
        return "application/x-www-form-urlencoded", urlencode(fields).encode()
    return "application/json", json.dumps(fields).encode()


def multipart(*parts: tuple[str, bytes]) -> tuple[str, bytes]:
    """Encode fields; `image_file` gets a file name."""
    body = b""
    for name, value in parts:
        file = '; filename="page.png"' if name == "image_file" else ""
        head = f'--soak\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        body += head.encode() + value + b"\r\n"
    return "multipart/form-data; boundary=soak", body + b"--soak--\r\n"


def deck(cards: list[Question], dice: random.Random) -> Iterator[Question]:
    """Deal each page with all options at random, then again: any stretch is the same mix."""
    by_answer = {(card.page, card.options): [] for card in cards}
    for card in cards:
        by_answer[card.page, card.options].append(card)
    keys = list(by_answer)
    for turn in itertools.count():
        dice.shuffle(keys)
        for place, key in enumerate(keys):
            yield by_answer[key][(turn + place) % len(WAYS)]


class Known:
    """The answers that are right, learnt while nobody else asks."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], Any] = {}
        self._seconds: dict[tuple[str, int], float] = {}
        self.truth: dict[str, list[str]] = json.loads((DATA / "truth.json").read_text())

    async def learn(self, wire: Wire, cards: list[Question]) -> list[str]:
        """Ask each question once, as multipart; return the pages that were read wrongly."""
        wrong = []
        for card in (card for card in cards if card.way == "multipart"):
            start = time.monotonic()
            answer = await card.ask(wire, "known")
            self._seconds[card.page, card.options] = time.monotonic() - start
            if answer.status != 200:
                raise SystemExit(f"{card.page}: {answer.outcome} {answer.body.decode()}")
            found = self._answers[card.page, card.options] = json.loads(answer.body)
            lines = [line.get("rec_txt") for line in found.values()]
            drawn = card.options in (0, 2) and card.page not in READ_OTHERWISE
            if drawn and lines != self.truth[card.page]:
                wrong.append(f"{card.page} read as {lines}")
        return wrong

    @property
    def distinct(self) -> int:
        return len({json.dumps(answer) for answer in self._answers.values()})

    def weight(self, question: Question) -> float:
        """How much work the answer is: 1 on average."""
        mean = statistics.mean(self._seconds.values())
        return self._seconds[question.page, question.options] / mean

    def judge(self, question: Question, request_id: str, answer: Answer) -> str:
        """Say what is wrong with an answer; nothing if it is what its status promises."""
        wrong = self._wrong(question, request_id, answer)
        options = OPTIONS[question.options]
        return wrong and f"{question.page} {options} as {question.way}: {wrong}"

    def _wrong(self, question: Question, request_id: str, answer: Answer) -> str:
        if not answer.status:
            return ""  # counted as what it is: no answer
        given_id = answer.headers.get("x-request-id")
        if given_id != request_id:
            return f"request id {given_id} in place of {request_id}"
        if answer.status == 429 and "retry-after" not in answer.headers:
            return "429 without Retry-After"
        text = answer.body.decode(errors="replace")
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if answer.status == 200:
            right = found == self._answers[question.page, question.options]
        else:
            right = isinstance(found, dict) and set(found) == {"error", "code"}
        return "" if right else f"{answer.status} {text}"
