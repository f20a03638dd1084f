"""Types of requests to a large language model. Importing them loads no HTTP client."""

from decimal import Decimal
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

ErrorReason = Literal[
    "timeout",
    "unreachable",
    "refused",
    "rate_limited",
    "server_error",
    "too_long",
    "declined",
    "nonsense",
    "over_budget",
]
"""Reasons for which a request to a model can fail.

    timeout        the time limit of the request, all attempts included, was exceeded
    unreachable    no connection, or the connection broke
    refused        wrong key, URL, model or request: a retry will not help
    rate_limited   the endpoint limits the rate of requests, or a quota is used up
    server_error   the endpoint failed
    too_long       the response was cut off at its token limit
    declined       the model, or a content filter, refused to respond
    nonsense       the response does not follow the protocol
    over_budget    the request exceeds the token limit of the settings and was not sent
"""


class LLMRequest(Struct, frozen=True):
    """A task for a model.

    `data` is untrusted text, sent as a message of its own, never as instructions. `schema` is a
    JSON schema of the response in the dialect of structured outputs. `schema_name` consists of
    letters, digits, `_` and `-`.
    """

    task: str
    instructions: str
    data: str
    schema_name: str
    schema: dict[str, Any]
    max_output_tokens: int


class TokenUsage(Struct, frozen=True):
    """Tokens and cost of one request. `model` is the name in the settings.

    `cost` is in the currency of the prices in the settings.
    """

    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = Decimal(0)


class LLMResponse(Struct, frozen=True):
    """The JSON text that a model wrote, not validated. `model` is the name in the response."""

    content: bytes
    model: str
    usage: TokenUsage


class LLMError(Exception):
    """A request failed. The message is a sentence for operators, without texts and keys."""

    def __init__(self, reason: ErrorReason, message: str, usage: TokenUsage) -> None:
        super().__init__(message)
        self.reason: Final[ErrorReason] = reason
        self.message: Final = message
        self.usage: Final = usage


class LLMClient(Protocol):
    """Sends requests to a model."""

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """Return the model's response. Raises LLMError."""
        ...
