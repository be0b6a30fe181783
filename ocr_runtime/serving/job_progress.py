"""A job as written down -> what its caller is told of it."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ocr_runtime.serving.job_store import Job
from ocr_runtime.serving.requests import without_null


class PageError(BaseModel):
    """Why a page could not be read, or the whole job failed."""

    model_config = ConfigDict(json_schema_extra=without_null)

    number: int | None = Field(
        default=None, description="Of the page, from 1; missing if the job failed as a whole."
    )
    code: str = Field(description="What went wrong, for programs.")
    error: str = Field(description="A sentence for the caller.")


class JobProgress(BaseModel):
    """How far a job is."""

    model_config = ConfigDict(json_schema_extra=without_null)

    id: str = Field(description="Names the job; whoever has no API key needs it to ask for it.")
    state: Literal["queued", "running", "done", "failed", "cancelled"] = Field(
        description="A running job is queued again when the service ends, or to let another "
        "caller's job run; what was read is kept."
    )
    output: str = Field(description="The endpoint that writes the result.")
    pages: int = Field(description="How many pages are to be read.")
    pages_done: int = Field(
        description="How many pages have been read, those with errors included."
    )
    place: int | None = Field(
        default=None,
        description="Of a queued job: its place among all that wait, from 1. Callers take turns, "
        "so it may run before those of a caller with more jobs.",
    )
    errors: list[PageError] = Field(description="Which pages could not be read, and why.")
    created: datetime = Field(description="When it was made.")
    finished: datetime | None = Field(default=None, description="When it ended.")
    result: str | None = Field(
        default=None, description="Of a job that is done: the address of the result."
    )


def progress(job: Job) -> JobProgress:
    """Say how far a job is."""
    errors = [
        PageError(number=page.number, code=page.code, error=page.error) for page in job.unread
    ]
    if job.code is not None:
        errors.append(PageError(code=job.code, error=job.error or ""))
    return JobProgress(
        id=job.id,
        state=job.state,
        output=job.output,
        pages=job.pages,
        pages_done=job.pages_done,
        place=job.place,
        errors=errors,
        created=_time(job.created),
        finished=None if job.finished is None else _time(job.finished),
        result=f"/jobs/{job.id}/result" if job.state == "done" else None,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
