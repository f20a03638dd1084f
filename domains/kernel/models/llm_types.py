"""What a chat model is asked and what it answers: plain types, light to import.

`domains.kernel.models.chat` sends them; who makes a question or reads an answer needs nothing of
that.
"""

from decimal import Decimal
from typing import Any, Final, Literal, Protocol, get_args

from msgspec import Struct

Reason = Literal[
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
"""Why there is no answer.

    timeout        none within the time of one question, all attempts together
    unreachable    no connection, or it broke
    refused        the key, the address, the model or the request: another attempt will not help
    rate_limited   too many questions for the endpoint
    server_error   the endpoint failed
    too_long       the answer was cut off at its limit of tokens
    declined       the model, or a filter before it, would not answer
    nonsense       what came back is no answer of this protocol
    over_budget    the question is larger than it may be, and was not sent
"""
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


class Question(Struct, frozen=True):
    """One task for a model. `data` is somebody's words: a message of its own, never instructions.

    `schema` is a JSON schema of the answer in the dialect of structured outputs; `schema_name` has
    letters, digits, `_` and `-` alone.
    """

    task: str
    instructions: str
    data: str
    schema_name: str
    schema: dict[str, Any]
    most_output_tokens: int


class Spent(Struct, frozen=True):
    """What one question cost. `model` as the operator named it; `cost` in the prices' currency."""

    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = Decimal(0)


class Answer(Struct, frozen=True):
    """The JSON text that a model wrote, not yet checked; `model` as the endpoint names it."""

    content: bytes
    model: str
    spent: Spent


class Unanswered(Exception):
    """There is no answer. The message is a sentence for operators, without bodies and keys."""

    def __init__(self, reason: Reason, message: str, spent: Spent) -> None:
        super().__init__(message)
        self.reason: Final[Reason] = reason
        self.message: Final = message
        self.spent: Final = spent


class Answering(Protocol):
    """Who answers questions."""

    async def ask(self, question: Question) -> Answer:
        """The answer, or Unanswered."""
        ...
