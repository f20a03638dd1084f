"""Fixtures of all tests: one stack for the session, in which each test has its own workspaces."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from domains.kernel.db.database import Database
from tests.chaos.results import format_table, from_properties
from tests.stack import Stack, Tenant, new_tenant, running_stack

# The operator's own settings must not affect the tests.
for _name in list(os.environ):
    if _name.startswith("GATEWAY_") or _name in ("DATABASE_URL", "REDIS_URL", "BLOB_URL"):
        del os.environ[_name]

# No deadline: a busy machine must not fail a test. Half of the default number of examples: the
# tests run often.
hypothesis.settings.register_profile("tests", deadline=None, max_examples=50)
hypothesis.settings.load_profile("tests")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the results of the chaos scenarios as one table, from all test processes."""
    results = [
        result
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for result in from_properties(report.user_properties)
    ]
    if results:
        terminalreporter.section("faults")
        for line in format_table(results):
            terminalreporter.write_line(line)


MakeTenant = Callable[..., Awaitable[Tenant]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL, Valkey, the API and a worker."""
    folder: Path = tmp_path_factory.mktemp("stack")
    # Two, because a transcript of one workspace must not wait for that of another.
    with running_stack(folder, settings={"GATEWAY_API_PROCESSES": "2"}) as started:
        yield started


@pytest.fixture(scope="session")
def idle_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without a worker, for tests that run jobs themselves."""
    with running_stack(tmp_path_factory.mktemp("idle"), worker=False) as started:
        yield started


@pytest.fixture
async def make_tenant(stack: Stack, database: Database) -> AsyncIterator[MakeTenant]:
    """Creates workspaces with a key and a client: `await make_tenant(scopes=[...], limits=...)`."""
    async with AsyncExitStack() as clients:

        async def make(**choices: Any) -> Tenant:
            return await clients.enter_async_context(
                new_tenant(stack, database=database, **choices)
            )

        yield make


@pytest.fixture
async def acme(make_tenant: MakeTenant) -> Tenant:
    """A workspace with a key that has all scopes and no limits."""
    return await make_tenant()


@pytest.fixture
async def rival(make_tenant: MakeTenant) -> Tenant:
    """Another workspace."""
    return await make_tenant()


@pytest.fixture(scope="session")
async def database(stack: Stack) -> AsyncIterator[Database]:
    """The stack's database, for data that no API shows."""
    async with Database.open(stack.database_url) as opened:
        yield opened
