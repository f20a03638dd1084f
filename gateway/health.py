"""Health, readiness and liveness."""

import asyncio
from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from domains.intelligence.semantic import embeddings
from domains.kernel import health
from domains.kernel.core.settings import Settings
from domains.kernel.db.database import Database
from domains.kernel.health import Health, Part
from domains.kernel.storage.blobs import Blobs
from gateway.discovery.surface import ProblemDetails, problem_details
from gateway.rate_limit import Limiter
from gateway.surface import Surface, operation

_NO_SPEECH: Final = (
    "no speech-to-text service is set (GATEWAY_SPEECH_URL): recordings are kept and not transcribed"
)
_NO_CHAT: Final = "no chat endpoint is set (GATEWAY_CHAT_URL): the embedded engine does all"
_NO_MODEL: Final = (
    "the model for sentence vectors is not installed: near-duplicates are told by their words"
)


class Alive(msgspec.Struct):
    """The process answers."""

    status: Annotated[str, Meta(examples=["ok"])]


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
    found = await health.check_health(database, blobs, limiter.check, others)
    return Response(found, status_code=503 if found.status == "down" else 200)


def _set_up(settings: Settings) -> dict[str, Part]:
    """Parts that an operator may leave out, and what goes without them."""
    whole = embeddings.available() != embeddings.Words.name
    return {
        "transcription": Part("ok") if settings.speech_url else Part("off", _NO_SPEECH),
        "provider": Part("ok") if settings.chat_url else Part("off", _NO_CHAT),
        "embeddings": Part("ok") if whole else Part("degraded", _NO_MODEL),
    }


HANDLERS: Final = (livez, readyz, get_health)

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
