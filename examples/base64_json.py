"""Print the words of an image with their boxes: `python examples/base64_json.py IMAGE`."""

import base64
import json
import os
import sys
import urllib.request
from pathlib import Path

url = os.environ.get("RAPIDOCR_URL", "http://localhost:3000")
body = {
    "image_data": base64.b64encode(Path(sys.argv[1]).read_bytes()).decode(),
    "text_score": 0.6,
    "return_word_box": True,
}
request = urllib.request.Request(  # noqa: S310, the address is the operator's
    f"{url}/ocr",
    data=json.dumps(body).encode(),
    headers={"Content-Type": "application/json", "X-API-Key": os.environ.get("RAPIDOCR_KEY", "")},
)
with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310
    lines = json.load(response)
for line in lines.values():
    print(line["rec_txt"])
    for word in line["words"]:
        print("   ", word["txt"], word["box"])
