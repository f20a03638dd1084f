"""`<data>/run.json`: process and URLs of the `gateway up` that uses this data directory."""

import contextlib
import json
import os
from pathlib import Path

from gateway.embedded.process_info import process_alive, process_start_time

_NAME = "run.json"


def write(data: Path, urls: dict[str, str]) -> None:
    """Write the file for this process atomically, readable by its user only."""
    content = {"pid": str(os.getpid()), "born": process_start_time(os.getpid()), **urls}
    draft = data / f"{_NAME}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(json.dumps(content))
    draft.replace(data / _NAME)


def remove(data: Path) -> None:
    """Remove the file if this process wrote it."""
    if read(data).get("pid") == str(os.getpid()):
        (data / _NAME).unlink(missing_ok=True)


def read(data: Path) -> dict[str, str]:
    """Content written by the last `gateway up`, running or not; empty after an orderly stop."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
        content = json.loads((data / _NAME).read_text())
        if isinstance(content, dict):
            return {str(name): str(value) for name, value in content.items()}
    return {}


def running(data: Path) -> dict[str, str] | None:
    """Process and URLs of the running `gateway up`.

    `pid`, `api_url`, `database_url`, `redis_url`, `blob_url` and `gateway_database_direct_url`.
    None if none runs: there is no file, or its process has ended (another one may have its pid).
    """
    content = read(data)
    pid = content.get("pid", "")
    if not pid.isdigit() or not process_alive(int(pid)):
        return None
    start_time = content.pop("born", "")
    return content if start_time in {"", process_start_time(int(pid))} else None
