"""faster-paddle in a process of its own environment, asked by lines of JSON.

{"images": [path, ...]}                 -> {"lines": [[text, ...], ...]}
{"images": [...], "callers", "count"}   -> what `load.drive` says
"""

import json
import sys
from pathlib import Path

from faster_paddle import OcrEngine
from load import drive

engine = OcrEngine(model_size="small")


def read(image: bytes) -> list[str]:
    return [line["text"] for line in engine.ocr(image)["bounds"].values()]


print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    task = json.loads(line)
    images = [Path(path).read_bytes() for path in task["images"]]
    if "callers" in task:
        answer = drive(read, images, callers=task["callers"], count=task["count"])
    else:
        answer = {"lines": [read(image) for image in images]}
    print(json.dumps(answer), flush=True)
