"""`gateway workspaces`: what an operator chooses, and the product goes by at once."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.models.llm_usage import uses_provider
from tests.revenue.push_records import create_source
from tests.stack import Stack, Tenant, eventually
from tests.surfaces.forked import ROOT, Forks

Set = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as started:
        yield started


@pytest.fixture
def workspaces(stack: Stack, tmp_path: Path, forks: Forks) -> Set:
    """Runs `gateway workspaces`; exit code and both outputs."""
    names = ("DATABASE_URL", "REDIS_URL", "BLOB_URL")
    environment = {**os.environ, **{name: stack.env[name] for name in names}}
    environment["PYTHONPATH"] = str(ROOT)

    async def run(*arguments: str) -> tuple[int, str, str]:
        command = ("workspaces", *arguments)
        ran = await asyncio.to_thread(forks.run, command, tmp_path, environment)
        assert "Traceback" not in ran[1] + ran[2]
        return ran

    return run


@pytest.fixture
def choose(workspaces: Set) -> Set:
    """Runs `gateway workspaces set`."""
    return partial(workspaces, "set")


async def test_settings_are_changed_one_by_one_and_told(choose: Set, acme: Tenant) -> None:
    async def chosen(*arguments: str) -> Any:
        code, out, err = await choose(acme.name, "--json", *arguments)
        assert code == 0, err
        made = json.loads(out)
        assert (made["id"], made["name"]) == (acme.workspace, acme.name)
        return made["domains"], made["hidesPrivate"]

    assert await chosen() == ([], False)
    assert await chosen("--show", "public") == ([], True)
    assert await chosen("--domain", "Ours.io", "--domain", "a.example") == (
        ["a.example", "ours.io"],
        True,
    )
    assert await chosen("--show", "everything") == (["a.example", "ours.io"], False)
    assert await chosen("--domain", "ours.io") == (["ours.io"], False)
    _, out, _ = await choose(acme.workspace, "--show", "public")
    assert out == f"Workspace {acme.name}: domains ours.io; public records\n"
    assert await chosen("--domain", "") == ([], True)
    _, out, _ = await choose(acme.name, "--show", "everything")
    assert out == f"Workspace {acme.name}: domains none; every record\n"


async def test_the_api_goes_by_it_at_once(choose: Set, acme: Tenant) -> None:
    source = await create_source(acme)
    people = [{"email": "a@ours.io"}]
    call = await source.push("conversations", "1", participants=people)
    path = f"/v1/conversations/{call}"
    assert (await acme.http.get(path)).json()["type"] == "EXTERNAL"
    code, _, err = await choose(acme.name, "--show", "public", "--domain", "ours.io")
    assert (code, err) == (0, "")

    async def hidden() -> bool:
        return (await acme.http.get(path)).status_code == 404

    await eventually(hidden, patience=1)
    await source.push("conversations", "1", participants=people, public=True)
    assert (await acme.http.get(path)).json()["type"] == "INTERNAL"


async def test_what_cannot_be_chosen_is_refused_in_a_sentence(choose: Set, acme: Tenant) -> None:
    wrong = ("acme", "a@acme.com", ".com", "acme.", "https://acme.com", "acme.com,acme.org", " ")
    runs = await asyncio.gather(*(choose(acme.name, "--domain", each) for each in wrong))
    for each, (code, out, err) in zip(wrong, runs, strict=True):
        assert (code, out, len(err.splitlines())) == (1, "", 1), each
        assert repr(each) in err
    code, out, err = await choose("nobody-s", "--show", "public")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "'nobody-s'" in err
    code, out, err = await choose(acme.name, "--show", "private")
    assert (code, out) == (2, "")
    assert "'private'" in err
    _, out, _ = await choose(acme.name, "--json")
    assert json.loads(out)["domains"] == []


async def test_texts_leave_the_house_only_if_somebody_says_so(
    workspaces: Set, acme: Tenant, database: Database
) -> None:
    async def told(*arguments: str) -> Any:
        code, out, err = await workspaces("provider", acme.name, "--json", *arguments)
        assert code == 0, err
        made = json.loads(out)
        assert (made["id"], made["name"]) == (acme.workspace, acme.name)
        allowed = await uses_provider(database.read, WorkspaceId(UUID(acme.workspace)))
        assert allowed == made["usesProvider"]
        return allowed

    assert await told() is False
    assert await told("on") is True
    assert await told() is True
    _, out, _ = await workspaces("provider", acme.workspace)
    assert out == f"Workspace {acme.name}: its texts may be sent to the chat endpoint\n"
    assert await told("off") is False
    _, out, _ = await workspaces("provider", acme.workspace, "off")
    assert out == f"Workspace {acme.name}: its texts stay here\n"
    code, out, err = await workspaces("provider", "nobody-s", "on")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    code, out, _ = await workspaces("provider", acme.name, "maybe")
    assert (code, out) == (2, "")
