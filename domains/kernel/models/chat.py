"""Answers of a model behind any endpoint that speaks OpenAI's `POST /chat/completions`.

A question is one call with a JSON schema of its answer. Nothing of an answer is believed here but
that it is JSON; who asked checks the rest. Importing this module takes a second: those who only
make questions or read answers need `domains.kernel.models.llm_types` alone.
"""

import asyncio
import contextlib
import email.utils
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, cast

import httpx2
import msgspec
import openai
import structlog
from openai import omit
from openai.types.chat import ChatCompletionMessageParam
from openai.types.chat.completion_create_params import ResponseFormat

from domains.kernel.core.settings import SettingError, Settings
from domains.kernel.models.llm_types import Answer, Question, Reason, Spent, Unanswered

log = structlog.get_logger()

# Bytes of a response that are read, whatever it says.
_LARGEST: Final = 2_000_000

# Seconds: the wait for a connection, and those before another attempt unless the endpoint tells.
_CONNECT: Final = 10.0
_WAITS: Final = (0.5, 2.0)

# More tokens than any model takes: an endpoint that tells more is not believed.
_MOST_TOLD: Final = 10_000_000
_NAME: Final = 100

# What is sent besides the body. The client library adds the versions of this machine, and whatever
# some variables of the environment say.
_SENT: Final = frozenset({b"host", b"content-type", b"content-length"})
_OWN: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "evidence-gateway",
}

Pause = Callable[[float], Awaitable[None]]


class _Way(msgspec.Struct, frozen=True):
    """How to ask: endpoints and models differ in the parameters that they take."""

    by_schema: bool = True
    sampling: bool = True
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


class _Failure(Exception):
    """One attempt came to nothing; `passing` if another may not. `wait`: as the endpoint told."""

    def __init__(
        self, reason: Reason, message: str, *, passing: bool = False, wait: float = 0.0
    ) -> None:
        super().__init__(message)
        self.reason: Final[Reason] = reason
        self.message: Final = message
        self.passing: Final = passing
        self.wait: Final = wait


class _TooLarge(Exception):
    """A response has more bytes than are read."""


class Chat:
    """Asks the endpoint of the settings."""

    def __init__(self, client: openai.AsyncOpenAI, settings: Settings, pause: Pause) -> None:
        self._client = client
        self._settings = settings
        self._pause = pause
        self._way = _Way()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, settings: Settings, *, pause: Pause = asyncio.sleep
    ) -> AsyncIterator["Chat | None"]:
        """The endpoint of the settings; None if they name none. `pause` waits between attempts.

        SettingError if the URL or the key cannot be sent. Nothing else is taken from the
        environment: no key, no proxy, no header.
        """
        if not settings.chat_url:
            yield None
            return
        key = settings.chat_key
        if not (key.isascii() and key.isprintable()):
            raise SettingError("GATEWAY_CHAT_KEY has characters that no key has")
        try:
            url = httpx2.URL(settings.chat_url)
        except httpx2.InvalidURL:
            raise SettingError("GATEWAY_CHAT_URL is not a URL") from None
        _keep_quiet()
        limit = settings.chat_time_limit
        async with httpx2.AsyncClient(
            transport=_Transport(key),
            # For each wait; `asyncio.timeout` limits all of them together.
            timeout=httpx2.Timeout(limit, connect=min(limit, _CONNECT)),
            follow_redirects=False,
            trust_env=False,
        ) as sender:
            client = openai.AsyncOpenAI(
                base_url=url.copy_with(query=None),
                default_query=dict(url.params),
                # It requires one; the transport sends the operator's, or none.
                api_key="none",
                timeout=sender.timeout,
                max_retries=0,
                http_client=sender,
            )
            yield cls(client, settings, pause)

    async def ask(self, question: Question) -> Answer:
        """What the model answers, within the limits of time and tokens, or Unanswered.

        Tried again is what may pass: too many questions, a failed endpoint, a broken connection.
        """
        try:
            self._check_size(question)
            async with asyncio.timeout(self._settings.chat_time_limit) as limit:
                body = await self._with_patience(question, limit.when() or 0.0)
        except _Failure as failure:
            raise self._unanswered(question, failure) from None
        except TimeoutError:
            late = _Failure("timeout", "The chat endpoint took too long.")
            raise self._unanswered(question, late) from None
        return self._understood(question, body)

    def _check_size(self, question: Question) -> None:
        size, most = _size(question), self._settings.chat_input_tokens
        if size > most:
            message = f"The question has about {size} tokens; GATEWAY_CHAT_INPUT_TOKENS is {most}."
            raise _Failure("over_budget", message)

    async def _with_patience(self, question: Question, deadline: float) -> bytes:
        """The body of the first response that is an answer; else the failure that lasts."""
        for wait in _WAITS:
            try:
                return await self._send(question)
            except _Failure as failure:
                rest = max(wait, failure.wait)
                left = deadline - asyncio.get_running_loop().time()
                if not failure.passing or rest >= left:
                    raise
                log.info("chat_again", task=question.task, reason=failure.reason)
            await self._pause(rest)
        return await self._send(question)

    async def _send(self, question: Question) -> bytes:
        """One attempt; a parameter that the endpoint does not know is left out from now on."""
        way = self._way
        while True:
            try:
                return await self._post(question, way)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                plainer = _plainer(way, error.response.content)
                if plainer is None:
                    raise _of_status(error.response) from None
                way = self._way = plainer
            except openai.APIStatusError as error:
                raise _of_status(error.response) from None
            except openai.APIConnectionError as error:
                # Its text and its cause name the address.
                raise _of_connection(error) from None
            except _TooLarge:
                message = f"The chat endpoint answered more than {_LARGEST} bytes."
                raise _Failure("nonsense", message) from None

    async def _post(self, question: Question, way: _Way) -> bytes:
        most = min(question.most_output_tokens, self._settings.chat_output_tokens)
        response = await self._client.chat.completions.with_raw_response.create(
            model=self._settings.chat_model,
            messages=_messages(question, way),
            response_format=_format(question, way),
            temperature=0.0 if way.sampling else omit,
            seed=1 if way.sampling else omit,
            max_tokens=most if way.limit == "max_tokens" else omit,
            max_completion_tokens=most if way.limit == "max_completion_tokens" else omit,
        )
        return response.content

    def _understood(self, question: Question, body: bytes) -> Answer:
        spent = Spent(self._settings.chat_model)
        try:
            completion = _DECODER.decode(body)
            choice = completion.choices[0]
            content = _bare(choice.message.content or "")
            spent = self._spent(question, completion.usage, content)
            _check(choice, content)
        except _Failure as failure:
            raise self._unanswered(question, failure, spent) from None
        except (ValueError, msgspec.DecodeError, RecursionError, IndexError):
            nonsense = _Failure("nonsense", "The chat endpoint answered something else than JSON.")
            raise self._unanswered(question, nonsense, spent) from None
        told = " ".join(_DIRT.sub(" ", completion.model or "").split())[:_NAME]
        return Answer(content.encode(), told or self._settings.chat_model, spent)

    def _spent(self, question: Question, told: "_Told | None", content: str) -> Spent:
        """As the endpoint tells; as estimated where it tells nothing that can be true."""
        asked = _believed(told.prompt_tokens if told else None, _size(question))
        answered = _believed(told.completion_tokens if told else None, tokens(content))
        cost = asked * _exactly(self._settings.chat_input_price)
        cost += answered * _exactly(self._settings.chat_output_price)
        return Spent(self._settings.chat_model, asked, answered, cost / 1_000_000)

    def _unanswered(
        self, question: Question, failure: _Failure, spent: Spent | None = None
    ) -> Unanswered:
        log.warning("chat_unanswered", task=question.task, reason=failure.reason)
        spent = spent or Spent(self._settings.chat_model)
        return Unanswered(failure.reason, failure.message, spent)


def _keep_quiet() -> None:
    """The client library logs what it sends, at levels that OPENAI_LOG may choose."""
    for name in ("openai", "httpx2", "httpcore2"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.WARNING, logging.getLogger().level))


# ---- what is asked


def tokens(text: str) -> int:
    """About how many tokens a text has: one for 4 characters of ASCII, one for each other."""
    plain = sum(map(str.isascii, text)) if not text.isascii() else len(text)
    return len(text) - plain + (plain + 3) // 4


def _size(question: Question) -> int:
    schema = msgspec.json.encode(question.schema).decode()
    return tokens(question.instructions) + tokens(question.data) + tokens(schema)


def _messages(question: Question, way: _Way) -> list[ChatCompletionMessageParam]:
    instructions = question.instructions
    if not way.by_schema:
        schema = msgspec.json.encode(question.schema).decode()
        instructions += f"\n\nAnswer with one JSON object that fits this JSON schema:\n{schema}"
    return [
        {"role": "system", "content": instructions},
        {"role": "user", "content": question.data},
    ]


def _format(question: Question, way: _Way) -> ResponseFormat:
    if not way.by_schema:
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": {
            "name": question.schema_name,
            "schema": cast("dict[str, object]", question.schema),
            "strict": True,
        },
    }


# What a refusal names when the endpoint or the model does not know one of these.
_ABOUT_FORMAT: Final = re.compile(rb"response_format|json_schema")
_ABOUT_SAMPLING: Final = re.compile(rb"(?:temperature|seed).{0,200}support|support.{0,200}\bseed\b")
_ABOUT_LIMIT: Final = re.compile(rb"max_tokens.{0,200}max_completion_tokens.{0,20}instead")


def _plainer(way: _Way, refusal: bytes) -> _Way | None:
    """Another way to ask if the endpoint refused this one because of how it asks."""
    if way.limit == "max_tokens" and _ABOUT_LIMIT.search(refusal):
        return msgspec.structs.replace(way, limit="max_completion_tokens")
    if way.sampling and _ABOUT_SAMPLING.search(refusal):
        return msgspec.structs.replace(way, sampling=False)
    if way.by_schema and _ABOUT_FORMAT.search(refusal):
        return msgspec.structs.replace(way, by_schema=False)
    return None


class _Transport(httpx2.AsyncBaseTransport):
    """Sends what the protocol needs and no more; reads no more than a bounded response."""

    def __init__(self, key: str) -> None:
        self._inner = httpx2.AsyncHTTPTransport(
            trust_env=False,
            # A kept connection may be gone when minutes later the next question is asked.
            limits=httpx2.Limits(max_keepalive_connections=0),
        )
        self._own = [(name.encode(), value.encode()) for name, value in _OWN.items()]
        if key:
            self._own.append((b"Authorization", f"Bearer {key}".encode()))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        sent = [each for each in request.headers.raw if each[0].lower() in _SENT]
        # Not the same request: the client library finds notes to itself in its headers.
        response = await self._inner.handle_async_request(
            httpx2.Request(
                request.method,
                request.url,
                headers=[*sent, *self._own],
                stream=request.stream,
                extensions=request.extensions,
            )
        )
        headers = response.headers
        # What is compressed all the same may be far larger than what is read.
        headers.pop("Content-Encoding", None)
        return httpx2.Response(
            response.status_code,
            headers=headers,
            stream=_Bounded(cast("httpx2.AsyncByteStream", response.stream)),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """A response's bytes; _TooLarge beyond the limit."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > _LARGEST:
                raise _TooLarge
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


# ---- what is answered


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Told(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    model: str | None = None
    usage: _Told | None = None


_DECODER: Final = msgspec.json.Decoder(_Completion)
_DIRT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_FENCED: Final = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


def _bare(content: str) -> str:
    """Without the marks of a code block, which models without schemas put around JSON."""
    content = content.strip()
    fenced = _FENCED.fullmatch(content)
    return fenced[1] if fenced else content


def _check(choice: _Choice, content: str) -> None:
    """_Failure, or an error of the decoder, unless the model answered a whole JSON object."""
    if choice.message.refusal or choice.finish_reason == "content_filter":
        raise _Failure("declined", "The model declined to answer.")
    if choice.finish_reason == "length":
        raise _Failure("too_long", "The model's answer was cut off at its limit of tokens.")
    if not isinstance(msgspec.json.decode(content), dict):
        raise _Failure("nonsense", "The model answered no JSON object.")


def _believed(told: int | None, estimated: int) -> int:
    return told if told is not None and 0 <= told <= _MOST_TOLD else estimated


def _exactly(price: float) -> Decimal:
    return Decimal(str(price))


# ---- why there is no answer


def _of_connection(error: openai.APIConnectionError) -> _Failure:
    late = isinstance(error, openai.APITimeoutError)
    if late and not isinstance(error.__cause__, httpx2.ConnectTimeout):
        return _Failure("timeout", "The chat endpoint took too long.")
    return _Failure("unreachable", "The chat endpoint cannot be reached.", passing=True)


def _of_status(response: httpx2.Response) -> _Failure:
    status = response.status_code
    if status in (401, 403):
        return _Failure("refused", "The chat endpoint refused the key.")
    if status == 404:
        return _Failure("refused", "The chat endpoint knows no such address or model.")
    if status == 429:
        # Money that is gone does not come back in seconds.
        passing = b"insufficient_quota" not in response.content
        message = "The chat endpoint has too many questions to answer."
        return _Failure("rate_limited", message, passing=passing, wait=_told_wait(response.headers))
    if status in (408, 409, 425) or status >= 500:
        message = f"The chat endpoint failed (HTTP {status})."
        return _Failure("server_error", message, passing=True, wait=_told_wait(response.headers))
    return _Failure("refused", f"The chat endpoint refused the question (HTTP {status}).")


def _told_wait(headers: httpx2.Headers) -> float:
    """Seconds of Retry-After, a number or a date; 0 if it says nothing that is understood."""
    told = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", told):
        return float(told)
    try:
        when = email.utils.parsedate_to_datetime(told)
    except ValueError:
        return 0.0
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
