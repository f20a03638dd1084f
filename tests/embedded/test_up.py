"""`gateway up` with real servers, and fakes of the API, the workers and the migrations."""

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
from gateway.embedded.directories import open_lock
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.postgres import Postgres
from gateway.embedded.process_info import process_alive
from gateway.embedded.up import up
from gateway.embedded.valkey import Valkey
from tests.embedded.processes import discard, python, read_line, sql, until, with_database

API = """
import http.server, os
from domains.kernel.core.supervision.parent_watch import exit_with_supervisor
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
from domains.kernel.core.supervision.parent_watch import exit_with_supervisor
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
if (notes / "full").exists():
    raise SystemExit("could not extend file: No space left on device")
if (notes / "broken").exists():
    raise SystemExit("column x is missing")
"""
# Only a second Ctrl-C kills a child that does not end by itself.
UP = """
import os, sys
from functools import partial
from pathlib import Path
from gateway.embedded import up as module
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.up import Commands, up
module.Supervisor = partial(module.Supervisor, grace=3600.0)
module.CTRL_C_DEDUP_SECONDS = 0.0
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
    """Run `up` in a process of its own. Its servers are stopped at the end."""
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
                discard(data)


def wait_until_ready(process: subprocess.Popen[str]) -> str:
    """Wait for the READY line. Returns its URL."""
    assert [read_line(process), read_line(process)] == ["first line", "second line"]
    word, url = read_line(process).split()
    assert word == "READY"
    return url


def fetch(url: str) -> str:
    with urllib.request.urlopen(f"{url}/anything", timeout=5) as answer:  # noqa: S310 - a fake on this machine
        return str(answer.read().decode())


def workers(data: Path) -> list[int]:
    return [int(path.name.split("-")[1]) for path in (data.parent / "notes").glob("worker-*")]


def errors_until_end(process: subprocess.Popen[str]) -> str:
    """Wait until the process has ended. Returns the rest of its standard error."""
    return process.communicate(timeout=60)[1]


def open_to_others(data: Path) -> list[str]:
    """Entries of the data directory that other users could read, write or enter."""
    return [
        path.name
        for path in data.iterdir()
        if not path.is_symlink() and path.stat().st_mode & 0o077
    ]


def test_lock_files_of_an_earlier_version_are_made_private(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    path.chmod(0o644)
    open_lock(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_starts_in_an_empty_folder_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert runfile.running(data) is None
    with started(data) as process:
        url = wait_until_ready(process)
        urls = runfile.running(data)
        assert urls is not None
        assert urls["pid"] == str(process.pid)
        assert urls["api_url"] == url
        assert urls["blob_url"] == (data / "blobs").as_uri()
        assert open_to_others(data) == []
        assert stat.S_IMODE((data / "blobs").stat().st_mode) == 0o700
        assert sql(urls["database_url"], "select 1") == 1
        assert (
            tmp_path / "notes" / "demo"
        ).read_text() == "api_url blob_url database_url gateway_database_direct_url redis_url"
        assert (tmp_path / "notes" / "migrated").read_text().split() == [urls["database_url"]]
        until(lambda: len(workers(data)) == 2)
        api = int(fetch(url))
        process.send_signal(signal.SIGINT)
        errors = errors_until_end(process)
        assert process.returncode == 0, errors
        assert "Stopped." in errors
        assert not any(process_alive(pid) for pid in (api, *workers(data)))
        assert not Postgres(data).alive()
        assert not Valkey(data).alive()
        assert not (data / "run.json").exists()


def test_after_a_kill_the_children_end_and_a_restart_uses_the_same_port_and_data(
    tmp_path: Path,
) -> None:
    data = with_database(tmp_path / "data")
    with started(data) as process:
        url = wait_until_ready(process)
        urls = runfile.running(data)
        assert urls is not None
        sql(urls["database_url"], "drop table if exists kept", "create table kept ()")
        until(lambda: len(workers(data)) == 2)
        children = [int(fetch(url)), *workers(data)]
        process.kill()
        process.wait()
        assert runfile.running(data) is None
        # Restart at once, on the same port, while the children are still ending.
        with started(data, port=int(url.rsplit(":", 1)[1])) as successor:
            assert wait_until_ready(successor) == url
            assert sql(urls["database_url"], "select count(*) from kept") == 0
            until(lambda: not any(process_alive(pid) for pid in children))
            successor.terminate()
            errors = errors_until_end(successor)
            assert successor.returncode == 0, errors


def test_killed_servers_and_children_are_restarted(tmp_path: Path) -> None:
    data = with_database(tmp_path / "data")
    with started(data) as process:
        url = wait_until_ready(process)
        urls = runfile.running(data)
        assert urls is not None
        api = fetch(url)
        os.kill(int(api), signal.SIGKILL)
        with redis.Redis.from_url(urls["redis_url"]) as client:
            os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)
        os.kill(int(next(data.glob("pg*/postmaster.pid")).read_text().split()[0]), signal.SIGKILL)
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        expected = {"PostgreSQL is back.", "Valkey is back."}
        while expected:
            expected.discard(next(lines).strip())
        assert sql(urls["database_url"], "select 1") == 1
        with redis.Redis.from_url(urls["redis_url"]) as client:
            assert client.ping()
        assert until(lambda: _fetched(url)) != api


def _fetched(url: str) -> str:
    try:
        return fetch(url)
    except OSError:
        return ""


OWN_SERVERS = {
    "DATABASE_URL": "postgresql://u:secret@db/x",
    "REDIS_URL": "redis://cache/0",
    "BLOB_URL": "s3://bucket",
}


def test_configured_servers_replace_embedded_ones_and_a_current_schema_is_not_migrated(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "current").touch()
    with started(data, OWN_SERVERS) as process:
        wait_until_ready(process)
        urls = runfile.running(data)
        assert urls is not None
        assert {name: urls[name.lower()] for name in OWN_SERVERS} == OWN_SERVERS
        assert not {path.name for path in data.iterdir()} & {"valkey", "pg18", "blobs"}
        assert not (tmp_path / "notes" / "migrated").exists()
        with pytest.raises(
            EmbeddedError,
            match=f"Another `gateway up` .process {process.pid}. uses {data}: stop it",
        ):
            up(data, host="127.0.0.1", port=0, workers=1, demo=None, environment=OWN_SERVERS)
        assert runfile.running(data) == urls
        process.terminate()
        errors = errors_until_end(process)
        assert process.returncode == 0
        assert "secret" not in errors + (data / "logs" / "api.log").read_text()


def test_up_ends_with_one_sentence_if_a_migration_fails(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "broken").touch()
    data = tmp_path / "data"
    with started(data, OWN_SERVERS) as process:
        errors = errors_until_end(process)
        assert process.returncode == 1
        log = data / "logs" / "migrate.log"
        assert (
            f"error: The database could not be migrated: column x is missing. The whole log: {log}"
            in errors
        )
        assert not (data / "run.json").exists()


def test_a_migration_that_finds_no_room_is_repeated(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "full").touch()
    data = tmp_path / "data"
    with started(data, OWN_SERVERS) as process:
        until(lambda: (notes / "migrated").exists() and (notes / "migrated").read_text().split())
        (notes / "full").unlink()
        wait_until_ready(process)
        process.terminate()
        assert "No space left on device" in errors_until_end(process)
        assert process.returncode == 0


def test_reports_to_systemd(tmp_path: Path) -> None:
    address = tmp_path / "systemd"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(60)
        systemd_environment = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "4000000"}
        with started(tmp_path / "data", {**OWN_SERVERS, **systemd_environment}) as process:
            wait_until_ready(process)
            while systemd.recv(100) != b"READY=1":
                pass
            # While it serves, too.
            assert systemd.recv(100) == systemd.recv(100) == b"WATCHDOG=1"
            process.terminate()
            while systemd.recv(100) != b"STOPPING=1":
                pass


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
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
                environment=OWN_SERVERS,
            )


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        EmbeddedError, match=r"192\.0\.2\.1, port 8000, cannot be served on this machine"
    ):
        up(
            tmp_path / "data",
            host="192.0.2.1",
            port=8000,
            workers=1,
            demo=None,
            environment=OWN_SERVERS,
        )


def test_a_full_disk_is_refused_before_anything_is_created(tmp_path: Path) -> None:
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


def test_windows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EmbeddedError, match="Linux and macOS only"):
        up(
            tmp_path / "data",
            host="127.0.0.1",
            port=0,
            workers=1,
            demo=None,
            environment=OWN_SERVERS,
        )


IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + API


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "API", IGNORES_SIGTERM)
    data = with_database(tmp_path / "data")
    with started(data) as process:
        api = int(fetch(wait_until_ready(process)))
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "Stopping" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 0
        assert not process_alive(api)
        assert not Postgres(data).alive()
        assert not Valkey(data).alive()


def test_ctrl_c_during_the_start_stops_everything(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(data) as process:
        until(lambda: list(data.glob("pg*.partial-*")))
        process.send_signal(signal.SIGINT)
        errors = errors_until_end(process)
        assert process.returncode == 0, errors
        assert not Postgres(data).alive()
        assert not Valkey(data).alive()


def test_a_run_file_of_an_ended_or_another_process_is_ignored(tmp_path: Path) -> None:
    runfile.write(tmp_path, {"api_url": "http://x"})
    assert runfile.running(tmp_path) == {"pid": str(os.getpid()), "api_url": "http://x"}
    content = json.loads((tmp_path / "run.json").read_text())
    for changed in ({"born": "1"}, {"pid": "999999999"}, {"pid": "nonsense"}):
        (tmp_path / "run.json").write_text(json.dumps(content | changed))
        assert runfile.running(tmp_path) is None
    (tmp_path / "run.json").write_text("{")
    assert runfile.running(tmp_path) is None
    runfile.remove(tmp_path)
    assert (tmp_path / "run.json").exists()


def test_hosts_in_urls() -> None:
    hosts = ["127.0.0.1", "0.0.0.0", "::", "localhost"]  # noqa: S104 - nothing is bound
    assert [module.url_host(host) for host in hosts] == [
        "127.0.0.1",
        "127.0.0.1",
        "[::1]",
        "localhost",
    ]
