"""Fixtures: a workspace with a record of each kind, and clients."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager

import httpx
import pytest

from domains.kernel.db.database import Database
from tests.discovery.support import paused_worker
from tests.http.conventions.every_path import Records
from tests.http.hostile import discovery, revenue
from tests.stack import NO_CERTIFICATES, Stack, Tenant, eventually, new_tenant


@pytest.fixture(scope="session")
async def records(stack: Stack, database: Database) -> AsyncIterator[Records]:
    """A record of each kind of both APIs, after all jobs have ended."""
    async with new_tenant(stack, database=database) as owner:
        ids = await discovery.make_records(owner) | await revenue.make_records(owner, database)

        async def processed() -> bool:
            reads = [f"/v1/{kind}/{ids[kind]}" for kind in ("conversations", "documents")]
            found = [(await owner.http.get(path)).json()["processing"] for path in reads]
            return all(each["status"] in ("processed", "failed") for each in found)

        await eventually(processed)
        (account,) = await owner.get(f"accounts?externalId={ids['accounts']}")
        yield Records(owner, ids, account["id"])


@pytest.fixture
async def visitor(public_stack: Stack) -> AsyncIterator[Tenant]:
    """A workspace of the public stack."""
    async with new_tenant(public_stack) as tenant:
        yield tenant


@pytest.fixture
async def anonymous(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, which accepts no content coding."""
    headers = {"Accept-Encoding": "identity"}
    async with httpx.AsyncClient(
        base_url=stack.base_url, headers=headers, verify=NO_CERTIFICATES
    ) as client:
        yield client


@pytest.fixture
def pause(stack: Stack) -> Callable[[], AbstractContextManager[None]]:
    """Suspends the worker within a block, so that new signals stay unprocessed."""
    return lambda: paused_worker(stack)
