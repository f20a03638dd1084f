"""`gateway keys`: create, list and revoke API keys."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from domains.kernel.tenancy.api_keys import (
    SCOPES,
    UNLIMITED,
    ApiKey,
    RateLimitOverrides,
    Scope,
    list_keys,
)
from gateway.cli import admin
from gateway.cli.deployment import data_option, in_database
from gateway.cli.output import json_option, print_json, print_table, to_minute

# Larger than any deployment needs, and within the range of every counter.
_LARGEST_LIMIT: Final = 1_000_000_000


@click.group()
def keys() -> None:
    """API keys."""


class _Limit(click.ParamType[int | str]):
    name = "N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A whole number above 0, or the word none."""
        if value == "none":
            return value
        text = str(value)
        if text.isascii() and text.isdigit() and 0 < int(text) <= _LARGEST_LIMIT:
            return int(text)
        return self.fail(
            f"{text!r} is neither a whole number from 1 to {_LARGEST_LIMIT:,} nor none", param, ctx
        )


class _FutureTime(click.ParamType[datetime]):
    name = "ISO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """An ISO 8601 date or date-time in the future, in UTC unless it has an offset."""
        try:
            parsed = datetime.fromisoformat(str(value))
            parsed = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not an ISO 8601 time such as 2030-01-31T12:00:00Z", param, ctx)
        if parsed <= datetime.now(UTC):
            self.fail(f"{value} is in the past", param, ctx)
        return parsed


@keys.command("create")
@click.option("--workspace", required=True, help="Id or name of the workspace.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([*SCOPES, "all"]),
    metavar="SCOPE",
    help=f"Repeat for several: {', '.join(SCOPES)}, or all.",
)
@click.option("--name", default="", help="Purpose of the key, for lists.")
@click.option(
    "--limit-per-minute", type=_Limit(), help="Requests per minute; none removes all three limits."
)
@click.option("--limit-per-hour", type=_Limit(), help="Requests per hour.")
@click.option("--limit-per-day", type=_Limit(), help="Requests per day.")
@click.option("--expires", type=_FutureTime(), help="Time at which the key expires.")
@data_option
@json_option
def create(
    workspace: str,
    scopes: tuple[str, ...],
    name: str,
    limit_per_minute: int | str | None,
    limit_per_hour: int | str | None,
    limit_per_day: int | str | None,
    expires: datetime | None,
    data: Path,
    as_json: bool,
) -> None:
    """Create a key. It is shown only now."""
    granted: list[Scope] = (
        list(SCOPES) if "all" in scopes else [scope for scope in SCOPES if scope in scopes]
    )
    limits = RateLimitOverrides(*map(_override, (limit_per_minute, limit_per_hour, limit_per_day)))
    if limit_per_minute == "none":
        if isinstance(limit_per_hour, int) or isinstance(limit_per_day, int):
            raise click.UsageError(
                "--limit-per-minute none removes all three limits: give no other limit with it."
            )
        limits = UNLIMITED
    key = in_database(
        data,
        lambda database: admin.create_key(
            database, workspace, granted, name=name, limits=limits, expires_at=expires
        ),
    )
    if as_json:
        print_json(key)
    else:
        click.echo(f"Key {key.id} for {key.workspace_name}: {', '.join(key.scopes)}")
        click.echo(key.key)
        click.echo("Copy the key now; it cannot be shown again.", err=True)


def _override(limit: int | str | None) -> Any:
    return msgspec.UNSET if limit is None else None if limit == "none" else limit


@keys.command("list")
@data_option
@json_option
def list_all(data: Path, as_json: bool) -> None:
    """List the keys, without their text."""
    listed = in_database(data, lambda database: list_keys(database.read))
    if as_json:
        print_json(listed)
        return
    print_table(
        ("id", "workspace", "prefix", "name", "scopes", "state"),
        [
            (
                str(key.id),
                key.workspace_name,
                key.prefix + "…",
                key.name,
                " ".join(key.scopes),
                _state(key),
            )
            for key in listed
        ],
    )


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@data_option
def revoke(key_id: str, data: Path) -> None:
    """Revoke a key in all processes at once."""
    in_database(data, lambda database: admin.revoke_key(database, key_id))
    click.echo(f"Key {key_id} is revoked.")


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {to_minute(key.revoked_at)}"
    if key.expires_at is not None:
        expired = key.expires_at <= datetime.now(UTC)
        return f"{'expired' if expired else 'until'} {to_minute(key.expires_at)}"
    return "active"
