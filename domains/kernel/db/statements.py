"""Statements: SQLAlchemy Core says them, once, at import; asyncpg runs their text.

Every statement of the product is made by `statement` and so stands in `REGISTRY`, where a test
proves that each tenant table in it is bound to the workspace.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Executable, Uuid, bindparam
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql.compiler import SQLCompiler

T = TypeVar("T")

# Parameter that binds a statement to one workspace.
WORKSPACE: Final = bindparam("workspace", type_=Uuid)

_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]
_REQUIRED: Final = object()


class Statement(Generic[T]):
    """SQL text, the order of its arguments and what a row becomes.

    `across` is the reason why the statement may touch rows of every workspace; None for the
    statements of a tenant, which must be bound to one.
    """

    __slots__ = ("_binds", "_required", "across", "core", "into", "sql")

    def __init__(self, core: Executable, into: Callable[..., T], across: str | None = None) -> None:
        compiled = core.compile(  # type: ignore[attr-defined]
            dialect=_DIALECT, compile_kwargs={"render_postcompile": True}
        )
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - for the type checker
        self.core = core
        self.into = into
        self.across = across
        self.sql = str(compiled)
        self._binds = tuple(
            (name, _REQUIRED if compiled.binds[name].required else compiled.binds[name].value)
            for name in compiled.positiontup or ()
        )
        self._required = frozenset(name for name, value in self._binds if value is _REQUIRED)

    def arguments(self, given: Mapping[str, Any]) -> list[Any]:
        """The arguments in the order of the text; TypeError for a missing or an unknown name."""
        if given.keys() != self._required:
            raise TypeError(
                f"statement takes {sorted(self._required)}, was given {sorted(given)}: {self.sql}"
            )
        return [given[name] if value is _REQUIRED else value for name, value in self._binds]


REGISTRY: Final[list[Statement[Any]]] = []


def statement(
    core: Executable, into: Callable[..., T], *, across: str | None = None
) -> Statement[T]:
    """Compile and register a statement. `into` takes the columns of a row in their order."""
    made = Statement(core, into, across)
    REGISTRY.append(made)
    return made


def scalar(value: Any) -> Any:
    """`into` of a statement with one column."""
    return value


def row(*values: Any) -> tuple[Any, ...]:
    """`into` of a statement whose rows are wanted as tuples."""
    return values
