"""Client for any endpoint that implements OpenAI's `POST /chat/completions`.

A request is one call with a JSON schema of its response. The client checks only that the response
is a JSON object; the caller validates it.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
import structlog

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.settings import Settings
from domains.kernel.models.endpoint import Endpoint, Response, ResponseTooLarge, single_line
from domains.kernel.models.llm_types import (
    ErrorReason,
    LLMError,
    LLMRequest,
    LLMResponse,
    TokenUsage,
)

log = structlog.get_logger()

_MAX_RESPONSE_BYTES: Final = 2_000_000

# Seconds. A longer Retry-After of the endpoint replaces the delay of an attempt.
_CONNECT_TIMEOUT: Final = 10.0
_RETRY_DELAYS: Final = (0.5, 2.0)

# Failures that show an outage. The others are due to a request, the settings or a quota.
_OUTAGE: Final[frozenset[ErrorReason]] = frozenset({"timeout", "unreachable", "server_error"})
_UNAVAILABLE: Final = "The chat endpoint is unavailable: no request was sent."

# Larger than the context of any model: a higher count in a response is an error of the endpoint.
_MAX_TOKEN_COUNT: Final = 10_000_000
_MAX_MODEL_CHARACTERS: Final = 100

Sleep = Callable[[float], Awaitable[None]]


class _Parameters(msgspec.Struct, frozen=True):
    """Optional request parameters. Not every endpoint and model accepts all of them."""

    json_schema: bool = True
    sampling: bool = True
    output_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


class _Failure(Exception):
    """An attempt failed. Retry after at least `retry_after` seconds. None means do not retry."""

    def __init__(self, reason: ErrorReason, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason: Final[ErrorReason] = reason
        self.message: Final = message
        self.retry_after: Final = retry_after


class ChatClient:
    """Sends requests to the chat endpoint of the settings."""

    def __init__(self, endpoint: Endpoint, settings: Settings, sleep: Sleep) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._sleep = sleep
        self._parameters = _Parameters()
        # Failed requests since the last response.
        self._failures = 0
        self.breaker: Final = Breaker("chat", _UNAVAILABLE, settings.chat_probe_interval)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, settings: Settings, *, sleep: Sleep = asyncio.sleep
    ) -> AsyncIterator["ChatClient | None"]:
        """Open a client for the endpoint of the settings. Yields None if no URL is set.

        `sleep` waits between attempts. Raises SettingError if the URL or the key cannot be sent.
        """
        if not settings.chat_url:
            yield None
            return
        async with Endpoint.open(
            "GATEWAY_CHAT",
            settings.chat_url,
            settings.chat_key,
            "/chat/completions",
            accept="application/json",
            time_limit=settings.chat_time_limit,
            connect_timeout=_CONNECT_TIMEOUT,
        ) as endpoint:
            yield cls(endpoint, settings, sleep)

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """Return the model's response, within the limits of time and tokens. Raises LLMError.

        Retries if the endpoint limits the rate, fails or cannot be reached. During an outage only
        one request per `chat_probe_interval` is sent; the others fail at once. An outage is an
        endpoint that cannot be reached, or two requests in a row that time out or fail.
        """
        usage = TokenUsage(self._settings.chat_model)
        if not self.breaker.admits():
            raise LLMError("unreachable", _UNAVAILABLE, usage)
        try:
            completion = _decode(await self._send_and_record(request))
            usage = self._usage(request, completion)
            content = _json_object(completion)
        except _Failure as failure:
            log.warning("llm_request_failed", task=request.task, reason=failure.reason)
            raise LLMError(failure.reason, failure.message, usage) from None
        model = single_line(completion.model or "")[:_MAX_MODEL_CHARACTERS]
        return LLMResponse(content, model or self._settings.chat_model, usage)

    async def _send_and_record(self, request: LLMRequest) -> bytes:
        """Like `_send_within_limits`. Records in the breaker if the endpoint responded."""
        began = time.monotonic()
        try:
            body = await self._send_within_limits(request)
        except _Failure as failure:
            if failure.reason in _OUTAGE:
                self._record_failure(failure.reason, began)
            elif failure.reason != "over_budget":
                self._record_response()
            raise
        self._record_response()
        return body

    def _record_failure(self, reason: ErrorReason, began: float) -> None:
        """Open the breaker, but not for one request that may be slow or faulty by itself."""
        self._failures += 1
        if reason == "unreachable" or self._failures > 1:
            self.breaker.failed(reason, began=began)

    def _record_response(self) -> None:
        self._failures = 0
        self.breaker.succeeded()

    async def _send_within_limits(self, request: LLMRequest) -> bytes:
        size, limit = _estimate_size(request), self._settings.chat_input_tokens
        if size > limit:
            message = f"The request has about {size} tokens; GATEWAY_CHAT_INPUT_TOKENS is {limit}."
            raise _Failure("over_budget", message)
        try:
            async with asyncio.timeout(self._settings.chat_time_limit) as timeout:
                return await self._send_with_retries(request, timeout.when() or 0.0)
        except TimeoutError:
            raise _Failure("timeout", "The chat endpoint took too long.") from None

    async def _send_with_retries(self, request: LLMRequest, deadline: float) -> bytes:
        """Return the body of the first success response. Raises the last failure.

        Does not retry if the delay would exceed the deadline.
        """
        for least_delay in _RETRY_DELAYS:
            try:
                return await self._send(request)
            except _Failure as failure:
                delay = max(least_delay, failure.retry_after or 0.0)
                remaining = deadline - asyncio.get_running_loop().time()
                if failure.retry_after is None or delay >= remaining:
                    raise
                log.info("llm_request_retried", task=request.task, reason=failure.reason)
            await self._sleep(delay)
        return await self._send(request)

    async def _send(self, request: LLMRequest) -> bytes:
        """Make one attempt. Omits rejected parameters, also from all later requests."""
        parameters = self._parameters
        max_tokens = min(request.max_output_tokens, self._settings.chat_output_tokens)
        while True:
            body = _body(request, self._settings.chat_model, parameters, max_tokens)
            try:
                response = await self._endpoint.post(json=body, max_bytes=_MAX_RESPONSE_BYTES)
            except ConnectionError:
                message = "The chat endpoint cannot be reached."
                raise _Failure("unreachable", message, retry_after=0.0) from None
            except ResponseTooLarge:
                message = f"The chat endpoint's response exceeds {_MAX_RESPONSE_BYTES} bytes."
                raise _Failure("nonsense", message) from None
            if 200 <= response.status < 300:
                return response.body
            accepted = _without_rejected(parameters, response)
            if accepted is None:
                raise _failure_of(response)
            parameters = self._parameters = accepted

    def _usage(self, request: LLMRequest, completion: "_Completion") -> TokenUsage:
        """Return the response's token counts, estimated where they are missing or implausible."""
        counts = completion.usage or _Counts()
        prompt = _plausible(counts.prompt_tokens, _estimate_size(request))
        completed = _plausible(counts.completion_tokens, estimate_tokens(completion.text))
        cost = prompt * Decimal(str(self._settings.chat_input_price))
        cost += completed * Decimal(str(self._settings.chat_output_price))
        return TokenUsage(self._settings.chat_model, prompt, completed, cost / 1_000_000)


# ---- requests


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text: one per 4 ASCII characters, one per other character."""
    ascii_count = sum(map(str.isascii, text)) if not text.isascii() else len(text)
    return len(text) - ascii_count + (ascii_count + 3) // 4


def _estimate_size(request: LLMRequest) -> int:
    return sum(map(estimate_tokens, (request.instructions, request.data, _schema_text(request))))


def _schema_text(request: LLMRequest) -> str:
    return msgspec.json.encode(request.schema).decode()


def _body(
    request: LLMRequest, model: str, parameters: _Parameters, max_tokens: int
) -> dict[str, Any]:
    instructions = request.instructions
    response_format: dict[str, Any] = {"type": "json_object"}
    if parameters.json_schema:
        schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
        response_format = {"type": "json_schema", "json_schema": schema}
    else:
        instructions += (
            "\n\nAnswer with one JSON object that fits this JSON schema:\n" + _schema_text(request)
        )
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": instructions},
            {"role": "user", "content": request.data},
        ],
        "response_format": response_format,
        **({"temperature": 0.0, "seed": 1} if parameters.sampling else {}),
        parameters.output_limit: max_tokens,
    }


# Found in the error response of an endpoint or model that does not support the parameter.
_RESPONSE_FORMAT: Final = re.compile(rb"response_format|json_schema")
_SAMPLING: Final = re.compile(rb"(?:temperature|seed).{0,200}support|support.{0,200}\bseed\b")
_OUTPUT_LIMIT: Final = re.compile(rb"max_tokens.{0,200}max_completion_tokens.{0,20}instead")


def _without_rejected(parameters: _Parameters, response: Response) -> _Parameters | None:
    """Return parameters without the rejected feature, or None if something else was rejected."""
    if parameters.output_limit == "max_tokens" and response.rejects(_OUTPUT_LIMIT):
        return msgspec.structs.replace(parameters, output_limit="max_completion_tokens")
    if parameters.sampling and response.rejects(_SAMPLING):
        return msgspec.structs.replace(parameters, sampling=False)
    if parameters.json_schema and response.rejects(_RESPONSE_FORMAT):
        return msgspec.structs.replace(parameters, json_schema=False)
    return None


# ---- responses


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


_CODE_BLOCK: Final = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    model: str | None = None
    usage: _Counts | None = None

    @property
    def text(self) -> str:
        """Text of the first choice, without a Markdown code block around the JSON."""
        content = (self.choices[0].message.content or "").strip()
        block = _CODE_BLOCK.fullmatch(content)
        return block[1] if block else content


_DECODER: Final = msgspec.json.Decoder(_Completion)
_NOT_JSON: Final = "The chat endpoint's response is not the JSON that its protocol requires."


def _decode(body: bytes) -> _Completion:
    try:
        completion = _DECODER.decode(body)
    except (ValueError, RecursionError):
        raise _Failure("nonsense", _NOT_JSON) from None
    if not completion.choices:
        raise _Failure("nonsense", _NOT_JSON)
    return completion


def _json_object(completion: _Completion) -> bytes:
    """Return the text of the completion. Raises _Failure unless it is a complete JSON object."""
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        raise _Failure("declined", "The model declined to respond.")
    if choice.finish_reason == "length":
        raise _Failure("too_long", "The model's response was cut off at its token limit.")
    try:
        content = completion.text.encode()
        if isinstance(msgspec.json.decode(content), dict):
            return content
    except (ValueError, RecursionError):
        raise _Failure("nonsense", _NOT_JSON) from None
    raise _Failure("nonsense", "The model's response is not a JSON object.")


def _plausible(count: int | None, estimate: int) -> int:
    return count if count is not None and 0 <= count <= _MAX_TOKEN_COUNT else estimate


def _failure_of(response: Response) -> _Failure:
    status = response.status
    if status in (401, 403):
        return _Failure("refused", f"The chat endpoint rejected the API key (HTTP {status}).")
    if status == 404:
        return _Failure("refused", "The chat endpoint has no such URL or model (HTTP 404).")
    if status == 429:
        message = "The chat endpoint's rate limit or quota is exceeded (HTTP 429)."
        # A used-up quota does not recover within seconds.
        retry_after = None if b"insufficient_quota" in response.body else response.retry_after
        return _Failure("rate_limited", message, retry_after)
    if status in (408, 409, 425) or status >= 500:
        message = f"The chat endpoint failed (HTTP {status})."
        return _Failure("server_error", message, response.retry_after)
    return _Failure("refused", f"The chat endpoint rejected the request (HTTP {status}).")
