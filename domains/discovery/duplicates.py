"""Near duplicates: for each new insight, suggest an earlier one that states the same need."""

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    Boolean,
    Integer,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from domains.discovery.tables import evidence, insight_vectors, insights
from domains.intelligence.child_calls import most_similar_sketches
from domains.intelligence.findings import Kind
from domains.intelligence.semantic.encoder_files import is_complete
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.job_tools import Tools, Write
from domains.kernel.jobs.enqueue import enqueue_debounced
from domains.kernel.jobs.model import Job, Queue

# Seconds from the creation of an insight to its comparison, so that one job compares all insights
# created in the meantime.
_DELAY: Final = 1.0

# Insights that one job compares.
_BATCH: Final = 100
# Newest stored insights whose sketches are compared with those of the new ones.
_MAX_SKETCHES: Final = 100_000
# Insights with the most similar sketches, whose vectors are then compared: so many by each part.
_NEAREST: Final = 24
# Characters of the quote or description that are embedded.
_MAX_TEXT_LENGTH: Final = 300


class CompareInsights(Job, frozen=True, tag="discovery.compare_insights"):
    """Find the duplicates among the insights that have not been compared yet."""

    queue: ClassVar[Queue] = "analysis"


class NewInsight(msgspec.Struct, frozen=True):
    """An insight to compare. `quote` is its first quote or, without quotes, its description."""

    id: UUID
    number: int
    signal_id: UUID | None
    sentiment: str | None
    kind: Kind | None
    name: str
    quote: str | None

    @property
    def text(self) -> str:
        """The text to embed. A name that is cut from the quote adds nothing.

        Only for child processes: loads the engine.
        """
        from domains.intelligence.semantic import near_duplicates

        return near_duplicates.statement_text(self.name, self.quote)


class _Embedding(NamedTuple):
    vector: bytes
    sketch: bytes


class _EmbeddedInsight(NewInsight, frozen=True):
    vector: bytes


_i, _v = insights.c, insight_vectors.c
_embedder = bindparam("embedder", type_=Text)
_by_id = (_i.workspace_id == WORKSPACE, _i.id == bindparam("id", type_=Uuid))

_max_text_length = literal_column(str(_MAX_TEXT_LENGTH), Integer)
_first_quote = (
    select(func.left(evidence.c.quote, _max_text_length))
    .where(evidence.c.workspace_id == WORKSPACE, evidence.c.insight_id == _i.id)
    .order_by(evidence.c.start, evidence.c.id)
    .limit(literal_column("1"))
    .scalar_subquery()
)
_compared_columns = (
    _i.id,
    _i.number,
    _i.made_by_signal_id,
    _i.sentiment,
    _i.kind,
    _i.name,
    func.coalesce(_first_quote, func.left(_i.description, _max_text_length)),
)
_UNCOMPARED = statement(
    select(*_compared_columns)
    .where(
        _i.workspace_id == WORKSPACE,
        or_(
            _i.embedder.is_(None),
            # `<` or `>`, because `<>` cannot use the index.
            and_(
                bindparam("is_incomplete", type_=Boolean).is_(False),
                or_(_i.embedder < _embedder, _i.embedder > _embedder),
            ),
        ),
    )
    .order_by(_i.number)
    .limit(literal_column(str(_BATCH))),
    NewInsight,
)

_newest = (
    select(_v.insight_id, _v.sketch)
    .where(_v.workspace_id == WORKSPACE, _v.embedder == _embedder)
    .order_by(_v.number.desc())
    .limit(literal_column(str(_MAX_SKETCHES)))
    .subquery("newest")
)
# All ids in one byte string and all sketches in another: a single row instead of 100,000.
_SKETCHES = statement(
    select(
        func.string_agg(func.uuid_send(_newest.c.insight_id), literal_column("''::bytea")),
        func.string_agg(_newest.c.sketch, literal_column("''::bytea")),
    ),
    row,
)
_VECTORS = statement(
    select(*_compared_columns, _v.vector)
    .join(insights, (_i.workspace_id == WORKSPACE) & (_i.id == _v.insight_id))
    .where(
        _v.workspace_id == WORKSPACE,
        _v.insight_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        _v.embedder == _embedder,
        _i.status != literal_column("'archived'"),
    )
    .order_by(_i.number),
    _EmbeddedInsight,
)

# In order of the ids, like all transactions that lock several insights.
_LOCK_EXISTING = statement(
    select(_i.id)
    .where(_i.workspace_id == WORKSPACE, _i.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .order_by(_i.id)
    .with_for_update(read=True, key_share=True),
    scalar,
)
_STORE_EMBEDDING = statement(
    insert(insight_vectors)
    .from_select(
        ["workspace_id", "insight_id", "embedder", "vector", "sketch", "number"],
        select(
            _i.workspace_id,
            _i.id,
            _embedder,
            bindparam("vector", type_=_v.vector.type),
            bindparam("sketch", type_=_v.sketch.type),
            _i.number,
        ).where(*_by_id),
    )
    .on_conflict_do_update(
        index_elements=[_v.insight_id],
        set_={
            name: literal_column(f"excluded.{name}") for name in ("embedder", "vector", "sketch")
        },
    ),
    row,
)
_SET_ORIGINAL = statement(
    update(insights)
    .where(*_by_id)
    .values(
        embedder=bindparam("by", type_=Text),
        # A hint that a caller set or dismissed stays as it is when an embedder compares later. The
        # first comparison may find one for an insight that was edited before it.
        duplicate_of=case(
            (
                and_(
                    _i.edited_at.is_not(None),
                    or_(_i.embedder.is_not(None), _i.duplicate_of.is_not(None)),
                ),
                _i.duplicate_of,
            ),
            else_=bindparam("original", type_=Uuid),
        ),
    ),
    row,
)


async def schedule_comparison(tx: Tx, workspace: WorkspaceId) -> None:
    """Schedule a comparison of the workspace's new insights. Postpones one that is scheduled."""
    await enqueue_debounced(tx, workspace, CompareInsights(), _DELAY)


async def compare(tools: Tools, workspace: WorkspaceId, _job: CompareInsights) -> Write | None:
    """Find the originals of up to 100 new insights, oldest first.

    Returns a function that stores the originals and the embeddings. It schedules the next
    comparison if there may be more insights.
    """
    embedder = await tools.process_pool.run(_embedder_name)
    new = await list_uncompared(tools.read, workspace, embedder)
    if not new:
        return None
    embedded = await tools.process_pool.run(_embed, new)
    stored, candidates = await _nearest(tools, workspace, embedder, embedded)
    candidates += [
        _EmbeddedInsight(**msgspec.structs.asdict(insight), vector=embedding.vector)
        for insight, embedding in zip(new, embedded, strict=True)
    ]
    originals = await tools.process_pool.run(
        _find_originals, embedder, candidates, len(new), stored + len(new)
    )

    async def write(tx: Tx) -> None:
        ids = {insight.id for insight in new} | {original for original in originals if original}
        existing = set(await tx.all(_LOCK_EXISTING, workspace=workspace, ids=sorted(ids)))
        for insight, embedding, original in sorted(
            zip(new, embedded, originals, strict=True), key=lambda result: result[0].id
        ):
            if insight.id not in existing:
                continue
            by_id = {"workspace": workspace, "id": insight.id}
            await tx.first(_STORE_EMBEDDING, **by_id, embedder=embedder, **embedding._asdict())
            await tx.first(
                _SET_ORIGINAL,
                **by_id,
                by=embedder,
                original=original if original in existing else None,
            )
        if len(new) == _BATCH:
            await schedule_comparison(tx, workspace)

    return write


async def list_uncompared(read: Read, workspace: WorkspaceId, embedder: str) -> list[NewInsight]:
    """List up to 100 insights without an embedding, or with one of another embedder.

    An embedder that lacks an encoder does not replace embeddings. Otherwise a host with all
    encoders and one without would overwrite each other's embeddings forever.
    """
    return await read.all(
        _UNCOMPARED,
        workspace=workspace,
        embedder=embedder,
        is_incomplete=not is_complete(embedder),
    )


async def _nearest(
    tools: Tools, workspace: WorkspaceId, embedder: str, new: Sequence[_Embedding]
) -> tuple[int, list[_EmbeddedInsight]]:
    """Return the number of stored insights, and those with the most similar sketches."""
    ids, sketches = await tools.read.one(_SKETCHES, workspace=workspace, embedder=embedder)
    if ids is None:
        return 0, []
    nearest = await tools.process_pool.run(
        most_similar_sketches,
        sketches,
        [embedding.sketch for embedding in new],
        _NEAREST,
    )
    positions = sorted({position for positions in nearest for position in positions})
    nearest_ids = [UUID(bytes=ids[16 * position : 16 * position + 16]) for position in positions]
    found = await tools.read.all(_VECTORS, workspace=workspace, embedder=embedder, ids=nearest_ids)
    return len(ids) // 16, found


# --- run in child processes, because loading the engine and its model takes 0.8 s ---------------


def _embedder_name() -> str:
    """Return the name of the embedder: the fallback if the model cannot be loaded."""
    from domains.intelligence.semantic import embeddings

    return embeddings.embedder().name


def _embed(batch: Sequence[NewInsight]) -> list[_Embedding]:
    from domains.intelligence.semantic import embeddings, near_duplicates

    vectors = embeddings.embedder().vectors([insight.text for insight in batch])
    return [_Embedding(vector.tobytes(), near_duplicates.sketch(vector)) for vector in vectors]


def _find_originals(
    embedder: str, embedded: Sequence[_EmbeddedInsight], count: int, compared: int
) -> list[UUID | None]:
    """For each of the last `count` insights, return the earlier one it duplicates, or None.

    `compared` is the number of insights that these were chosen from. Insights written by people are
    never marked as duplicates.
    """
    from domains.intelligence.semantic import near_duplicates

    statements = [
        near_duplicates.Statement(insight.text, insight.kind, insight.vector)
        for insight in embedded
    ]
    originals: list[UUID | None] = []
    for place in range(len(embedded) - count, len(embedded)):
        insight = embedded[place]
        if insight.signal_id is None:
            originals.append(None)
            continue
        others = [other for other, each in enumerate(embedded) if _may_duplicate(insight, each)]
        found = near_duplicates.most_similar(
            embedder, statements[place], [statements[other] for other in others], compared
        )
        originals.append(None if found is None else embedded[others[found]].id)
    return originals


def _may_duplicate(later: _EmbeddedInsight, earlier: _EmbeddedInsight) -> bool:
    """Return True if `earlier` is older, from another signal and not of opposite sentiment.

    Praise and complaints about the same thing use nearly the same words.
    """
    same_signal = later.signal_id == earlier.signal_id
    opposed = {later.sentiment, earlier.sentiment} == {"positive", "negative"}
    return earlier.number < later.number and not same_signal and not opposed
