"""Run the `gateway` command in forked processes, which saves a second of imports per run.

One process imports the command once and forks for each run. A run has its own arguments,
environment, directory, outputs and exit code, as if it had been started by itself.

`ForkServer` starts the forking process: `python -m tests.cli.gateway_command FD`.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Self

from gateway.cli import main
from tests.stack import Stack

ROOT = Path(__file__).parents[2]
# Seconds that a run may take.
TIMEOUT = 60


class CommandResult(NamedTuple):
    """Exit code and outputs of a run. The code is -9 if the run timed out."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The decoded output of a run that must have succeeded."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    def refusal(self) -> str:
        """The error of a run that must have failed with one sentence."""
        assert (self.code, self.out) == (1, "")
        assert len(self.err.splitlines()) == 1, self.err
        return self.err


class ForkServer:
    """The forking process. It ends on leaving the context."""

    def __init__(self) -> None:
        self._requests, receiver = socket.socketpair()
        with receiver:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(receiver.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[receiver.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()
        self._process.wait(TIMEOUT)

    def run(
        self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]
    ) -> CommandResult:
        """Run `gateway` until it ends."""
        with (
            tempfile.TemporaryFile() as request,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            request.write(json.dumps([list(arguments), str(cwd), dict(environment)]).encode())
            request.seek(0)
            reading, writing = os.pipe()
            with os.fdopen(reading, encoding="ascii") as answer:
                files = [request.fileno(), out.fileno(), err.fileno(), writing]
                socket.send_fds(self._requests, [b"?"], files)
                os.close(writing)
                code = int(answer.read())
            out.seek(0)
            err.seek(0)
            return CommandResult(code, out.read().decode(), err.read().decode())


class Gateway:
    """Runs the command with the URLs of a stack, in a directory."""

    def __init__(self, server: ForkServer, stack: Stack, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, **stack.urls, "PYTHONPATH": str(ROOT)}
        self._server = server

    async def __call__(self, *arguments: str, **changes: str | None) -> CommandResult:
        """Run the command. `changes` are environment variables; None removes one."""
        environment = self.changed_environment(**changes)
        result = await asyncio.to_thread(self._server.run, arguments, self.folder, environment)
        assert "Traceback" not in result.out + result.err
        return result

    async def run_fresh(
        self, *arguments: str, module: str = "gateway", **changes: str | None
    ) -> CommandResult:
        """Run the command in a new Python process, as an operator does."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            cwd=self.folder,
            env=self.changed_environment(**changes),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), TIMEOUT)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        assert process.returncode is not None
        assert b"Traceback" not in out + err
        return CommandResult(process.returncode, out.decode(), err.decode())

    def changed_environment(self, **changes: str | None) -> dict[str, str]:
        """Return the environment with changed variables. None removes one."""
        changed = {**self.environment, **changes}
        return {name: value for name, value in changed.items() if value is not None}


def _next_run(requests: socket.socket) -> list[str]:
    """Wait for requests and fork for each. Returns its arguments, in the forked process only."""
    while True:
        byte, files, _, _ = socket.recv_fds(requests, 1, 4)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG if byte else 0)[0]:
                pass
        if not byte:
            os._exit(0)
        if os.fork() == 0:
            break
        for descriptor in files:
            os.close(descriptor)
    requests.close()
    request, out, err, answer = files
    run = os.fork()
    if run:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(run, signal.SIGKILL))
        signal.alarm(TIMEOUT)
        _, status = os.waitpid(run, 0)
        os.write(answer, str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    os.close(answer)
    with os.fdopen(request, "rb") as file:
        arguments, cwd, environment = json.load(file)
    for number, output in ((1, out), (2, err)):
        os.dup2(output, number)
        os.close(output)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    return list(arguments)


def _run() -> NoReturn:
    """Run the command and exit without finalizing the interpreter, which takes half a second."""
    code: object = 1
    try:
        main.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    sys.argv[1:] = _next_run(socket.socket(fileno=int(sys.argv[1])))
    _run()
