"""Open WebUI's external document loader: a file as the body -> the Markdown of its pages.

    PUT /process, X-Filename --> {"page_content", "metadata"}, or a list of them, one for a page

What it sends and takes: `backend/open_webui/retrieval/loaders/external_document.py` of
https://github.com/open-webui/open-webui.
"""

from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from pydantic import BaseModel, RootModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ocr_runtime.documents.document import Document
from ocr_runtime.errors import OCRError, TooManyPages
from ocr_runtime.outputs import markdown
from ocr_runtime.reading.page import Page, UnreadPage
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.compatible.contract import SENTENCES, Address, Contract
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.compatible.sent_file import file_form
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.forms import ParsedForm
from ocr_runtime.serving.requests import DocumentOptions, DocumentRequest, RequestOptions
from ocr_runtime.settings import Settings

NO_TEXT = "No extractable text"
"""At a 422 with these words Open WebUI reads the file itself."""


class Metadata(BaseModel):
    """What Open WebUI shows of the place of a text, as LangChain's loaders name it."""

    source: str
    page: int
    page_label: str
    total_pages: int


class Entry(BaseModel):
    """The text of a page."""

    page_content: str
    metadata: Metadata


class Entries(RootModel[list[Entry]]):
    """The pages of a document."""


class Options(DocumentOptions):
    """The options of a document, and the name of its file."""

    filename: str = ""


class ProcessRequest(DocumentRequest):
    """A file with its name."""

    options = Options


def _write(
    pages: Iterable[Page | UnreadPage],
    document: Document,
    options: RequestOptions,
    _settings: Settings,
) -> Iterator[str]:
    """Write the JSON of the pages; nothing if there is no text on any."""
    entries = []
    for page, text in markdown.by_page(pages):
        metadata = Metadata(
            source=options.filename if isinstance(options, Options) else "",
            page=page.number - 1,
            page_label=str(page.number),
            total_pages=document.pages,
        )
        entries.append(Entry(page_content=text, metadata=metadata))
        yield ""
    if any(entry.page_content.strip() for entry in entries):
        yield (Entries(entries) if len(entries) > 1 else entries[0]).model_dump_json()


_PAGES = Endpoint(
    name="open-webui",
    summary="Read the pages of a file as Markdown.",
    request=ProcessRequest,
    answer=Entries,
    answer_description="The pages.",
    example=[],
    write=_write,
    streamed=False,
    keeps_late_pages=True,
)


async def _process(request: Request, reader: Reader) -> Response:
    body = await whole_body(request)
    name = unquote(request.headers.get("x-filename", ""))

    def parse() -> ParsedForm:
        return file_form(body, "Send the file as the body.", filename=name)

    response: Response = await reader.read(_PAGES, parse)
    if not response.body:
        return JSONResponse({"detail": NO_TEXT}, status_code=422)
    return response


def _refusal(error: OCRError) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=error.status, headers=error.headers)


_TOO_MANY_PAGES = "The document has more pages than are read at once."

CONTRACT = Contract(
    name="open-webui",
    addresses=(Address(method="PUT", path="/process", handle=_process, output=_PAGES),),
    refusal=_refusal,
    sentences={**SENTENCES, TooManyPages: _TOO_MANY_PAGES},
)
