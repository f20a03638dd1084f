"""The `gateway` command."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domains.kernel.core import log_config, settings
from domains.kernel.core.problems import Problem
from domains.kernel.db.database import Database
from domains.kernel.jobs.job_admin import Choice, JobItem
from domains.kernel.jobs.model import QUEUES, Queue, State
from domains.kernel.tenancy.api_keys import SCOPES, UNLIMITED, ApiKey, RateLimitOverrides, Scope
from gateway.cli import admin, demo, import_command
from gateway.embedded import runfile
from gateway.embedded.errors import EmbeddedError
from gateway.embedded.up import up as run_everything

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

# Larger than any deployment needs, and small enough for every place that counts.
_LARGEST_LIMIT: Final = 1_000_000_000

_data = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".data"),
    show_default=True,
    help="Folder of the embedded servers, where the URLs are not in the environment.",
)
# Stand for the servers that `up` is about to start.
_EMBEDDED = {
    "DATABASE_URL": "postgresql://embedded",
    "REDIS_URL": "unix:///embedded",
    "BLOB_URL": "file:///embedded",
}
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="evidence-gateway", prog_name="gateway")
def cli() -> None:
    """One place for customer evidence: the discovery and the revenue-record API."""


# --- running ----------------------------------------------------------------------------------


@cli.command()
@_data
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="GATEWAY_HOST",
    help="Address of the API.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    envvar="GATEWAY_PORT",
    help="Port of the API; 0 takes a free one.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--no-demo", is_flag=True, help="Make no demo workspace and key.")
def up(data: Path, host: str, port: int, workers: int, no_demo: bool) -> None:
    """Run everything on this machine: servers, API and workers."""
    # A wrong setting is said now, not by children that do not start.
    given = {name: value for name, value in os.environ.items() if value.strip()}
    settings.load_settings({**_EMBEDDED, **given})
    run_everything(
        data,
        host=host,
        port=port,
        workers=workers,
        demo=None if no_demo else _welcome(data),
        environment=os.environ,
        migrated=admin.schema_current,
    )


@cli.command()
@_data
def serve(data: Path) -> None:
    """Run the API alone."""
    _become("gateway.serve", data)


@cli.command()
@_data
def work(data: Path) -> None:
    """Run one worker process."""
    _become("workers", data)


@cli.command()
@_data
def migrate(data: Path) -> None:
    """Bring the database schema to this version's."""
    environment = _environment(data)
    _database_url(environment, data)
    done = subprocess.run([sys.executable, "-m", "migrations"], env=environment)
    if done.returncode:
        sys.exit(done.returncode)
    click.echo("The schema is up to date.")


@cli.command("settings")
@_json
def list_settings(as_json: bool) -> None:
    """List the environment variables that are read."""
    listed = settings.list_settings()
    if as_json:
        _print_json(listed)
        return
    rows = [
        (each.name, each.default if each.default is not None else "required", each.meaning)
        for each in listed
    ]
    _print_table(("name", "default", "meaning"), rows)


# --- workspaces -------------------------------------------------------------------------------


@cli.group()
def workspaces() -> None:
    """Workspaces: the tenants."""


@workspaces.command("create")
@click.argument("name")
@_data
@_json
def create_workspace(name: str, data: Path, as_json: bool) -> None:
    """Make a workspace."""
    made = _in_database(data, lambda database: admin.create_workspace(database, name))
    if as_json:
        _print_json(made)
    else:
        click.echo(f"Workspace {made.name}: {made.id}")


@workspaces.command("set")
@click.argument("workspace")
@click.option(
    "--domain",
    "domains",
    multiple=True,
    help="E-mail domain of the workspace's own people; repeat for several. '' for none.",
)
@click.option(
    "--show",
    type=click.Choice(["everything", "public"]),
    help="What the revenue record shows: every record, or those marked as public.",
)
@_data
@_json
def set_workspace(
    workspace: str, domains: tuple[str, ...], show: str | None, data: Path, as_json: bool
) -> None:
    """Change a workspace's settings."""
    chosen = [each for each in domains if each] if domains else None
    hides_private = None if show is None else show == "public"
    made = _in_database(
        data, lambda database: admin.set_workspace(database, workspace, chosen, hides_private)
    )
    if as_json:
        _print_json(made)
    else:
        shown = "public records" if made.hides_private else "every record"
        click.echo(f"Workspace {made.name}: domains {', '.join(made.domains) or 'none'}; {shown}")


@workspaces.command("provider")
@click.argument("workspace")
@click.argument("switch", required=False, type=click.Choice(["on", "off"]))
@_data
@_json
def set_provider(workspace: str, switch: str | None, data: Path, as_json: bool) -> None:
    """Let a workspace's texts be sent to the endpoint of GATEWAY_CHAT_URL, or no longer.

    Without on or off it tells how it is. It is off until somebody says otherwise.
    """
    uses = None if switch is None else switch == "on"
    made = _in_database(data, lambda database: admin.provider(database, workspace, uses))
    if as_json:
        _print_json(made)
    else:
        state = "may be sent to the chat endpoint" if made.uses_provider else "stay here"
        click.echo(f"Workspace {made.name}: its texts {state}")


@workspaces.command("list")
@_data
@_json
def list_workspaces(data: Path, as_json: bool) -> None:
    """List the workspaces."""
    listed = _in_database(data, admin.list_workspaces)
    if as_json:
        _print_json(listed)
    else:
        _print_table(
            ("id", "name", "created"),
            [(str(each.id), each.name, _moment(each.created_at)) for each in listed],
        )


# --- keys -------------------------------------------------------------------------------------


@cli.group()
def keys() -> None:
    """API keys."""


class _Limit(click.ParamType[int | str]):
    name = "N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A whole number above 0, or the word none."""
        if value == "none":
            return value
        given = str(value)
        if given.isascii() and given.isdigit() and 0 < int(given) <= _LARGEST_LIMIT:
            return int(given)
        return self.fail(
            f"{given!r} is neither a whole number from 1 to {_LARGEST_LIMIT:,} nor none", param, ctx
        )


class _Instant(click.ParamType[datetime]):
    name = "ISO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """An ISO 8601 date or date-time in the future; without an offset it is UTC."""
        try:
            parsed = datetime.fromisoformat(str(value))
            parsed = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not an ISO 8601 time such as 2030-01-31T12:00:00Z", param, ctx)
        if parsed <= datetime.now(UTC):
            self.fail(f"{value} is over already", param, ctx)
        return parsed


@keys.command("create")
@click.option("--workspace", required=True, help="Its id or name.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([*SCOPES, "all"]),
    metavar="SCOPE",
    help=f"Repeat for several: {', '.join(SCOPES)}, or all.",
)
@click.option("--name", default="", help="What the key is for.")
@click.option("--limit-per-minute", type=_Limit(), help="Requests a minute; none lifts all three.")
@click.option("--limit-per-hour", type=_Limit(), help="Requests an hour.")
@click.option("--limit-per-day", type=_Limit(), help="Requests a day.")
@click.option("--expires", type=_Instant(), help="When it stops working.")
@_data
@_json
def create_key(
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
    """Make a key. Its text is shown now and never again."""
    chosen: list[Scope] = (
        list(SCOPES) if "all" in scopes else [scope for scope in SCOPES if scope in scopes]
    )
    limits = RateLimitOverrides(*map(_choice, (limit_per_minute, limit_per_hour, limit_per_day)))
    if limit_per_minute == "none":
        if isinstance(limit_per_hour, int) or isinstance(limit_per_day, int):
            raise click.UsageError(
                "--limit-per-minute none lifts all three windows: it goes with no other limit."
            )
        limits = UNLIMITED
    made = _in_database(
        data,
        lambda database: admin.create_key(
            database, workspace, chosen, name=name, limits=limits, expires_at=expires
        ),
    )
    if as_json:
        _print_json(made)
    else:
        click.echo(f"Key {made.id} for {made.workspace_name}: {', '.join(made.scopes)}")
        click.echo(made.key)
        click.echo("Keep it: it cannot be shown again.", err=True)


def _choice(given: int | str | None) -> Any:
    return msgspec.UNSET if given is None else None if given == "none" else given


@keys.command("list")
@_data
@_json
def list_keys(data: Path, as_json: bool) -> None:
    """List the keys, without their text."""
    listed = _in_database(data, admin.list_keys)
    if as_json:
        _print_json([_described(key) for key in listed])
        return
    _print_table(
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
@_data
def revoke_key(key_id: str, data: Path) -> None:
    """End a key at once, everywhere."""
    _in_database(data, lambda database: admin.revoke_key(database, key_id))
    click.echo(f"Key {key_id} is revoked.")


def _described(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "workspaceId": key.workspace,
        "workspaceName": key.workspace_name,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "limits": key.limits,
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at,
    }


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {_moment(key.revoked_at)}"
    if key.expires_at is not None:
        over = key.expires_at <= datetime.now(UTC)
        return f"{'expired' if over else 'until'} {_moment(key.expires_at)}"
    return "active"


# --- jobs -------------------------------------------------------------------------------------


@cli.group()
def jobs() -> None:
    """Jobs: what workers do."""


def _filters(states: Sequence[str]) -> Callable[[F], F]:
    """The options by which jobs are chosen."""
    options = (
        click.option("--workspace", help="Of this workspace: its id or name."),
        click.option("--kind", help="Of this kind, in full or its last part: transcription."),
        click.option("--queue", type=click.Choice(QUEUES), help="Of this queue."),
        click.option("--state", type=click.Choice(states), help="In this state."),
    )

    def apply(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


@jobs.command("list")
@_filters(get_args(State))
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many."
)
@_data
@_json
def list_jobs(
    workspace: str | None,
    kind: str | None,
    queue: Queue | None,
    state: State | None,
    limit: int,
    data: Path,
    as_json: bool,
) -> None:
    """List jobs, the newest first."""
    choice = Choice(kind=kind, queue=queue, state=state)
    listed = _in_database(
        data, lambda database: admin.list_jobs(database, choice, workspace, limit)
    )
    if as_json:
        _print_json(listed)
        return
    now = datetime.now(UTC)
    _print_table(
        ("id", "workspace", "kind", "state", "attempts", "age", "next or end", "error"),
        [
            (
                str(job.id),
                job.workspace_name,
                job.kind,
                job.shown_state,
                _attempts(job),
                _span(now - job.created_at),
                _next_or_end(job, now),
                _first_line(job.error),
            )
            for job in listed
        ],
    )


@jobs.command("show")
@click.argument("job_id", metavar="ID")
@_data
@_json
def show_job(job_id: str, data: Path, as_json: bool) -> None:
    """Show all there is to know of a job. It names records by their ids, never their contents."""
    job = _in_database(data, lambda database: admin.show_job(database, job_id))
    if as_json:
        _print_json(job)
        return
    lines = {
        "id": str(job.id),
        "workspace": f"{job.workspace_name} ({job.workspace_id})",
        "kind": job.kind,
        "queue": job.queue,
        "state": job.shown_state,
        "attempts": _attempts(job),
        "created": _second(job.created_at),
        "due": _second(job.run_after),
        "started": _second(job.started_at),
        "lease until": _second(job.lease_until),
        "ended": _second(job.finished_at),
        "error": job.error or "",
        "payload": bytes(job.payload).decode(),
        "request": job.request_id or "",
    }
    _print_table(("", ""), [(name, value) for name, value in lines.items() if value], header=False)


@jobs.command("retry")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_filters(("failed", "cancelled"))
@click.option("--all", "everything", is_flag=True, help="Every failed one.")
@_data
@_json
def retry_jobs(
    ids: tuple[str, ...],
    workspace: str | None,
    kind: str | None,
    queue: Queue | None,
    state: State | None,
    everything: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Give jobs that failed or were cancelled all their attempts again.

    Name them by their ids, or choose them by what they have in common; without --state those that
    failed are meant. The exit code is 1 if one of the ids cannot be retried.
    """
    _chosen(ids, (workspace, kind, queue, state), everything)
    choice = Choice(kind=kind, queue=queue, state=state or "failed")
    changed = _in_database(
        data, lambda database: admin.change_jobs(database, "retry", ids, choice, workspace)
    )
    _told(changed, f"Retrying {_counted(changed.count)}.", as_json)


@jobs.command("cancel")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_filters(("queued", "sent", "running"))
@click.option("--all", "everything", is_flag=True, help="Every one that has not ended.")
@_data
@_json
def cancel_jobs(
    ids: tuple[str, ...],
    workspace: str | None,
    kind: str | None,
    queue: Queue | None,
    state: State | None,
    everything: bool,
    data: Path,
    as_json: bool,
) -> None:
    """End jobs without their being done; the records that wait for them say so.

    Name them by their ids, or choose them by what they have in common. Nothing is stored of what
    is under way. The exit code is 1 if one of the ids cannot be cancelled.
    """
    _chosen(ids, (workspace, kind, queue, state), everything)
    choice = Choice(kind=kind, queue=queue, state=state)
    changed = _in_database(
        data, lambda database: admin.change_jobs(database, "cancel", ids, choice, workspace)
    )
    done = f"Cancelling {_counted(changed.count)}"
    _told(changed, f"{done}; a worker marks their end." if changed.count else f"{done}.", as_json)


def _chosen(ids: Sequence[str], filters: Sequence[str | None], everything: bool) -> None:
    """Refuse a command that says too little, or both ways at once."""
    by_filter = everything or any(each is not None for each in filters)
    if ids and by_filter:
        raise click.UsageError("Give either ids or options that choose jobs.")
    if not ids and not by_filter:
        raise click.UsageError("Which jobs? Give ids, options that choose them, or --all.")


def _told(changed: admin.ChangedJobs, sentence: str, as_json: bool) -> None:
    if as_json:
        _print_json(changed)
    else:
        click.echo(sentence)
    for each in changed.refused:
        click.echo(f"gateway: {each}", err=True)
    if changed.refused:
        sys.exit(1)


def _counted(count: int) -> str:
    return f"{count:,} {'job' if count == 1 else 'jobs'}"


def _attempts(job: JobItem) -> str:
    told = [(job.failures, "failed"), (job.losses, "lost")]
    return ", ".join(f"{count} {what}" for count, what in told if count)


def _next_or_end(job: JobItem, now: datetime) -> str:
    if job.finished_at is not None:
        return _moment(job.finished_at)
    if job.state == "queued" and job.run_after > now:
        return f"in {_span(job.run_after - now)}"
    return "now"


def _span(length: timedelta) -> str:
    """A length of time in its largest unit: `3 h`."""
    seconds = max(0, int(length.total_seconds()))
    for unit, of in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= of:
            return f"{seconds // of} {unit}"
    return f"{seconds} s"


def _first_line(text: str | None) -> str:
    return next(iter((text or "").splitlines()), "")


def _second(instant: datetime | None) -> str:
    return "" if instant is None else instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# --- records ----------------------------------------------------------------------------------


@cli.command("import")
@click.option("--workspace", required=True, help="Its id or name.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything, store nothing.")
@click.option("--strict", is_flag=True, help="Stop at the first record that is refused.")
@_data
@_json
def import_records(
    workspace: str,
    files: tuple[Path, ...],
    dry_run: bool,
    strict: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Import records of other systems; `-` reads standard input.

    A file is one JSON object with the fields products, deals, accounts, conversations, messages and
    documents, each an array of records as the API answers them; or JSON Lines, with a kind in each
    record; or an export of deals or accounts from Salesforce or HubSpot as CSV.

    A record replaces the one of the same id in the workspace. The exit code is 1 if any was
    refused.
    """
    counts = _in_database(
        data,
        lambda database: import_command.run(
            database, workspace, files, strict=strict, dry_run=dry_run
        ),
    )
    if as_json:
        _print_json(counts)
    else:
        would = "Would be stored" if dry_run else "Stored"
        click.echo(
            f"{would}: {counts.stored:,}; unchanged: {counts.unchanged:,}; "
            f"refused: {counts.refused:,}"
        )
    if counts.refused:
        sys.exit(1)


# --- the demonstration ------------------------------------------------------------------------


@cli.command("demo")
@click.option("--url", help="Base URL of the API; by default the one that `gateway up` runs.")
@click.option("--key", help="API key; by default one is made for this and revoked afterwards.")
@_data
def run_demo(url: str | None, key: str | None, data: Path) -> None:
    """Push the bundled examples through the API and print the insights found."""
    base_url = url or (_running(data) or {}).get("api_url")
    if not base_url:
        raise click.ClickException(
            f"nothing runs in {data}: start it with `gateway up`, or give --url and --key"
        )
    if key is not None:
        demo.run(base_url, key, _console())
        return
    _in_database(data, admin.demo_workspace)
    soon = datetime.now(UTC) + timedelta(hours=1)
    scopes: list[Scope] = ["signals:read", "signals:write", "insights:read"]
    made = _in_database(
        data,
        lambda database: admin.create_key(
            database, admin.DEMO, scopes, name="gateway demo", limits=UNLIMITED, expires_at=soon
        ),
    )
    try:
        demo.run(base_url, made.key, _console())
    finally:
        _in_database(data, lambda database: admin.revoke_key(database, made.id))


def _welcome(data: Path) -> Callable[[dict[str, str]], list[str]]:
    """What `up` prints: the key, once, three commands to try and where the reference is."""
    gateway = Path(sys.argv[0])
    with_data = "" if data == Path(".data") else f" --data {data}"
    shown = os.path.relpath(gateway) if gateway.is_absolute() else str(gateway)

    def lines(urls: dict[str, str]) -> list[str]:
        base = urls["api_url"]
        made = admin.with_database(urls["database_url"], admin.demo_key)
        if made is None:
            start = [
                "Another key:",
                f"  {shown} keys create --workspace {admin.DEMO} --scope all{with_data}",
            ]
        else:
            start = [
                f"Workspace {admin.DEMO!r} with one key of every scope, shown this once:",
                f"  export KEY={made.key}",
            ]
        text = "Exports are hard to find and take minutes. I would love a CSV button."
        return [
            "",
            *start,
            "",
            "Try:",
            f"""  curl -s {base}/external/v1/signals -H "Authorization: Bearer $KEY" \\""",
            f"""    -d '{{"signalType": "review", "text": "{text}"}}'""",
            f"""  curl -s {base}/external/v1/insights -H "Authorization: Bearer $KEY\"""",
            f"  {shown} demo{with_data}",
            "",
            f"API reference: {base}/reference",
            "",
        ]

    return lines


# --- what commands share ----------------------------------------------------------------------


def _become(module: str, data: Path) -> None:
    """Replace this process by another of the product's, which loads what only it needs."""
    environment = _environment(data)
    # A wrong setting is said now, not after a second of imports.
    settings.load_settings(environment)
    os.execve(sys.executable, [sys.executable, "-m", module], environment)  # noqa: S606


def _environment(data: Path) -> dict[str, str]:
    """The environment, with the URLs of the embedded servers where it gives none."""
    environment = dict(os.environ)
    for name, url in (_running(data) or {}).items():
        # An empty variable counts as not set, as it does where the settings are read.
        if name in _URLS and not environment.get(name.upper(), "").strip():
            environment[name.upper()] = url
    return environment


_URLS: Final = ("database_url", "redis_url", "blob_url")


def _running(data: Path) -> dict[str, str] | None:
    try:
        return runfile.running(data)
    except OSError as error:
        raise click.ClickException(f"{data} cannot be read: {error.strerror}") from None


def _in_database(data: Path, act: Callable[[Database], Awaitable[T]]) -> T:
    return admin.with_database(_database_url(_environment(data), data), act)


def _database_url(environment: dict[str, str], data: Path) -> str:
    url = environment.get("DATABASE_URL", "").strip()
    if not url:
        raise click.ClickException(
            f"nothing runs in {data}: start it with `gateway up`, or set DATABASE_URL"
        )
    settings.check_url("DATABASE_URL", url)
    return url


def _moment(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _console() -> Console:
    """Standard output. Where it is no terminal lines do not break: an id in two parts is no id."""
    console = Console()
    if not console.is_terminal:
        console.width = 10_000
    return console


def _print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, header: bool = True
) -> None:
    console = _console()
    table = Table(box=None, pad_edge=False, show_header=header)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As Text: a name may look like markup.
        table.add_row(*map(Text, row))
    console.print(table)


def main() -> None:
    """Run the command; what it refuses is one sentence on standard error and exit code 1."""
    # What goes wrong is said once, in a sentence; warnings would come between output and scripts.
    log_config.configure_logging("error", "console")
    expected = (
        *(Problem, EmbeddedError, settings.SettingError),
        *(demo.DemoError, import_command.ImportFailed),
    )
    try:
        cli(prog_name="gateway")
    except expected as error:
        click.echo(f"gateway: {error}", err=True)
        sys.exit(1)
