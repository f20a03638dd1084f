"""Commands in the sandbox: what they may take, see and leave behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from domains.kernel.untrusted.sandbox import Completed, Died, Limits, TookTooLong, TookTooMuch, run

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")

ENOUGH = Limits(time=20, memory=512 * 1024**2, output=1024**2)


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


def alive(pid: int) -> bool:
    """Whether it runs still; who ended and waits to be collected does not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(shown.stdout.strip()) and "Z" not in shown.stdout


async def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


async def written(path: Path) -> int:
    """The process id that somebody writes into a file, sooner or later."""
    deadline = time.monotonic() + 10
    while (pid := noted(path)) is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    return pid


def noted(path: Path) -> int | None:
    text = path.read_text() if path.exists() else ""
    return int(text) if text.endswith("\n") else None


def descriptors() -> int:
    """How many of this process are open; none where the system does not list them."""
    listed = Path("/proc/self/fd")
    return len(list(listed.iterdir())) if listed.exists() else 0


@pytest.fixture
def pid_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "pid"
    yield path
    if (pid := noted(path)) and alive(pid):
        os.kill(pid, signal.SIGKILL)


async def test_a_command_reads_prints_complains_and_ends(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"what it reads")
    done = await run(
        python("import sys; print(sys.stdin.read()); sys.stderr.write('hm'); sys.exit(3)"),
        ENOUGH,
        stdin=tmp_path / "in",
    )
    assert done == Completed(3, b"what it reads\n", "hm")


async def test_it_reads_nothing_if_it_is_given_nothing() -> None:
    assert (await run(["cat"], ENOUGH)).output == b""


async def test_no_secret_and_no_descriptor_reaches_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    code = "import os; print(sorted(os.environ), [n for n in range(3, 64) if has(n)], os.getcwd())"
    has = "def has(n):\n try: import os; return bool(os.fstat(n))\n except OSError: return False\n"
    try:
        done = await run(python(has + code), ENOUGH, cwd=tmp_path, environment={"ADDED": "1"})
    finally:
        os.close(reading)
        os.close(writing)
    names = ["ADDED", "HOME", "LANG", "PATH", "TMPDIR"]
    # Systems add names of their own: macOS one for the encoding.
    shown = done.output.decode().replace(", '__CF_USER_TEXT_ENCODING'", "")
    assert shown == f"{names} [] {tmp_path}\n"


async def test_it_comes_after_those_who_answer() -> None:
    done = await run(python("import os; print(os.nice(0))"), ENOUGH)
    assert int(done.output) >= os.nice(0) + 10 or int(done.output) == 19


def may_withdraw() -> bool:
    """Whether this system lets a process of this user give up its network."""
    flags = 0x40000000 | (0 if os.geteuid() == 0 else 0x10000000)
    code = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({flags}) != 0)"
    return subprocess.run(python(code)).returncode == 0


@LINUX
async def test_it_has_no_network_where_the_system_allows_that() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        code = f"import socket; print(socket.create_connection({address}, 5).recv(9))"
        done = await run(python(code), ENOUGH)
    if may_withdraw():
        assert (done.output, done.returncode) == (b"", 1)
        assert "Network is unreachable" in done.errors
    else:
        assert done.output == b"b'hello'\n"


# A process that has secrets, and what its child says about them.
WITH_SECRETS = """
import asyncio, os, sys
from domains.kernel.sandbox import Limits, hide_environment, run
if {hidden}:
    hide_environment()
code = "print(b'MARK=secret' in open('/proc/%d/environ', 'rb').read())" % os.getpid()
done = asyncio.run(run([sys.executable, "-I", "-S", "-c", code],
    Limits(time=20, memory=2**29, output=99)))
print(done.output.decode() + done.errors)
"""


@LINUX
@pytest.mark.parametrize("hidden", [True, False])
def test_it_cannot_read_the_environment_of_the_process_that_runs_it(hidden: bool) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", WITH_SECRETS.format(hidden=hidden)],
        env=os.environ | {"MARK": "secret"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if hidden or may_withdraw():
        assert "PermissionError" in shown
    elif os.geteuid() != 0:  # what root can still give up then depends on what it has
        assert shown == "True\n\n"


@LINUX
async def test_it_is_the_first_to_go_when_memory_runs_out() -> None:
    done = await run(["cat", "/proc/self/oom_score_adj"], ENOUGH)
    assert done.output == b"1000\n"


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder with a file in it, for nobody else."""
    tmp_path.chmod(0o700)
    (tmp_path / "in").write_text("mine")
    (tmp_path / "in").chmod(0o600)
    return tmp_path


async def test_it_is_the_same_user_and_its_files_belong_to_that(private: Path) -> None:
    code = "import os; print(os.getuid(), os.getgid(), open('in').read()); open('out', 'w')"
    done = await run(python(code), ENOUGH, cwd=private)
    assert done.output.decode() == f"{os.getuid()} {os.getgid()} mine\n"
    assert (private / "out").stat().st_uid == os.getuid()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit address space")
async def test_a_memory_hog_is_refused_memory() -> None:
    with pytest.raises(TookTooMuch, match="memory") as caught:
        await run(python("bytearray(700 * 1024**2)"), ENOUGH)
    assert "MemoryError" in caught.value.errors


async def test_a_cpu_hog_is_ended() -> None:
    limits = Limits(time=20, cpu=1, memory=ENOUGH.memory, output=ENOUGH.output)
    with pytest.raises(TookTooMuch, match="CPU"):
        await run(python("while True: pass"), limits)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_flood_is_stopped_on_the_one_stream_and_kept_short_on_the_other(
    stream: str,
) -> None:
    code = f"import sys\nfor _ in range(300): sys.{stream}.write('x' * 10_000)"
    if stream == "stdout":
        with pytest.raises(TookTooMuch, match="output"):
            await run(python(code + "\nwhile True: pass"), ENOUGH)
    else:
        done = await run(python(code), ENOUGH)
        assert (done.returncode, done.output) == (0, b"")
        assert 0 < len(done.errors) <= 8192


async def test_as_much_output_as_it_may_is_no_flood() -> None:
    done = await run(python(f"print(end='x' * {ENOUGH.output})"), ENOUGH)
    assert len(done.output) == ENOUGH.output


async def test_no_file_larger_than_it_may_write(tmp_path: Path) -> None:
    code = ["sh", "-c", "dd if=/dev/zero of=it bs=1000 count=2000 2>/dev/null; echo no"]
    limits = Limits(time=20, memory=ENOUGH.memory, output=99, written=100_000)
    await run(code, limits, cwd=tmp_path)
    assert (tmp_path / "it").stat().st_size == 100_000
    with pytest.raises(TookTooMuch, match="file"):
        await run(["dd", "if=/dev/zero", "of=it", "bs=1000", "count=2000"], limits, cwd=tmp_path)


async def test_who_ignores_signals_is_ended_on_time() -> None:
    limits = Limits(time=0.5, memory=ENOUGH.memory, output=99)
    begun = time.monotonic()
    with pytest.raises(TookTooLong):
        await run(["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"], limits)
    assert time.monotonic() - begun < 3


async def test_a_child_left_behind_ends_with_its_parent(pid_file: Path) -> None:
    """It holds the output open, too: that is not waited for."""
    begun = time.monotonic()
    limits = Limits(time=20, memory=ENOUGH.memory, output=99, written=99)
    await run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}"], limits)
    assert await gone(await written(pid_file))
    assert time.monotonic() - begun < 10


async def test_cancelling_ends_it_and_its_children(pid_file: Path) -> None:
    limits = Limits(time=60, memory=ENOUGH.memory, output=99, written=99)
    script = f"sleep 60 & echo $! > {pid_file}; wait"
    task = asyncio.create_task(run(["sh", "-c", script], limits))
    child = await written(pid_file)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(child)


async def test_a_time_limit_of_the_caller_is_the_callers() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await run(["sleep", "60"], ENOUGH)


async def test_a_crash_is_told_from_a_kill() -> None:
    with pytest.raises(Died) as crash:
        await run(["sh", "-c", "kill -SEGV $$"], ENOUGH)
    with pytest.raises(Died) as kill:
        await run(["sh", "-c", "kill -KILL $$"], ENOUGH)
    assert (crash.value.by, crash.value.crashed) == (signal.SIGSEGV, True)
    assert (kill.value.by, kill.value.crashed) == (signal.SIGKILL, False)


async def test_a_command_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        await run(["no-such-command"], ENOUGH)


async def test_it_runs_in_another_loop_of_another_thread() -> None:
    def elsewhere() -> Completed:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(["sh", "-c", "sleep 60 & echo hello"], ENOUGH))

    assert (await asyncio.to_thread(elsewhere)).output == b"hello\n"


@LINUX
async def test_it_dies_with_a_parent_that_was_killed(pid_file: Path) -> None:
    code = f"""
import asyncio
from domains.kernel.sandbox import Limits, hide_environment, run
hide_environment()
asyncio.run(run(["sh", "-c", "echo $$ > {pid_file}; exec sleep 60"],
    Limits(time=60, memory=2**29, output=99, written=99)))
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    try:
        child = await written(pid_file)
        assert alive(child)
    finally:
        parent.kill()
        await parent.wait()
    assert await gone(child)


async def test_many_at_once_leave_no_descriptor_open() -> None:
    before = descriptors()
    await asyncio.gather(*(run(["true"], ENOUGH) for _ in range(8)))
    await asyncio.sleep(0)
    assert descriptors() <= before
