"""Check, before anything is timed, that the servers do the same: their bodies and stored rows."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import msgspec

from tests.bench.request_path.cases import Case
from tests.bench.request_path.servers import BARE, OURS, PEER
from tests.bench.wrk import Load, Server
from tests.stack import Stack

# Columns that differ between two records with the same content.
_VARYING: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.]*(?:Z|\+00:00)"
    r"|\d+/\d+/\d\d, \d+:\d\d [AP]M"
    r"|SIGNAL-\d+"
)
# Columns of jobs that only a request of the product has, and that differ by microseconds.
_STORED: Final = {
    "rows": "select to_jsonb(r) - 'remote_id' from rows r where id = $1",
    "signals": "select to_jsonb(s) - 'number' from signals s where id = $1",
    "jobs": "select to_jsonb(j) - 'request_id' from jobs j"
    " where id = (select last_job_id from signals where id = $1)",
}


class DifferentServers(Exception):
    """Two servers give different bodies or store different rows."""


async def compare(stack: Stack, servers: Mapping[str, Server], case: Case, load: Load) -> None:
    """Send the request of a case to each of its servers. Raises DifferentServers.

    Cursors may differ, and what a new record has of its own: ids, numbers and times.
    """
    names = [OURS, BARE, *([PEER] if case.has_peer else [])]
    bodies = {name: _body(servers[name], load) for name in names}
    results: dict[str, dict[str, Any]] = {name: {"body": body} for name, body in bodies.items()}
    if case.posts is not None:
        tables = ("rows",) if case.posts == "rows" else ("signals", "jobs")
        for name, body in bodies.items():
            created = body.get("recordId") or body["id"]
            for table in tables:
                results[name][table] = await _stored(stack, table, created)
    for name in names[1:]:
        for part, expected in results[OURS].items():
            ours, theirs = (
                _without_cursor(value, varying=case.posts is not None)
                for value in (expected, results[name][part])
            )
            if ours != theirs:
                raise DifferentServers(
                    f"{case.name}, {part} of {OURS} and {name}: {_first_difference(ours, theirs)}"
                )


def _body(server: Server, load: Load) -> Any:
    headers = {"Authorization": f"Bearer {load.key}", "Content-Type": "application/json"}
    url = server.base_url + load.target
    if load.bodies is None:
        response = httpx.get(url, headers=headers)
    else:
        response = httpx.post(url, headers=headers, content=_first_body(load.bodies, server.name))
    if not response.is_success:
        raise DifferentServers(f"{server.name} {load.target}: {response.text}")
    return response.json()


def _first_body(bodies: Path, unique: str) -> bytes:
    with bodies.open(encoding="utf-8") as file:
        body = file.readline().replace("@ID@", unique).replace("@TIME@", "2024-02-01T08:30:00Z")
    return body.encode()


async def _stored(stack: Stack, table: str, created: str) -> Any:
    connection = await asyncpg.connect(stack.database_url)
    try:
        return msgspec.json.decode(await connection.fetchval(_STORED[table], created))
    finally:
        await connection.close()


def _without_cursor(value: Any, *, varying: bool) -> Any:
    """Replace cursors, and with `varying` whatever a record has of its own."""
    if isinstance(value, dict):
        return {
            name: (
                member is None
                if name == "nextCursor"
                else "unique"
                if varying and name == "id"
                else _without_cursor(member, varying=varying)
            )
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_without_cursor(item, varying=varying) for item in value]
    return _VARYING.sub("*", value) if varying and isinstance(value, str) else value


def _first_difference(ours: Any, theirs: Any) -> str:
    left, right = (msgspec.json.encode(value, order="sorted") for value in (ours, theirs))
    place = next(
        (index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b),
        min(len(left), len(right)),
    )
    start = max(0, place - 60)
    return f"{left[start : place + 60]!r} and {right[start : place + 60]!r}"
