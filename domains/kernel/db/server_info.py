"""Facts about the PostgreSQL server, for operators."""

import time
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Float, Integer, Text, cast, column, func, select, table

from domains.kernel.db.database import Read
from domains.kernel.db.statements import scalar, statement

_CROSS_TENANT: Final = "facts about the server, no records"


class ServerInfo(msgspec.Struct, frozen=True):
    """The server, and the database of the product on it.

    `number`: the version as one number, such as 180006. `clock_offset`: seconds by which the
    server's clock is ahead of this machine's, within half of `round_trip` seconds.
    """

    version: str
    number: int
    max_connections: int
    used_connections: int
    is_read_only: bool
    database_bytes: int
    extensions: frozenset[str]
    clock_offset: float
    round_trip: float


def _facts(*values: Any) -> dict[str, Any]:
    return dict(zip(ServerInfo.__struct_fields__, values, strict=False))


_FACTS = statement(
    select(
        func.current_setting("server_version"),
        cast(func.current_setting("server_version_num"), Integer),
        cast(func.current_setting("max_connections"), Integer),
        select(func.count()).select_from(table("pg_stat_activity")).scalar_subquery(),
        cast(func.current_setting("transaction_read_only"), Text) == "on",
        cast(func.pg_database_size(func.current_database()), BigInteger),
    ),
    _facts,
    cross_tenant_reason=_CROSS_TENANT,
)
_EXTENSIONS = statement(
    select(cast(column("extname"), Text)).select_from(table("pg_extension")),
    scalar,
    cross_tenant_reason=_CROSS_TENANT,
)
_CLOCK = statement(
    select(cast(func.extract("epoch", func.clock_timestamp()), Float)),
    scalar,
    cross_tenant_reason=_CROSS_TENANT,
)


async def server_info(read: Read) -> ServerInfo:
    """Ask the server. Raises Unavailable."""
    facts = await read.one(_FACTS)
    extensions = await read.all(_EXTENSIONS)
    began = time.time()
    clock = await read.one(_CLOCK)
    ended = time.time()
    return ServerInfo(
        **facts,
        extensions=frozenset(extensions),
        clock_offset=clock - (began + ended) / 2,
        round_trip=max(0.0, ended - began),
    )
