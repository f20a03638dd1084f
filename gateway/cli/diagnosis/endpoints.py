"""Checks of HTTP endpoints: the API itself, speech to text, and the chat model."""

from http import HTTPStatus

import httpx

from domains.kernel.core.settings import Settings
from gateway.cli.diagnosis.findings import Finding, error, off, ok, warning

_REFUSED_KEY = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


async def check_api(base_url: str, timeout: float) -> Finding:
    """Ask the API at this URL whether it can serve requests."""
    url = base_url.rstrip("/")
    try:
        response = await _get(f"{url}/readyz", {}, timeout)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return error(
            "API",
            f"{url} does not answer: {type(problem).__name__}",
            "start it with `gateway serve` or `gateway up`, or correct GATEWAY_PUBLIC_URL,"
            " GATEWAY_HOST and GATEWAY_PORT",
        )
    if response.status_code == HTTPStatus.OK:
        return ok("API", f"{url} serves requests")
    return error(
        "API",
        f"{url}/readyz answers {response.status_code}",
        f"see {url}/health for the part that is down",
    )


async def check_models(settings: Settings, timeout: float) -> list[Finding]:
    """Check that the speech-to-text and the chat endpoint answer and accept the key."""
    return [
        await _check_endpoint(
            *("speech to text", "GATEWAY_SPEECH_URL", settings.speech_url, settings.speech_key),
            "recordings wait",
            timeout,
        ),
        await _check_endpoint(
            *("chat endpoint", "GATEWAY_CHAT_URL", settings.chat_url, settings.chat_key),
            "the built-in engine analyses all texts",
            timeout,
        ),
    ]


async def _check_endpoint(
    check: str, name: str, url: str, key: str, consequence: str, timeout: float
) -> Finding:
    """Ask an OpenAI-compatible API for its models. Any response shows that it can be reached."""
    if not url:
        return off(check, f"{name} is not set")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        response = await _get(f"{url.rstrip('/')}/models", headers, timeout)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return warning(
            check,
            f"does not answer: {type(problem).__name__}",
            f"check {name} and the network; until then {consequence}",
        )
    if response.status_code in _REFUSED_KEY:
        return warning(
            check,
            f"refuses the key with {response.status_code}",
            f"correct {name.removesuffix('_URL')}_KEY; until then {consequence}",
        )
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return warning(
            check,
            f"answers {response.status_code}",
            f"see the logs of the endpoint; until then {consequence}",
        )
    return ok(check, "answers")


async def _get(url: str, headers: dict[str, str], timeout: float) -> httpx.Response:
    async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
        return await client.get(url, headers=headers)
