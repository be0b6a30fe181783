"""A number of cores -> the numbers of so many processors of this machine, for one process alone.

Without this, threads of the models move between processors while others read beside them. Each
processor has a file on the machine that its holder has locked, so the lock ends with the holder,
whatever ends it.
"""

import os
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Cores:
    """Processors that this process holds until it ends or calls `release`."""

    def __init__(self) -> None:
        self._locks: dict[int, int] = {}

    def claim(self, count: int, *, of_node: float) -> set[int] | None:
        """Choose processors that nobody else has claimed.

        Args:
            count: how many.
            of_node: how many cores this Ray node hands out. Where that is not what this process may
                run on, somebody else has the rest, perhaps in another container, whose locks cannot
                be seen: then none are chosen.

        Returns:
            Their numbers; None: there are not so many, or this system does not tell.
        """
        if fcntl is None or not hasattr(os, "sched_getaffinity"):
            return None
        usable = sorted(os.sched_getaffinity(0))
        if of_node != len(usable):
            return None
        try:
            folder = _folder()
            for number in usable:
                if len(self._locks) < count:
                    self._lock(folder, number)
        except OSError:
            self.release()
            return None
        if len(self._locks) < count:
            self.release()
            return None
        return set(self._locks)

    def _lock(self, folder: Path, number: int) -> None:
        file = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            self._locks[number] = file

    def release(self) -> None:
        """Let others claim them."""
        for file in self._locks.values():
            os.close(file)
        self._locks = {}


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"rapidocr-cores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} is another user's")
    return folder
