"""SQL statements: built with SQLAlchemy Core and compiled once, at import; asyncpg runs their text.

`statement` compiles a statement and adds it to `REGISTRY`. A test walks the registry and proves
that each tenant table in a statement is bound to the workspace.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import BindParameter, Executable, Float, Interval, Uuid, bindparam, literal
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql.compiler import SQLCompiler

T = TypeVar("T")

_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]
_REQUIRED: Final = object()

# The parameter that binds a statement to one workspace.
WORKSPACE: Final[BindParameter[Any]] = bindparam("workspace", type_=Uuid)


class Statement(Generic[T]):
    """Compiled SQL, the order of its parameters, and the row factory.

    `cross_tenant_reason`: why the statement may touch rows of every workspace. None: the statement
    must be bound to one workspace.
    `reuses_plan`: PostgreSQL plans the statement once for all values, which is right if every
    value needs the same plan, such as a lookup by a unique key.
    """

    __slots__ = (
        *("_parameters", "_required", "core", "cross_tenant_reason", "reuses_plan"),
        *("row_factory", "sql"),
    )

    def __init__(
        self,
        core: Executable,
        row_factory: Callable[..., T],
        cross_tenant_reason: str | None = None,
        *,
        reuses_plan: bool = False,
    ) -> None:
        compiled = core.compile(  # type: ignore[attr-defined]
            dialect=_DIALECT, compile_kwargs={"render_postcompile": True}
        )
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - for the type checker
        self.core = core
        self.row_factory = row_factory
        self.cross_tenant_reason = cross_tenant_reason
        self.reuses_plan = reuses_plan
        self.sql = str(compiled)
        self._parameters = tuple(
            (name, _REQUIRED if compiled.binds[name].required else compiled.binds[name].value)
            for name in compiled.positiontup or ()
        )
        self._required = frozenset(name for name, value in self._parameters if value is _REQUIRED)

    def arguments(self, params: Mapping[str, Any]) -> list[Any]:
        """Positional arguments for the SQL. Raises TypeError for missing or unknown names."""
        if params.keys() != self._required:
            raise TypeError(
                f"statement takes {sorted(self._required)}, was given {sorted(params)}: {self.sql}"
            )
        return [params[name] if value is _REQUIRED else value for name, value in self._parameters]


REGISTRY: Final[list[Statement[Any]]] = []


def statement(
    core: Executable,
    row_factory: Callable[..., T],
    *,
    cross_tenant_reason: str | None = None,
    reuses_plan: bool = False,
) -> Statement[T]:
    """Compile and register a statement; see `Statement`.

    `row_factory` is called with the columns of each row.
    """
    compiled = Statement(core, row_factory, cross_tenant_reason, reuses_plan=reuses_plan)
    REGISTRY.append(compiled)
    return compiled


def parameters(*names: str) -> dict[str, BindParameter[Any]]:
    """Bind parameters named after columns, for the values of an INSERT or UPDATE."""
    return {name: bindparam(name) for name in names}


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
