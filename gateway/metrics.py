"""Prometheus metrics of this process and of the whole deployment."""

from collections.abc import Sequence
from functools import partial
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
from gateway.operations import operation

_COUNTED_STATES: Final[tuple[State, ...]] = ("queued", "sent", "running", "failed")


@get("/metrics", opt=operation("metrics", "public", "Prometheus metrics"))
async def metrics(
    database: NamedDependency[Database], registry: NamedDependency[CollectorRegistry]
) -> Response[bytes]:
    shared = CollectorRegistry()
    up = Gauge("gateway_database_up", "1 if PostgreSQL answers", registry=shared)
    try:
        await _measure_deployment(database.read, shared)
        up.set(1)
    except Unavailable:
        # The metrics of this process are needed most while PostgreSQL is unavailable.
        up.set(0)
    body = generate_latest(registry) + generate_latest(shared)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _measure_deployment(read: Read, registry: CollectorRegistry) -> None:
    """Metrics that are the same in every process; none if PostgreSQL is unavailable.

    A queue without jobs counts 0, which an alert can distinguish from a missing metric.
    """
    backlog = await job_admin.backlog(read)
    last_runs = await periodic.last_runs(read)
    alive = await heartbeat.count_alive(read)
    gauge = partial(Gauge, registry=registry)
    labels = ("queue", "state")
    count = gauge(
        "gateway_jobs", "Jobs that are due, and those that failed in the last 24 hours", labels
    )
    oldest = gauge(
        "gateway_jobs_oldest_seconds", "Seconds since the oldest of these was due or failed", labels
    )
    for queue in QUEUES:
        for state in _COUNTED_STATES:
            count.labels(queue, state).set(0)
            oldest.labels(queue, state).set(0)
    for jobs in backlog:
        count.labels(jobs.queue, jobs.state).set(jobs.count)
        oldest.labels(jobs.queue, jobs.state).set(jobs.oldest_seconds)
    age = gauge(
        "gateway_schedule_age_seconds", "Seconds since a task of the schedule last began", ["task"]
    )
    for run in last_runs:
        age.labels(run.task).set(run.age_seconds)
    _measure_llm_usage(await llm_usage.totals(read), registry)
    gauge("gateway_workers", "Workers that reported in the last minute").set(alive)


def _measure_llm_usage(totals: Sequence[llm_usage.UsageTotal], registry: CollectorRegistry) -> None:
    """Totals of LLM usage since the deployment was created."""
    counter = partial(Counter, registry=registry)
    labels = ("task", "model", "outcome")
    requests = counter("gateway_provider_questions", "Requests to the LLM provider", labels)
    tokens = counter("gateway_provider_tokens", "Tokens of these requests", (*labels, "part"))
    cost = counter("gateway_provider_cost", "Cost at the prices of the settings", labels)
    for total in totals:
        values = (total.task, total.model, total.outcome)
        requests.labels(*values).inc(total.calls)
        tokens.labels(*values, "question").inc(total.prompt_tokens)
        tokens.labels(*values, "answer").inc(total.completion_tokens)
        cost.labels(*values).inc(float(total.cost))
