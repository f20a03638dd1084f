"""Commands on strangers' files: in a process of their own, with limits, that leaves nothing behind.

Failure
|-- TookTooLong    it ran longer than it may
|-- TookTooMuch    memory, CPU time, or output
`-- Died           a signal ended it that was not sent from here
"""

import asyncio
import contextlib
import ctypes
import math
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import msgspec

_PRELUDE: Final = str(Path(__file__).with_name("sandbox_launcher.py"))

# Bytes of the error output that are kept, the last ones.
_KEPT: Final = 8192

_CHUNK: Final = 65536

_SET_DUMPABLE: Final = 4

# Seconds for which output is awaited after the command and its group are gone. Only a process that
# left the group can still hold it open.
_LAST_WORDS: Final = 1.0

_CRASHES: Final = frozenset(
    {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGTRAP}
)

# How programs say that they were refused memory, for there is no signal for it.
_NO_MEMORY: Final = (
    "memory allocation of",
    "MemoryError",
    "bad_alloc",
    "Cannot allocate memory",
    "out of memory",
)


class Failure(Exception):
    """It came to no end of its own; `errors` is for logs, a stranger may have written it."""

    def __init__(self, message: str, errors: str) -> None:
        super().__init__(message)
        self.errors = errors


class TookTooLong(Failure):
    """It ran longer than it may."""


class TookTooMuch(Failure):
    """It wanted more memory, CPU time or output than it may have."""


class Died(Failure):
    """A signal ended it: its own fault (a crash), or somebody else's (a kill)."""

    def __init__(self, by: int, errors: str) -> None:
        super().__init__(f"ended by signal {by}", errors)
        self.by = by

    @property
    def crashed(self) -> bool:
        """It would probably end the same way again."""
        return self.by in _CRASHES


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a command may take. Durations in seconds, sizes in bytes."""

    time: float
    """From start to end."""
    memory: int
    """Address space of each process; where the system cannot limit it, it is not limited."""
    output: int
    """What it prints."""
    cpu: float | None = None
    """Of each process, rounded up to a second; if None, as much as `time`."""
    written: int = 0
    """The largest file that it may write."""
    files: int = 64
    """Descriptors that are open at once."""


class Completed(msgspec.Struct, frozen=True):
    """A command that ended by itself. `errors` is the end of what it complained about, for logs."""

    returncode: int
    output: bytes
    errors: str


async def run(
    command: Sequence[str],
    limits: Limits,
    *,
    stdin: Path | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Completed:
    """Run it under these limits; it and all that it started are gone when this returns or raises.

    It reads `stdin`, or nothing; it sees PATH, LANG, HOME and what `environment` adds, and no
    descriptor of this process. `cwd` is its working and temporary directory; if None, the root.
    Where Linux allows it, it has no network and cannot look into other processes; where memory
    runs out, it is ended before this process is.
    Cancelling kills it, and so does the death of this process or of its loop's thread (Linux).
    Only a process that leaves its group is not found; its CPU time ends it.

    TookTooLong, TookTooMuch, Died; OSError when there is no such command, file or directory.
    """
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(command[0])
    output, errors = _Output(limits.output), _Tail()
    try:
        async with asyncio.timeout(limits.time):
            returncode = await _run(
                [*_prelude(limits), program, *command[1:]],
                output,
                errors,
                stdin,
                cwd,
                _environment(cwd) | dict(environment or {}),
            )
    except TimeoutError:
        raise TookTooLong(f"more than {limits.time:g} s", errors.text) from None
    if output.flooded:
        raise TookTooMuch(f"more than {limits.output} bytes of output", errors.text)
    if returncode != 0:
        _judge(returncode, errors.text)
    return Completed(returncode, bytes(output.taken), errors.text)


def hide_environment() -> None:
    """From now on no process of the same user reads the environment or memory of this one (Linux).

    Nor does root without its capabilities. It leaves no core, and programs that it starts are not
    hidden. Debuggers and profilers need root.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _judge(returncode: int, errors: str) -> None:
    """A failure is raised, unless it ended by itself."""
    if any(each in errors for each in _NO_MEMORY):
        raise TookTooMuch("more memory than it may have", errors)
    if returncode == -signal.SIGXCPU:
        raise TookTooMuch("more CPU time than it may have", errors)
    if returncode == -signal.SIGXFSZ:
        raise TookTooMuch("a larger file than it may write", errors)
    if returncode < 0:
        raise Died(-returncode, errors)


def _prelude(limits: Limits) -> list[str]:
    cpu = math.ceil(limits.time if limits.cpu is None else limits.cpu)
    numbers = (os.getpid(), limits.memory, cpu, limits.written, limits.files)
    return [sys.executable, "-I", "-S", _PRELUDE, *map(str, numbers)]


def _environment(cwd: Path | None) -> dict[str, str]:
    home = str(cwd or "/nonexistent")
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "LANG": "C.UTF-8", "HOME": home, "TMPDIR": home}


async def _run(
    command: Sequence[str],
    output: "_Output",
    errors: "_Tail",
    stdin: Path | None,
    cwd: Path | None,
    environment: Mapping[str, str],
) -> int:
    # Pipes of our own: those of asyncio are waited for even when only a grandchild holds them.
    async with _pipe() as (printed, its_output), _pipe() as (complained, its_errors):
        with its_output, its_errors, _opened(stdin) as its_input:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=its_input,
                stdout=its_output,
                stderr=its_errors,
                cwd=cwd or "/",
                env=environment,
                start_new_session=True,
            )
        readers = {
            asyncio.create_task(output.take(printed, process.pid)),
            asyncio.create_task(errors.take(complained)),
        }
        try:
            return await process.wait()
        finally:
            _kill(process.pid)
            reaped = asyncio.create_task(process.wait())
            await asyncio.wait({reaped, *readers}, timeout=_LAST_WORDS)
            for each in readers:
                each.cancel()


class _Output:
    """All that a command prints, or as much of it as it may."""

    def __init__(self, most: int) -> None:
        self.taken = bytearray()
        self.flooded = False
        self._most = most

    async def take(self, stream: asyncio.StreamReader, group: int) -> None:
        while chunk := await stream.read(_CHUNK):
            self.taken += chunk
            if len(self.taken) > self._most:
                self.flooded = True
                _kill(group)
                return


class _Tail:
    """The end of what a command complains about."""

    def __init__(self) -> None:
        self._kept = b""

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")

    async def take(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            self._kept = (self._kept + chunk)[-_KEPT:]


@contextlib.asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, IO[bytes]]]:
    """Our end and theirs."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", 0) as theirs:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
        )
        try:
            yield reader, theirs
        finally:
            transport.close()


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes] | int]:
    if path is None:
        yield asyncio.subprocess.DEVNULL
    else:
        with path.open("rb") as file:
            yield file


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
