"""Fixture: tenants that have a record of each kind of both APIs."""

from collections.abc import AsyncIterator

import pytest

from domains.kernel.db.database import Database
from tests.http.hostile import discovery, revenue
from tests.http.hostile.harness import Caller, Tenants
from tests.stack import Stack, eventually, new_tenant


@pytest.fixture(scope="session")
async def tenants(stack: Stack, database: Database) -> AsyncIterator[Tenants]:
    async with (
        new_tenant(stack, database=database) as acme,
        new_tenant(stack, database=database) as rival,
        new_tenant(stack, database=database) as third,
    ):
        # These give the other tenant public ids that the caller does not have.
        for _ in range(3):
            await rival.create("signals", source={"type": "x"})
        caller, other, writer = [
            Caller(
                each,
                stack.port,
                await discovery.make_records(each) | await revenue.make_records(each, database),
            )
            for each in (acme, rival, third)
        ]
        made = Tenants(caller, other, writer, database, stack.folder / "blobs")
        await eventually(made.all_jobs_ended)
        yield made
