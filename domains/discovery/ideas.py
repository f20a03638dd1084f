"""Ideas: what could be built."""

from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domains.discovery import fields
from domains.discovery.fields import (
    CreatedAt,
    DescriptionUpdate,
    InsightIds,
    InsightLinks,
    InsightLinksUpdate,
    NameUpdate,
    NonEmpty,
    OpportunityIds,
    OpportunityLinks,
    OpportunityLinksUpdate,
    ProductId,
    ProductIdUpdate,
    UpdatedAt,
)
from domains.discovery.links import INSIGHTS_OF_IDEA, OPPORTUNITIES_OF_IDEA
from domains.discovery.records import Records, SearchQuery100, columns_for, equals, matches
from domains.discovery.tables import ideas
from domains.kernel.core.field_docs import doc, named

IdeaStatus = Annotated[
    Literal["evaluating", "backlog", "development", "released", "archived"],
    named("IdeaStatus", "Progress of an idea"),
]

_NAME: Final = doc("What could be built", "CSV button")
_DESCRIPTION: Final = doc("How it would help", "Each report exports its table.")


class Idea(msgspec.Struct, rename="camel"):
    """An idea."""

    id: Annotated[UUID, doc("UUID of the idea", fields.EXAMPLE_IDEA)]
    name: Annotated[str, _NAME]
    description: Annotated[str, _DESCRIPTION]
    status: Annotated[IdeaStatus, doc("Progress of the idea")]
    product_id: ProductId | None
    opportunity_ids: OpportunityIds
    insight_ids: InsightIds
    created_at: CreatedAt
    updated_at: UpdatedAt


class IdeaCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new idea."""

    name: Annotated[NonEmpty, _NAME]
    description: Annotated[NonEmpty, _DESCRIPTION]
    status: Annotated[IdeaStatus, doc("Progress of the idea")] = "evaluating"
    product_id: ProductId | None = None
    opportunity_ids: OpportunityLinks = []
    insight_ids: InsightLinks = []


class IdeaUpdate(msgspec.Struct, rename="camel", kw_only=True):
    """Changes of an idea. Absent fields stay as they are; lists are replaced as a whole."""

    name: NameUpdate = UNSET
    description: DescriptionUpdate = UNSET
    status: Annotated[IdeaStatus | UnsetType, doc("Progress of the idea", "backlog")] = UNSET
    product_id: ProductIdUpdate = UNSET
    opportunity_ids: OpportunityLinksUpdate = UNSET
    insight_ids: InsightLinksUpdate = UNSET


class IdeaQuery(SearchQuery100, frozen=True, kw_only=True, rename="camel"):
    """The query of the list of ideas."""

    status: Annotated[IdeaStatus | UnsetType, doc("Only ideas with this status")] = UNSET


_c = ideas.c

IDEAS: Final = Records(
    ideas,
    "IDEA",
    columns_for(Idea, ideas, OPPORTUNITIES_OF_IDEA, INSIGHTS_OF_IDEA),
    Idea,
    query=IdeaQuery,
    filters=equals(status=_c.status, product_id=_c.product_id) | {"web_search": matches(_c.search)},
    create_struct=IdeaCreate,
    update_struct=IdeaUpdate,
)
