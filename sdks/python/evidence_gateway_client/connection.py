"""Connections that retry refused requests and raise errors."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

import httpx

from evidence_gateway_client.client import AuthenticatedClient
from evidence_gateway_client.models import ProblemDetails, ReadError, WriteError
from evidence_gateway_client.problems import ErrorBody, error_of

T = TypeVar("T")


def connect(
    base_url: str,
    key: str,
    *,
    timeout: float = 60,
    retries: int = 4,
    max_wait: float = 60,
    sleep: Callable[[float], None] = time.sleep,
    async_sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AuthenticatedClient:
    """Create a client for the generated functions of `evidence_gateway_client.api`.

    GET and POST are sent again after 429 and 503, at most `retries` times, and only if the gateway
    asks to wait at most `max_wait` seconds. Each POST has an Idempotency-Key, so that it takes
    effect once. Error responses raise a `GatewayError`.
    """
    transport = _RetryTransport(retries, max_wait, sleep, async_sleep)
    return AuthenticatedClient(
        base_url, key, timeout=httpx.Timeout(timeout), httpx_args={"transport": transport}
    )


def ok(result: T | ErrorBody | None) -> T:
    """Narrow the result of a generated function to its success.

    A client of `connect` raises error responses. Only 304 (see `if_none_match`) has no result.
    """
    if result is None or isinstance(result, ProblemDetails | ReadError | WriteError):
        raise TypeError("status 304, or the client was not created by connect()")
    return result


@dataclass
class _RetryTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends requests again that the gateway refused, and raises its errors."""

    retries: int
    max_wait: float
    sleep: Callable[[float], None]
    async_sleep: Callable[[float], Awaitable[None]]
    blocking: httpx.BaseTransport = field(default_factory=httpx.HTTPTransport)
    asynchronous: httpx.AsyncBaseTransport = field(default_factory=httpx.AsyncHTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        _set_idempotency_key(request)
        for attempt in range(self.retries + 1):
            response = self.blocking.handle_request(request)
            if response.status_code < 400:
                return response
            response.read()
            response.close()
            delay = self._delay(request, response, attempt)
            if delay is None:
                break
            self.sleep(delay)
        raise error_of(response)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _set_idempotency_key(request)
        for attempt in range(self.retries + 1):
            response = await self.asynchronous.handle_async_request(request)
            if response.status_code < 400:
                return response
            await response.aread()
            await response.aclose()
            delay = self._delay(request, response, attempt)
            if delay is None:
                break
            await self.async_sleep(delay)
        raise error_of(response)

    def close(self) -> None:
        self.blocking.close()

    async def aclose(self) -> None:
        await self.asynchronous.aclose()

    def _delay(
        self, request: httpx.Request, response: httpx.Response, attempt: int
    ) -> float | None:
        """Seconds until the next attempt, or None if the error is final."""
        # POST has an Idempotency-Key.
        repeatable = response.status_code in (429, 503) and request.method in ("GET", "POST")
        if attempt == self.retries or not repeatable:
            return None
        asked = response.headers.get("Retry-After", "")
        delay = float(asked) if asked.isdecimal() else 0.5 * 2**attempt
        return delay if delay <= self.max_wait else None


def _set_idempotency_key(request: httpx.Request) -> None:
    if request.method == "POST":
        request.headers.setdefault("Idempotency-Key", str(uuid4()))
