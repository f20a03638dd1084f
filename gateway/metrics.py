"""Prometheus metrics of the API processes and of the whole deployment."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, get_args

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domains.kernel.core.problems import Dependency, Unavailable
from domains.kernel.db.database import Database, Read
from domains.kernel.jobs import heartbeat, job_admin, outages, periodic
from domains.kernel.jobs.model import QUEUES, State
from domains.kernel.models import llm_usage
from gateway.multiprocess import metric_files
from gateway.operations import operation

_COUNTED_STATES: Final[tuple[State, ...]] = ("queued", "sent", "running", "failed")


class _Measured(Collector):
    """Metrics that were measured for one response.

    Gauge and Counter objects would be kept in files, and added up, if there are several processes.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


@get("/metrics", opt=operation("metrics", "public", "Prometheus metrics"))
async def metrics(
    database: NamedDependency[Database], registry: NamedDependency[CollectorRegistry]
) -> Response[bytes]:
    try:
        measured, up = await _measure_deployment(database.read), 1
    except Unavailable:
        # The metrics of requests are needed most while PostgreSQL is unavailable.
        measured, up = [], 0
    shared = CollectorRegistry()
    shared.register(
        _Measured(
            [GaugeMetricFamily("gateway_database_up", "1 if PostgreSQL answers", up), *measured]
        )
    )
    # In a thread: adding up the files of many processes takes milliseconds.
    requests = await asyncio.to_thread(generate_latest, metric_files.all_processes(registry))
    body = requests + generate_latest(shared)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _measure_deployment(read: Read) -> list[Metric]:
    """Metrics that are the same in every process. Raises Unavailable.

    A queue without jobs counts 0, which an alert can distinguish from a missing metric.
    """
    backlog = await job_admin.backlog(read)
    last_runs = await periodic.last_runs(read)
    alive = await heartbeat.count_alive(read)
    labels = ("queue", "state")
    count = GaugeMetricFamily(
        "gateway_jobs",
        "Jobs that are due, and those that failed in the last 24 hours",
        labels=labels,
    )
    oldest = GaugeMetricFamily(
        "gateway_jobs_oldest_seconds",
        "Seconds since the oldest of these was due or failed",
        labels=labels,
    )
    found = {(jobs.queue, jobs.state): jobs for jobs in backlog}
    for queue in QUEUES:
        for state in _COUNTED_STATES:
            jobs = found.get((queue, state))
            count.add_metric((queue, state), jobs.count if jobs else 0)
            oldest.add_metric((queue, state), jobs.oldest_seconds if jobs else 0)
    age = GaugeMetricFamily(
        "gateway_schedule_age_seconds",
        "Seconds since a task of the schedule last began",
        labels=("task",),
    )
    for run in last_runs:
        age.add_metric((run.task,), run.age_seconds)
    workers = GaugeMetricFamily(
        "gateway_workers", "Workers that reported in the last minute", alive
    )
    return [
        count,
        oldest,
        await _waiting_jobs(read),
        age,
        *_llm_usage(await llm_usage.totals(read)),
        workers,
    ]


async def _waiting_jobs(read: Read) -> Metric:
    waiting = GaugeMetricFamily(
        "gateway_jobs_waiting",
        "Jobs that wait for an unavailable dependency",
        labels=("dependency",),
    )
    counts: Counter[Dependency] = Counter()
    for jobs in await outages.count_waiting(read):
        counts[jobs.dependency] += jobs.count
    for dependency in get_args(Dependency):
        waiting.add_metric((dependency,), counts[dependency])
    return waiting


def _llm_usage(totals: Sequence[llm_usage.UsageTotal]) -> Iterator[Metric]:
    """Totals of LLM usage since the deployment was created."""
    labels = ("task", "model", "outcome")
    requests = CounterMetricFamily(
        "gateway_provider_questions", "Requests to the LLM provider", labels=labels
    )
    tokens = CounterMetricFamily(
        "gateway_provider_tokens", "Tokens of these requests", labels=(*labels, "part")
    )
    cost = CounterMetricFamily(
        "gateway_provider_cost", "Cost at the prices of the settings", labels=labels
    )
    for total in totals:
        values = (total.task, total.model, total.outcome)
        requests.add_metric(values, total.calls)
        tokens.add_metric((*values, "question"), total.prompt_tokens)
        tokens.add_metric((*values, "answer"), total.completion_tokens)
        cost.add_metric(values, float(total.cost))
    yield from (requests, tokens, cost)
