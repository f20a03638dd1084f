"""Links to PostgreSQL that are not direct: PgBouncer in transaction mode."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.chaos.chaos_stack import ChaosStack
from tests.chaos.play import NotRun
from tests.chaos.workload import Workload
from tests.stack import eventually, free_port, new_tenant

# Connections of PgBouncer to PostgreSQL; the API and a worker may open 20 each to PgBouncer.
_SERVER_CONNECTIONS: Final = 3
_NOBODY: Final = 65534


async def pool_with_pgbouncer(stack: ChaosStack, workload: Workload) -> None:
    """Use PostgreSQL through PgBouncer: no request fails, and a revocation holds at once."""
    direct_url = stack.database_url
    with _running_pgbouncer(stack) as url:
        pooled = {
            "GATEWAY_DATABASE_POOLER": "transaction",
            "GATEWAY_DATABASE_DIRECT_URL": direct_url,
            "DATABASE_URL": url,
        }
        async with _restarted_with(stack, pooled), stack.connected() as connection:
            await workload.enqueue(connection, 50, seconds=0.01)
            async with workload.sending_in_background(senders=8, pause=0.5):
                await asyncio.gather(
                    workload.until_accepted(20), _push_rows(workload), _revoke_key(stack)
                )
            assert not await workload.wait_for_jobs(connection, 120)
            assert not workload.refused, workload.refused


async def _push_rows(workload: Workload) -> None:
    async def push(sender: int) -> None:
        for number in range(5):
            await workload.source.push("rows", f"{sender}-{number % 5}")

    await asyncio.gather(*(push(sender) for sender in range(8)))


async def _revoke_key(stack: ChaosStack) -> None:
    """Revoke a key by the command; requests are refused within two seconds."""
    async with new_tenant(stack) as tenant:
        await tenant.get("signals")
        command = [sys.executable, "-m", "gateway", "keys", "revoke", tenant.key_id]
        environment = {**os.environ, **stack.env}
        await asyncio.to_thread(subprocess.run, command, env=environment, check=True)

        async def refused() -> bool:
            return (await tenant.http.get("/external/v1/signals")).status_code == 401

        await eventually(refused, 2)


@contextlib.asynccontextmanager
async def _restarted_with(stack: ChaosStack, variables: dict[str, str]) -> AsyncIterator[None]:
    """Run the API and the workers with other variables within the block."""
    before = dict(stack.env)
    await stack.restart(variables)
    try:
        yield
    finally:
        for name in variables.keys() - before.keys():
            del stack.env[name]
        await stack.restart(before)


@contextlib.contextmanager
def _running_pgbouncer(stack: ChaosStack) -> Iterator[str]:
    """Run PgBouncer in front of the stack's PostgreSQL within the block. Yields its URL."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise NotRun("pgbouncer is not installed")
    server = urlsplit(stack.database_url)
    (directory,), (server_port,) = (parse_qs(server.query)[name] for name in ("host", "port"))
    database, role, port = server.path[1:], server.username, free_port()
    configuration = stack.folder / "pgbouncer.ini"
    configuration.write_text(
        f"""
        [databases]
        {database} = host={directory} port={server_port} user={role}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        default_pool_size = {_SERVER_CONNECTIONS}
        """
    )
    configuration.chmod(0o644)
    # It refuses to run as root. The owner of the socket may enter its directory.
    user = Path(directory).stat().st_uid or _NOBODY
    with (stack.folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(configuration)],
            stdout=log,
            stderr=log,
            user=user if os.geteuid() == 0 else None,
        )
    try:
        _wait_until_listening(port, process, stack)
        yield f"postgresql://{role}@127.0.0.1:{port}/{database}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_listening(port: int, process: subprocess.Popen[bytes], stack: ChaosStack) -> None:
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        log = (stack.folder / "pgbouncer.log").read_text()
        assert process.poll() is None, f"PgBouncer ended: {log[-300:]}"
