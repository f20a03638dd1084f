"""What goes into the engine and what comes out: the types that callers store and show."""

from typing import Literal

from msgspec import Struct

Profile = Literal[
    "transcript",
    "support_ticket",
    "survey_response",
    "discovery_report",
    "feedback_record",
    "raw",
]
Kind = Literal["pain", "request", "praise", "question"]
Sentiment = Literal["negative", "neutral", "positive"]
Audience = Literal["EXTERNAL", "INTERNAL"]


class Product(Struct, frozen=True):
    """A product of the customer's workspace, matched in quotes by its name."""

    id: str
    name: str


class Document(Struct, frozen=True):
    """One text to analyse.

    `profile` chooses the thresholds. `additional_context` is data about the text: it can move the
    context label and nothing else, and nothing in it is ever followed as an instruction. `data` is
    the JSON whose strings with a space are the lines of the text, if any: it shows who said what.
    """

    text: str
    profile: Profile
    additional_context: str | None = None
    products: tuple[Product, ...] = ()
    data: bytes | None = None


class Quote(Struct, frozen=True):
    """A verbatim slice of the document: `document.text[start:end] == text`.

    `start` and `end` count characters of the Python string. Times are seconds from the beginning
    and are None where the text carries no time marks.
    """

    text: str
    start: int
    end: int
    speaker: str | None
    start_time: float | None
    end_time: float | None


class Insight(Struct, frozen=True):
    """One finding with its evidence.

    `name` has at most 80 characters, `quotes` at least one item in order of offset, `confidence`
    lies in 0..1 with three decimals. `product_id` is set when a product's name occurs in the
    quotes.
    """

    kind: Kind
    name: str
    description: str
    quotes: tuple[Quote, ...]
    sentiment: Sentiment
    confidence: float
    product_id: str | None


class Findings(Struct, frozen=True):
    """Everything found in one document, insights in order of their first quote.

    `context` is one of user_interview, feature_feedback, support_request, sales_call,
    market_research, internal_meeting, other. `language` is a BCP 47 code, or None if unknown.
    """

    engine: str
    context: str
    insights: tuple[Insight, ...]
    language: str | None = None
