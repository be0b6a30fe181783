"""Print the lines of text in an image: `python examples/requests_file.py IMAGE`."""

import os
import sys
from pathlib import Path

import requests

url = os.environ.get("RAPIDOCR_URL", "http://localhost:3000")
headers = {"X-API-Key": os.environ["RAPIDOCR_KEY"]} if "RAPIDOCR_KEY" in os.environ else {}

with Path(sys.argv[1]).open("rb") as file:
    response = requests.post(f"{url}/ocr", files={"image_file": file}, headers=headers, timeout=120)
if not response.ok:
    error = response.json()
    sys.exit(f"{error['code']}: {error['error']} (request {response.headers['X-Request-ID']})")
for line in response.json().values():
    print(line["score"], line["rec_txt"])
