"""SQL statements: built with SQLAlchemy Core at import and compiled once; asyncpg runs their text.

`statement` adds a statement to `REGISTRY`. A test walks the registry and proves that each statement
compiles and that each tenant table in it is bound to the workspace.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar

from sqlalchemy import (
    CTE,
    BindParameter,
    Executable,
    Float,
    Interval,
    Select,
    Uuid,
    bindparam,
    literal,
)
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql.compiler import SQLCompiler

T = TypeVar("T")

_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]
_REQUIRED: Final = object()

# The parameter that binds a statement to one workspace.
WORKSPACE: Final[BindParameter[Any]] = bindparam("workspace", type_=Uuid)


class _Compiled(NamedTuple):
    """Text, parameters in order with the values of constants, and names of the others."""

    sql: str
    parameters: tuple[tuple[str, Any], ...]
    required: frozenset[str]


class Statement(Generic[T]):
    """A statement, the order of its parameters, and the row factory.

    Compiled on first use: a process uses few of all statements, and compiling all of them would
    take a tenth of its start.

    `cross_tenant_reason`: why the statement may touch rows of every workspace. None: the statement
    must be bound to one workspace.
    `reuses_plan`: PostgreSQL plans the statement once for all values, which is right if every
    value needs the same plan, such as a lookup by a unique key.
    """

    def __init__(
        self,
        core: Executable,
        row_factory: Callable[..., T],
        cross_tenant_reason: str | None = None,
        *,
        reuses_plan: bool = False,
    ) -> None:
        self.core = core
        self.row_factory = row_factory
        self.cross_tenant_reason = cross_tenant_reason
        self.reuses_plan = reuses_plan

    @functools.cached_property
    def _compiled(self) -> "_Compiled":
        compiled = self.core.compile(  # type: ignore[attr-defined]
            dialect=_DIALECT, compile_kwargs={"render_postcompile": True}
        )
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - for the type checker
        parameters = tuple(
            (name, _REQUIRED if compiled.binds[name].required else compiled.binds[name].value)
            for name in compiled.positiontup or ()
        )
        required = frozenset(name for name, value in parameters if value is _REQUIRED)
        return _Compiled(str(compiled), parameters, required)

    @functools.cached_property
    def sql(self) -> str:
        """Text of the statement, with PostgreSQL's numbered parameters."""
        return self._compiled.sql

    @property
    def parameter_names(self) -> frozenset[str]:
        """Names of the parameters that `arguments` takes."""
        return self._compiled.required

    def arguments(self, params: Mapping[str, Any]) -> list[Any]:
        """Positional arguments for the SQL. Raises TypeError for missing or unknown names."""
        _, parameters, required = self._compiled
        if params.keys() != required:
            raise TypeError(
                f"statement takes {sorted(required)}, was given {sorted(params)}: {self.sql}"
            )
        return [params[name] if value is _REQUIRED else value for name, value in parameters]


REGISTRY: Final[list[Statement[Any]]] = []


def statement(
    core: Executable,
    row_factory: Callable[..., T],
    *,
    cross_tenant_reason: str | None = None,
    reuses_plan: bool = False,
) -> Statement[T]:
    """Register a statement; see `Statement`.

    `row_factory` is called with the columns of each row.
    """
    registered = Statement(core, row_factory, cross_tenant_reason, reuses_plan=reuses_plan)
    REGISTRY.append(registered)
    return registered


def parameters(*names: str) -> dict[str, BindParameter[Any]]:
    """Bind parameters named after columns, for the values of an INSERT or UPDATE."""
    return {name: bindparam(name) for name in names}


def materialized(query: Select[Any], name: str) -> CTE:
    """Make a CTE that is planned separately and evaluated at most once."""
    return query.cte(name).prefix_with("MATERIALIZED")


def seconds(number: Any) -> Any:
    """SQL interval in seconds. `number` is a constant, a column or the name of a parameter."""
    return _number(number) * literal(timedelta(seconds=1), Interval)


def days(number: Any) -> Any:
    """SQL interval in days. `number` is a constant, a column or the name of a parameter."""
    return _number(number) * literal(timedelta(days=1), Interval)


def _number(number: Any) -> Any:
    if isinstance(number, str):
        return bindparam(number, type_=Float)
    return literal(number, Float) if isinstance(number, int | float) else number


def scalar(value: Any) -> Any:
    """Row factory for statements with one column. Returns the value itself."""
    return value


def row(*values: Any) -> tuple[Any, ...]:
    """Row factory that returns tuples."""
    return values
