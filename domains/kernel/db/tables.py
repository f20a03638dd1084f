"""The kernel's tables, and the metadata that all tables share."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

# The migration that this code requires; `serve` and `work` refuse to start with any other.
SCHEMA_REVISION = "0019"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def timestamp_column(name: str, *, nullable: bool = False, now: bool = False) -> Column[object]:
    """Column of timestamps with time zone. With `now`, the default is PostgreSQL's current time."""
    default = func.now() if now else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def _partial_index(name: str, condition: str, *columns: str) -> Index:
    """An index of the rows that meet the condition."""
    return Index(name, *columns, postgresql_where=text(condition))


workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # E-mail domains of the workspace's internal people.
    Column("domains", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # True: the revenue API shows public records only.
    Column("hides_private", Boolean, nullable=False, server_default=text("false")),
    # True: the workspace's texts may be sent to the deployment's LLM provider.
    Column("uses_provider", Boolean, nullable=False, server_default=text("false")),
    timestamp_column("created_at", now=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    # Name of an operator. Null: the key is older than this column.
    Column("created_by", Text, nullable=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    # {"minute": n, "hour": n, "day": n}. Absent: the deployment's limit; null: no limit.
    Column("limits", JSONB, nullable=False, server_default=text("'{}'")),
    # Networks of the clients that may use the key. Empty: all.
    Column("allow", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # The key that this one was created to replace.
    Column("replaces", ForeignKey("api_keys.id", ondelete="SET NULL"), nullable=True, unique=True),
    timestamp_column("created_at", now=True),
    timestamp_column("expires_at", nullable=True),
    timestamp_column("revoked_at", nullable=True),
    # Accurate to a minute.
    timestamp_column("last_used_at", nullable=True),
    Index(None, "workspace_id"),
    _partial_index(
        "ix_api_keys_expiring", "revoked_at is null and expires_at is not null", "expires_at"
    ),
)

# Audit log: changes and deletions, with their actor. Contains no texts and no keys.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    timestamp_column("at", now=True),
    # Such as `signal.delete`.
    Column("action", Text, nullable=False),
    # Prefix of the API key, or name of the operator.
    Column("actor", Text, nullable=False),
    # Null: an operator acted.
    Column("key_id", Uuid, nullable=True),
    # Address of the client, or host name of the command line.
    Column("origin", Text, nullable=False),
    Column("record_kind", Text, nullable=False),
    # Null: the action is about several records.
    Column("record_id", Uuid, nullable=True),
    # Counts and names of changed fields.
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Index("ix_audit_log_at", "at", "id"),
    Index("ix_audit_log_workspace_id", "workspace_id", "at", "id"),
)

# Number of records of each workspace, by the name of their table. Written by triggers only.
record_counts = Table(
    "record_counts",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

public_ids = Table(
    "public_ids",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    # Deduplicates jobs that can be delayed: one job per kind and subject is queued at a time.
    Column("subject", Text, nullable=True),
    Column("queue", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("request_id", Text, nullable=True),
    Column("state", Text, nullable=False, server_default="queued"),
    # An operator has cancelled the job.
    Column("cancelling", Boolean, nullable=False, server_default=text("false")),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("losses", Integer, nullable=False, server_default="0"),
    timestamp_column("run_after", now=True),
    timestamp_column("sent_at", nullable=True),
    # The relay that dispatched the job, and whether to its reserved lane.
    Column("relay", Uuid, nullable=True),
    Column("spare", Boolean, key="reserved", nullable=False, server_default=text("false")),
    Column("lease", Uuid, nullable=True),
    timestamp_column("lease_until", nullable=True),
    Column("error", Text, nullable=True),
    # The dependency that was unavailable at the last attempt, and since when the job waits for it.
    Column("waiting_for", Text, nullable=True),
    timestamp_column("waiting_since", nullable=True),
    # End of that attempt. Null if the dependency has served another job since.
    timestamp_column("tried_at", nullable=True),
    timestamp_column("created_at", now=True),
    timestamp_column("started_at", nullable=True),
    timestamp_column("finished_at", nullable=True),
    CheckConstraint(
        "state in ('queued', 'sent', 'running', 'done', 'failed', 'cancelled')", name="state"
    ),
    _partial_index("ix_jobs_due", "state = 'queued'", "queue", "workspace_id", "run_after", "id"),
    _partial_index("ix_jobs_under_way", "state in ('sent', 'running')", "queue", "relay"),
    _partial_index("ix_jobs_sent", "state = 'sent'", "sent_at"),
    _partial_index(
        "ix_jobs_live", "state in ('queued', 'sent', 'running')", "queue", "state", "run_after"
    ),
    _partial_index(
        "ix_jobs_waiting",
        "state = 'queued' and tried_at is not null",
        "waiting_for",
        "queue",
        "run_after",
    ),
    _partial_index("ix_jobs_running", "state = 'running'", "lease_until"),
    _partial_index(
        "ix_jobs_subject",
        "state = 'queued' and subject is not null",
        "workspace_id",
        "kind",
        "subject",
    ),
    _partial_index(
        "ix_jobs_ended", "state in ('done', 'failed', 'cancelled')", "state", "finished_at"
    ),
    Index(None, "workspace_id", "id"),
)

# Time of the last run of each periodic task, in any process.
schedule = Table(
    "schedule",
    metadata,
    Column("task", Text, primary_key=True),
    timestamp_column("ran_at", now=True),
)

# Stored objects without a record, until the retention period has passed.
deleted_blobs = Table(
    "deleted_blobs",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    timestamp_column("deleted_at", now=True),
    Index(None, "deleted_at"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    timestamp_column("started_at", now=True),
    timestamp_column("beat_at", now=True),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), nullable=False),
    Column("key_id", ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    # Identifies the attempt: a retry has the same fingerprint but another token.
    Column("token", Uuid, nullable=False),
    # Null while the first request is in progress.
    Column("status", Integer, nullable=True),
    Column("media_type", Text, nullable=True),
    Column("body", LargeBinary, nullable=True),
    timestamp_column("created_at", now=True),
    Index(None, "created_at"),
)

# Secret keys that all processes of a deployment share.
deployment_keys = Table(
    "deployment_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    timestamp_column("created_at", now=True),
)

# Queries that are too long to be part of a cursor, which refers to them by digest.
cursor_queries = Table(
    "cursor_queries",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("query", LargeBinary, nullable=False),
    timestamp_column("used_at", now=True),
    Index(None, "used_at"),
)

# LLM usage and cost per workspace and day (UTC).
provider_usage = Table(
    "provider_usage",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("task", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    # `answered`, `unusable`, or the reason for the error.
    Column("outcome", Text, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    # In the currency of the deployment's prices.
    Column("cost", Numeric, nullable=False),
)
