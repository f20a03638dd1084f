"""What operators and probes ask: health, readiness, metrics, OpenAPI documents, the reference."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)

from domains.intelligence import embeddings
from domains.kernel import health, job_admin, schedule, usage
from domains.kernel.blobs import Blobs
from domains.kernel.db import Database, Read
from domains.kernel.health import Health, Part
from domains.kernel.jobs import QUEUES, State
from domains.kernel.problems import Unavailable
from domains.kernel.settings import Settings
from gateway import openapi, reference
from gateway.discovery.surface import ProblemDetails, problem_details
from gateway.limits import Limiter
from gateway.surface import Surface, operation

# The states of jobs that `/metrics` counts: those that are due, and those that failed lately.
_COUNTED: Final[tuple[State, ...]] = ("queued", "sent", "running", "failed")

_NO_SPEECH: Final = (
    "no speech-to-text service is set (GATEWAY_SPEECH_URL): recordings are kept and not transcribed"
)
_NO_CHAT: Final = "no chat endpoint is set (GATEWAY_CHAT_URL): the embedded engine does all"
_NO_MODEL: Final = (
    "the model for sentence vectors is not installed: near-duplicates are told by their words"
)


class Alive(msgspec.Struct):
    """The process answers."""

    status: str


@get(
    "/livez",
    opt=operation("livez", "public", "Whether the process answers", addition=True),
)
async def livez() -> Alive:
    return Alive("ok")


@get(
    ["/readyz", "/api/readyz"],
    opt=operation("readyz", "public", "Whether requests can be served", errors=(503,)),
)
async def readyz(database: NamedDependency[Database]) -> Alive:
    await health.require_schema(database)
    return Alive("ok")


@get(
    "/health",
    opt=operation("getHealth", "public", "The state of every part", errors=(503,), addition=True),
)
async def get_health(
    database: NamedDependency[Database],
    blobs: NamedDependency[Blobs],
    limiter: NamedDependency[Limiter],
    settings: NamedDependency[Settings],
) -> Response[Health]:
    others = await asyncio.to_thread(_set_up, settings)
    found = await health.examine(database, blobs, limiter.check, others)
    return Response(found, status_code=503 if found.status == "down" else 200)


def _set_up(settings: Settings) -> dict[str, Part]:
    """Parts that an operator may leave out, and what goes without them."""
    whole = embeddings.available() != embeddings.Words.name
    return {
        "transcription": Part("ok") if settings.speech_url else Part("off", _NO_SPEECH),
        "provider": Part("ok") if settings.chat_url else Part("off", _NO_CHAT),
        "embeddings": Part("ok") if whole else Part("degraded", _NO_MODEL),
    }


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
    last_runs = await schedule.last_runs(read)
    alive = await health.alive_workers(read)
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
    _measure_provider(await usage.totals(read), registry)
    workers = Gauge(
        "gateway_workers", "Workers that reported in the last minute", registry=registry
    )
    workers.set(alive)


def _measure_provider(totals: Sequence[usage.UsageTotal], registry: CollectorRegistry) -> None:
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


def documents(surfaces: Sequence[Surface]) -> list[HTTPRouteHandler]:
    """Handlers of the OpenAPI documents, all surfaces and each alone, and of the reference page.

    They are made when they are first asked for, in a thread: they take longer than a start should.
    """

    @functools.cache
    def everything() -> dict[str, Any]:
        return openapi.document(surfaces)

    def handler(path: str, make: Callable[[], dict[str, Any]]) -> HTTPRouteHandler:
        made = functools.cache(lambda: msgspec.json.encode(make()))

        @get(path, opt=operation("openapi", "public", "OpenAPI document"))
        async def serve() -> Response[bytes]:
            return Response(await asyncio.to_thread(made), media_type=MediaType.JSON)

        return serve

    page = functools.cache(lambda: reference.render(everything()))

    @get(["/", "/reference"], opt=operation("reference", "public", "The API reference"))
    async def serve_reference() -> Response[bytes]:
        return Response(
            await asyncio.to_thread(page),
            media_type=MediaType.HTML,
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "X-Content-Type-Options": "nosniff",
            },
        )

    alone = [
        handler(
            f"{surface.prefixes[0]}/openapi.json", functools.partial(openapi.document, [surface])
        )
        for surface in surfaces
        if surface is not OPERATIONS
    ]
    return [handler("/openapi.json", everything), *alone, serve_reference]


HANDLERS: Final = (livez, readyz, get_health, metrics)

OPERATIONS: Final = Surface(
    name="operations",
    title="Operations",
    description="Health and readiness.",
    prefixes=("/",),
    handlers=[livez, readyz, get_health],
    media_type="application/problem+json",
    error_types={"GET": ProblemDetails, "*": ProblemDetails},
    error_body=problem_details,
    tag_of=lambda _path: "Operations",
)
