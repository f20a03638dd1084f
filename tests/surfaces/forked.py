"""The `gateway` command in processes of its own, without the second that each spends on imports.

One process imports the command once and forks for each run: a run has its own process, arguments,
environment, directory, outputs and exit code, as if it had been started by itself.

`python -m tests.surfaces.forked FD` is that one process; `Forks` starts it and asks it.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from gateway.cli import main

ROOT = Path(__file__).parents[2]
PATIENCE = 60


class Forks:
    """Asks for runs; leaving ends the process that forks."""

    def __init__(self) -> None:
        self._asking, answering = socket.socketpair()
        with answering:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(answering.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[answering.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._asking.close()
        self._process.wait(PATIENCE)

    def run(
        self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]
    ) -> tuple[int, str, str]:
        """Run `gateway` to its end; its exit code (-9 if it took too long) and two outputs."""
        with (
            tempfile.TemporaryFile() as asked,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            asked.write(json.dumps([list(arguments), str(cwd), dict(environment)]).encode())
            asked.seek(0)
            reading, writing = os.pipe()
            with os.fdopen(reading, encoding="ascii") as answer:
                files = [asked.fileno(), out.fileno(), err.fileno(), writing]
                socket.send_fds(self._asking, [b"?"], files)
                os.close(writing)
                code = int(answer.read())
            out.seek(0)
            err.seek(0)
            return code, out.read().decode(), err.read().decode()


def _next_run(asked: socket.socket) -> list[str]:
    """Wait for what is asked. Returns in a process of its own, once for each run."""
    while True:
        byte, files, _, _ = socket.recv_fds(asked, 1, 4)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG if byte else 0)[0]:
                pass
        if not byte:
            os._exit(0)
        if os.fork() == 0:
            break
        for each in files:
            os.close(each)
    asked.close()
    request, out, err, answer = files
    run = os.fork()
    if run:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(run, signal.SIGKILL))
        signal.alarm(PATIENCE)
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
    found: list[str] = arguments
    return found


def _main() -> None:
    sys.argv[1:] = _next_run(socket.socket(fileno=int(sys.argv[1])))
    main.main()


if __name__ == "__main__":
    _main()
