"""Read the entries of a file, or of standard input, in any of the formats.

Only a piece of the file and the current record are in memory, whatever the size of the file.
"""

import io
import os
import select
import shutil
import stat
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from gateway.cli.importing.entries import Conventions, Entries, Refusal
from gateway.cli.importing.json_files import is_object, read_lines, read_object
from gateway.cli.importing.tables.table import read_table

_BUFFER_SIZE: Final = 256 * 1024
_JSON_SUFFIXES: Final = (".json", ".jsonl", ".ndjson")
_BOM: Final = b"\xef\xbb\xbf"


class Interrupted(Exception):
    """`stop` was set while a file was read."""


class InputFile(io.RawIOBase):
    """A file, or standard input for `-`, that counts the bytes read.

    A read raises Interrupted when `stop` is set. A pipe can seek after `spool` has copied it.
    """

    def __init__(self, path: Path, stop: threading.Event) -> None:
        super().__init__()
        standard = str(path) == "-"
        self.name: Final = str(path)
        self.bytes_read = 0
        self._stop = stop
        self._raw: io.RawIOBase = io.FileIO(
            sys.stdin.fileno() if standard else path, closefd=not standard
        )
        facts = os.fstat(self._raw.fileno())
        regular = stat.S_ISREG(facts.st_mode)
        # In bytes; None for a pipe.
        self.size: Final = facts.st_size if regular else None
        self._is_regular = regular
        self._start = self._raw.tell() if regular else 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._is_regular

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Seek. Offsets count from where the file stood when it was opened."""
        start = self._start if whence == os.SEEK_SET else 0
        position = self._raw.seek(start + offset, whence) - self._start
        self.bytes_read = position
        return position

    def tell(self) -> int:
        return self._raw.tell() - self._start

    def spool(self, unread: io.BufferedIOBase) -> None:
        """Copy what `unread`, which reads from here, has left to a temporary file and seek there.

        Does nothing if the file can seek.
        """
        if self._is_regular:
            return
        copy: Any = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        shutil.copyfileobj(unread, copy, _BUFFER_SIZE)
        self._raw.close()
        self._raw, self._start, self._is_regular = copy, 0, True

    def readinto(self, buffer: Any) -> int:
        """Fill the whole buffer, unless the file ends before."""
        view = memoryview(buffer)
        filled = 0
        while filled < len(view):
            if self._stop.is_set():
                raise Interrupted
            if self._may_block and not select.select([self._raw], [], [], 0.1)[0]:
                continue
            count = self._raw.readinto(view[filled:])
            if not count:
                break
            filled += count
        self.bytes_read += filled
        return filled

    @property
    def _may_block(self) -> bool:
        return not self._is_regular and sys.platform != "win32"

    def close(self) -> None:
        self._raw.close()
        super().close()


def read_entries(file: InputFile, conventions: Conventions) -> Entries:
    """Read the entries of a file. Detects the format by the file's name and first bytes.

    A table of a pipe is copied to a temporary file, because tables are read twice.
    """
    buffered = io.BufferedReader(file, _BUFFER_SIZE)
    head = buffered.peek(_BUFFER_SIZE)
    suffix = Path(file.name).suffix.lower()
    start = head.removeprefix(_BOM).lstrip()
    if suffix in (".csv", ".tsv") or (suffix not in _JSON_SUFFIXES and not start.startswith(b"{")):
        file.spool(buffered)
        buffered.detach()
        yield from read_table(file, conventions)
        return
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield Refusal(1, "the file is in UTF-16: save it as UTF-8")
        return
    if head.startswith(_BOM):
        buffered.read(len(_BOM))
    if is_object(start, suffix):
        yield from read_object(buffered)
    else:
        yield from read_lines(buffered)
