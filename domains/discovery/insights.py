"""Insights: what was learnt, with the quotes that show it."""

import textwrap
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Text, Uuid, and_, bindparam, case, cast, func, null, select
from sqlalchemy.dialects.postgresql import array

from domains.discovery import example_ids
from domains.discovery.analysis import InsightType
from domains.discovery.duplicates import compare_soon
from domains.discovery.links import IDEAS_OF_INSIGHT, OPPORTUNITIES_OF_INSIGHT, LinkIds
from domains.discovery.records import (
    IdeaIds,
    NonEmpty,
    OpportunityIds,
    ProductId,
    Records,
    SearchQuery,
    equals,
    matches,
)
from domains.discovery.tables import evidence, insights, signal_insights, signals
from domains.kernel.core.ids import parse_id, parse_public_id, public_id
from domains.kernel.core.problems import invalid
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import row, statement
from domains.kernel.pagination.offset import OffsetPage

InsightStatus = Literal["draft", "published", "archived"]


# Longer ones would not fit into an index.
Tag = Annotated[str, Meta(min_length=1, max_length=255)]
Tags = Annotated[list[Tag], Meta(max_length=10_000)]


class ExternalLink(msgspec.Struct, omit_defaults=True):
    """A link to where else the insight is kept."""

    type: Annotated[
        str | UnsetType, Meta(description="What it leads to: `jira`, `figma`", examples=["jira"])
    ] = UNSET
    url: Annotated[
        str | UnsetType, Meta(description="Where it leads", examples=["https://jira.example/EXP-7"])
    ] = UNSET
    name: Annotated[
        str | UnsetType, Meta(description="What to show for it", examples=["EXP-7"])
    ] = UNSET


class Insight(msgspec.Struct, rename="camel"):
    """An insight as it is answered."""

    id: Annotated[UUID, Meta(description="The insight's uuid", examples=[example_ids.INSIGHT])]
    name: Annotated[
        str, Meta(description="The finding as a title", examples=["Exports take minutes"])
    ]
    description: Annotated[
        str,
        Meta(
            description="The finding in a sentence or two",
            examples=["A respondent describes a problem."],
        ),
    ]
    status: Annotated[InsightStatus, Meta(description="What processing finds begins as `draft`")]
    type: Annotated[InsightType, Meta(description="The kind of source that it was learnt from")]
    product_id: ProductId | None
    opportunity_ids: OpportunityIds
    idea_ids: IdeaIds
    tag_ids: Annotated[
        list[str], Meta(description="Tags of the caller's own system", examples=[["exports"]])
    ]
    created_at: Annotated[datetime, Meta(description="When it was made")]
    updated_at: Annotated[datetime, Meta(description="When it changed last")]
    suggestions: Annotated[
        msgspec.Raw | UnsetType,
        Meta(
            description="As given; else `duplicateOf`, the id of an earlier insight that seems to "
            "say the same; left out if there is neither",
            extra_json_schema={
                "type": "object",
                "properties": {"duplicateOf": {"type": "string", "format": "uuid"}},
            },
        ),
    ] = UNSET
    external_links: Annotated[
        msgspec.Raw | UnsetType,
        Meta(
            description="As given; left out if never given",
            extra_json_schema={
                "type": "array",
                "items": {"$ref": "#/components/schemas/ExternalLink"},
            },
        ),
    ] = UNSET


class InsightCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new insight."""

    description: Annotated[
        NonEmpty,
        Meta(
            description="The finding in a sentence or two", examples=["Customers wait for exports."]
        ),
    ]
    name: Annotated[
        NonEmpty | UnsetType,
        Meta(
            description="The finding as a title; the description's beginning if left out",
            examples=["Exports are slow"],
        ),
    ] = UNSET
    status: Annotated[InsightStatus, Meta(description="How far it is agreed upon")] = "draft"
    type: Annotated[
        InsightType,
        Meta(description="The kind of source it was learnt from", examples=["user-interview"]),
    ] = "other"
    product_id: ProductId | UnsetType = UNSET
    opportunity_ids: Annotated[
        LinkIds, Meta(description="Opportunities of this workspace to link it to")
    ] = []
    idea_ids: Annotated[LinkIds, Meta(description="Ideas of this workspace to link it to")] = []
    tag_ids: Annotated[
        Tags, Meta(description="Tags of your own system", examples=[["exports", "enterprise"]])
    ] = []
    suggestions: Annotated[
        dict[str, Any] | UnsetType, Meta(description="Anything to keep with it")
    ] = UNSET
    external_links: Annotated[
        list[ExternalLink] | UnsetType, Meta(description="Where else it is kept")
    ] = UNSET


class InsightUpdate(msgspec.Struct, rename="camel", kw_only=True):
    """What a PATCH may change; absent fields stay as they are, lists are replaced whole.

    An insight that was changed is kept when its signal is processed again.
    """

    name: Annotated[NonEmpty | UnsetType, Meta(description="Replaces the name")] = UNSET
    description: Annotated[NonEmpty | UnsetType, Meta(description="Replaces the description")] = (
        UNSET
    )
    status: Annotated[
        InsightStatus | UnsetType,
        Meta(description="How far it is agreed upon", examples=["published"]),
    ] = UNSET
    type: Annotated[
        InsightType | UnsetType, Meta(description="The kind of source it was learnt from")
    ] = UNSET
    product_id: Annotated[UUID | UnsetType | None, Meta(description="Null clears it")] = UNSET
    opportunity_ids: Annotated[
        LinkIds | UnsetType, Meta(description="Replaces the links to opportunities")
    ] = UNSET
    idea_ids: Annotated[LinkIds | UnsetType, Meta(description="Replaces the links to ideas")] = (
        UNSET
    )
    tag_ids: Annotated[
        Tags | UnsetType, Meta(description="Replaces the tags", examples=[["exports", "q2"]])
    ] = UNSET
    suggestions: Annotated[
        dict[str, Any] | UnsetType,
        Meta(
            description="Replaces the suggestions, also those that were found: `{}` dismisses them"
        ),
    ] = UNSET
    external_links: Annotated[
        list[ExternalLink] | UnsetType, Meta(description="Replaces the links")
    ] = UNSET


class InsightQuery(SearchQuery, frozen=True, kw_only=True, rename="camel"):
    """Which insights, and which part of them."""

    status: Annotated[InsightStatus | UnsetType, Meta(description="Those in this status")] = UNSET
    type: Annotated[InsightType | UnsetType, Meta(description="Those of this type")] = UNSET
    account_id: Annotated[
        UUID | UnsetType, Meta(description="Those from signals of this account")
    ] = UNSET
    signal_id: Annotated[
        str | UnsetType,
        Meta(
            description="Those linked to this signal, by uuid or public id",
            extra_json_schema={"pattern": "^(SIGNAL-[1-9][0-9]{0,17}|[0-9A-Fa-f-]{36})$"},
        ),
    ] = UNSET
    tag_id: Annotated[Tag | UnsetType, Meta(description="Those with this tag")] = UNSET

    @property
    def signal(self) -> UUID | UnsetType:
        """The wanted signal's uuid, if that is how it was named."""
        return UNSET if self.signal_id is UNSET else parse_id(self.signal_id) or UNSET

    @property
    def signal_number(self) -> int | UnsetType:
        """The wanted signal's number, if it was named by its public id."""
        if self.signal_id is UNSET:
            return UNSET
        return parse_public_id("SIGNAL", self.signal_id) or UNSET


class Evidence(msgspec.Struct, rename="camel"):
    """A quote: the slice `start:end` (characters) of the signal's text.

    The text of a signal from a source is every text in its `data` that holds a space, in order,
    joined by line feeds.
    """

    quote: Annotated[
        str,
        Meta(
            description="The words, exactly as in the signal's text",
            examples=["Exports take minutes, and one failed."],
        ),
    ]
    signal_id: Annotated[
        UUID, Meta(description="The signal that they are from", examples=[example_ids.SIGNAL])
    ]
    signal_public_id: Annotated[
        str, Meta(description="The same signal's public id", examples=["SIGNAL-42"])
    ]
    start: Annotated[int, Meta(description="Where the quote begins, in characters", examples=[13])]
    end: Annotated[int, Meta(description="Where it ends, in characters, exclusive", examples=[50])]
    account_id: Annotated[
        UUID | UnsetType, Meta(description="The account that the signal came from, where known")
    ] = UNSET
    speaker: Annotated[
        str | UnsetType, Meta(description="Who said it, where the text tells", examples=["Ana"])
    ] = UNSET
    start_time: Annotated[
        float | UnsetType,
        Meta(description="Seconds from the beginning, where the text tells", examples=[12.0]),
    ] = UNSET
    end_time: Annotated[
        float | UnsetType, Meta(description="Seconds from the beginning", examples=[21.0])
    ] = UNSET


_workspace = bindparam("workspace", type_=Uuid)
_id = bindparam("id", type_=Uuid)
_c = insights.c

_of_signal = select(signal_insights.c.insight_id).where(
    signal_insights.c.workspace_id == _workspace
)
_numbered_signal = and_(
    signals.c.workspace_id == signal_insights.c.workspace_id,
    signals.c.id == signal_insights.c.signal_id,
    signals.c.number == bindparam("signal_number", type_=signals.c.number.type),
)


def _insight(*columns: Any) -> Insight:
    values, kept = columns[:-2], columns[-2:]
    return Insight(*values, *(UNSET if each is None else each for each in kept))


_found = case(
    (_c.duplicate_of.is_not(None), func.json_build_object("duplicateOf", _c.duplicate_of)),
    else_=null(),
)

INSIGHTS: Final = Records(
    insights,
    "INSIGHT",
    (
        _c.id,
        _c.name,
        _c.description,
        _c.status,
        _c.type,
        _c.product_id,
        OPPORTUNITIES_OF_INSIGHT,
        IDEAS_OF_INSIGHT,
        _c.tag_ids,
        _c.created_at,
        _c.updated_at,
        # What somebody gave stands in place of what was found.
        func.coalesce(_c.suggestions, _found),
        _c.external_links,
    ),
    _insight,
    query=InsightQuery,
    filters=equals(
        status=_c.status, type=_c.type, product_id=_c.product_id, account_id=_c.account_id
    )
    | {
        "signal": _c.id.in_(
            _of_signal.where(signal_insights.c.signal_id == bindparam("signal", type_=Uuid))
        ),
        "signal_number": _c.id.in_(_of_signal.join(signals, _numbered_signal)),
        "tag_id": _c.tag_ids.contains(
            cast(array([bindparam("tag_id", type_=Text)]), _c.tag_ids.type)
        ),
        "q": matches(_c.search),
    },
    creates=InsightCreate,
    changes=InsightUpdate,
    edited=_c.edited_at,
)

_EVIDENCE = statement(
    select(
        insights.c.account_id,
        signals.c.number,
        evidence.c.quote,
        evidence.c.signal_id,
        evidence.c.start,
        evidence.c.end,
        evidence.c.speaker,
        evidence.c.start_time,
        evidence.c.end_time,
    )
    .select_from(insights)
    .outerjoin(
        evidence,
        and_(
            evidence.c.workspace_id == insights.c.workspace_id,
            evidence.c.insight_id == insights.c.id,
        ),
    )
    .outerjoin(
        signals,
        and_(
            signals.c.workspace_id == evidence.c.workspace_id,
            signals.c.id == evidence.c.signal_id,
        ),
    )
    .where(insights.c.workspace_id == _workspace, insights.c.id == _id)
    .order_by(signals.c.number, evidence.c.start, evidence.c.id),
    row,
)


async def page(read: Read, workspace: WorkspaceId, wanted: InsightQuery) -> OffsetPage[Insight]:
    """The wanted insights; Invalid if `signal_id` can name no signal."""
    if wanted.signal_id is not UNSET and wanted.signal is wanted.signal_number is UNSET:
        raise invalid("signalId", "must be a uuid or a public id such as SIGNAL-42")
    return await INSIGHTS.page(read, workspace, wanted)


async def create(tx: Tx, workspace: WorkspaceId, new: InsightCreate) -> Insight:
    """Store an insight; without a name it has the beginning of its description."""
    name = _title(new.description) if new.name is UNSET else new.name
    made = await INSIGHTS.create(tx, workspace, new, name=name)
    await compare_soon(tx, workspace)
    return made


async def list_evidence(read: Read, workspace: WorkspaceId, reference: str) -> list[Evidence]:
    """The quotes behind an insight, in the order of signals and text; NotFound."""
    insight = await INSIGHTS.resolve(read, workspace, reference)
    rows = await read.all(_EVIDENCE, workspace=workspace, id=insight)
    INSIGHTS.found(rows or None, reference)
    return [
        Evidence(
            quote,
            signal_id,
            public_id("SIGNAL", number),
            start,
            end,
            *(UNSET if value is None else value for value in (account_id, *rest)),
        )
        for account_id, number, quote, signal_id, start, end, *rest in rows
        if quote is not None
    ]


def _title(description: str) -> str:
    """The first 80 characters, cut at a word where there is one."""
    beginning = description.strip()[:1_000]
    return (
        textwrap.shorten(
            beginning, 80, placeholder="", break_long_words=False, break_on_hyphens=False
        )
        or beginning[:80]
    )
