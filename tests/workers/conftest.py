"""Fixtures for tests that take the place of the worker."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.settings import Settings, load_settings
from domains.kernel.db.database import Database
from tests.stack import Stack
from tests.workers.support import execute, new_workspace


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> Iterator[None]:
    """Log exceptions without local variables: rendering those takes half a second each."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[plain])
    yield
    structlog.reset_defaults()


@pytest.fixture
async def db(idle_stack: Stack) -> AsyncIterator[Database]:
    """The database of a stack without a worker and without jobs."""
    async with Database.open(idle_stack.database_url, pool_size=20) as database:
        await execute(database, "truncate jobs")
        yield database


@pytest.fixture
async def workspace(db: Database) -> WorkspaceId:
    return await new_workspace(db)


@pytest.fixture
def settings(idle_stack: Stack) -> Settings:
    return load_settings(idle_stack.env)
