"""Insights: what was learnt, with the quotes that show it."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import ARRAY, Table, Uuid, and_, bindparam, func, select

from domains.discovery.tables import (
    evidence,
    insight_ideas,
    insight_opportunities,
    insights,
    signals,
)
from domains.kernel.db import Read
from domains.kernel.ids import parse_id, public_id
from domains.kernel.keys import WorkspaceId
from domains.kernel.paging import OffsetList, OffsetPage, Paged
from domains.kernel.problems import NotFound
from domains.kernel.statements import row, statement

InsightStatus = Literal["draft", "published", "archived"]
InsightType = Literal[
    "feedback", "user-interview", "market-research", "session-recording", "support-ticket", "other"
]


class Insight(msgspec.Struct, rename="camel"):
    """An insight as it is answered."""

    id: Annotated[UUID, Meta(description="The insight's uuid")]
    name: Annotated[str, Meta(description="The finding as a title")]
    description: Annotated[str, Meta(description="The finding in a sentence or two")]
    status: Annotated[InsightStatus, Meta(description="What processing finds begins as `draft`")]
    type: Annotated[InsightType, Meta(description="The kind of source that it was learnt from")]
    product_id: Annotated[UUID | None, Meta(description="The product it is about")]
    opportunity_ids: Annotated[list[UUID], Meta(description="Opportunities it is linked to")]
    idea_ids: Annotated[list[UUID], Meta(description="Ideas it is linked to")]
    tag_ids: Annotated[list[str], Meta(description="Tags of the caller's own system")]
    created_at: Annotated[datetime, Meta(description="When it was made")]
    updated_at: Annotated[datetime, Meta(description="When it changed last")]


class Evidence(msgspec.Struct, rename="camel"):
    """A quote: the slice `start:end` (characters) of the signal's text.

    The text of a signal from a source is every text in its `data` that holds a space, in order,
    joined by line feeds.
    """

    quote: Annotated[str, Meta(description="The words, exactly as in the signal's text")]
    signal_id: Annotated[UUID, Meta(description="The signal that they are from")]
    signal_public_id: Annotated[str, Meta(description="The same signal's public id")]
    start: Annotated[int, Meta(description="Where the quote begins, in characters")]
    end: Annotated[int, Meta(description="Where it ends, in characters, exclusive")]
    account_id: Annotated[
        UUID | UnsetType, Meta(description="The account that the signal came from, where known")
    ] = UNSET
    speaker: Annotated[str | UnsetType, Meta(description="Who said it, where the text tells")] = (
        UNSET
    )
    start_time: Annotated[
        float | UnsetType, Meta(description="Seconds from the beginning, where the text tells")
    ] = UNSET
    end_time: Annotated[float | UnsetType, Meta(description="Seconds from the beginning")] = UNSET


_workspace = bindparam("workspace", type_=Uuid)
_id = bindparam("id", type_=Uuid)


def _linked(table: Table, theirs: str) -> Any:
    return func.array(
        select(table.c[theirs])
        .where(table.c.workspace_id == insights.c.workspace_id, table.c.insight_id == insights.c.id)
        .order_by(table.c[theirs])
        .correlate(insights)
        .scalar_subquery(),
        type_=ARRAY(Uuid),
    ).label(theirs)


_COLUMNS: Final = (
    insights.c.id,
    insights.c.name,
    insights.c.description,
    insights.c.status,
    insights.c.type,
    insights.c.product_id,
    _linked(insight_opportunities, "opportunity_id"),
    _linked(insight_ideas, "idea_id"),
    insights.c.tag_ids,
    insights.c.created_at,
    insights.c.updated_at,
)


_LIST: Final = OffsetList(insights, _COLUMNS, insights.c.id, Insight)

_GET = statement(
    select(*_COLUMNS).where(insights.c.workspace_id == _workspace, insights.c.id == _id), Insight
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


async def page(read: Read, workspace: WorkspaceId, wanted: OffsetPage) -> Paged[Insight]:
    """Insights by insertion, with the capped count and all links, by one statement."""
    return await _LIST.page(read, workspace, wanted)


async def get(read: Read, workspace: WorkspaceId, reference: str) -> Insight:
    """By uuid; NotFound."""
    found = await read.first(_GET, workspace=workspace, id=_parsed(reference))
    if found is None:
        raise _not_found(reference)
    return found


async def list_evidence(read: Read, workspace: WorkspaceId, reference: str) -> list[Evidence]:
    """The quotes behind an insight, in the order of signals and text; NotFound."""
    rows = await read.all(_EVIDENCE, workspace=workspace, id=_parsed(reference))
    if not rows:
        raise _not_found(reference)
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


def _parsed(reference: str) -> UUID:
    found = parse_id(reference)
    if found is None:
        raise _not_found(reference)
    return found


def _not_found(reference: str) -> NotFound:
    return NotFound(f"There is no insight {reference[:64]!r} in this workspace.")
