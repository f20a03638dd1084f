"""Sandbox of commands: limits, isolation, and what remains after the command."""

import asyncio
import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from domains.kernel.untrusted.sandbox import (
    Completed,
    KilledBySignal,
    LimitExceeded,
    Limits,
    SandboxTimeout,
    run,
)

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="only Linux isolates the command")

LIMITS = Limits(time=20, memory=512 * 1024**2, output=1024**2)
# Limits for commands that must be stopped by something else.
LONG = Limits(time=60, memory=LIMITS.memory, output=99)


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def open_descriptors() -> int:
    """Number of this process' open descriptors, or 0 where the system does not list them."""
    listed = Path("/proc/self/fd")
    return len(list(listed.iterdir())) if listed.exists() else 0


class ProcessFifo:
    """A FIFO that the processes of a command hold open until they end.

    `script` writes to it at once, and again after a minute unless it was killed.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "process_fifo"
        os.mkfifo(path)
        self._fifo = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.script = f"exec 3>{path}; echo started >&3; (sleep 60; echo survived >&3)"

    async def started(self) -> None:
        """Wait until the script has started."""
        readable = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._fifo, readable.set)
        await readable.wait()
        loop.remove_reader(self._fifo)

    async def all_ended(self) -> bool:
        """Wait until no process holds the FIFO. Return False if one of them survived."""
        os.set_blocking(self._fifo, True)
        with os.fdopen(self._fifo, "rb") as fifo:
            return b"survived" not in await asyncio.to_thread(fifo.read)


@pytest.fixture
def process_fifo(tmp_path: Path) -> ProcessFifo:
    return ProcessFifo(tmp_path)


async def test_result_has_output_errors_and_exit_code(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"some input")
    completed = await run(
        python("import sys; print(sys.stdin.read()); sys.stderr.write('hm'); sys.exit(3)"),
        LIMITS,
        stdin=tmp_path / "in",
    )
    assert completed == Completed(3, b"some input\n", "hm")


async def test_standard_input_is_empty_by_default() -> None:
    assert (await run(["cat"], LIMITS)).output == b""


async def test_command_inherits_no_secrets_and_no_descriptors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    code = """
import os
def is_open(n):
    try:
        os.fstat(n)
    except OSError:
        return False
    return True
print(sorted(os.environ), [n for n in range(3, 64) if is_open(n)], os.getcwd())
"""
    try:
        completed = await run(python(code), LIMITS, cwd=tmp_path, environment={"ADDED": "1"})
    finally:
        os.close(read_end)
        os.close(write_end)
    names = ["ADDED", "HOME", "LANG", "PATH", "TMPDIR"]
    # macOS adds a variable for the encoding.
    output = completed.output.decode().replace(", '__CF_USER_TEXT_ENCODING'", "")
    assert output == f"{names} [] {tmp_path}\n"


async def test_command_has_a_lower_priority() -> None:
    completed = await run(python("import os; print(os.nice(0))"), LIMITS)
    assert int(completed.output) == min(os.nice(0) + 10, 19)


@functools.cache
def can_drop_privileges() -> bool:
    """Return True if the system lets a process of this user leave the network."""
    flags = 0x40000000 | (0 if os.geteuid() == 0 else 0x10000000)
    code = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({flags}) != 0)"
    return subprocess.run(python(code)).returncode == 0


@LINUX_ONLY
async def test_command_has_no_network_if_the_system_permits_it() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        code = f"import socket; print(socket.create_connection({address}, 5).recv(9))"
        completed = await run(python(code), LIMITS)
    if can_drop_privileges():
        assert (completed.output, completed.returncode) == (b"", 1)
        assert "Network is unreachable" in completed.errors
    else:
        assert completed.output == b"b'hello'\n"


# A parent with a secret in its environment, and a sandboxed command that tries to read it.
READ_ENVIRONMENT_OF_PARENT = """
import asyncio, os, sys
from domains.kernel.untrusted.sandbox import Limits, hide_environment, run
if {hidden}:
    hide_environment()
code = "print(b'MARK=secret' in open('/proc/%d/environ', 'rb').read())" % os.getpid()
completed = asyncio.run(run([sys.executable, "-I", "-S", "-c", code],
    Limits(time=20, memory=2**29, output=99)))
print(completed.output.decode() + completed.errors)
"""


@LINUX_ONLY
@pytest.mark.parametrize("hidden", [True, False])
def test_command_cannot_read_the_environment_of_its_parent(hidden: bool) -> None:
    output = subprocess.run(
        [sys.executable, "-c", READ_ENVIRONMENT_OF_PARENT.format(hidden=hidden)],
        env=os.environ | {"MARK": "secret"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if hidden or can_drop_privileges():
        assert "PermissionError" in output
    elif os.geteuid() != 0:  # for root, the result depends on its capabilities
        assert output == "True\n\n"


@LINUX_ONLY
async def test_kernel_ends_the_command_first_if_memory_runs_out() -> None:
    completed = await run(["cat", "/proc/self/oom_score_adj"], LIMITS)
    assert completed.output == b"1000\n"


@pytest.fixture
def private_folder(tmp_path: Path) -> Path:
    """A folder with a file `in`, both accessible to this user only."""
    tmp_path.chmod(0o700)
    (tmp_path / "in").write_text("private")
    (tmp_path / "in").chmod(0o600)
    return tmp_path


async def test_command_runs_as_the_same_user(private_folder: Path) -> None:
    code = "import os; print(os.getuid(), os.getgid(), open('in').read()); open('out', 'w')"
    completed = await run(python(code), LIMITS, cwd=private_folder)
    assert completed.output.decode() == f"{os.getuid()} {os.getgid()} private\n"
    assert (private_folder / "out").stat().st_uid == os.getuid()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit address space")
async def test_memory_limit() -> None:
    with pytest.raises(LimitExceeded, match="memory") as raised:
        await run(python("bytearray(700 * 1024**2)"), LIMITS)
    assert "MemoryError" in raised.value.errors


async def test_cpu_limit() -> None:
    limits = Limits(time=60, cpu=1, memory=LIMITS.memory, output=LIMITS.output)
    with pytest.raises(LimitExceeded, match="CPU"):
        await run(python("while True: pass"), limits)


async def test_too_much_output_ends_the_command() -> None:
    code = "import sys\nwhile True: sys.stdout.write('x' * 10_000)"
    with pytest.raises(LimitExceeded, match="output"):
        await run(python(code), LIMITS)


async def test_only_the_end_of_the_errors_is_kept() -> None:
    code = "import sys\nfor n in range(9_000): sys.stderr.write(f'{n} ')"
    completed = await run(python(code), LIMITS)
    assert (completed.returncode, completed.output) == (0, b"")
    assert 0 < len(completed.errors) <= 8192
    assert completed.errors.endswith(" 8999 ")


async def test_output_of_exactly_the_limit_is_accepted() -> None:
    completed = await run(python(f"print(end='x' * {LIMITS.output})"), LIMITS)
    assert len(completed.output) == LIMITS.output


async def test_file_size_limit(tmp_path: Path) -> None:
    command = ["sh", "-c", "dd if=/dev/zero of=file bs=1000 count=2000 2>/dev/null; echo"]
    limits = Limits(time=20, memory=LIMITS.memory, output=99, file_size=100_000)
    await run(command, limits, cwd=tmp_path)
    assert (tmp_path / "file").stat().st_size == 100_000
    with pytest.raises(LimitExceeded, match="file"):
        await run(["dd", "if=/dev/zero", "of=file", "bs=1000", "count=2000"], limits, cwd=tmp_path)


async def test_time_limit_ends_a_command_that_ignores_signals(process_fifo: ProcessFifo) -> None:
    limits = Limits(time=0.5, memory=LIMITS.memory, output=99)
    with pytest.raises(SandboxTimeout):
        await run(["sh", "-c", f"trap '' TERM INT HUP; {process_fifo.script}"], limits)
    assert await process_fifo.all_ended()


async def test_background_process_ends_with_the_command(process_fifo: ProcessFifo) -> None:
    """The background process also inherits the output. `run` does not wait until it is closed."""
    await run(["sh", "-c", f"{process_fifo.script} &"], LONG)
    assert await process_fifo.all_ended()


async def test_cancellation_ends_the_command_and_its_children(process_fifo: ProcessFifo) -> None:
    task = asyncio.create_task(run(["sh", "-c", f"{process_fifo.script} & wait"], LONG))
    await process_fifo.started()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await process_fifo.all_ended()


async def test_timeout_of_the_caller_is_a_timeout_error() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await run(["sleep", "60"], LONG)


async def test_crash_is_distinguished_from_a_kill() -> None:
    with pytest.raises(KilledBySignal) as crash:
        await run(["sh", "-c", "kill -SEGV $$"], LIMITS)
    with pytest.raises(KilledBySignal) as kill:
        await run(["sh", "-c", "kill -KILL $$"], LIMITS)
    assert (crash.value.signal, crash.value.is_crash) == (signal.SIGSEGV, True)
    assert (kill.value.signal, kill.value.is_crash) == (signal.SIGKILL, False)


async def test_unknown_command() -> None:
    with pytest.raises(FileNotFoundError):
        await run(["no-such-command"], LIMITS)


async def test_event_loop_of_another_thread() -> None:
    def run_in_thread() -> Completed:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(["sh", "-c", "sleep 60 & echo hello"], LONG))

    assert (await asyncio.to_thread(run_in_thread)).output == b"hello\n"


@LINUX_ONLY
async def test_command_dies_with_its_killed_parent(process_fifo: ProcessFifo) -> None:
    code = f"""
import asyncio
from domains.kernel.untrusted.sandbox import Limits, hide_environment, run
hide_environment()
asyncio.run(run(["sh", "-c", "exec {process_fifo.script}"],
    Limits(time=60, memory=2**29, output=99)))
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    await process_fifo.started()
    parent.kill()
    await parent.wait()
    assert await process_fifo.all_ended()


async def test_no_descriptor_stays_open() -> None:
    before = open_descriptors()
    await asyncio.gather(*(run(["true"], LIMITS) for _ in range(8)))
    # Transports are closed in the next turn of the event loop.
    await asyncio.sleep(0)
    assert open_descriptors() <= before
