"""Field types shared by the structs of several resources."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, UnsetType

from domains.kernel.core.field_docs import doc

# Ids of the records that the examples of the API reference show.
EXAMPLE_SIGNAL: Final = "0199c2f4-6f0a-7d3c-8a41-5b0c9d7e2f11"
EXAMPLE_JOB: Final = "0199c2f4-6f0b-7a55-93c2-1f2e3d4c5b6a"
EXAMPLE_INSIGHT: Final = "0199c2f4-8d42-7e10-a3b7-4c5d6e7f8091"
EXAMPLE_OPPORTUNITY: Final = "0199c2f7-0a1b-7c2d-8e3f-4a5b6c7d8e9f"
EXAMPLE_IDEA: Final = "0199c2f9-5b6c-7d7e-8f90-a1b2c3d4e5f6"
EXAMPLE_PRODUCT: Final = "0199c2f1-3e44-7d86-92b7-1a2b3c4d5e6f"

NonEmpty = Annotated[str, Meta(min_length=1, pattern=r"\S")]
# A time in a request.
Timestamp = Annotated[
    str,
    doc(
        "ISO 8601. A date is its midnight in UTC",
        extra_json_schema={"format": "date-time"},
    ),
]


def public_id_doc(kind: str, note: str = "") -> Meta:
    """Documentation of the field with the public id of a record of the kind."""
    return doc(
        f"Number in the workspace. Valid wherever the id is{note}. "
        "An addition: not part of the vendor's API",
        f"{kind}-7",
        extra_json_schema={"pattern": f"^{kind}-[0-9]+$", "x-addition": True},
    )


def reference_schema(kind: str) -> dict[str, str]:
    """JSON schema keywords of a string that is a UUID or a public id of the kind.

    The pattern has public ids as they are returned. Other letter case is accepted too.
    """
    return {"pattern": f"^({kind}-[1-9][0-9]{{0,17}}|[0-9A-Fa-f-]{{36}})$"}


# --- responses --------------------------------------------------------------------------------

WorkspaceUuid = Annotated[UUID, doc("UUID of the workspace that it belongs to")]
CreatedAt = Annotated[datetime, doc("Creation time")]
UpdatedAt = Annotated[datetime, doc("Time of the last change")]
ProductId = Annotated[UUID, doc("The product it is about", EXAMPLE_PRODUCT)]
InsightIds = Annotated[list[UUID], doc("Ids of the linked insights", [EXAMPLE_INSIGHT])]
OpportunityIds = Annotated[
    list[UUID], doc("Ids of the linked opportunities", [EXAMPLE_OPPORTUNITY])
]
IdeaIds = Annotated[list[UUID], doc("Ids of the linked ideas", [EXAMPLE_IDEA])]

# --- requests that create ---------------------------------------------------------------------

# UUIDs or public ids. Strings without a pattern, so that an error can name the unknown ones.
_InsightRef = Annotated[str, Meta(extra_json_schema=reference_schema("INSIGHT"))]
_OpportunityRef = Annotated[str, Meta(extra_json_schema=reference_schema("OPPORTUNITY"))]
_IdeaRef = Annotated[str, Meta(extra_json_schema=reference_schema("IDEA"))]
_InsightRefs = Annotated[list[_InsightRef], Meta(max_length=10_000)]
_OpportunityRefs = Annotated[list[_OpportunityRef], Meta(max_length=10_000)]
_IdeaRefs = Annotated[list[_IdeaRef], Meta(max_length=10_000)]

InsightLinks = Annotated[_InsightRefs, doc("UUIDs or public ids of insights to link")]
OpportunityLinks = Annotated[_OpportunityRefs, doc("UUIDs or public ids of opportunities to link")]
IdeaLinks = Annotated[_IdeaRefs, doc("UUIDs or public ids of ideas to link")]

# --- requests that update: UNSET leaves the field unchanged -----------------------------------

NameUpdate = Annotated[NonEmpty | UnsetType, doc("Replaces the name")]
DescriptionUpdate = Annotated[NonEmpty | UnsetType, doc("Replaces the description")]
ProductIdUpdate = Annotated[UUID | UnsetType | None, doc("Null clears it")]
InsightLinksUpdate = Annotated[
    _InsightRefs | UnsetType, doc("Replaces all links to insights. UUIDs or public ids")
]
OpportunityLinksUpdate = Annotated[
    _OpportunityRefs | UnsetType, doc("Replaces all links to opportunities. UUIDs or public ids")
]
IdeaLinksUpdate = Annotated[
    _IdeaRefs | UnsetType, doc("Replaces all links to ideas. UUIDs or public ids")
]
