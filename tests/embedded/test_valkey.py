"""The embedded Valkey: real servers that are started, killed and adopted."""

import contextlib
import fcntl
import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from gateway.embedded import server_process, valkey
from gateway.embedded.errors import DiskFull, EmbeddedError
from gateway.embedded.valkey import Valkey
from tests.embedded.processes import python, read_line, until

Make = Callable[..., Valkey]


@pytest.fixture
def make() -> Iterator[Make]:
    """Creates servers that are stopped at the end of the test."""
    made: list[Valkey] = []

    def build(data: Path, *, durable: bool = True, binary: Path | None = None) -> Valkey:
        made.append(Valkey(data, durable=durable, binary=binary))
        return made[-1]

    yield build
    for server in made:
        server.stop()


def put(url: str, **values: int) -> None:
    with redis.Redis.from_url(url) as client:
        client.mset(values)


def get(url: str, name: str) -> object:
    with redis.Redis.from_url(url) as client:
        return client.get(name)


def pid_of(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


@pytest.mark.parametrize("durable", [True, False])
def test_start_and_stop_keep_the_data_and_the_url(
    make: Make, tmp_path: Path, durable: bool
) -> None:
    server = make(tmp_path / "data", durable=durable)
    assert not server.alive()
    url = server.start()
    assert url.startswith("unix://")
    assert url.endswith("?db=0")
    assert server.alive()
    put(url, kept=1)
    assert server.start() == url
    server.stop()
    assert not server.alive()
    assert server.start() == url
    assert get(url, "kept") == b"1"


def test_the_server_is_private_and_never_evicts_keys(make: Make, tmp_path: Path) -> None:
    url = make(tmp_path / "data").start()
    with redis.Redis.from_url(url) as client:
        settings = client.config_get("*")
    expected = {"port": "0", "appendonly": "yes", "appendfsync": "everysec", "save": ""}
    expected |= {"maxmemory-policy": "noeviction", "aof-load-truncated": "yes"}
    assert {name: settings[name] for name in expected} == expected
    address = Path(settings["unixsocket"])
    assert stat.S_IMODE(address.stat().st_mode) == 0o700
    assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700


def is_written(url: str) -> bool:
    """True if no command waits for its write. While the file is flushed, writes are postponed."""
    with redis.Redis.from_url(url) as client:
        return bool(client.info("persistence")["aof_buffer_length"] == 0)


def test_after_a_kill_all_data_is_there(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "data")
    url = server.start()
    put(url, **{f"key{number}": number for number in range(1000)})
    until(lambda: is_written(url))
    os.kill(pid_of(url), signal.SIGKILL)
    assert server.start() == url
    assert get(url, "key999") == b"999"


def test_an_incomplete_last_command_in_the_file_is_dropped(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "data")
    url = server.start()
    put(url, first=1)
    put(url, second=2)
    until(lambda: is_written(url))
    server.stop(hard=True)
    file = next((tmp_path / "data" / "valkey").rglob("*.incr.aof"))
    os.truncate(file, file.stat().st_size - 5)
    assert server.start() == url
    assert (get(url, "first"), get(url, "second")) == (b"1", None)


LAUNCH = """
import sys, time
from pathlib import Path
from gateway.embedded.valkey import Valkey
print(Valkey(Path(sys.argv[1])).start(), flush=True)
time.sleep(60)
"""


def test_a_server_outlives_its_launcher_and_is_adopted(make: Make, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = make(data)
    with python(LAUNCH, data) as launcher:
        url = read_line(launcher)
    put(url, kept=1)
    pid = pid_of(url)
    assert server.alive()
    assert server.start() == url
    assert pid_of(url) == pid
    os.kill(pid, signal.SIGKILL)
    assert server.start() == url
    assert get(url, "kept") == b"1"
    assert pid_of(url) != pid
    make(data).stop()  # by an object that did not start the server
    # The server releases its lock a moment before its process has ended.
    until(lambda: not server.alive())


def test_a_long_path_with_special_characters(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "a folder, with 100% special characters" / ("long" * 30))
    url = server.start()
    put(url, kept=1)
    server.stop()
    assert server.start() == url
    assert get(url, "kept") == b"1"


def test_a_missing_program_has_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        valkey, "candidate_programs", lambda: iter([Path("/nowhere/valkey-server")])
    )
    with pytest.raises(EmbeddedError, match=r"No Valkey or Redis server .* REDIS_URL"):
        Valkey(tmp_path / "data").start()


def test_a_failed_start_has_the_reason_and_the_log(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "data")
    put(server.start(), kept=1)
    server.stop()
    file = next((tmp_path / "data" / "valkey").rglob("*.incr.aof"))
    file.write_bytes(b"nonsense\r\n" * 10)
    with pytest.raises(
        EmbeddedError, match=r"Valkey does not start: .*The whole log: .*valkey\.log"
    ):
        server.start()


NO_ROOM = """#!/bin/sh
test "$1" = --version || echo "Can't persist AOF manifest file: No space left on device"
test "$1" = --version
"""


def test_a_start_without_room_is_a_full_disk(make: Make, tmp_path: Path) -> None:
    program = tmp_path / "full"
    program.write_text(NO_ROOM)
    program.chmod(0o700)
    with pytest.raises(DiskFull, match="Valkey does not start: no room on the disk") as refused:
        make(tmp_path / "data", binary=program).start()
    assert refused.value.folder == tmp_path / "data" / "valkey"
    assert make(tmp_path / "data").start()


def test_a_frozen_server_does_not_answer(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "data")
    assert not server.answers()
    url = server.start()
    assert server.answers()
    os.kill(pid_of(url), signal.SIGSTOP)
    assert not server.answers()
    assert server.alive()
    server.stop(hard=True)
    assert not server.answers()
    assert server.start() == url
    assert server.answers()


def test_an_adopted_server_that_is_frozen_is_replaced(make: Make, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with python(LAUNCH, data) as launcher:
        url = read_line(launcher)
    frozen = pid_of(url)
    server = make(data)
    assert server.start() == url
    try:
        os.kill(frozen, signal.SIGSTOP)
        assert server.pid() == frozen
        server.stop(hard=True)
        assert not server.alive()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(frozen, signal.SIGKILL)
    assert server.start() == url
    assert pid_of(url) != frozen


def test_a_running_server_whose_process_is_unknown_cannot_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_process, "_PID_TIMEOUT", 0.1)
    server = Valkey(tmp_path)
    (tmp_path / "valkey").mkdir()
    with (tmp_path / "valkey" / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedError, match=r"Valkey runs in .*, but its process cannot"):
            server.stop(hard=True)
    server.stop(hard=True)


def test_a_server_that_recorded_no_process_id_is_asked(make: Make, tmp_path: Path) -> None:
    url = make(tmp_path / "data").start()
    os.truncate(tmp_path / "data" / "valkey" / "lock", 0)
    assert make(tmp_path / "data").pid() == pid_of(url)


def test_an_unchanged_socket_path_is_not_written_again(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "data")
    url = server.start()
    note = tmp_path / "data" / "valkey" / "socket"
    written = note.stat().st_mtime_ns
    os.kill(pid_of(url), signal.SIGKILL)
    until(lambda: not server.alive())
    assert server.start() == url
    assert note.stat().st_mtime_ns == written
