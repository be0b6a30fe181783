"""Print the lines of text in an image: `python examples/bentoml_client.py IMAGE`."""

import os
import sys
from pathlib import Path

import bentoml

url = os.environ.get("RAPIDOCR_URL", "http://localhost:3000")

with bentoml.SyncHTTPClient(url, token=os.environ.get("RAPIDOCR_KEY"), timeout=120) as client:
    answer = client.ocr(image_file=Path(sys.argv[1]), text_score=0.6)
for line in answer.values():
    print(line["rec_txt"])
