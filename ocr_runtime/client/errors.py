"""What can go wrong in a command, by what ends: the command, the run, or one file.

UsageError    the arguments or settings are wrong: nothing was begun, the command exits with 2
RunEnded      no further file can be read: the run ends and can be resumed later
FileFailed    one file was not read: it is recorded, and the others are read
"""


class UsageError(Exception):
    """The command cannot do what its arguments say; `str(error)` says why."""


class RunEnded(Exception):
    """No further file can be read, as with a wrong API key or a full disk."""


class FileFailed(Exception):
    """A file was not read; `str(error)` is a sentence that says why.

    Args:
        code: a stable name of the reason: that of the service, or one of docs/command-line.md.
        sentence: for people.
        transient: whether the file is not at fault, so that the next run tries it again.
        ends_run: why no further file can be read; empty: others can.
    """

    def __init__(
        self, code: str, sentence: str, *, transient: bool = False, ends_run: str = ""
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.transient = transient
        self.ends_run = ends_run
