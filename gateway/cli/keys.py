"""`gateway keys`: create, rotate, change, list and revoke API keys."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from domains.kernel.tenancy.api_keys import (
    EXPIRY_WARNING_DAYS,
    SCOPES,
    UNLIMITED,
    ApiKey,
    KeyChanges,
    RateLimitOverrides,
    Scope,
    list_keys,
)
from gateway.cli import admin
from gateway.cli.audit import Time
from gateway.cli.deployment import by_option, data_option, in_database
from gateway.cli.output import duration, json_option, print_json, print_table, to_minute

# Larger than any deployment needs, and within the range of every counter.
_LARGEST_LIMIT: Final = 1_000_000_000
_WARNING: Final = timedelta(days=EXPIRY_WARNING_DAYS)


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


class _FutureTime(Time):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """An ISO 8601 date or date-time in the future, in UTC unless it has an offset."""
        parsed = super().convert(value, param, ctx)
        if parsed <= datetime.now(UTC):
            self.fail(f"{value} is in the past", param, ctx)
        return parsed


class _Duration(click.ParamType[timedelta]):
    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A whole number of minutes, hours or days, such as 30m, 24h or 7d; or 0."""
        if isinstance(value, timedelta):
            return value
        if value == "0":
            return timedelta(0)
        match = re.fullmatch(r"([0-9]{1,4})([mhd])", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is not a duration such as 30m, 24h, 7d or 0", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_allow_option = click.option(
    "--allow",
    multiple=True,
    metavar="CIDR",
    help="Address or network from which the key may be used; repeat for several.",
)
_description_option = click.option("--description", help="Owner or use of the key, for lists.")


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
@_description_option
@_allow_option
@click.option(
    "--limit-per-minute", type=_Limit(), help="Requests per minute; none removes all three limits."
)
@click.option("--limit-per-hour", type=_Limit(), help="Requests per hour.")
@click.option("--limit-per-day", type=_Limit(), help="Requests per day.")
@click.option("--expires", type=_FutureTime(), help="Time at which the key expires.")
@by_option
@data_option
@json_option
def create(
    workspace: str,
    scopes: tuple[str, ...],
    name: str,
    description: str | None,
    allow: tuple[str, ...],
    limit_per_minute: int | str | None,
    limit_per_hour: int | str | None,
    limit_per_day: int | str | None,
    expires: datetime | None,
    by: str | None,
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
            *(database, workspace, granted),
            name=name,
            description=description or "",
            limits=limits,
            allow=allow,
            expires_at=expires,
            by=by,
        ),
    )
    if as_json:
        print_json(key)
    else:
        _print_new(key)


def _print_new(key: admin.NewKey) -> None:
    click.echo(f"Key {key.id} for {key.workspace_name}: {', '.join(key.scopes)}")
    click.echo(key.key)
    click.echo("Copy the key now; it cannot be shown again.", err=True)


def _override(limit: int | str | None) -> Any:
    return msgspec.UNSET if limit is None else None if limit == "none" else limit


@keys.command("rotate")
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    type=_Duration(),
    default="24h",
    show_default=True,
    help="Time for which the old key still works, such as 30m, 24h or 7d; 0 revokes it now.",
)
@by_option
@data_option
@json_option
def rotate(key_id: str, overlap: timedelta, by: str | None, data: Path, as_json: bool) -> None:
    """Replace a key by a new one with the same scopes, limits, networks and lifetime.

    The new key is shown only now. The old one works until the overlap has passed, but not beyond
    its own expiry.
    """
    rotated = in_database(data, lambda database: admin.rotate_key(database, key_id, overlap, by))
    if as_json:
        print_json(rotated)
    else:
        _print_new(rotated)
        click.echo(f"The old key {rotated.replaced.id}: {_state(rotated.replaced)}.", err=True)


@keys.command("set")
@click.argument("key_id", metavar="ID")
@click.option("--name", help="Purpose of the key, for lists.")
@_description_option
@_allow_option
@by_option
@data_option
@json_option
def change(
    key_id: str,
    name: str | None,
    description: str | None,
    allow: tuple[str, ...],
    by: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Change a key in all processes at once. --allow replaces the list; '' allows all addresses."""
    if name is None and description is None and not allow:
        raise click.UsageError("Nothing to change: give --name, --description or --allow.")
    networks = [network for network in allow if network] if allow else None
    changes = KeyChanges(name=name, description=description, allow=networks)
    changed = in_database(data, lambda database: admin.change_key(database, key_id, changes, by))
    if as_json:
        print_json(changed)
    else:
        click.echo(
            f"Key {changed.id} {changed.name!r}: allowed from {', '.join(changed.allow) or 'all'}"
        )


@keys.command("list")
@data_option
@json_option
def list_all(data: Path, as_json: bool) -> None:
    """List the keys, without their text."""
    listed = in_database(data, lambda database: list_keys(database.read))
    if as_json:
        print_json(listed)
        return
    columns = ("id", "workspace", "prefix", "name", "scopes", "allowed from", "created by")
    print_table(
        (*columns, "last used", "replaces", "state"),
        [
            (
                str(key.id),
                key.workspace_name,
                key.prefix + "…",
                key.name,
                " ".join(key.scopes),
                " ".join(key.allow),
                key.created_by or "",
                "never" if key.last_used_at is None else to_minute(key.last_used_at),
                "" if key.replaces is None else str(key.replaces),
                _state(key),
            )
            for key in listed
        ],
    )


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@by_option
@data_option
@json_option
def revoke(key_id: str, by: str | None, data: Path, as_json: bool) -> None:
    """Revoke a key in all processes at once."""
    revoked = in_database(data, lambda database: admin.revoke_key(database, key_id, by))
    if as_json:
        print_json(revoked)
    else:
        click.echo(f"Key {key_id} is revoked.")


def _state(key: ApiKey) -> str:
    now = datetime.now(UTC)
    if key.revoked_at is not None:
        return f"revoked {to_minute(key.revoked_at)}"
    if key.expires_at is None:
        return "active"
    if key.expires_at <= now:
        return f"expired {to_minute(key.expires_at)}"
    remaining = key.expires_at - now
    warning = f" (expires in {duration(remaining)})" if remaining <= _WARNING else ""
    return f"until {to_minute(key.expires_at)}{warning}"
