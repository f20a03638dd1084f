"""Insights that say the same as an earlier one: found by what they mean, for people to decide."""

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Boolean,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from domains.discovery.tables import evidence, insight_vectors, insights
from domains.intelligence.semantic import clusters, embeddings
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import row, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue_debounced
from domains.kernel.jobs.model import Job, Queue

# Seconds after an insight was made at which it is compared: its neighbours are then there, too.
_DELAY: Final = 1.0

# Insights that one job compares, the newest that they are compared with, and those of each that are
# looked at closely: the vectors whose signs differ least from its own.
_CHUNK: Final = 100
_MOST: Final = 100_000
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
    told: str | None


class _Vector(NamedTuple):
    vector: bytes
    sketch: bytes


class _Stored(msgspec.Struct, frozen=True):
    """An earlier insight that may be the original."""

    id: UUID
    number: int
    signal_id: UUID | None
    sentiment: str | None
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
_told = func.coalesce(_first_quote, func.left(_i.description, literal_column(str(_QUOTE))))
# Those without a vector, or with one of another embedder: both ends of the index.
_WAITING = statement(
    select(_i.id, _i.number, _i.made_by_signal_id, _i.sentiment, _i.name, _told)
    .where(
        _i.workspace_id == _workspace,
        or_(
            _i.embedder.is_(None),
            # The lesser maker takes nothing over: two hosts would convert for ever.
            and_(
                bindparam("lesser", type_=Boolean).is_(False),
                or_(_i.embedder < _maker, _i.embedder > _maker),
            ),
        ),
    )
    .order_by(_i.number)
    .limit(literal_column(str(_CHUNK))),
    _Insight,
)


# The ids and the sketches of the newest, each as bytes one after the other: one row, however many.
_newest = (
    select(_v.insight_id, _v.sketch)
    .where(_v.workspace_id == _workspace, _v.embedder == _maker)
    .order_by(_v.number.desc())
    .limit(literal_column(str(_MOST)))
    .subquery("newest")
)
_SKETCHES = statement(
    select(
        func.string_agg(func.uuid_send(_newest.c.insight_id), literal_column("''::bytea")),
        func.string_agg(_newest.c.sketch, literal_column("''::bytea")),
    ),
    row,
)
_CANDIDATES = statement(
    select(_i.id, _i.number, _i.made_by_signal_id, _i.sentiment, _v.vector)
    .join(insights, (_i.workspace_id == _workspace) & (_i.id == _v.insight_id))
    .where(
        _v.workspace_id == _workspace,
        _v.insight_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        _v.embedder == _maker,
        _i.status != literal_column("'archived'"),
    )
    .order_by(_i.number),
    _Stored,
)

_KEEP = statement(
    insert(insight_vectors)
    .from_select(
        ["workspace_id", "insight_id", "embedder", "vector", "sketch", "number"],
        # Not of an insight that was deleted meanwhile.
        select(
            _i.workspace_id,
            _i.id,
            _maker,
            bindparam("vector", type_=_v.vector.type),
            bindparam("sketch", type_=_v.sketch.type),
            _i.number,
        ).where(_i.workspace_id == _workspace, _i.id == bindparam("id", type_=Uuid)),
    )
    .on_conflict_do_update(
        index_elements=[_v.insight_id],
        set_={
            name: literal_column(f"excluded.{name}") for name in ("embedder", "vector", "sketch")
        },
    ),
    row,
)
# Those that are still there, held in the order of their ids, as all that locks several insights.
_HELD = statement(
    select(_i.id)
    .where(_i.workspace_id == _workspace, _i.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .order_by(_i.id)
    .with_for_update(read=True, key_share=True),
    scalar,
)
_MARK = statement(
    update(insights)
    .where(_i.workspace_id == _workspace, _i.id == bindparam("id", type_=Uuid))
    .values(embedder=bindparam("by", type_=Text), duplicate_of=bindparam("original", type_=Uuid)),
    row,
)


async def compare_soon(tx: Tx, workspace: WorkspaceId) -> None:
    """Have the insights that were not compared yet compared, together with those of this moment."""
    await enqueue_debounced(tx, workspace, CompareInsights(), _DELAY)


async def compare(tools: Tools, workspace: WorkspaceId, _job: CompareInsights) -> Write | None:
    """Find for each insight not yet compared the one before it, of another signal, that says the
    same; what comes back stores that.

    Some at a time, in the order in which they were made.
    """
    embedder = await tools.process_pool.run(_embedder)
    lesser = embedder == embeddings.Words.name
    waiting = await tools.read.all(_WAITING, workspace=workspace, embedder=embedder, lesser=lesser)
    if not waiting:
        return None
    vectors = await tools.process_pool.run(_vectors, [_meaning(each) for each in waiting])
    ids, sketches = await tools.read.one(_SKETCHES, workspace=workspace, embedder=embedder)
    stored: list[_Stored] = []
    if ids is not None:
        asked = [each.sketch for each in vectors]
        near = await tools.process_pool.run(clusters.likeliest, sketches, asked, _NEAREST)
        wanted = sorted({at for some in near for at in some})
        some = [UUID(bytes=ids[16 * at : 16 * at + 16]) for at in wanted]
        stored = await tools.read.all(_CANDIDATES, workspace=workspace, embedder=embedder, ids=some)
    earlier = stored + [
        _Stored(each.id, each.number, each.signal_id, each.sentiment, vector.vector)
        for each, vector in zip(waiting, vectors, strict=True)
    ]
    found = await tools.process_pool.run(_originals, embedder, earlier, len(waiting))

    async def write(tx: Tx) -> None:
        concerned = {each.id for each in waiting} | {each for each in found if each is not None}
        held = set(await tx.all(_HELD, workspace=workspace, ids=sorted(concerned)))
        for each, vector, original in sorted(
            zip(waiting, vectors, found, strict=True), key=lambda one: one[0].id
        ):
            if each.id not in held:
                continue
            which = {"workspace": workspace, "id": each.id}
            await tx.first(
                _KEEP, **which, embedder=embedder, vector=vector.vector, sketch=vector.sketch
            )
            await tx.first(
                _MARK, **which, by=embedder, original=original if original in held else None
            )
        if len(waiting) == _CHUNK:
            await compare_soon(tx, workspace)

    return write


def _meaning(insight: _Insight) -> str:
    """Its title, and the beginning of its first quote or of its description."""
    return f"{insight.name}. {insight.told}" if insight.told else insight.name


# --- in child processes, where loading the model keeps nobody waiting ---------------------------


def _embedder() -> str:
    """The name of what makes vectors; that of the lesser one, where the model cannot be loaded."""
    return embeddings.embedder().name


def _vectors(texts: Sequence[str]) -> list[_Vector]:
    made = embeddings.embedder().vectors(texts)
    return [_Vector(each.tobytes(), clusters.sketch(each)) for each in made]


def _originals(name: str, insights: Sequence[_Stored], last: int) -> list[UUID | None]:
    """For each of the last ones that was found in a signal, which of those made before it says the
    same, most of all. What people write themselves repeats nothing: they know what is there.
    """
    found: list[UUID | None] = []
    for each in insights[-last:]:
        if each.signal_id is None:
            found.append(None)
            continue
        candidates = [other for other in insights if _may_repeat(each, other)]
        index = clusters.most_alike(name, each.vector, [other.vector for other in candidates])
        found.append(None if index is None else candidates[index].id)
    return found


def _may_repeat(later: _Stored, earlier: _Stored) -> bool:
    """Whether the two can be one: of two signals, and not for and against.

    Who loves a thing and who hates it use nearly the same words.
    """
    within = later.signal_id == earlier.signal_id
    opposed = {later.sentiment, earlier.sentiment} == {"positive", "negative"}
    return earlier.number < later.number and not within and not opposed
