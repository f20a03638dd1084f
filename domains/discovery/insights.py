"""Insights: what was learnt, with the quotes that show it."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
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

    id: UUID
    name: str
    description: str
    status: InsightStatus
    type: InsightType
    product_id: UUID | None
    opportunity_ids: list[UUID]
    idea_ids: list[UUID]
    tag_ids: list[str]
    created_at: datetime
    updated_at: datetime


class Evidence(msgspec.Struct, rename="camel"):
    """A quote: `quote` is the slice `start:end` (characters) of the signal's text."""

    quote: str
    signal_id: UUID
    signal_public_id: str
    start: int
    end: int
    account_id: UUID | UnsetType = UNSET
    speaker: str | UnsetType = UNSET
    start_time: float | UnsetType = UNSET
    end_time: float | UnsetType = UNSET


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
