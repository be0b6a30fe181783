"""Load files as documents of LlamaIndex: `python examples/llama_index_reader.py FILE...`.

`SimpleDirectoryReader` takes such a reader too, as `file_extractor={".pdf": OCRReader()}`.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

import httpx
from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document


class OCRReader(BaseReader):
    """Reads PDFs and images with the service: a document for each page, in Markdown."""

    def __init__(self, url: str = "http://localhost:3000", key: str = "") -> None:
        self.client = httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=120)

    def load_data(self, file: Path, extra_info: dict[str, Any] | None = None) -> list[Document]:
        """Return the pages of a file."""
        response = self.client.post("/markdown", files={"file": Path(file).read_bytes()})
        response.raise_for_status()
        # From the second page on each begins with a comment that has its number.
        first, *others = re.split(r"^<!-- page (\d+) -->\n", response.text, flags=re.MULTILINE)
        pages = [("1", first), *zip(others[::2], others[1::2], strict=True)]
        return [
            Document(
                text=text.strip(),
                metadata={"file_name": Path(file).name, "page_label": label, **(extra_info or {})},
            )
            for label, text in pages
        ]


if __name__ == "__main__":
    reader = OCRReader(
        os.environ.get("RAPIDOCR_URL", "http://localhost:3000"), os.environ.get("RAPIDOCR_KEY", "")
    )
    for name in sys.argv[1:]:
        for document in reader.load_data(Path(name)):
            print(document.metadata)
            print(document.text)
