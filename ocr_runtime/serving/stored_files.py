"""Files that callers have sent before they ask for anything to be done with them.

add --> StoredFile        get, content, delete: of its owner's        expire: after a while

They are kept in the database of the jobs, so that every worker and every replica has them.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ocr_runtime.errors import JobsFull, NotFound
from ocr_runtime.serving.job_database import (
    CHUNK_BYTES,
    CHUNKS,
    FILES,
    ROW_BYTES,
    Database,
    add_chunk,
    held_bytes,
    some_of,
)
from ocr_runtime.settings import Settings

_KIND = "file"
_LONGEST_NAME = 255
_NOT_KEPT = "There is no such file: it was never sent, is not kept any longer, or is another's."


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """What its owner may know of a file.

    Args:
        id: names it.
        name: as it was sent.
        bytes: how many it has.
        created: seconds since 1970.
    """

    id: str
    name: str
    bytes: int
    created: float


class StoredFiles:
    """The files of all callers. Its methods block, and may be called from any thread.

    Args:
        database: in which they are.
        settings: how much is stored, and how long.

    Raises (every method):
        JobsUnavailable: the database does not answer.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def add(self, *, owner: str, caller: str, name: str, data: bytes) -> StoredFile:
        """Store a file.

        Args:
            owner: whose it is.
            caller: who shares the room with other callers.
            name: of the file.
            data: its content.

        Raises:
            JobsFull: there is no room for it.
        """
        file = secrets.token_hex(16)
        with self._database.transaction() as connection:
            self._check_room(connection, caller, len(data))
            values: dict[str, Any] = {
                "id": file,
                "owner": owner,
                "caller": caller,
                "name": name.replace("\0", "\ufffd")[:_LONGEST_NAME],  # PostgreSQL has no NUL
                "bytes": len(data),
                "created": self._database.now(connection),
            }
            connection.execute(sa.insert(FILES).values(values))
            for position, start in enumerate(range(0, len(data), CHUNK_BYTES)):
                add_chunk(connection, file, _KIND, position, data[start : start + CHUNK_BYTES])
        return StoredFile(
            id=file, name=values["name"], bytes=values["bytes"], created=values["created"]
        )

    def get(self, file: str, owner: str) -> StoredFile:
        """Look a file up.

        Raises:
            NotFound: there is none, or it is another's.
        """
        with self._database.transaction() as connection:
            mine = sa.select(FILES).where(FILES.c.id == file, FILES.c.owner == owner)
            row = connection.execute(mine).mappings().first()
            if row is None or row["created"] < self._oldest(connection):
                raise NotFound(_NOT_KEPT)
        return StoredFile(
            id=row["id"], name=row["name"], bytes=row["bytes"], created=row["created"]
        )

    def content(self, file: str, owner: str) -> Iterator[bytes]:
        """Return the pieces of a file, each of which is read when it is asked for.

        Raises:
            NotFound: there is none, or it is another's.
        """
        return self._database.chunks(self.get(file, owner).id, _KIND)

    def delete(self, file: str, owner: str) -> None:
        """Forget a file.

        Raises:
            NotFound: there is none, or it is another's.
        """
        self.get(file, owner)
        with self._database.transaction() as connection:
            _forget(connection, [file])

    def expire(self) -> int:
        """Forget some of the files that are old enough; return how many."""
        with self._database.transaction() as connection:
            old = sa.select(FILES.c.id, FILES.c.bytes).where(
                FILES.c.created < self._oldest(connection)
            )
            files = some_of(connection, old)
            _forget(connection, files)
        return len(files)

    def _check_room(self, connection: sa.Connection, caller: str, size: int) -> None:
        """Refuse a caller's file of so many bytes, if there is no room for it.

        A caller's files get more room only while more is free than they take, so those of one
        caller get half of it.
        """
        row = FILES.c.bytes + ROW_BYTES
        own = connection.scalar(sa.select(sa.func.sum(row)).where(FILES.c.caller == caller))
        free = (self._settings.jobs_max_mb << 20) - held_bytes(connection)
        if size > free or int(own or 0) + size > free:
            raise JobsFull(
                "There is no room for this file; try again later, or delete files that are not "
                "needed any more."
            )

    def _oldest(self, connection: sa.Connection) -> float:
        return self._database.now(connection) - 3600 * self._settings.jobs_keep_hours


def _forget(connection: sa.Connection, files: list[Any]) -> None:
    connection.execute(sa.delete(CHUNKS).where(CHUNKS.c.job.in_(files)))
    connection.execute(sa.delete(FILES).where(FILES.c.id.in_(files)))
