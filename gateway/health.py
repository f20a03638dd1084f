"""Liveness, readiness and health."""

import asyncio
from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from domains.intelligence.semantic import encoder_files
from domains.kernel import health
from domains.kernel.core.settings import Settings
from domains.kernel.core.tasks import SharedCall
from domains.kernel.db.database import Database
from domains.kernel.health import Health, Part
from domains.kernel.storage.blobs import Blobs
from gateway.admission.rate_limit import Limiter
from gateway.errors import ProblemDetails, problem_details
from gateway.operations import Surface, operation


class Alive(msgspec.Struct):
    """Status of a probe."""

    status: Annotated[str, Meta(examples=["ok"])]


@get("/livez", opt=operation("livez", "public", "Check that the process answers", addition=True))
async def livez() -> Alive:
    """Check that the process answers. It asks no other part."""
    return Alive("ok")


@get(
    "/healthcheck",
    opt=operation(
        "healthcheck", "public", "Check that the API answers, without a key", addition=True
    ),
)
async def healthcheck() -> Alive:
    """Check that the process answers. It asks no dependency; `/readyz` does."""
    return Alive("ok")


@get(
    ["/readyz", "/api/readyz"],
    opt=operation("readyz", "public", "Check that requests can be served", errors=(503,)),
)
async def readyz(database: NamedDependency[Database]) -> Alive:
    """Check that the database answers and has the schema of this version. 503: it does not."""
    await health.require_ready(database)
    return Alive("ok")


@get(
    "/health",
    opt=operation(
        "getSystemHealth", "public", "Get the state of every part", errors=(503,), addition=True
    ),
)
async def get_health(
    database: NamedDependency[Database],
    blobs: NamedDependency[Blobs],
    limiter: NamedDependency[Limiter],
    settings: NamedDependency[Settings],
) -> Response[Health]:
    """Get the state of every part and of the queues. 503 if a required part is down."""
    state, has_encoders = await asyncio.gather(
        health.check_health(database, blobs, limiter.check),
        ENCODERS.result(),
    )
    state = state.with_parts(_optional_parts(settings, has_encoders))
    return Response(state, status_code=503 if state.status == "down" else 200)


def _encoders_installed() -> bool:
    names = [encoder_files.available(model=model) for model in encoder_files.SIZES]
    return encoder_files.HASHED_WORDS not in names


# Not in the threads of asyncio: health is reported also while all of those are occupied.
ENCODERS: Final = SharedCall(_encoders_installed)


def _optional_parts(settings: Settings, has_encoders: bool) -> dict[str, Part]:
    """State of the parts that a deployment may lack, with the consequence if one is missing."""
    no_speech = "GATEWAY_SPEECH_URL is not set: recordings are stored but not transcribed"
    no_chat = "GATEWAY_CHAT_URL is not set: the built-in engine does all analysis"
    no_encoder = (
        "a sentence encoder is not installed: near-duplicates, and findings in other languages "
        "than English, come from words alone"
    )
    return {
        "transcription": Part("ok") if settings.speech_url else Part("off", no_speech),
        "provider": Part("ok") if settings.chat_url else Part("off", no_chat),
        "embeddings": Part("ok") if has_encoders else Part("degraded", no_encoder),
    }


HANDLERS: Final = (livez, healthcheck, readyz, get_health)

OPERATIONS: Final = Surface(
    title="Operations",
    description="Health and readiness.",
    prefixes=("/",),
    handlers=HANDLERS,
    media_type="application/problem+json",
    error_types={"GET": ProblemDetails, "*": ProblemDetails},
    error_body=problem_details,
    tag_of=lambda _path: "Operations",
    tags={"Operations": "Health and readiness of the service, for operators and load balancers."},
)
