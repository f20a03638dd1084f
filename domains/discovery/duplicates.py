"""Insights that say the same as an earlier one: found by what they mean, for people to decide."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import BIT, insert

from domains.discovery.tables import DIMENSIONS, evidence, insight_vectors, insights
from domains.intelligence import clusters, embeddings
from domains.kernel import jobs
from domains.kernel.compute import Compute
from domains.kernel.db import Read, Tx
from domains.kernel.jobs import Job, Queue
from domains.kernel.keys import WorkspaceId
from domains.kernel.statements import row, statement

Write = Callable[[Tx], Awaitable[None]]

# Seconds after an insight was made at which it is compared: its neighbours are then there, too.
_DELAY: Final = 1.0

# Insights that one job compares, and those of each that are looked at closely: the vectors whose
# signs differ least from its own.
_CHUNK: Final = 100
_NEAREST: Final = 24
_QUOTE: Final = 300


class CompareInsights(Job, frozen=True, tag="discovery.compare_insights"):
    """Find which of the insights that were not compared yet say the same as an earlier one."""

    queue: ClassVar[Queue] = "analysis"


class _Insight(msgspec.Struct, frozen=True):
    id: UUID
    number: int
    signal_id: UUID | None
    sentiment: str | None
    name: str
    quote: str | None

    def may_repeat(self, earlier: "_Insight") -> bool:
        """Whether the two can be one: of two signals, and not for and against."""
        within = self.signal_id is not None and self.signal_id == earlier.signal_id
        return not within and {self.sentiment, earlier.sentiment} != {"positive", "negative"}


class _Vector(NamedTuple):
    sketch: str
    vector: bytes


_workspace = bindparam("workspace", type_=Uuid)
_maker = bindparam("embedder", type_=Text)
_i, _v = insights.c, insight_vectors.c

_first_quote = (
    select(func.left(evidence.c.quote, literal_column(str(_QUOTE))))
    .where(evidence.c.workspace_id == _workspace, evidence.c.insight_id == _i.id)
    .order_by(evidence.c.start, evidence.c.id)
    .limit(literal_column("1"))
    .scalar_subquery()
)
# Those without a vector, or with one of another embedder: both ends of the index.
_WAITING = statement(
    select(_i.id, _i.number, _i.made_by_signal_id, _i.sentiment, _i.name, _first_quote)
    .where(
        _i.workspace_id == _workspace,
        or_(_i.embedder.is_(None), _i.embedder < _maker, _i.embedder > _maker),
    )
    .order_by(_i.number)
    .limit(literal_column(str(_CHUNK))),
    _Insight,
)


def _nearest() -> Any:
    """For each sketch, the vectors of earlier insights of other signals that differ least."""
    asked = (
        func.unnest(
            bindparam("sketches", type_=ARRAY(Text)),
            bindparam("numbers", type_=ARRAY(BigInteger)),
            bindparam("signals", type_=ARRAY(Uuid)),
            bindparam("sentiments", type_=ARRAY(Text)),
        )
        .table_valued("sketch", "number", "signal_id", "sentiment", with_ordinality="position")
        .render_derived(name="asked")
    )
    sketch = cast(asked.c.sketch, BIT(DIMENSIONS))
    near = (
        select(_v.insight_id, _v.vector, _v.number)
        .where(
            _v.workspace_id == _workspace,
            _v.embedder == _maker,
            _v.number < asked.c.number,
            _v.signal_id.is_distinct_from(asked.c.signal_id),
        )
        .order_by(func.bit_count(_v.sketch.op("#")(sketch)), _v.number)
        .limit(literal_column(str(_NEAREST)))
        .lateral("near")
    )
    return statement(
        select(asked.c.position - literal_column("1"), near.c.insight_id, near.c.vector)
        .select_from(asked.join(near, true()))
        .join(
            insights,
            (insights.c.workspace_id == _workspace) & (insights.c.id == near.c.insight_id),
        )
        .where(
            insights.c.status != literal_column("'archived'"),
            # Who loves a thing and who hates it use nearly the same words.
            or_(
                _i.sentiment.is_(None),
                asked.c.sentiment.is_(None),
                _i.sentiment == asked.c.sentiment,
                _i.sentiment == literal_column("'neutral'"),
                asked.c.sentiment == literal_column("'neutral'"),
            ),
        )
        .order_by(asked.c.position, near.c.number),
        row,
    )


_NEAREST_OF = _nearest()

_KEEP = statement(
    insert(insight_vectors)
    .from_select(
        ["workspace_id", "insight_id", "embedder", "vector", "sketch", "number", "signal_id"],
        # Not of an insight that was deleted meanwhile.
        select(
            _i.workspace_id,
            _i.id,
            _maker,
            bindparam("vector", type_=_v.vector.type),
            cast(bindparam("sketch", type_=Text), BIT(DIMENSIONS)),
            _i.number,
            _i.made_by_signal_id,
        )
        .where(_i.workspace_id == _workspace, _i.id == bindparam("id", type_=Uuid))
        .with_for_update(key_share=True),
    )
    .on_conflict_do_update(
        index_elements=[_v.insight_id],
        set_={
            name: literal_column(f"excluded.{name}") for name in ("embedder", "vector", "sketch")
        },
    ),
    row,
)
_earlier = insights.alias("earlier")
_MARK = statement(
    update(insights)
    .where(_i.workspace_id == _workspace, _i.id == bindparam("id", type_=Uuid))
    .values(
        embedder=bindparam("by", type_=Text),
        # The earlier one may be gone by now.
        duplicate_of=select(_earlier.c.id)
        .where(
            _earlier.c.workspace_id == _workspace,
            _earlier.c.id == bindparam("original", type_=Uuid),
        )
        .scalar_subquery(),
    ),
    row,
)


async def compare_soon(tx: Tx, workspace: WorkspaceId) -> None:
    """Have the insights that were not compared yet compared, together with those of this moment."""
    await jobs.enqueue_soon(tx, workspace, CompareInsights(), _DELAY)


async def compare(
    read: Read, compute: Compute, workspace: WorkspaceId, _job: CompareInsights
) -> Write | None:
    """Find for each insight not yet compared the one before it, of another signal, that says the
    same; what comes back stores that.

    Some at a time, in the order in which they were made.
    """
    embedder = await compute.run(_embedder)
    waiting = await read.all(_WAITING, workspace=workspace, embedder=embedder)
    if not waiting:
        return None
    vectors = await compute.run(_vectors, [_meaning(each) for each in waiting])
    rows = await read.all(
        _NEAREST_OF,
        workspace=workspace,
        embedder=embedder,
        sketches=[each.sketch for each in vectors],
        numbers=[each.number for each in waiting],
        signals=[each.signal_id for each in waiting],
        sentiments=[each.sentiment for each in waiting],
    )
    candidates: list[list[tuple[UUID, bytes]]] = [[] for _ in waiting]
    for position, insight_id, vector in rows:
        candidates[position].append((insight_id, vector))
    for position, each in enumerate(waiting):
        candidates[position] += [
            (earlier.id, vectors[before].vector)
            for before, earlier in enumerate(waiting[:position])
            if each.may_repeat(earlier)
        ]
    found = await compute.run(_originals, embedder, [each.vector for each in vectors], candidates)

    async def write(tx: Tx) -> None:
        # In the order of ids, as all that locks insights.
        for each, vector, original in sorted(
            zip(waiting, vectors, found, strict=True), key=lambda one: one[0].id
        ):
            which = {"workspace": workspace, "id": each.id}
            await tx.first(
                _KEEP, **which, embedder=embedder, vector=vector.vector, sketch=vector.sketch
            )
            await tx.first(_MARK, **which, by=embedder, original=original)
        if len(waiting) == _CHUNK:
            await jobs.enqueue_soon(tx, workspace, CompareInsights(), 0)

    return write


def _meaning(insight: _Insight) -> str:
    """What stands for an insight: its title, and the beginning of its first quote."""
    return f"{insight.name}. {insight.quote}" if insight.quote else insight.name


# --- in child processes, where loading the model keeps nobody waiting ---------------------------


def _embedder() -> str:
    """The name of what makes vectors; that of the lesser one, where the model cannot be loaded."""
    return embeddings.embedder().name


def _vectors(texts: Sequence[str]) -> list[_Vector]:
    made = embeddings.embedder().vectors(texts)
    return [
        _Vector("".join("1" if value > 0 else "0" for value in each), each.tobytes())
        for each in made
    ]


def _originals(
    name: str, vectors: Sequence[bytes], candidates: Sequence[Sequence[tuple[UUID, bytes]]]
) -> list[UUID | None]:
    """Of each one's candidates the most alike, if it is alike enough."""
    found: list[UUID | None] = []
    for vector, some in zip(vectors, candidates, strict=True):
        index = clusters.most_alike(name, vector, [other for _, other in some])
        found.append(None if index is None else some[index][0])
    return found
