"""Prometheus metrics: those of this process, and those that all processes share."""

from collections.abc import Sequence
from typing import Final

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)

from domains.kernel.core.problems import Unavailable
from domains.kernel.db.database import Database, Read
from domains.kernel.jobs import heartbeat, job_admin, periodic
from domains.kernel.jobs.model import QUEUES, State
from domains.kernel.models import llm_usage
from gateway.surface import operation

# The states of jobs that `/metrics` counts: those that are due, and those that failed lately.
_COUNTED: Final[tuple[State, ...]] = ("queued", "sent", "running", "failed")


@get("/metrics", opt=operation("metrics", "public", "Prometheus metrics"))
async def metrics(
    database: NamedDependency[Database], registry: NamedDependency[CollectorRegistry]
) -> Response[bytes]:
    shared = CollectorRegistry()
    up = Gauge("gateway_database_up", "1 if PostgreSQL answers", registry=shared)
    try:
        await _measure(database.read, shared)
        up.set(1)
    except Unavailable:
        # The process' own figures are wanted most when the database is away.
        up.set(0)
    body = generate_latest(registry) + generate_latest(shared)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _measure(read: Read, registry: CollectorRegistry) -> None:
    """What every process of the deployment would tell alike; nothing of it if PostgreSQL is away.

    A queue without jobs counts 0, so that an alert can tell that from no answer.
    """
    backlog = await job_admin.backlog(read)
    last_runs = await periodic.last_runs(read)
    alive = await heartbeat.alive_workers(read)
    count = Gauge(
        "gateway_jobs",
        "Jobs that are due, and those that failed in the last 24 hours",
        ("queue", "state"),
        registry=registry,
    )
    oldest = Gauge(
        "gateway_jobs_oldest_seconds",
        "Seconds since the oldest of these was due or failed",
        ("queue", "state"),
        registry=registry,
    )
    for queue in QUEUES:
        for state in _COUNTED:
            count.labels(queue, state).set(0)
            oldest.labels(queue, state).set(0)
    for each in backlog:
        count.labels(each.queue, each.state).set(each.count)
        oldest.labels(each.queue, each.state).set(each.oldest_seconds)
    age = Gauge(
        "gateway_schedule_age_seconds",
        "Seconds since a task of the schedule last began",
        ("task",),
        registry=registry,
    )
    for run in last_runs:
        age.labels(run.task).set(run.seconds)
    _measure_provider(await llm_usage.totals(read), registry)
    workers = Gauge(
        "gateway_workers", "Workers that reported in the last minute", registry=registry
    )
    workers.set(alive)


def _measure_provider(totals: Sequence[llm_usage.Total], registry: CollectorRegistry) -> None:
    """What was asked of chat models since the beginning, and what it cost at the prices set."""
    labels = ("task", "model", "outcome")
    questions = Counter(
        "gateway_provider_questions", "Questions to the provider", labels, registry=registry
    )
    tokens = Counter(
        "gateway_provider_tokens",
        "Tokens of questions and answers",
        (*labels, "part"),
        registry=registry,
    )
    cost = Counter(
        "gateway_provider_cost",
        "Cost of questions and answers at the prices of the settings",
        labels,
        registry=registry,
    )
    for each in totals:
        which = (each.task, each.model, each.outcome)
        questions.labels(*which).inc(each.calls)
        tokens.labels(*which, "question").inc(each.prompt_tokens)
        tokens.labels(*which, "answer").inc(each.completion_tokens)
        cost.labels(*which).inc(float(each.cost))
