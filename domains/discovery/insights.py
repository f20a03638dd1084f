"""Insights: findings about customers, with the quotes that support them."""

import textwrap
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Text, Uuid, and_, bindparam, cast, select
from sqlalchemy.dialects.postgresql import array

from domains.discovery import fields
from domains.discovery.duplicates import schedule_comparison
from domains.discovery.fields import (
    CreatedAt,
    DescriptionUpdate,
    IdeaIds,
    IdeaLinks,
    IdeaLinksUpdate,
    NameUpdate,
    NonEmpty,
    OpportunityIds,
    OpportunityLinks,
    OpportunityLinksUpdate,
    ProductId,
    ProductIdUpdate,
    UpdatedAt,
)
from domains.discovery.findings import InsightType
from domains.discovery.links import IDEAS_OF_INSIGHT, OPPORTUNITIES_OF_INSIGHT
from domains.discovery.records import (
    Records,
    SearchQuery,
    columns_for,
    equals,
    matches,
    public_id_column,
)
from domains.discovery.tables import evidence, insights, signal_insights, signals
from domains.intelligence.findings import Kind
from domains.kernel.core.field_docs import doc, named
from domains.kernel.core.ids import WorkspaceId, parse_id, parse_public_id, public_id
from domains.kernel.core.problems import invalid
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import WORKSPACE, row, statement
from domains.kernel.pagination.offset import OffsetPage

KIND: Final = "INSIGHT"

InsightStatus = Annotated[
    Literal["draft", "published", "archived"],
    named("InsightStatus", "Progress of an insight's review"),
]
InsightKind = Annotated[Kind, named("InsightKind", "Kind of finding, set by an analysis")]

# The length is limited by the size of an index entry.
Tag = Annotated[str, Meta(min_length=1, max_length=255)]
Tags = Annotated[list[Tag], Meta(max_length=10_000)]

_MAX_NAME: Final = 80

# JSON schemas of fields that are returned as stored.
_SUGGESTIONS_SCHEMA: Final = {"type": "object"}
_EXTERNAL_LINKS_SCHEMA: Final = {
    "type": "array",
    "items": {"$ref": "#/components/schemas/ExternalLink"},
}


class ExternalLink(msgspec.Struct, omit_defaults=True):
    """A link to a related record in another system."""

    type: Annotated[str | UnsetType, doc("The system, such as `jira`", "jira")] = UNSET
    # Any text is stored, so it has no format.
    url: Annotated[str | UnsetType, doc("URL of the record", "https://jira.example/EXP-7")] = UNSET
    name: Annotated[str | UnsetType, doc("Name to show", "EXP-7")] = UNSET


class Insight(msgspec.Struct, rename="camel"):
    """An insight."""

    id: Annotated[UUID, doc("UUID of the insight", fields.EXAMPLE_INSIGHT)]
    name: Annotated[str, doc("The finding as a title", "Exports take minutes")]
    description: Annotated[
        str, doc("The finding in one or two sentences", "A respondent describes a problem.")
    ]
    status: Annotated[InsightStatus, doc("Insights found by an analysis start as `draft`")]
    type: Annotated[InsightType, doc("Kind of source")]
    kind: Annotated[
        InsightKind | None,
        doc(
            "Kind of finding, set by the analysis only; null for insights that people write. "
            "An addition: not part of the vendor's API",
            extra_json_schema={"x-addition": True},
        ),
    ]
    product_id: ProductId | None
    opportunity_ids: OpportunityIds
    idea_ids: IdeaIds
    tag_ids: Annotated[list[str], doc("Tags of the caller's own system", ["exports"])]
    created_at: CreatedAt
    updated_at: UpdatedAt
    public_id: Annotated[
        str | UnsetType, fields.public_id_doc(KIND, "; absent if the insight is not stored")
    ] = UNSET
    duplicate_of: Annotated[
        UUID | UnsetType,
        doc(
            "An earlier insight with a similar meaning, found by the analysis; absent if there is "
            "none or if a caller dismissed it. An addition: not part of the vendor's API",
            "0199c2e0-5a10-7c33-9d21-6f5e4d3c2b1a",
            extra_json_schema={"x-addition": True},
        ),
    ] = UNSET
    suggestions: Annotated[
        msgspec.Raw | UnsetType,
        doc("As set by a caller; absent if never set", extra_json_schema=_SUGGESTIONS_SCHEMA),
    ] = UNSET
    external_links: Annotated[
        msgspec.Raw | UnsetType,
        doc("As set by a caller; absent if never set", extra_json_schema=_EXTERNAL_LINKS_SCHEMA),
    ] = UNSET


class InsightCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new insight."""

    description: Annotated[
        NonEmpty, doc("The finding in one or two sentences", "Customers wait for exports.")
    ]
    name: Annotated[
        NonEmpty | UnsetType, doc("Default: the start of the description", "Exports are slow")
    ] = UNSET
    status: Annotated[InsightStatus, doc("Progress of its review")] = "draft"
    type: Annotated[InsightType, doc("Kind of source", "user-interview")] = "other"
    product_id: ProductId | UnsetType = UNSET
    opportunity_ids: OpportunityLinks = []
    idea_ids: IdeaLinks = []
    tag_ids: Annotated[Tags, doc("Tags of your own system", ["exports", "enterprise"])] = []
    suggestions: Annotated[dict[str, Any] | UnsetType, doc("Any object")] = UNSET
    external_links: Annotated[list[ExternalLink] | UnsetType, doc("Related records elsewhere")] = (
        UNSET
    )


class InsightUpdate(msgspec.Struct, rename="camel", kw_only=True):
    """Changes of an insight. Absent fields stay as they are; lists are replaced as a whole.

    Reprocessing a signal keeps the insights that were changed.
    """

    name: NameUpdate = UNSET
    description: DescriptionUpdate = UNSET
    status: Annotated[InsightStatus | UnsetType, doc("Progress of its review", "published")] = UNSET
    type: Annotated[InsightType | UnsetType, doc("Kind of source")] = UNSET
    product_id: ProductIdUpdate = UNSET
    opportunity_ids: OpportunityLinksUpdate = UNSET
    idea_ids: IdeaLinksUpdate = UNSET
    tag_ids: Annotated[Tags | UnsetType, doc("Replaces all tags", ["exports", "q2"])] = UNSET
    duplicate_of: Annotated[
        UUID | UnsetType | None,
        doc(
            "An insight of this workspace. Null dismisses the hint. An addition: not part of the "
            "vendor's API",
            extra_json_schema={"x-addition": True},
        ),
    ] = UNSET
    suggestions: Annotated[dict[str, Any] | UnsetType, doc("Replaces them")] = UNSET
    external_links: Annotated[list[ExternalLink] | UnsetType, doc("Replaces all links")] = UNSET


class InsightQuery(SearchQuery, frozen=True, kw_only=True, rename="camel"):
    """The query of the list of insights."""

    status: Annotated[InsightStatus | UnsetType, doc("Only insights with this status")] = UNSET
    type: Annotated[InsightType | UnsetType, doc("Only insights of this type")] = UNSET
    kind: Annotated[
        InsightKind | UnsetType,
        doc("Only insights of this kind. Insights that people write have none"),
    ] = UNSET
    account_id: Annotated[UUID | UnsetType, doc("Only insights of this account")] = UNSET
    signal_id: Annotated[
        str | UnsetType,
        doc(
            "Only insights linked to this signal, a UUID or public id",
            extra_json_schema=fields.reference_schema("SIGNAL"),
        ),
    ] = UNSET
    tag_id: Annotated[Tag | UnsetType, doc("Only insights with this tag")] = UNSET

    @property
    def signal(self) -> UUID | UnsetType:
        """UUID in `signal_id`. UNSET if that is a public id."""
        return UNSET if self.signal_id is UNSET else parse_id(self.signal_id) or UNSET

    @property
    def signal_number(self) -> int | UnsetType:
        """Number in `signal_id`. UNSET if that is a UUID."""
        if self.signal_id is UNSET:
            return UNSET
        return parse_public_id("SIGNAL", self.signal_id) or UNSET


class Evidence(msgspec.Struct, rename="camel"):
    """A quote: the characters `start:end` of the signal's text.

    The text of a signal from a source is made of the strings in its `data` that contain a space,
    in order, joined by line feeds.
    """

    quote: Annotated[
        str, doc("Exact copy of that part of the text", "Exports take minutes, and one failed.")
    ]
    signal_id: Annotated[UUID, doc("UUID of the quoted signal", fields.EXAMPLE_SIGNAL)]
    signal_public_id: Annotated[str, doc("Public id of the quoted signal", "SIGNAL-42")]
    start: Annotated[int, doc("Offset of its first character in the text", 13)]
    end: Annotated[int, doc("Offset after its last character", 50)]
    account_id: Annotated[UUID | UnsetType, doc("The signal's account; absent if unknown")] = UNSET
    speaker: Annotated[str | UnsetType, doc("Absent if the text names no speaker", "Ana")] = UNSET
    start_time: Annotated[
        float | UnsetType, doc("Seconds; absent without time stamps in the text", 12.0)
    ] = UNSET
    end_time: Annotated[
        float | UnsetType, doc("Seconds; absent without time stamps in the text", 21.0)
    ] = UNSET


_c, _e = insights.c, evidence.c

_linked_to_signal = select(signal_insights.c.insight_id).where(
    signal_insights.c.workspace_id == WORKSPACE
)
_numbered_signal = and_(
    signals.c.workspace_id == signal_insights.c.workspace_id,
    signals.c.id == signal_insights.c.signal_id,
    signals.c.number == bindparam("signal_number", type_=signals.c.number.type),
)


def _insight(*columns: Any) -> Insight:
    *required, duplicate_of, suggestions, external_links = columns
    insight = Insight(*required)
    if duplicate_of is not None:
        insight.duplicate_of = duplicate_of
    if suggestions is not None:
        insight.suggestions = suggestions
    if external_links is not None:
        insight.external_links = external_links
    return insight


CONSTRAINT_PROBLEMS["ck_insights_duplicate_of_another"] = lambda: invalid(
    "duplicateOf", "must be another insight"
)
CONSTRAINT_PROBLEMS["fk_insights_duplicate_of"] = lambda: invalid(
    "duplicateOf", "no such insight in this workspace"
)

INSIGHTS: Final = Records(
    insights,
    KIND,
    columns_for(
        Insight,
        insights,
        *(OPPORTUNITIES_OF_INSIGHT, IDEAS_OF_INSIGHT),
        public_id=public_id_column(KIND, _c.number),
    ),
    _insight,
    query=InsightQuery,
    filters=equals(
        status=_c.status,
        type=_c.type,
        kind=_c.kind,
        product_id=_c.product_id,
        account_id=_c.account_id,
    )
    | {
        "signal": _c.id.in_(
            _linked_to_signal.where(signal_insights.c.signal_id == bindparam("signal", type_=Uuid))
        ),
        "signal_number": _c.id.in_(_linked_to_signal.join(signals, _numbered_signal)),
        "tag_id": _c.tag_ids.contains(
            cast(array([bindparam("tag_id", type_=Text)]), _c.tag_ids.type)
        ),
        "web_search": matches(_c.search),
    },
    create_struct=InsightCreate,
    update_struct=InsightUpdate,
    edited_at=_c.edited_at,
    public=True,
)

_EVIDENCE = statement(
    select(
        *(_c.account_id, signals.c.number, _e.quote, _e.signal_id, _e.start, _e.end),
        *(_e.speaker, _e.start_time, _e.end_time),
    )
    .select_from(insights)
    .outerjoin(evidence, and_(_e.workspace_id == _c.workspace_id, _e.insight_id == _c.id))
    .outerjoin(
        signals, and_(signals.c.workspace_id == _e.workspace_id, signals.c.id == _e.signal_id)
    )
    .where(_c.workspace_id == WORKSPACE, _c.id == bindparam("id", type_=Uuid))
    .order_by(signals.c.number, _e.start, _e.id),
    row,
)


async def page(read: Read, workspace: WorkspaceId, query: InsightQuery) -> OffsetPage[Insight]:
    """Get a page of insights. Raises Invalid if `signal_id` is neither a UUID nor a public id."""
    if query.signal_id is not UNSET and query.signal is query.signal_number is UNSET:
        raise invalid("signalId", "must be a uuid or a public id such as SIGNAL-42")
    return await INSIGHTS.page(read, workspace, query)


async def create(tx: Tx, workspace: WorkspaceId, new: InsightCreate) -> Insight:
    """Create an insight and schedule its comparison with others.

    Raises Invalid with the linked ids that are not in the workspace.
    """
    name = _default_name(new.description) if new.name is UNSET else new.name
    insight = await INSIGHTS.create(tx, workspace, new, name=name)
    await schedule_comparison(tx, workspace)
    return insight


async def list_evidence(read: Read, workspace: WorkspaceId, reference: str) -> list[Evidence]:
    """List the quotes of an insight by signal number and offset. Raises NotFound."""
    insight_id = await INSIGHTS.resolve(read, workspace, reference)
    rows = await read.all(_EVIDENCE, workspace=workspace, id=insight_id)
    INSIGHTS.require(rows or None, reference)
    return [
        Evidence(
            quote,
            signal_id,
            public_id("SIGNAL", number),
            start,
            end,
            *(UNSET if value is None else value for value in (account_id, *optional)),
        )
        for account_id, number, quote, signal_id, start, end, *optional in rows
        # An insight without evidence is one row of nulls.
        if quote is not None
    ]


def _default_name(description: str) -> str:
    """Shorten to 80 characters, at the end of a word unless the first word is longer."""
    start = description.strip()[:1_000]
    name = textwrap.shorten(
        start, _MAX_NAME, placeholder="", break_long_words=False, break_on_hyphens=False
    )
    return name or start[:_MAX_NAME]
