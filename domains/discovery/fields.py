"""Field types shared by the structs of several resources."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, UnsetType

from domains.discovery import example_ids

NonEmpty = Annotated[str, Meta(min_length=1, pattern=r"\S")]

# --- responses --------------------------------------------------------------------------------

WorkspaceUuid = Annotated[UUID, Meta(description="UUID of the workspace that it belongs to")]
CreatedAt = Annotated[datetime, Meta(description="Creation time")]
UpdatedAt = Annotated[datetime, Meta(description="Time of the last change")]
ProductId = Annotated[
    UUID, Meta(description="The product it is about", examples=[example_ids.PRODUCT])
]
InsightIds = Annotated[
    list[UUID], Meta(description="Ids of the linked insights", examples=[[example_ids.INSIGHT]])
]
OpportunityIds = Annotated[
    list[UUID],
    Meta(description="Ids of the linked opportunities", examples=[[example_ids.OPPORTUNITY]]),
]
IdeaIds = Annotated[
    list[UUID], Meta(description="Ids of the linked ideas", examples=[[example_ids.IDEA]])
]

# --- requests that create ---------------------------------------------------------------------

# Decoded as strings, so that an error can name the ones that are not UUIDs.
_LinkIds = Annotated[
    list[Annotated[str, Meta(extra_json_schema={"format": "uuid"})]], Meta(max_length=10_000)
]
InsightLinks = Annotated[_LinkIds, Meta(description="Insights of this workspace to link")]
OpportunityLinks = Annotated[_LinkIds, Meta(description="Opportunities of this workspace to link")]
IdeaLinks = Annotated[_LinkIds, Meta(description="Ideas of this workspace to link")]

# --- requests that update: UNSET leaves the field unchanged -----------------------------------

NameUpdate = Annotated[NonEmpty | UnsetType, Meta(description="Replaces the name")]
DescriptionUpdate = Annotated[NonEmpty | UnsetType, Meta(description="Replaces the description")]
ProductIdUpdate = Annotated[UUID | UnsetType | None, Meta(description="Null clears it")]
InsightLinksUpdate = Annotated[
    _LinkIds | UnsetType, Meta(description="Replaces all links to insights")
]
OpportunityLinksUpdate = Annotated[
    _LinkIds | UnsetType, Meta(description="Replaces all links to opportunities")
]
IdeaLinksUpdate = Annotated[_LinkIds | UnsetType, Meta(description="Replaces all links to ideas")]
