"""Ideas: what could be built."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.discovery import example_ids
from domains.discovery.links import INSIGHTS_OF_IDEA, OPPORTUNITIES_OF_IDEA, LinkIds
from domains.discovery.records import (
    InsightIds,
    NonEmpty,
    OpportunityIds,
    ProductId,
    Records,
    SearchQuery,
    equals,
    matches,
)
from domains.discovery.tables import ideas

IdeaStatus = Literal["evaluating", "backlog", "development", "released", "archived"]


class Idea(msgspec.Struct, rename="camel"):
    """An idea as it is answered."""

    id: Annotated[UUID, Meta(description="The idea's uuid", examples=[example_ids.IDEA])]
    name: Annotated[str, Meta(description="What could be built", examples=["CSV button"])]
    description: Annotated[
        str, Meta(description="How it would help", examples=["Each report exports its table."])
    ]
    status: Annotated[IdeaStatus, Meta(description="How far it has come")]
    product_id: ProductId | None
    opportunity_ids: OpportunityIds
    insight_ids: InsightIds
    created_at: Annotated[datetime, Meta(description="When it was made")]
    updated_at: Annotated[datetime, Meta(description="When it changed last")]


class IdeaCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new idea."""

    name: Annotated[NonEmpty, Meta(description="What could be built", examples=["CSV button"])]
    description: Annotated[
        NonEmpty, Meta(description="How it would help", examples=["Each report exports its table."])
    ]
    status: Annotated[IdeaStatus, Meta(description="How far it has come")] = "evaluating"
    product_id: ProductId | None = None
    opportunity_ids: Annotated[
        LinkIds, Meta(description="Opportunities of this workspace to link it to")
    ] = []
    insight_ids: Annotated[
        LinkIds, Meta(description="Insights of this workspace to link it to")
    ] = []


class IdeaUpdate(msgspec.Struct, rename="camel", kw_only=True):
    """What a PATCH may change; absent fields stay as they are, lists are replaced whole."""

    name: Annotated[NonEmpty | UnsetType, Meta(description="Replaces the name")] = UNSET
    description: Annotated[NonEmpty | UnsetType, Meta(description="Replaces the description")] = (
        UNSET
    )
    status: Annotated[
        IdeaStatus | UnsetType, Meta(description="How far it has come", examples=["backlog"])
    ] = UNSET
    product_id: Annotated[UUID | UnsetType | None, Meta(description="Null clears it")] = UNSET
    opportunity_ids: Annotated[
        LinkIds | UnsetType, Meta(description="Replaces the links to opportunities")
    ] = UNSET
    insight_ids: Annotated[
        LinkIds | UnsetType, Meta(description="Replaces the links to insights")
    ] = UNSET


class IdeaQuery(SearchQuery, frozen=True, kw_only=True, rename="camel"):
    """Which ideas, and which part of them."""

    limit: Annotated[
        int, Meta(ge=1, description="Records a page; more than 100 are cut to 100")
    ] = 100
    status: Annotated[IdeaStatus | UnsetType, Meta(description="Those in this status")] = UNSET


_c = ideas.c

IDEAS: Final = Records(
    ideas,
    "IDEA",
    (
        _c.id,
        _c.name,
        _c.description,
        _c.status,
        _c.product_id,
        OPPORTUNITIES_OF_IDEA,
        INSIGHTS_OF_IDEA,
        _c.created_at,
        _c.updated_at,
    ),
    Idea,
    query=IdeaQuery,
    filters=equals(status=_c.status, product_id=_c.product_id) | {"q": matches(_c.search)},
    creates=IdeaCreate,
    changes=IdeaUpdate,
)
