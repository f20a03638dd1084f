"""The three servers on one database: the product, the bare server and the peer."""

import contextlib
import time
from collections.abc import Iterator, Mapping

import httpx

from tests.bench.wrk import Server
from tests.stack import TIMEOUT, Process, Stack, Tenant, free_port

# Names of the servers in results.
OURS, BARE, PEER = "ours", "bare", "peer"

_MODULES = {BARE: "tests.bench.request_path.bare", PEER: "tests.bench.request_path.peer"}


@contextlib.contextmanager
def running_servers(stack: Stack, caller: Tenant) -> Iterator[Mapping[str, Server]]:
    """Run the bare server and the peer within the block. Returns them and the product by name."""
    servers = {OURS: Server(OURS, stack.base_url, stack.api.pid)}
    with contextlib.ExitStack() as started:
        for name, module in _MODULES.items():
            servers[name] = started.enter_context(_running(name, module, stack, caller))
        yield servers


@contextlib.contextmanager
def _running(name: str, module: str, stack: Stack, caller: Tenant) -> Iterator[Server]:
    port = free_port()
    variables = {
        **stack.urls,
        "BENCH_PORT": str(port),
        "BENCH_WORKSPACE": caller.workspace,
        "BENCH_KEY": caller.key,
    }
    process = Process(module, variables, stack.folder / f"{name}.log")
    process.start()
    try:
        server = Server(name, f"http://127.0.0.1:{port}", process.pid)
        _wait_until_it_answers(server, process, caller)
        yield server
    finally:
        process.stop()


def _wait_until_it_answers(server: Server, process: Process, caller: Tenant) -> None:
    deadline = time.monotonic() + TIMEOUT
    headers = {"Authorization": f"Bearer {caller.key}"}
    while True:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{server.base_url}/v1/rows", headers=headers).status_code == 200:
                return
        assert process.alive, process.log.read_text()
        assert time.monotonic() < deadline, process.log.read_text()
        time.sleep(0.05)
