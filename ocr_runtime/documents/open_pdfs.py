"""The processes of all PDFs that are open -> a bounded number of them: those used last stay.

A document stays open while its request waits for its turn with the next page, and the process that
reads it may have grown by some hundred megabytes. So of the processes that nobody asks anything at
the moment, those that were used longest ago are ended when there are too many; `PdfDocument` starts
another one for its next page, which takes 50 ms.
"""

import threading
from weakref import WeakKeyDictionary

from ocr_runtime.documents.pdf_process import PdfProcess


class OpenPdfs:
    """Counts processes. Any number of threads may use it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_use = 0
        self._idle: WeakKeyDictionary[PdfProcess, None] = WeakKeyDictionary()  # used last: last

    def take(self, process: PdfProcess | None, *, most: int) -> bool:
        """Begin to use a process, or to start one; `leave` must follow.

        Args:
            process: an earlier one of the document.
            most: how many there may be, unless more are in use.

        Returns:
            Whether `process` can be used; else there is room for another one.
        """
        with self._lock:
            usable = process in self._idle and not process.ended if process else False
            if process is not None:
                self._idle.pop(process, None)
            self._in_use += 1
            idle = [each for each in self._idle if not each.ended]
            surplus = idle[: max(0, self._in_use + len(idle) - most)]
            for each in surplus:
                del self._idle[each]
        for each in surplus:
            each.end()
        return usable

    def leave(self, process: PdfProcess | None) -> None:
        """End the use of a process; None: none was started."""
        with self._lock:
            self._in_use -= 1
            if process is not None and not process.ended:
                self._idle[process] = None
