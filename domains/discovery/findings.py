"""Stores the findings of an analysis as draft insights with evidence, linked to their signal."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Table, Uuid, and_, any_, bindparam, delete, func, insert, select

from domains.discovery.duplicates import schedule_comparison
from domains.discovery.links import INSIGHTS_OF_SIGNAL
from domains.discovery.tables import evidence, insights
from domains.intelligence.findings import Findings, Insight
from domains.kernel.core.field_docs import named
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.db.database import Tx
from domains.kernel.db.sequences import take_numbers
from domains.kernel.db.statements import WORKSPACE, Statement, row, statement

SignalType = Annotated[
    Literal["transcript", "support_ticket", "review", "discovery_report"],
    named("SignalType", "Kind of a text signal. Selects the analysis profile"),
]

InsightType = Annotated[
    Literal[
        "feedback",
        "user-interview",
        "market-research",
        "session-recording",
        "support-ticket",
        "other",
    ],
    named("InsightType", "Kind of source of an insight"),
]

_INSIGHT_TYPES: Final[dict[SignalType | None, InsightType]] = {
    "transcript": "user-interview",
    "support_ticket": "support-ticket",
    "review": "feedback",
    "discovery_report": "market-research",
}


class SignalContext(msgspec.Struct, frozen=True):
    """Fields of a signal that determine values of its insights."""

    signal_type: SignalType | None
    product_ids: list[UUID]
    account_id: UUID | None

    @property
    def insight_type(self) -> InsightType:
        return _INSIGHT_TYPES.get(self.signal_type, "other")

    def product_of(self, insight: Insight) -> UUID | None:
        """Return the product in the insight, else the signal's product if it has exactly one."""
        if insight.product_id is not None:
            return UUID(insight.product_id)
        return self.product_ids[0] if len(self.product_ids) == 1 else None


_signal_id = bindparam("signal", type_=Uuid)

# Locked in the order of their ids, as in `links`.
_unedited = (
    select(insights.c.id)
    .where(
        insights.c.workspace_id == WORKSPACE,
        insights.c.made_by_signal_id == _signal_id,
        insights.c.edited_at.is_(None),
    )
    .order_by(insights.c.id)
    .with_for_update()
    .scalar_subquery()
)
_DELETE_UNEDITED = statement(
    delete(insights).where(
        insights.c.workspace_id == WORKSPACE,
        insights.c.id == any_(func.array(_unedited, type_=ARRAY(Uuid))),
    ),
    row,
)

_QUOTES = statement(
    select(evidence.c.start, evidence.c.end, evidence.c.quote)
    .select_from(evidence)
    .join(
        insights,
        and_(
            insights.c.workspace_id == evidence.c.workspace_id,
            insights.c.id == evidence.c.insight_id,
        ),
    )
    .where(
        evidence.c.workspace_id == WORKSPACE,
        evidence.c.signal_id == _signal_id,
        insights.c.made_by_signal_id == _signal_id,
    ),
    row,
)


def _insert(table: Table, *columns: str) -> Statement[Any]:
    values: dict[str, Any] = {column: bindparam(column) for column in columns}
    return statement(insert(table).values(workspace_id=WORKSPACE, **values), row)


_ADD_INSIGHT = _insert(
    insights,
    *("id", "number", "name", "description", "type", "product_id", "account_id"),
    *("made_by_signal_id", "kind", "sentiment", "confidence", "engine"),
)
_ADD_EVIDENCE = _insert(
    evidence,
    *("id", "insight_id", "signal_id", "quote", "start", "end"),
    *("speaker", "start_time", "end_time"),
)


async def replace(
    tx: Tx,
    workspace: WorkspaceId,
    signal_id: UUID,
    context: SignalContext,
    text: str,
    findings: Findings,
) -> None:
    """Replace the insights of earlier analyses of the signal, except those that users edited.

    Quotes that overlap a quote of an edited insight are not stored again.
    """
    await tx.first(_DELETE_UNEDITED, workspace=workspace, signal=signal_id)
    kept = await tx.all(_QUOTES, workspace=workspace, signal=signal_id)
    # Offsets of a kept quote are void if the text was replaced.
    kept_slices = [(start, end) for start, end, quote in kept if text[start:end] == quote]
    new = _without_overlaps(findings.insights, kept_slices)
    await store(tx, workspace, signal_id, context, findings.engine, new)


async def store(
    tx: Tx,
    workspace: WorkspaceId,
    signal_id: UUID,
    context: SignalContext,
    engine: str,
    new: Sequence[Insight],
) -> list[UUID]:
    """Store insights with evidence, link them and schedule their comparison. Returns their ids."""
    if not new:
        return []
    numbers = await take_numbers(tx, workspace, "INSIGHT", len(new))
    ids = [new_id() for _ in new]
    await tx.execute_many(
        _ADD_INSIGHT,
        [
            {
                "id": insight_id,
                "workspace": workspace,
                "number": number,
                "name": insight.name,
                "description": insight.description,
                "type": context.insight_type,
                "product_id": context.product_of(insight),
                "account_id": context.account_id,
                "made_by_signal_id": signal_id,
                "kind": insight.kind,
                "sentiment": insight.sentiment,
                "confidence": insight.confidence,
                "engine": engine,
            }
            for number, insight_id, insight in zip(numbers, ids, new, strict=True)
        ],
    )
    await INSIGHTS_OF_SIGNAL.add(tx, workspace, signal_id, ids)
    await tx.execute_many(
        _ADD_EVIDENCE,
        [
            {
                "id": new_id(),
                "workspace": workspace,
                "insight_id": insight_id,
                "signal_id": signal_id,
                "quote": quote.text,
                "start": quote.start,
                "end": quote.end,
                "speaker": quote.speaker,
                "start_time": quote.start_time,
                "end_time": quote.end_time,
            }
            for insight_id, insight in zip(ids, new, strict=True)
            for quote in insight.quotes
        ],
    )
    await schedule_comparison(tx, workspace)
    return ids


def _without_overlaps(new: Iterable[Insight], slices: Sequence[tuple[int, int]]) -> list[Insight]:
    """Remove quotes that overlap one of the slices, then insights that have no quotes left."""
    remaining = []
    for insight in new:
        quotes = tuple(
            quote
            for quote in insight.quotes
            if not any(start < quote.end and quote.start < end for start, end in slices)
        )
        if quotes:
            remaining.append(msgspec.structs.replace(insight, quotes=quotes))
    return remaining
