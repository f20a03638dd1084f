"""Read the entries of a file, or of standard input, in any of the formats.

Only a piece of the file and the current record are in memory, whatever the size of the file.
"""

import io
import os
import select
import stat
import sys
import threading
from pathlib import Path
from typing import Any, Final

from gateway.cli.importing.csv_files import read_table
from gateway.cli.importing.entries import Entries, Refusal
from gateway.cli.importing.json_files import is_object, read_lines, read_object

_BUFFER_SIZE: Final = 256 * 1024
_JSON_SUFFIXES: Final = (".json", ".jsonl", ".ndjson")
_BOM: Final = b"\xef\xbb\xbf"


class Interrupted(Exception):
    """`stop` was set while a file was read."""


class InputFile(io.RawIOBase):
    """A file, or standard input for `-`, that counts the bytes read.

    A read that waits for input raises Interrupted when `stop` is set.
    """

    def __init__(self, path: Path, stop: threading.Event) -> None:
        super().__init__()
        standard = str(path) == "-"
        self.name: Final = str(path)
        self.bytes_read = 0
        self._stop = stop
        self._raw = io.FileIO(sys.stdin.fileno() if standard else path, closefd=not standard)
        facts = os.fstat(self._raw.fileno())
        regular = stat.S_ISREG(facts.st_mode)
        # In bytes; None for a pipe.
        self.size: Final = facts.st_size if regular else None
        self._may_block = not regular and sys.platform != "win32"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the whole buffer, unless the file ends before."""
        view = memoryview(buffer)
        filled = 0
        while filled < len(view):
            while self._may_block and not select.select([self._raw], [], [], 0.1)[0]:
                if self._stop.is_set():
                    raise Interrupted
            count = self._raw.readinto(view[filled:])
            if not count:
                break
            filled += count
        self.bytes_read += filled
        return filled

    def close(self) -> None:
        self._raw.close()
        super().close()


def read_entries(file: InputFile) -> Entries:
    """Read the entries of a file. Detects the format by the file's name and first bytes."""
    buffered = io.BufferedReader(file, _BUFFER_SIZE)
    head = buffered.peek(_BUFFER_SIZE)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield Refusal(1, "the file is in UTF-16: save it as UTF-8")
        return
    suffix = Path(file.name).suffix.lower()
    start = head.removeprefix(_BOM).lstrip()
    if suffix in (".csv", ".tsv") or (suffix not in _JSON_SUFFIXES and not start.startswith(b"{")):
        yield from read_table(buffered, head)
        return
    if head.startswith(_BOM):
        buffered.read(len(_BOM))
    if is_object(start, suffix):
        yield from read_object(buffered)
    else:
        yield from read_lines(buffered)
