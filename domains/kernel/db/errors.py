"""Translation of database errors to Problems."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import asyncpg
import structlog

from domains.kernel.core.problems import Problem, Unavailable, WriteConflict

log = structlog.get_logger()

# The Problem to raise for a violated constraint, by the constraint's name. Each domain registers
# the constraints that a request can violate; violations of others are internal errors.
CONSTRAINT_PROBLEMS: Final[dict[str, Callable[[], Problem]]] = {}

# Raised while the database is unreachable, starting, stopping, overloaded or misconfigured.
UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Raise Problems for constraint violations, lock conflicts and an unavailable database.

    Other errors pass unchanged.
    """
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        problem = CONSTRAINT_PROBLEMS.get(error.constraint_name or "")
        if problem is None:
            raise
        raise problem() from error
    except (
        asyncpg.DeadlockDetectedError,
        asyncpg.SerializationError,
        asyncpg.LockNotAvailableError,
    ) as error:
        raise WriteConflict(
            "Another request changed the same record. Send this one again."
        ) from error
    except UNAVAILABLE as error:
        log.warning("database_unavailable", error=type(error).__name__)
        raise Unavailable("The database is not reachable. Try again in a moment.") from error
