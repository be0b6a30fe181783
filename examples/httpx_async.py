"""Print the text of several images, read at once: `python examples/httpx_async.py IMAGE...`."""

import asyncio
import os
import sys
from pathlib import Path

import httpx

URL = os.environ.get("RAPIDOCR_URL", "http://localhost:3000")
KEY = os.environ.get("RAPIDOCR_KEY", "")
AT_ONCE = 4


async def read(client: httpx.AsyncClient, image: bytes, turn: asyncio.Semaphore) -> list[str]:
    """Return the lines of an image; try again when the service is busy."""
    async with turn:
        response = await client.post("/ocr", files={"image_file": image})
        while response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            await asyncio.sleep(int(response.headers["Retry-After"]))
            response = await client.post("/ocr", files={"image_file": image})
    response.raise_for_status()
    return [line["rec_txt"] for line in response.json().values()]


async def main(images: dict[str, bytes]) -> None:
    turn = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=URL, headers={"X-API-Key": KEY}, timeout=120) as client:
        texts = await asyncio.gather(*(read(client, image, turn) for image in images.values()))
    for name, lines in zip(images, texts, strict=True):
        print(f"{name}:", *lines, sep="\n  ")


asyncio.run(main({name: Path(name).read_bytes() for name in sys.argv[1:]}))
