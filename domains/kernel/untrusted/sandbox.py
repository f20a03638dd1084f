"""Sandbox for commands that read untrusted files: a process group with resource limits.

SandboxError
|-- SandboxTimeout     the time limit passed
|-- LimitExceeded      the limit of memory, CPU time, file size or output was reached
`-- KilledBySignal     a signal that was not sent from here
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

_LAUNCHER: Final = str(Path(__file__).with_name("sandbox_launcher.py"))

# The last bytes of the standard error that are kept.
_MAX_STDERR: Final = 8192

_READ_BYTES: Final = 65536

_SET_DUMPABLE: Final = 4

# Seconds to wait for remaining output after the process group was killed. Only a process that left
# the group can still hold the pipe open.
_DRAIN_TIMEOUT: Final = 1.0

_CRASH_SIGNALS: Final = frozenset(
    {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGTRAP}
)

# Messages of programs whose memory allocation failed. There is no signal for this.
_OUT_OF_MEMORY: Final = (
    "memory allocation of",
    "MemoryError",
    "bad_alloc",
    "Cannot allocate memory",
    "out of memory",
)


class SandboxError(Exception):
    """The command did not end by itself.

    `errors` is the end of its standard error, for logs. It may contain text of the untrusted file.
    """

    def __init__(self, message: str, errors: str) -> None:
        super().__init__(message)
        self.errors = errors


class SandboxTimeout(SandboxError):
    """The command exceeded its time limit."""


class LimitExceeded(SandboxError):
    """The command exceeded its limit of memory, CPU time, file size or output."""


class KilledBySignal(SandboxError):
    """A signal ended the command: it crashed, or another process killed it."""

    def __init__(self, number: int, errors: str) -> None:
        super().__init__(f"ended by signal {number}", errors)
        self.signal = number

    @property
    def is_crash(self) -> bool:
        """True if the command itself caused the signal, so that a retry would fail as well."""
        return self.signal in _CRASH_SIGNALS


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Resource limits of a command. Durations are in seconds, sizes in bytes."""

    time: float
    """Wall-clock time."""
    memory: int
    """Address space of each process. Not limited on macOS."""
    output: int
    """Standard output."""
    cpu: float | None = None
    """CPU time of each process, rounded up to a second. Equal to `time` if None."""
    file_size: int = 0
    """Size of each file that it writes."""
    open_files: int = 64
    """File descriptors of each process."""


class Completed(msgspec.Struct, frozen=True):
    """The result of a command that ended by itself. `errors` is the end of its standard error."""

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
    """Run a command within the limits. Its process group is killed before this returns or raises.

    The command reads `stdin`, by default nothing. It has the environment variables PATH, LANG,
    HOME, TMPDIR and `environment`, and no descriptors of this process. `cwd` is its working and
    temporary directory, by default the root directory. Where Linux permits it, the command has no
    network and cannot inspect other processes. If the system runs out of memory, the kernel ends
    the command before this process.

    Cancellation kills the command. On Linux, so does the death of this process or of the thread
    that runs the event loop. A process that leaves the process group is ended only by its CPU
    limit.

    Raises SandboxError, and OSError if the command, `stdin` or `cwd` does not exist.
    """
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(command[0])
    output, errors = _Output(limits.output), _StderrTail()
    try:
        async with asyncio.timeout(limits.time):
            returncode = await _run(
                [*_launcher(limits), program, *command[1:]],
                output,
                errors,
                stdin,
                cwd,
                _environment(cwd) | dict(environment or {}),
            )
    except TimeoutError:
        raise SandboxTimeout(f"more than {limits.time:g} s", errors.text) from None
    if output.is_too_large:
        raise LimitExceeded(f"more than {limits.output} bytes of output", errors.text)
    if returncode != 0:
        _raise_failure(returncode, errors.text)
    return Completed(returncode, bytes(output.data), errors.text)


def hide_environment() -> None:
    """Hide the environment and memory of this process from other processes of its user (Linux).

    Root without capabilities cannot read them either. Debuggers and profilers then need root, and
    this process writes no core dump. Programs that it starts are not hidden.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _raise_failure(returncode: int, errors: str) -> None:
    """Raise SandboxError unless the command ended by itself, with any exit code."""
    if any(message in errors for message in _OUT_OF_MEMORY):
        raise LimitExceeded("memory limit exceeded", errors)
    if returncode == -signal.SIGXCPU:
        raise LimitExceeded("CPU limit exceeded", errors)
    if returncode == -signal.SIGXFSZ:
        raise LimitExceeded("file size limit exceeded", errors)
    if returncode < 0:
        raise KilledBySignal(-returncode, errors)


def _launcher(limits: Limits) -> list[str]:
    cpu = math.ceil(limits.time if limits.cpu is None else limits.cpu)
    numbers = (os.getpid(), limits.memory, cpu, limits.file_size, limits.open_files)
    return [sys.executable, "-I", "-S", _LAUNCHER, *map(str, numbers)]


def _environment(cwd: Path | None) -> dict[str, str]:
    home = str(cwd or "/nonexistent")
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "LANG": "C.UTF-8", "HOME": home, "TMPDIR": home}


async def _run(
    command: Sequence[str],
    output: "_Output",
    errors: "_StderrTail",
    stdin: Path | None,
    cwd: Path | None,
    environment: Mapping[str, str],
) -> int:
    # asyncio waits until its own pipes are closed, even if only a grandchild holds them open.
    async with _pipe() as (stdout_reader, stdout), _pipe() as (stderr_reader, stderr):
        with stdout, stderr, _open_input(stdin) as input_file:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=input_file,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd or "/",
                env=environment,
                start_new_session=True,
            )
        readers = {
            asyncio.create_task(output.read(stdout_reader, process.pid)),
            asyncio.create_task(errors.read(stderr_reader)),
        }
        try:
            return await process.wait()
        finally:
            _kill_group(process.pid)
            reaped = asyncio.create_task(process.wait())
            await asyncio.wait({reaped, *readers}, timeout=_DRAIN_TIMEOUT)
            for reader in readers:
                reader.cancel()


class _Output:
    """The standard output of a command, up to a limit."""

    def __init__(self, max_bytes: int) -> None:
        self.data = bytearray()
        self.is_too_large = False
        self._max_bytes = max_bytes

    async def read(self, stream: asyncio.StreamReader, group: int) -> None:
        """Read to the end. Kill the process group if the output is too large."""
        while chunk := await stream.read(_READ_BYTES):
            self.data += chunk
            if len(self.data) > self._max_bytes:
                self.is_too_large = True
                _kill_group(group)
                return


class _StderrTail:
    """The last _MAX_STDERR bytes of a command's standard error."""

    def __init__(self) -> None:
        self._tail = b""

    @property
    def text(self) -> str:
        return self._tail.decode(errors="replace")

    async def read(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_READ_BYTES):
            self._tail = (self._tail + chunk)[-_MAX_STDERR:]


@contextlib.asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, IO[bytes]]]:
    """Open a pipe: a reader for this process and a file for the command."""
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb", 0) as file:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0)
        )
        try:
            yield reader, file
        finally:
            transport.close()


@contextlib.contextmanager
def _open_input(path: Path | None) -> Iterator[IO[bytes] | int]:
    if path is None:
        yield asyncio.subprocess.DEVNULL
    else:
        with path.open("rb") as file:
            yield file


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
