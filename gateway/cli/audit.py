"""`gateway audit`: list the audit log."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from domains.kernel.tenancy.audit import Entry, EntryFilter
from gateway.cli import admin
from gateway.cli.deployment import data_option, in_database
from gateway.cli.output import json_option, print_json, print_table, to_second


class Time(click.ParamType[datetime]):
    """An ISO 8601 date or date-time, in UTC unless it has an offset."""

    name = "ISO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            parsed = datetime.fromisoformat(str(value))
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not an ISO 8601 time such as 2030-01-31T12:00:00Z", param, ctx)


@click.command("audit")
@click.option("--workspace", help="Id or name of a workspace.")
@click.option("--since", type=Time(), help="Entries of this time or later.")
@click.option("--until", type=Time(), help="Entries before this time.")
@click.option("--action", help="Action, in full or its first part: signal.delete or signal.")
@click.option("--key", metavar="ID", help="Actions of this API key, and changes of it.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Maximum number of entries.",
)
@data_option
@json_option
def list_audit(
    workspace: str | None,
    since: datetime | None,
    until: datetime | None,
    action: str | None,
    key: str | None,
    limit: int,
    data: Path,
    as_json: bool,
) -> None:
    """List the audit log, the newest first: who changed or deleted what, when and from where.

    It has the changes of keys, workspaces and jobs, imports, and the deletions through the API.
    """
    filters = EntryFilter(action=action, since=since, until=until)
    entries = in_database(
        data, lambda database: admin.list_audit(database, filters, workspace, key, limit)
    )
    if as_json:
        print_json(entries)
        return
    print_table(
        ("time", "workspace", "action", "record", "by", "from", "details"),
        [
            (
                to_second(entry.at),
                entry.workspace_name,
                entry.action,
                f"{entry.record_kind} {entry.record_id or ''}".rstrip(),
                entry.actor if entry.key_id is None else f"key {entry.key_id} ({entry.actor}…)",
                entry.origin,
                _details(entry),
            )
            for entry in entries
        ],
    )


def _details(entry: Entry) -> str:
    details: dict[str, object] = msgspec.json.decode(entry.details)
    return ", ".join(f"{name}: {_text(value)}" for name, value in details.items())


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
