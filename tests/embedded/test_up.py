"""`gateway up` with real servers, and stand-ins for the API, the workers and the migrations."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from gateway.embedded import runfile
from gateway.embedded import up as module
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.postgres import Postgres
from gateway.embedded.process_info import process_alive
from gateway.embedded.up import up
from gateway.embedded.valkey import Valkey
from tests.embedded.processes import prepare, python, read_line, reclaim, sql, until

API = """
import http.server, os
from domains.kernel.core.parent_watch import exit_with_supervisor
exit_with_supervisor(1)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())
address = os.environ["GATEWAY_HOST"], int(os.environ["GATEWAY_PORT"])
http.server.ThreadingHTTPServer(address, Answer).serve_forever()
"""
WORK = """
import os, time
from pathlib import Path
from domains.kernel.core.parent_watch import exit_with_supervisor
exit_with_supervisor(1)
Path(os.environ["NOTES"], f"worker-{os.getpid()}").write_text(os.environ["DATABASE_URL"])
time.sleep(120)
"""
MIGRATE = """
import os
from pathlib import Path
notes = Path(os.environ["NOTES"])
with (notes / "migrated").open("a") as file:
    print(os.environ["DATABASE_URL"], file=file)
if (notes / "broken").exists():
    raise SystemExit("column x is missing")
"""
UP = """
import os, sys
from pathlib import Path
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.up import Commands, up
migrate, serve, work, data, port = sys.argv[1:]
notes = Path(os.environ["NOTES"])
python = (sys.executable, "-c")
def demo(urls):
    (notes / "demo").write_text(" ".join(sorted(urls)))
    return ["first line", "second line"]
try:
    up(
        Path(data), host="127.0.0.1", port=int(port), workers=2, demo=demo, environment=os.environ,
        migrated=lambda url: (notes / "current").exists(),
        commands=Commands((*python, migrate), (*python, serve), (*python, work)),
    )
except EmbeddedError as error:
    sys.exit(f"error: {error}")
"""


@contextmanager
def started(
    data: Path, environment: Mapping[str, str] = {}, *, port: int = 0
) -> Iterator[subprocess.Popen[str]]:
    """`gateway up` in a process of its own; what it embeds is stopped at the end."""
    notes = data.parent / "notes"
    notes.mkdir(exist_ok=True)
    with python(UP, MIGRATE, API, WORK, data, port, NOTES=str(notes), **environment) as process:
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            if data.exists():
                Postgres(data).stop()
                Valkey(data).stop()
                reclaim(data)


def ready(process: subprocess.Popen[str]) -> str:
    """The URL that is announced at the end of a start."""
    assert [read_line(process), read_line(process)] == ["first line", "second line"]
    word, url = read_line(process).split()
    assert word == "READY"
    return url


def fetch(url: str) -> str:
    with urllib.request.urlopen(f"{url}/anything", timeout=5) as answer:  # noqa: S310 - our own stand-in
        return str(answer.read().decode())


def workers(data: Path) -> list[int]:
    return [int(path.name.split("-")[1]) for path in (data.parent / "notes").glob("worker-*")]


def rest(process: subprocess.Popen[str]) -> str:
    """What the process still said to standard error, once it ended."""
    return process.communicate(timeout=30)[1]


def test_from_an_empty_folder_to_ready_and_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert runfile.running(data) is None
    with started(data) as process:
        url = ready(process)
        note = runfile.running(data)
        assert note is not None
        assert note["pid"] == str(process.pid)
        assert note["api_url"] == url
        assert note["blob_url"] == (data / "blobs").as_uri()
        assert stat.S_IMODE((data / "run.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((data / "blobs").stat().st_mode) == 0o700
        assert sql(note["database_url"], "select 1") == 1
        assert (
            tmp_path / "notes" / "demo"
        ).read_text() == "api_url blob_url database_url redis_url"
        assert (tmp_path / "notes" / "migrated").read_text().split() == [note["database_url"]]
        until(lambda: len(workers(data)) == 2)
        api = int(fetch(url))
        process.send_signal(signal.SIGINT)
        said = rest(process)
        assert process.returncode == 0, said
        assert "Stopped." in said
        assert not any(process_alive(pid) for pid in (api, *workers(data)))
        assert not Postgres(data).alive()
        assert not Valkey(data).alive()
        assert not (data / "run.json").exists()


def test_killed_it_leaves_no_child_and_the_next_one_takes_over(tmp_path: Path) -> None:
    data = prepare(tmp_path / "data")
    with started(data) as process:
        url = ready(process)
        note = runfile.running(data)
        assert note is not None
        sql(note["database_url"], "drop table if exists kept", "create table kept ()")
        until(lambda: len(workers(data)) == 2)
        children = [int(fetch(url)), *workers(data)]
        process.kill()
        process.wait()
        assert runfile.running(data) is None
        # At once, on the same port, while the children are still ending.
        with started(data, port=int(url.rsplit(":", 1)[1])) as successor:
            assert ready(successor) == url
            assert sql(note["database_url"], "select count(*) from kept") == 0
            until(lambda: not any(process_alive(pid) for pid in children))
            successor.terminate()
            said = rest(successor)
            assert successor.returncode == 0, said


def test_whatever_is_killed_comes_back(tmp_path: Path) -> None:
    data = prepare(tmp_path / "data")
    with started(data) as process:
        url = ready(process)
        note = runfile.running(data)
        assert note is not None
        api = fetch(url)
        os.kill(int(api), signal.SIGKILL)
        with redis.Redis.from_url(note["redis_url"]) as client:
            os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)
        os.kill(int(next(data.glob("pg*/postmaster.pid")).read_text().split()[0]), signal.SIGKILL)
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        wanted = {"PostgreSQL is back.", "Valkey is back."}
        while wanted:
            wanted.discard(next(lines).strip())
        assert sql(note["database_url"], "select 1") == 1
        with redis.Redis.from_url(note["redis_url"]) as client:
            assert client.ping()
        assert until(lambda: _fetched(url)) != api


def _fetched(url: str) -> str:
    try:
        return fetch(url)
    except OSError:
        return ""


def test_servers_of_your_own_are_used_and_none_embedded(tmp_path: Path) -> None:
    data = tmp_path / "data"
    own = {
        "DATABASE_URL": "postgresql://u:secret@db/x",
        "REDIS_URL": "redis://cache/0",
        "BLOB_URL": "s3://bucket",
    }
    with started(data, own) as process:
        ready(process)
        note = runfile.running(data)
        assert note is not None
        assert (note["database_url"], note["redis_url"]) == (
            "postgresql://u:secret@db/x",
            "redis://cache/0",
        )
        assert note["blob_url"] == "s3://bucket"
        assert not {path.name for path in data.iterdir()} & {"valkey", "pg18", "blobs"}
        process.terminate()
        said = rest(process)
        assert process.returncode == 0
        assert "secret" not in said + (data / "logs" / "api.log").read_text()


OWN = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "BLOB_URL": "s3://x"}


def test_a_second_one_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(data, OWN) as process:
        ready(process)
        with pytest.raises(
            EmbeddedError,
            match=f"Another `gateway up` .process {process.pid}. uses {data}: stop it",
        ):
            up(data, host="127.0.0.1", port=0, workers=1, demo=None, environment=OWN)
        assert runfile.running(data) is not None


def test_a_schema_at_head_is_not_migrated_again(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "current").touch()
    with started(tmp_path / "data", OWN) as process:
        ready(process)
    assert not (tmp_path / "notes" / "migrated").exists()


def test_a_migration_that_fails_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "broken").touch()
    data = tmp_path / "data"
    with started(data, OWN) as process:
        said = rest(process)
        assert process.returncode == 1
        log = data / "logs" / "migrate.log"
        assert (
            f"error: The database could not be migrated: column x is missing. The whole log: {log}"
            in said
        )
        assert not (data / "run.json").exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedError, match=rf"Port {port} of 127\.0\.0\.1 is taken .* --port"):
            up(
                tmp_path / "data",
                host="127.0.0.1",
                port=port,
                workers=1,
                demo=None,
                environment=OWN,
            )


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        EmbeddedError, match=r"192\.0\.2\.1, port 8000, cannot be served on this machine"
    ):
        up(tmp_path / "data", host="192.0.2.1", port=8000, workers=1, demo=None, environment=OWN)


def test_no_room_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(
        EmbeddedError, match=r"No room: 150 MB are free on the disk of .* at least 200 MB"
    ):
        up(
            tmp_path / "data",
            host="127.0.0.1",
            port=0,
            workers=1,
            demo=None,
            environment={},
            free_space=lambda _: 150_000_000,
        )
    assert {path.name for path in (tmp_path / "data").iterdir()} <= {"lock"}


def test_a_platform_without_the_servers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EmbeddedError, match="Linux and macOS only"):
        up(tmp_path / "data", host="127.0.0.1", port=0, workers=1, demo=None, environment=OWN)


SLOW_STOP = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
""" + API.replace("exit_with_supervisor(1)", "exit_with_supervisor(0.1)")


def test_a_second_interrupt_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "API", SLOW_STOP)
    data = prepare(tmp_path / "data")
    with started(data) as process:
        api = int(fetch(ready(process)))
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "Stopping" not in process.stderr.readline():
            pass
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.7)
        process.send_signal(signal.SIGINT)
        process.wait(3)
        assert process.returncode == 0
        assert not process_alive(api)
        assert not Postgres(data).alive()
        assert not Valkey(data).alive()


def test_interrupted_while_it_starts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(data) as process:
        until(lambda: list(data.glob("pg*.partial-*")))
        process.send_signal(signal.SIGINT)
        said = rest(process)
        assert process.returncode == 0, said
        assert not Postgres(data).alive()
        assert not Valkey(data).alive()


def test_a_note_of_a_process_that_is_gone_or_another_counts_for_nothing(tmp_path: Path) -> None:
    runfile.write(tmp_path, {"api_url": "http://x"})
    assert runfile.running(tmp_path) == {"pid": str(os.getpid()), "api_url": "http://x"}
    note = json.loads((tmp_path / "run.json").read_text())
    for changed in ({"born": "1"}, {"pid": "999999999"}, {"pid": "nonsense"}):
        (tmp_path / "run.json").write_text(json.dumps(note | changed))
        assert runfile.running(tmp_path) is None
    (tmp_path / "run.json").write_text("{")
    assert runfile.running(tmp_path) is None
    runfile.remove(tmp_path)
    assert (tmp_path / "run.json").exists()


def test_the_addressurl_hosts() -> None:
    hosts = ["127.0.0.1", "0.0.0.0", "::", "localhost"]  # noqa: S104 - nothing is bound
    assert [module.url_host(host) for host in hosts] == [
        "127.0.0.1",
        "127.0.0.1",
        "[::1]",
        "localhost",
    ]
