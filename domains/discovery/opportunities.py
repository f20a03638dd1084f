"""Opportunities: what customers need, and how much it matters."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.discovery import example_ids
from domains.discovery.links import IDEAS_OF_OPPORTUNITY, INSIGHTS_OF_OPPORTUNITY, LinkIds
from domains.discovery.records import (
    IdeaIds,
    InsightIds,
    NonEmpty,
    ProductId,
    Records,
    SearchQuery,
    equals,
    matches,
)
from domains.discovery.tables import opportunities

OpportunityStatus = Literal["discovery", "defined", "validated", "archived"]

Score = Annotated[float, Meta(ge=0, le=100)]


class Opportunity(msgspec.Struct, rename="camel"):
    """An opportunity as it is answered."""

    id: Annotated[
        UUID, Meta(description="The opportunity's uuid", examples=[example_ids.OPPORTUNITY])
    ]
    name: Annotated[
        str, Meta(description="What could be gained", examples=["Exports that finish in seconds"])
    ]
    description: Annotated[
        str,
        Meta(
            description="What customers need, and why it matters",
            examples=["Teams wait for exports."],
        ),
    ]
    score: Annotated[
        Score | None,
        Meta(description="0 to 100, as given; null until somebody gives one", examples=[85]),
    ]
    status: Annotated[OpportunityStatus, Meta(description="How far it is understood")]
    product_id: ProductId | None
    insight_ids: InsightIds
    idea_ids: IdeaIds
    created_at: Annotated[datetime, Meta(description="When it was made")]
    updated_at: Annotated[datetime, Meta(description="When it changed last")]


class OpportunityCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new opportunity."""

    name: Annotated[
        NonEmpty,
        Meta(description="What could be gained", examples=["Exports that finish in seconds"]),
    ]
    description: Annotated[
        NonEmpty,
        Meta(
            description="What customers need, and why it matters",
            examples=["Teams wait for exports."],
        ),
    ]
    score: Annotated[
        Score | UnsetType, Meta(description="0 to 100; null if left out", examples=[85])
    ] = UNSET
    status: Annotated[OpportunityStatus, Meta(description="How far it is understood")] = "discovery"
    product_id: ProductId | None = None
    insight_ids: Annotated[
        LinkIds, Meta(description="Insights of this workspace to link it to")
    ] = []
    idea_ids: Annotated[LinkIds, Meta(description="Ideas of this workspace to link it to")] = []


class OpportunityUpdate(msgspec.Struct, rename="camel", kw_only=True):
    """What a PATCH may change; absent fields stay as they are, lists are replaced whole."""

    name: Annotated[NonEmpty | UnsetType, Meta(description="Replaces the name")] = UNSET
    description: Annotated[NonEmpty | UnsetType, Meta(description="Replaces the description")] = (
        UNSET
    )
    score: Annotated[
        Score | UnsetType | None, Meta(description="0 to 100; null clears it", examples=[92.5])
    ] = UNSET
    status: Annotated[
        OpportunityStatus | UnsetType,
        Meta(description="How far it is understood", examples=["validated"]),
    ] = UNSET
    product_id: Annotated[UUID | UnsetType | None, Meta(description="Null clears it")] = UNSET
    insight_ids: Annotated[
        LinkIds | UnsetType, Meta(description="Replaces the links to insights")
    ] = UNSET
    idea_ids: Annotated[LinkIds | UnsetType, Meta(description="Replaces the links to ideas")] = (
        UNSET
    )


class OpportunityQuery(SearchQuery, frozen=True, kw_only=True, rename="camel"):
    """Which opportunities, and which part of them."""

    limit: Annotated[
        int, Meta(ge=1, description="Records a page; more than 100 are cut to 100")
    ] = 100
    status: Annotated[OpportunityStatus | UnsetType, Meta(description="Those in this status")] = (
        UNSET
    )


_c = opportunities.c


def _opportunity(*columns: Any) -> Opportunity:
    made = Opportunity(*columns)
    # A whole number reads as it was written: 85, not 85.0.
    if made.score is not None and made.score.is_integer():
        made.score = int(made.score)
    return made


OPPORTUNITIES: Final = Records(
    opportunities,
    "OPPORTUNITY",
    (
        _c.id,
        _c.name,
        _c.description,
        _c.score,
        _c.status,
        _c.product_id,
        INSIGHTS_OF_OPPORTUNITY,
        IDEAS_OF_OPPORTUNITY,
        _c.created_at,
        _c.updated_at,
    ),
    _opportunity,
    query=OpportunityQuery,
    filters=equals(status=_c.status, product_id=_c.product_id) | {"q": matches(_c.search)},
    creates=OpportunityCreate,
    changes=OpportunityUpdate,
)
