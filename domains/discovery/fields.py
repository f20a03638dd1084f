"""Field types shared by the structs of several resources."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, UnsetType

from domains.discovery import example_ids
from domains.kernel.core.field_docs import doc

NonEmpty = Annotated[str, Meta(min_length=1, pattern=r"\S")]

# --- responses --------------------------------------------------------------------------------

WorkspaceUuid = Annotated[UUID, doc("UUID of the workspace that it belongs to")]
CreatedAt = Annotated[datetime, doc("Creation time")]
UpdatedAt = Annotated[datetime, doc("Time of the last change")]
ProductId = Annotated[UUID, doc("The product it is about", example_ids.PRODUCT)]
InsightIds = Annotated[list[UUID], doc("Ids of the linked insights", [example_ids.INSIGHT])]
OpportunityIds = Annotated[
    list[UUID], doc("Ids of the linked opportunities", [example_ids.OPPORTUNITY])
]
IdeaIds = Annotated[list[UUID], doc("Ids of the linked ideas", [example_ids.IDEA])]

# --- requests that create ---------------------------------------------------------------------

# Decoded as strings, so that an error can name the ones that are not UUIDs.
_LinkIds = Annotated[
    list[Annotated[str, Meta(extra_json_schema={"format": "uuid"})]], Meta(max_length=10_000)
]
InsightLinks = Annotated[_LinkIds, doc("Insights of this workspace to link")]
OpportunityLinks = Annotated[_LinkIds, doc("Opportunities of this workspace to link")]
IdeaLinks = Annotated[_LinkIds, doc("Ideas of this workspace to link")]

# --- requests that update: UNSET leaves the field unchanged -----------------------------------

NameUpdate = Annotated[NonEmpty | UnsetType, doc("Replaces the name")]
DescriptionUpdate = Annotated[NonEmpty | UnsetType, doc("Replaces the description")]
ProductIdUpdate = Annotated[UUID | UnsetType | None, doc("Null clears it")]
InsightLinksUpdate = Annotated[_LinkIds | UnsetType, doc("Replaces all links to insights")]
OpportunityLinksUpdate = Annotated[_LinkIds | UnsetType, doc("Replaces all links to opportunities")]
IdeaLinksUpdate = Annotated[_LinkIds | UnsetType, doc("Replaces all links to ideas")]
