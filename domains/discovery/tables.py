"""The tables of discovery. Links carry the workspace, so that no foreign key crosses tenants."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, TSVECTOR

from domains.kernel.db.tables import instant, metadata


def _workspace() -> Column[object]:
    return Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False)


def _record(
    name: str,
    *columns: Column[Any] | CheckConstraint | ForeignKeyConstraint | Index,
    given_ids: bool = False,
) -> Table:
    """A table of the workspace's own records, in the order of their numbers.

    Links refer to (workspace_id, id). Where callers may give the id, it is theirs alone: the same
    one in another workspace is another record.
    """
    return Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column(
            "workspace_id",
            ForeignKey("workspaces.id", ondelete="CASCADE"),
            primary_key=given_ids,
            nullable=False,
        ),
        Column("number", BigInteger, nullable=False),
        instant("created_at", now=True),
        instant("updated_at", now=True),
        *columns,
        *([] if given_ids else [UniqueConstraint("workspace_id", "id")]),
        Index(f"uq_{name}_workspace_id_number", "workspace_id", "number", unique=True),
    )


def _listed_by(name: str, column: str, *, where: str | None = None) -> Index:
    """For a list that is filtered by this column."""
    return Index(
        f"ix_{name}_{column}",
        "workspace_id",
        column,
        "number",
        postgresql_where=None if where is None else text(where),
    )


def _search(name: str) -> tuple[Column[Any], Index]:
    """Full text of the beginning of name and description.

    The text parser takes quadratic time on long runs without a space and on open brackets, so runs
    are broken and brackets left out: 20,000 characters of anything take 0.1 s at most.
    """
    vector = " || ".join(
        "setweight(to_tsvector('english'::regconfig, regexp_replace(translate("
        f"\"left\"({column}, {length}), '<', ' '), '\\S{{100}}', '\\& ', 'g')), '{weight}')"
        for column, length, weight in (("name", 1_000, "A"), ("description", 20_000, "B"))
    )
    return (
        Column("search", TSVECTOR, Computed(vector, persisted=True)),
        Index(f"ix_{name}_search", "workspace_id", "search", postgresql_using="gin"),
    )


def _link(name: str, **sides: Table) -> Table:
    """A symmetric many-to-many link of two tables that disappears with either side."""
    foreign_keys = [
        ForeignKeyConstraint(
            ["workspace_id", f"{side}_id"],
            [table.c.workspace_id, table.c.id],
            ondelete="CASCADE",
            name=f"fk_{name}_{side}",
        )
        for side, table in sides.items()
    ]
    left, right = sides
    return Table(
        name,
        metadata,
        _workspace(),
        Column(f"{left}_id", Uuid, primary_key=True),
        Column(f"{right}_id", Uuid, primary_key=True),
        *foreign_keys,
        Index(f"ix_{name}_{left}", "workspace_id", f"{left}_id"),
        Index(f"ix_{name}_{right}", "workspace_id", f"{right}_id"),
    )


signals = _record(
    "signals",
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("signal_type", Text),
    Column("context", Text),
    Column("inferred_context", Text),
    # What callers send is json, not jsonb: it comes back as it was sent, and a number like 1e300
    # does not grow to 300 digits.
    Column("source", JSON, nullable=False),
    Column("data", JSON),
    Column("external_id", Text),
    # What the analysis reads, kept apart from `data`, which a PATCH replaces.
    Column("text_key", Text),
    Column("additional_context", Text),
    # What analysed it last, and why that was not the provider where one was to be asked.
    Column("engine", Text),
    Column("fallback", Text),
    Column("product_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("account_id", Uuid),
    Column("last_job_id", Uuid),
    instant("started_at", nullable=True),
    instant("processed_at", nullable=True),
    instant("failed_at", nullable=True),
    Column("last_error", Text),
    CheckConstraint("status in ('pending', 'processing', 'processed', 'failed')", name="status"),
    _listed_by("signals", "status"),
    _listed_by("signals", "signal_type"),
    Index("ix_signals_created_at", "workspace_id", "created_at"),
    # Of its beginning: an index holds no long texts.
    Index(
        "ix_signals_external_id",
        "workspace_id",
        text('"left"(external_id, 200)'),
        postgresql_where=text("external_id is not null"),
    ),
)

insights = _record(
    "insights",
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="draft"),
    Column("type", Text, nullable=False, server_default="other"),
    Column("product_id", Uuid),
    Column("account_id", Uuid),
    Column("tag_ids", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("suggestions", JSON),
    Column("external_links", JSON),
    # Set where processing made the insight; `edited_at` when a person changed it since.
    Column("made_by_signal_id", Uuid),
    instant("edited_at", nullable=True),
    Column("kind", Text),
    Column("sentiment", Text),
    Column("confidence", Double),
    Column("engine", Text),
    # An earlier insight that says the same, as far as words can tell.
    Column("duplicate_of", Uuid),
    # Whose vector of it stands in `insight_vectors`.
    Column("embedder", Text),
    *_search("insights"),
    CheckConstraint("status in ('draft', 'published', 'archived')", name="status"),
    ForeignKeyConstraint(
        ["workspace_id", "duplicate_of"],
        ["insights.workspace_id", "insights.id"],
        ondelete="SET NULL (duplicate_of)",
        name="fk_insights_duplicate_of",
    ),
    Index(
        "ix_insights_duplicate_of",
        "workspace_id",
        "duplicate_of",
        postgresql_where=text("duplicate_of is not null"),
    ),
    Index("ix_insights_embedder", "workspace_id", "embedder", "number"),
    _listed_by("insights", "status"),
    _listed_by("insights", "type"),
    _listed_by("insights", "product_id", where="product_id is not null"),
    _listed_by("insights", "account_id", where="account_id is not null"),
    Index("ix_insights_tag_ids", "workspace_id", "tag_ids", postgresql_using="gin"),
    Index(
        "ix_insights_made_by_signal_id",
        "workspace_id",
        "made_by_signal_id",
        postgresql_where=text("made_by_signal_id is not null"),
    ),
)

opportunities = _record(
    "opportunities",
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("score", Double),
    Column("status", Text, nullable=False, server_default="discovery"),
    Column("product_id", Uuid),
    *_search("opportunities"),
    _listed_by("opportunities", "status"),
    _listed_by("opportunities", "product_id", where="product_id is not null"),
)

ideas = _record(
    "ideas",
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="evaluating"),
    Column("product_id", Uuid),
    *_search("ideas"),
    _listed_by("ideas", "status"),
    _listed_by("ideas", "product_id", where="product_id is not null"),
)

products = _record("products", Column("name", Text, nullable=False), given_ids=True)

signal_insights = _link("signal_insights", signal=signals, insight=insights)
insight_opportunities = _link("insight_opportunities", insight=insights, opportunity=opportunities)
insight_ideas = _link("insight_ideas", insight=insights, idea=ideas)
opportunity_ideas = _link("opportunity_ideas", opportunity=opportunities, idea=ideas)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Uuid, primary_key=True),
    _workspace(),
    Column("insight_id", Uuid, nullable=False),
    Column("signal_id", Uuid, nullable=False),
    Column("quote", Text, nullable=False),
    # Character offsets into the signal's text: text[start:end] == quote.
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("speaker", Text),
    # Seconds from the beginning, where the text tells times.
    Column("start_time", Double),
    Column("end_time", Double),
    ForeignKeyConstraint(
        ["workspace_id", "insight_id"],
        ["insights.workspace_id", "insights.id"],
        ondelete="CASCADE",
        name="fk_evidence_insight",
    ),
    ForeignKeyConstraint(
        ["workspace_id", "signal_id"],
        ["signals.workspace_id", "signals.id"],
        ondelete="CASCADE",
        name="fk_evidence_signal",
    ),
    Index("ix_evidence_insight", "workspace_id", "insight_id"),
    Index("ix_evidence_signal", "workspace_id", "signal_id"),
)

# What an insight means, for finding those that say the same.
insight_vectors = Table(
    "insight_vectors",
    metadata,
    _workspace(),
    Column("insight_id", Uuid, primary_key=True),
    # Vectors of one embedder are alike; those of two tell nothing about each other.
    Column("embedder", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    # The signs of the vector: few differ between those that are near each other.
    Column("sketch", LargeBinary, nullable=False),
    Column("number", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["workspace_id", "insight_id"],
        ["insights.workspace_id", "insights.id"],
        ondelete="CASCADE",
        name="fk_insight_vectors_insight",
    ),
    Index("ix_insight_vectors_embedder", "workspace_id", "embedder", "number"),
)
