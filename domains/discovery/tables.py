"""Tables of discovery.

Link tables contain the workspace, so that a foreign key cannot cross workspaces.
"""

from typing import Any, Final

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

from domains.kernel.db.tables import metadata, timestamp_column

# Condition of the index of the identities of signals.
IS_IDENTIFIED: Final = "source_key is not null and external_id is not null"
# Characters of the external id of a signal with a source key.
MAX_IDENTIFIED_LENGTH: Final = 400


def _workspace_column(*, key: bool = False) -> Column[object]:
    workspace = ForeignKey("workspaces.id", ondelete="CASCADE")
    return Column("workspace_id", workspace, primary_key=key, nullable=False)


def _record_table(
    name: str,
    *columns: Column[Any] | CheckConstraint | ForeignKeyConstraint | Index,
    caller_ids: bool = False,
) -> Table:
    """A table of records, numbered per workspace and referenced by (workspace_id, id).

    With `caller_ids`, API clients may choose the id, so it is unique per workspace only.
    """
    return Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        _workspace_column(key=caller_ids),
        Column("number", BigInteger, nullable=False),
        timestamp_column("created_at", now=True),
        timestamp_column("updated_at", now=True),
        *columns,
        *([] if caller_ids else [UniqueConstraint("workspace_id", "id")]),
        Index(f"uq_{name}_workspace_id_number", "workspace_id", "number", unique=True),
    )


def _filter_index(name: str, column: str, *, nullable: bool = False) -> Index:
    """An index for lists filtered by the column. Nulls are not indexed."""
    where = text(f"{column} is not null") if nullable else None
    return Index(f"ix_{name}_{column}", "workspace_id", column, "number", postgresql_where=where)


def _optional_index(name: str, column: str) -> Index:
    """An index of the records that have a value in the column."""
    where = text(f"{column} is not null")
    return Index(f"ix_{name}_{column}", "workspace_id", column, postgresql_where=where)


def _search_column(name: str) -> tuple[Column[Any], Index]:
    """Search vector of the first 1,000 characters of the name and 20,000 of the description.

    `search_text` converts to NFC and splits texts in scripts without spaces: see `full_text`.
    PostgreSQL's text parser takes quadratic time on long words and on `<`. So words are split
    every 100 characters and `<` is removed: 20,000 characters take 0.1 s at most.
    """
    vector = " || ".join(
        "setweight(to_tsvector('english'::regconfig, regexp_replace(translate("
        f"search_text(\"left\"({column}, {length})), '<', ' '), '\\S{{100}}', '\\& ', 'g')),"
        f" '{weight}')"
        for column, length, weight in (("name", 1_000, "A"), ("description", 20_000, "B"))
    )
    return (
        Column("search", TSVECTOR, Computed(vector, persisted=True)),
        Index(f"ix_{name}_search", "workspace_id", "search", postgresql_using="gin"),
    )


def _foreign_key(name: str, side: str, target: Table) -> ForeignKeyConstraint:
    """Reference a record of the same workspace. Deleting the record deletes the row."""
    return ForeignKeyConstraint(
        ["workspace_id", f"{side}_id"],
        [target.c.workspace_id, target.c.id],
        ondelete="CASCADE",
        name=f"fk_{name}_{side}",
    )


def _link_table(name: str, **sides: Table) -> Table:
    """A symmetric many-to-many link table. Deleting either record deletes the link."""
    left, right = sides
    return Table(
        name,
        metadata,
        _workspace_column(),
        Column(f"{left}_id", Uuid, primary_key=True),
        Column(f"{right}_id", Uuid, primary_key=True),
        *(_foreign_key(name, side, table) for side, table in sides.items()),
        Index(f"ix_{name}_{left}", "workspace_id", f"{left}_id"),
        Index(f"ix_{name}_{right}", "workspace_id", f"{right}_id"),
    )


signals = _record_table(
    "signals",
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("signal_type", Text),
    Column("context", Text),
    Column("inferred_context", Text),
    # json, not jsonb: returned exactly as sent. jsonb would expand 1e300 to 300 digits.
    Column("source", JSON, nullable=False),
    Column("data", JSON),
    # A text signal with both is identified by them.
    Column("source_key", Text),
    Column("external_id", Text),
    # Digest of the input of the analysis, for signals with an identity.
    Column("content_digest", LargeBinary),
    # Input of the analysis. Kept apart from `data`, which a PATCH replaces.
    Column("text_key", Text),
    Column("additional_context", Text),
    # Engine of the last analysis, and the reason for a fallback from the LLM provider.
    Column("engine", Text),
    Column("fallback", Text),
    # BCP 47 code of the text's language, found by the last analysis.
    Column("language", Text),
    Column("product_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("account_id", Uuid),
    Column("last_job_id", Uuid),
    timestamp_column("started_at", nullable=True),
    timestamp_column("processed_at", nullable=True),
    timestamp_column("failed_at", nullable=True),
    Column("last_error", Text),
    CheckConstraint("status in ('pending', 'processing', 'processed', 'failed')", name="status"),
    # The index of identities: an index entry is limited in size.
    CheckConstraint(
        f"source_key is null or length(external_id) <= {MAX_IDENTIFIED_LENGTH}",
        name="external_id_length",
    ),
    Index(
        "uq_signals_identity",
        "workspace_id",
        "source_key",
        "external_id",
        unique=True,
        postgresql_where=text(IS_IDENTIFIED),
    ),
    _filter_index("signals", "status"),
    _filter_index("signals", "signal_type"),
    Index("ix_signals_created_at", "workspace_id", "created_at"),
    # Index the first 200 characters: an index entry is limited in size.
    Index(
        "ix_signals_external_id",
        "workspace_id",
        text('"left"(external_id, 200)'),
        "number",
        postgresql_where=text("external_id is not null"),
    ),
)

insights = _record_table(
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
    # The signal whose analysis created the insight, and the time of the last change by a user.
    Column("made_by_signal_id", Uuid),
    timestamp_column("edited_at", nullable=True),
    # Kind of finding. Null for insights that people write.
    Column("kind", Text),
    Column("sentiment", Text),
    Column("confidence", Double),
    Column("engine", Text),
    # An earlier insight with a similar meaning.
    Column("duplicate_of", Uuid),
    # Name of the embedder of its row in `insight_vectors`.
    Column("embedder", Text),
    *_search_column("insights"),
    CheckConstraint("status in ('draft', 'published', 'archived')", name="status"),
    CheckConstraint("kind in ('pain', 'request', 'praise', 'question')", name="kind"),
    CheckConstraint("duplicate_of <> id", name="duplicate_of_another"),
    ForeignKeyConstraint(
        ["workspace_id", "duplicate_of"],
        ["insights.workspace_id", "insights.id"],
        ondelete="SET NULL (duplicate_of)",
        name="fk_insights_duplicate_of",
    ),
    _optional_index("insights", "duplicate_of"),
    Index("ix_insights_embedder", "workspace_id", "embedder", "number"),
    _filter_index("insights", "status"),
    _filter_index("insights", "type"),
    _filter_index("insights", "kind", nullable=True),
    _filter_index("insights", "product_id", nullable=True),
    _filter_index("insights", "account_id", nullable=True),
    Index("ix_insights_tag_ids", "workspace_id", "tag_ids", postgresql_using="gin"),
    _optional_index("insights", "made_by_signal_id"),
)

opportunities = _record_table(
    "opportunities",
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("score", Double),
    Column("status", Text, nullable=False, server_default="discovery"),
    Column("product_id", Uuid),
    *_search_column("opportunities"),
    _filter_index("opportunities", "status"),
    _filter_index("opportunities", "product_id", nullable=True),
)

ideas = _record_table(
    "ideas",
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="evaluating"),
    Column("product_id", Uuid),
    *_search_column("ideas"),
    _filter_index("ideas", "status"),
    _filter_index("ideas", "product_id", nullable=True),
)

products = _record_table("products", Column("name", Text, nullable=False), caller_ids=True)

signal_insights = _link_table("signal_insights", signal=signals, insight=insights)
insight_opportunities = _link_table(
    "insight_opportunities", insight=insights, opportunity=opportunities
)
insight_ideas = _link_table("insight_ideas", insight=insights, idea=ideas)
opportunity_ideas = _link_table("opportunity_ideas", opportunity=opportunities, idea=ideas)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Uuid, primary_key=True),
    _workspace_column(),
    Column("insight_id", Uuid, nullable=False),
    Column("signal_id", Uuid, nullable=False),
    Column("quote", Text, nullable=False),
    # Character offsets in the signal's text: text[start:end] == quote.
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("speaker", Text),
    # Seconds from the start of the recording, if the text has time stamps.
    Column("start_time", Double),
    Column("end_time", Double),
    _foreign_key("evidence", "insight", insights),
    _foreign_key("evidence", "signal", signals),
    Index("ix_evidence_insight", "workspace_id", "insight_id"),
    Index("ix_evidence_signal", "workspace_id", "signal_id"),
)

# Embeddings of insights, to find near duplicates.
insight_vectors = Table(
    "insight_vectors",
    metadata,
    _workspace_column(),
    Column("insight_id", Uuid, primary_key=True),
    # Only vectors of the same embedder are comparable.
    Column("embedder", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    # The sign bits of the vector. Similar vectors differ in few bits.
    Column("sketch", LargeBinary, nullable=False),
    Column("number", BigInteger, nullable=False),
    _foreign_key("insight_vectors", "insight", insights),
    Index("ix_insight_vectors_embedder", "workspace_id", "embedder", "number"),
)
