"""Opportunities: needs of customers, and how much they matter."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.discovery import fields
from domains.discovery.fields import (
    CreatedAt,
    DescriptionUpdate,
    IdeaIds,
    IdeaLinks,
    IdeaLinksUpdate,
    InsightIds,
    InsightLinks,
    InsightLinksUpdate,
    NameUpdate,
    NonEmpty,
    ProductId,
    ProductIdUpdate,
    UpdatedAt,
)
from domains.discovery.links import IDEAS_OF_OPPORTUNITY, INSIGHTS_OF_OPPORTUNITY
from domains.discovery.records import Records, SearchQuery100, columns_for, equals, matches
from domains.discovery.tables import opportunities
from domains.kernel.core.field_docs import doc, named

OpportunityStatus = Annotated[
    Literal["discovery", "defined", "validated", "archived"],
    named("OpportunityStatus", "Progress of an opportunity"),
]

Score = Annotated[float, Meta(ge=0, le=100)]

_NAME: Final = doc("What could be gained", "Exports that finish in seconds")
_DESCRIPTION: Final = doc("What customers need and why it matters", "Teams wait for exports.")


class Opportunity(msgspec.Struct, rename="camel"):
    """An opportunity."""

    id: Annotated[UUID, doc("UUID of the opportunity", fields.EXAMPLE_OPPORTUNITY)]
    name: Annotated[str, _NAME]
    description: Annotated[str, _DESCRIPTION]
    score: Annotated[Score | None, doc("From 0 to 100, set by callers only; else null", 85)]
    status: Annotated[OpportunityStatus, doc("Progress of the opportunity")]
    product_id: ProductId | None
    insight_ids: InsightIds
    idea_ids: IdeaIds
    created_at: CreatedAt
    updated_at: UpdatedAt


class OpportunityCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new opportunity."""

    name: Annotated[NonEmpty, _NAME]
    description: Annotated[NonEmpty, _DESCRIPTION]
    score: Annotated[Score | UnsetType, doc("From 0 to 100. Default: null", 85)] = UNSET
    status: Annotated[OpportunityStatus, doc("Progress of the opportunity")] = "discovery"
    product_id: ProductId | None = None
    insight_ids: InsightLinks = []
    idea_ids: IdeaLinks = []


class OpportunityUpdate(msgspec.Struct, rename="camel", kw_only=True):
    """Changes of an opportunity. Absent fields stay as they are; lists are replaced as a whole."""

    name: NameUpdate = UNSET
    description: DescriptionUpdate = UNSET
    score: Annotated[Score | UnsetType | None, doc("From 0 to 100; null clears it", 92.5)] = UNSET
    status: Annotated[
        OpportunityStatus | UnsetType, doc("Progress of the opportunity", "validated")
    ] = UNSET
    product_id: ProductIdUpdate = UNSET
    insight_ids: InsightLinksUpdate = UNSET
    idea_ids: IdeaLinksUpdate = UNSET


class OpportunityQuery(SearchQuery100, frozen=True, kw_only=True, rename="camel"):
    """The query of the list of opportunities."""

    status: Annotated[OpportunityStatus | UnsetType, doc("Only opportunities with this status")] = (
        UNSET
    )


_c = opportunities.c


def _opportunity(*columns: Any) -> Opportunity:
    opportunity = Opportunity(*columns)
    # Whole numbers are written without a fraction: 85, not 85.0.
    if opportunity.score is not None and opportunity.score.is_integer():
        opportunity.score = int(opportunity.score)
    return opportunity


OPPORTUNITIES: Final = Records(
    opportunities,
    "OPPORTUNITY",
    columns_for(Opportunity, opportunities, INSIGHTS_OF_OPPORTUNITY, IDEAS_OF_OPPORTUNITY),
    _opportunity,
    query=OpportunityQuery,
    filters=equals(status=_c.status, product_id=_c.product_id) | {"web_search": matches(_c.search)},
    create_struct=OpportunityCreate,
    update_struct=OpportunityUpdate,
)
