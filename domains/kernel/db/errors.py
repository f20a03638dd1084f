"""Translation of database errors to Problems."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

import asyncpg

from domains.kernel.core.problems import DependencyUnavailable, Problem, Unavailable, WriteConflict

# For customers, while the server is unreachable, starting or stopping.
NOT_AVAILABLE: Final = "The database is not available. Try again in a moment."
_NOT_COMPLETED: Final = "The database could not complete the request. Try again in a moment."

# The Problem to raise for a violated constraint, by the constraint's name. Each domain registers
# the constraints that a request can violate; violations of others are internal errors.
CONSTRAINT_PROBLEMS: Final[dict[str, Callable[[], Problem]]] = {}

# The server answers, but will not accept this process until an operator changes something.
MISCONFIGURED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
    # A pooler refuses parameters of the connection.
    asyncpg.ProtocolViolationError,
)

# A statement took too long, or was cancelled: others may succeed.
_INTERRUPTED: Final = (TimeoutError, asyncpg.QueryCanceledError, asyncpg.InternalClientError)

# The connection was lost.
_LOST: Final = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)

# The connection was lost, or no connection can be opened.
_UNREACHABLE: Final = (
    *_LOST,
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)

# Raised while the database is unreachable, starting, stopping, overloaded or misconfigured.
UNAVAILABLE: Final = (*_INTERRUPTED, *_UNREACHABLE)


def was_refused(error: BaseException) -> bool:
    """Return True if the server refused the statement. False: its outcome is unknown."""
    return isinstance(error, asyncpg.PostgresError) and not isinstance(error, UNAVAILABLE)


def cannot_be_opened(error: BaseException) -> Unavailable:
    """Create the problem, for operators, that the database cannot be opened."""
    hint = ""
    if isinstance(error, asyncpg.ProtocolViolationError):
        hint = ". If DATABASE_URL is a pooler's, set GATEWAY_DATABASE_POOLER=transaction"
    return Unavailable(f"The database cannot be opened: {str(error) or type(error).__name__}{hint}")


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Raise Problems for constraint violations, lock conflicts and an unavailable database.

    Other errors pass unchanged.
    """
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, *_INTERRUPTED) as error:
        problem = _to_problem(error)
        if problem is None:
            raise
        raise problem from error


def _to_problem(error: Exception) -> Problem | None:
    match error:
        case asyncpg.IntegrityConstraintViolationError():
            problem = CONSTRAINT_PROBLEMS.get(error.constraint_name or "")
            return None if problem is None else problem()
        case (
            asyncpg.DeadlockDetectedError()
            | asyncpg.SerializationError()
            | asyncpg.LockNotAvailableError()
        ):
            return WriteConflict("Another request changed the same record. Send this one again.")
        case asyncpg.DiskFullError():
            return DependencyUnavailable(
                "database", "The database has no room left. Try again later."
            )
        case asyncpg.ReadOnlySQLTransactionError():
            return DependencyUnavailable(
                "database", "The database accepts no changes at present. Try again in a moment."
            )
        case asyncpg.PostgresSystemError():
            return DependencyUnavailable(
                "database", "The database cannot access its files. Try again later."
            )
    return _to_unavailable(error)


def _to_unavailable(error: Exception) -> Unavailable | None:
    # First: TimeoutError is an OSError, too, and an argument that cannot be encoded is reported as
    # an InterfaceError that is a ValueError.
    if isinstance(error, (*_INTERRUPTED, ValueError)):
        return Unavailable(_NOT_COMPLETED)
    if isinstance(error, _UNREACHABLE):
        # The statement may be what ends its connection.
        return DependencyUnavailable("database", NOT_AVAILABLE, suspect=isinstance(error, _LOST))
    if isinstance(error, asyncpg.InsufficientResourcesError):
        return Unavailable(_NOT_COMPLETED)
    return None
