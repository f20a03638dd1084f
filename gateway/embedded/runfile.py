"""The note in the data directory that tells how to reach what `gateway up` runs there."""

import contextlib
import json
import os
from pathlib import Path

from gateway.embedded.machine import process_alive, process_birth

_NAME = "run.json"


def write(data: Path, urls: dict[str, str]) -> None:
    """Leave the note for this process: readable by its user only, whole or absent."""
    note = {"pid": str(os.getpid()), "born": process_birth(os.getpid()), **urls}
    draft = data / f"{_NAME}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(json.dumps(note))
    draft.replace(data / _NAME)


def remove(data: Path) -> None:
    """Take the note away if it is this process' own."""
    if read(data).get("pid") == str(os.getpid()):
        (data / _NAME).unlink(missing_ok=True)


def read(data: Path) -> dict[str, str]:
    """What the last `gateway up` noted, running or not; empty if it stopped in order."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
        note = json.loads((data / _NAME).read_text())
        if isinstance(note, dict):
            return {str(name): str(value) for name, value in note.items()}
    return {}


def running(data: Path) -> dict[str, str] | None:
    """`pid` and the URLs (`database_url`, `redis_url`, `blob_url`, `api_url`) of what runs here.

    None if nothing does: no note, or its process is gone, whoever has its number now.
    """
    note = read(data)
    pid = note.get("pid", "")
    if not pid.isdigit() or not process_alive(int(pid)):
        return None
    born = note.pop("born", "")
    return note if born in {"", process_birth(int(pid))} else None
