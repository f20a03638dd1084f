"""The deployment that a command works on: data directory, URLs, database and operator."""

import asyncio
import getpass
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import click

from domains.kernel import health
from domains.kernel.core import settings
from domains.kernel.db.database import Database
from domains.kernel.tenancy.audit import Actor
from gateway.embedded import runfile

T = TypeVar("T")

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".data"),
    show_default=True,
    help="Data directory of the embedded servers. Variables such as DATABASE_URL take precedence.",
)

_MAX_OPERATOR_LENGTH: Final = 200


def _check_operator(_ctx: click.Context, _param: click.Parameter, name: str | None) -> str | None:
    if name is None:
        return None
    if not name.strip() or len(name) > _MAX_OPERATOR_LENGTH or not name.isprintable():
        raise click.BadParameter(f"expected 1 to {_MAX_OPERATOR_LENGTH} printable characters")
    return name.strip()


by_option = click.option(
    "--by",
    metavar="NAME",
    callback=_check_operator,
    help="Your name for the audit log. Default: the user name on this machine.",
)

_URLS: Final = ("database_url", "redis_url", "blob_url")


def running(data: Path) -> dict[str, str] | None:
    """Pid and URLs of the `gateway up` that uses this data directory. None if none runs."""
    try:
        return runfile.running(data)
    except OSError as error:
        raise click.ClickException(f"{data} cannot be read: {error.strerror}") from None


def environment(data: Path) -> dict[str, str]:
    """Environment variables; missing server URLs are those of a running `gateway up`."""
    variables = dict(os.environ)
    urls = running(data) or {}
    # An empty variable counts as not set, as it does where settings are read.
    missing = [name for name in _URLS if not variables.get(name.upper(), "").strip()]
    # Both URLs of the database come from the same place.
    if "database_url" in missing:
        missing.append("gateway_database_direct_url")
    return variables | {name.upper(): urls[name] for name in missing if name in urls}


def operator(name: str | None) -> Actor:
    """Return the operator who runs the command: `name`, or the user of this process."""
    if name is None:
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            # The user has no entry in the system's list, as in many containers.
            name = f"uid {os.getuid()}"
    return Actor(name, socket.gethostname())


def database_url(variables: dict[str, str], data: Path) -> str:
    """URL of PostgreSQL itself. Raises ClickException if missing, SettingError if invalid."""
    url = settings.direct_database_url(variables)
    if not url:
        raise click.ClickException(
            f"nothing runs in {data}: start it with `gateway up`, or set DATABASE_URL"
        )
    return url


def in_database(data: Path, action: Callable[[Database], Awaitable[T]]) -> T:
    """Run an action on the deployment's database."""
    return with_database(database_url(environment(data), data), action)


def with_database(url: str, action: Callable[[Database], Awaitable[T]]) -> T:
    """Open a database, check its schema, run an action on it, close it."""

    async def run() -> T:
        async with Database.open(url, name="gateway-cli") as database:
            await health.require_schema(database.read)
            return await action(database)

    return asyncio.run(run())


def schema_is_current(url: str) -> bool:
    """Return False if migrations are missing."""

    async def run() -> bool:
        async with Database.open(url, name="gateway-cli") as database:
            return await health.schema_mismatch(database.read) is None

    return asyncio.run(run())
