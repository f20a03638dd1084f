"""Fixtures: tenants with a record of each kind of both APIs."""

from collections.abc import AsyncIterator

import pytest

from domains.kernel.db.database import Database
from tests.http.hostile import discovery, revenue
from tests.http.hostile.engine import Home, World
from tests.stack import Stack, eventually, new_tenant


@pytest.fixture(scope="session")
async def world(stack: Stack, database: Database) -> AsyncIterator[World]:
    async with (
        new_tenant(stack, database=database) as acme,
        new_tenant(stack, database=database) as rival,
        new_tenant(stack, database=database) as third,
    ):
        # The rival's public ids go further than acme's.
        for _ in range(3):
            await rival.create("signals", source={"type": "x"})
        mine, foreign, own = [
            Home(
                each,
                stack.port,
                await discovery.make_records(each) | await revenue.make_records(each, database),
            )
            for each in (acme, rival, third)
        ]
        made = World(mine, foreign, own, database, stack.folder / "blobs")
        await eventually(made.settled)
        yield made
