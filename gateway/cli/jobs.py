"""`gateway jobs`: list, show, retry and cancel jobs."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import click

from domains.kernel.jobs import outages
from domains.kernel.jobs.job_admin import JobFilter, JobItem
from domains.kernel.jobs.model import QUEUES, State
from gateway.cli import admin
from gateway.cli.deployment import by_option, data_option, in_database
from gateway.cli.output import (
    duration,
    json_option,
    print_json,
    print_table,
    to_minute,
    to_second,
)

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def jobs() -> None:
    """Jobs of the workers."""


def _selection_options(states: Sequence[str]) -> Callable[[F], F]:
    """The options that select jobs: a workspace, and the fields of a JobFilter."""
    options = (
        click.option("--workspace", help="Id or name of a workspace."),
        click.option("--kind", help="Kind of job, in full or its last part: transcription."),
        click.option("--queue", type=click.Choice(QUEUES), help="Queue of the jobs."),
        click.option("--state", type=click.Choice(states), help="State of the jobs."),
    )

    def add_options(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add_options


@jobs.command("list")
@_selection_options(get_args(State))
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Maximum number of jobs.",
)
@data_option
@json_option
def list_jobs(workspace: str | None, limit: int, data: Path, as_json: bool, **filters: Any) -> None:
    """List jobs, the newest first."""
    listed = in_database(
        data, lambda database: admin.list_jobs(database, JobFilter(**filters), workspace, limit)
    )
    if as_json:
        print_json(listed)
        return
    now = datetime.now(UTC)
    print_table(
        ("id", "workspace", "kind", "record", "state", "attempts", "age", "next or end", "error"),
        [
            (
                str(job.id),
                job.workspace_name,
                job.kind,
                job.record or "",
                _state(job, now),
                _attempts(job),
                duration(now - job.created_at),
                _next_or_end(job, now),
                next(iter((job.error or "").splitlines()), ""),
            )
            for job in listed
        ],
    )


@jobs.command("show")
@click.argument("job_id", metavar="ID")
@data_option
@json_option
def show_job(job_id: str, data: Path, as_json: bool) -> None:
    """Show a job in full. It refers to records by id and has none of their contents."""
    job = in_database(data, lambda database: admin.show_job(database, job_id))
    if as_json:
        print_json(job)
        return
    fields = {
        "id": str(job.id),
        "workspace": f"{job.workspace_name} ({job.workspace_id})",
        "kind": job.kind,
        "record": job.record or "",
        "queue": job.queue,
        "state": job.display_state,
        "waits for": job.waiting_for or "",
        "waits since": to_second(job.waiting_since),
        "attempts": _attempts(job),
        "created": to_second(job.created_at),
        "due": to_second(job.run_after),
        "started": to_second(job.started_at),
        "lease until": to_second(job.lease_until),
        "ended": to_second(job.finished_at),
        "error": job.error or "",
        "payload": bytes(job.payload).decode(),
        "request": job.request_id or "",
    }
    print_table(("", ""), [(name, value) for name, value in fields.items() if value], header=False)


@jobs.command("waiting")
@data_option
@json_option
def count_waiting(data: Path, as_json: bool) -> None:
    """Count the jobs that wait for an unavailable dependency, by queue."""
    counts = in_database(data, lambda database: outages.count_waiting(database.read))
    if as_json:
        print_json(counts)
        return
    print_table(
        ("queue", "waiting for", "jobs", "since"),
        [
            (
                each.queue,
                each.dependency,
                f"{each.count:,}",
                duration(timedelta(seconds=each.seconds)),
            )
            for each in counts
        ],
    )


@jobs.command("retry")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_selection_options(("failed", "cancelled"))
@click.option("--all", "all_jobs", is_flag=True, help="All failed jobs.")
@by_option
@data_option
@json_option
def retry_jobs(as_json: bool, **selection: Any) -> None:
    """Queue failed or cancelled jobs again, with all their attempts.

    Give ids, or options that select jobs; without --state they select failed jobs. The exit code is
    1 if a job given by id cannot be retried.
    """
    changed = _change_jobs("retry", **selection)
    _print_changed(changed, f"Retrying {_count(changed.count)}.", as_json)


@jobs.command("cancel")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_selection_options(("queued", "sent", "running"))
@click.option("--all", "all_jobs", is_flag=True, help="All jobs that have not ended.")
@by_option
@data_option
@json_option
def cancel_jobs(as_json: bool, **selection: Any) -> None:
    """Cancel jobs that have not ended. Their records show that processing was cancelled.

    Give ids, or options that select jobs. Results of running jobs are discarded. The exit code is 1
    if a job given by id cannot be cancelled.
    """
    changed = _change_jobs("cancel", **selection)
    outcome = "; a worker marks their end." if changed.count else "."
    _print_changed(changed, f"Cancelling {_count(changed.count)}{outcome}", as_json)


def _change_jobs(
    change: Literal["retry", "cancel"],
    *,
    data: Path,
    ids: tuple[str, ...],
    all_jobs: bool,
    workspace: str | None,
    by: str | None,
    **filters: Any,
) -> admin.ChangedJobs:
    """Retry or cancel jobs. Raises UsageError unless selected either by id or by options."""
    by_options = all_jobs or any(value is not None for value in (workspace, *filters.values()))
    if ids and by_options:
        raise click.UsageError("Give either ids or options that select jobs, not both.")
    if not ids and not by_options:
        raise click.UsageError("Which jobs? Give ids, options that select jobs, or --all.")
    if change == "retry":
        filters["state"] = filters["state"] or "failed"
    return in_database(
        data,
        lambda database: admin.change_jobs(
            database, change, ids, JobFilter(**filters), workspace, by
        ),
    )


def _print_changed(changed: admin.ChangedJobs, sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(changed)
    else:
        click.echo(sentence)
    for refusal in changed.refused:
        click.echo(f"gateway: {refusal}", err=True)
    if changed.refused:
        sys.exit(1)


def _count(count: int) -> str:
    return f"{count:,} {'job' if count == 1 else 'jobs'}"


def _state(job: JobItem, now: datetime) -> str:
    if job.display_state != "waiting" or job.waiting_since is None:
        return job.display_state
    return f"waiting for {job.waiting_for}, {duration(now - job.waiting_since)}"


def _attempts(job: JobItem) -> str:
    counts = [(job.failures, "failed"), (job.losses, "lost")]
    return ", ".join(f"{count} {outcome}" for count, outcome in counts if count)


def _next_or_end(job: JobItem, now: datetime) -> str:
    if job.finished_at is not None:
        return to_minute(job.finished_at)
    if job.state == "queued" and job.run_after > now:
        return f"in {duration(job.run_after - now)}"
    return "now"
