"""Load files as documents of LangChain: `python examples/langchain_loader.py FILE...`.

LangChain's loader for Docling talks to the service as to docling-serve, so the service must be
started with OCR_COMPATIBLE=docling and OCR_JOBS_DIR.
"""

import os
import sys

from docling.service_client import DoclingServiceClient
from langchain_docling.loader import DoclingLoader, ExportType

url = os.environ.get("RAPIDOCR_URL", "http://localhost:3000")

with DoclingServiceClient(url, api_key=os.environ.get("RAPIDOCR_KEY", "")) as client:
    loader = DoclingLoader(sys.argv[1:], converter=client, export_type=ExportType.MARKDOWN)
    for document in loader.lazy_load():
        print(document.metadata)
        print(document.page_content)
