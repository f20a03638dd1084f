"""Signals: texts from and about customers. Their analysis finds insights."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import (
    Boolean,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    update,
)

from domains.discovery import analysis, fields
from domains.discovery.fields import (
    InsightIds,
    InsightLinks,
    InsightLinksUpdate,
    NonEmpty,
    Timestamp,
    UpdatedAt,
    WorkspaceUuid,
)
from domains.discovery.findings import SignalType
from domains.discovery.links import INSIGHTS_OF_SIGNAL
from domains.discovery.records import Precondition, Records, equals
from domains.discovery.tables import MAX_IDENTIFIED_LENGTH, signals
from domains.intelligence.language import unsupported_note
from domains.kernel.core.field_docs import addition, doc, named
from domains.kernel.core.ids import WorkspaceId, public_id
from domains.kernel.core.problems import Conflict, invalid
from domains.kernel.core.timestamps import parse_query_time
from domains.kernel.db.database import Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import WORKSPACE, row, statement
from domains.kernel.jobs.enqueue import is_live
from domains.kernel.pagination.offset import OffsetQuery
from domains.kernel.storage import retention
from domains.kernel.tenancy.audit import Actor
from domains.kernel.untrusted import raw_json

KIND: Final = "SIGNAL"

SignalStatus = Annotated[
    Literal["pending", "processing", "processed", "failed"],
    named("SignalStatus", "Progress of a signal's analysis"),
]
SignalPatchStatus = Annotated[
    Literal["pending", "processed"],
    named("SignalPatchStatus", "Status that a caller may set. It queues no analysis"),
]
ParticipantPolicy = Annotated[
    Literal["none", "match_existing"],
    named("ParticipantPolicy", "Use of the participants of a text"),
]

CONSTRAINT_PROBLEMS["uq_signals_identity"] = lambda: Conflict(
    "There is a signal with this source key and external id already."
)
CONSTRAINT_PROBLEMS["ck_signals_external_id_length"] = lambda: invalid(
    "externalId",
    f"must be at most {MAX_IDENTIFIED_LENGTH} characters with a source key",
)

# Decoders that check the fields of raw JSON.
_TEXT: Final = msgspec.json.Decoder(NonEmpty)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_NULLABLE_OBJECT: Final = msgspec.json.Decoder(dict[str, Any] | None)
_OBJECT_SCHEMA: Final = {"type": "object"}
_NULLABLE_OBJECT_SCHEMA: Final = {"anyOf": [{"type": "object"}, {"type": "null"}]}


class SignalSource(msgspec.Struct, omit_defaults=True):
    """The source of a signal."""

    type: Annotated[str, doc("System or channel. `manual-text` for text signals", "ticket")]
    external_data: Annotated[
        msgspec.Raw | UnsetType,
        doc("Any data of that system", {"provider": "zendesk"}, extra_json_schema=_OBJECT_SCHEMA),
    ] = UNSET

    def check(self) -> None:
        """Check the external data. Raises ValueError."""
        if self.external_data is not UNSET:
            raw_json.check_object(self.external_data, _OBJECT, "source.external_data")


class SignalProcessing(msgspec.Struct, rename="camel"):
    """State of the last analysis."""

    last_job_id: Annotated[str, doc("Id of the analysis job", fields.EXAMPLE_JOB)]
    started_at: Annotated[datetime | None, doc("Time it was queued")]
    processed_at: Annotated[datetime | None, doc("Time its insights were stored")]
    failed_at: Annotated[datetime | None, doc("Time it failed", None)]
    last_error: Annotated[str | None, doc("Why it failed, as a sentence", None)]
    note: Annotated[str | None, doc("Why insights may be missing, as a sentence", None)]


class Signal(msgspec.Struct, rename="camel"):
    """A signal."""

    id: Annotated[UUID, doc("UUID of the signal", fields.EXAMPLE_SIGNAL)]
    name: Annotated[
        str, doc("Default: type and UTC time, such as `Review - 3/11/25, 2:30 PM`", "Survey answer")
    ]
    public_id: Annotated[
        str, doc("Number in the workspace. Valid in paths", "SIGNAL-42", pattern="^SIGNAL-[0-9]+$")
    ]
    workspace_id: WorkspaceUuid
    status: Annotated[SignalStatus, doc("`processing` until the analysis ends", "processed")]
    signal_type: Annotated[SignalType | None, doc("Null for raw signals", "review")]
    context: Annotated[str | None, doc("Default: inferred by the analysis", "feature_feedback")]
    language: Annotated[
        str | None, doc("Language of the text (BCP 47). Null until analysed or if unknown", "en")
    ]
    source: Annotated[
        msgspec.Raw,
        doc(
            "Source of the signal",
            {"type": "manual-text"},
            extra_json_schema={"$ref": "#/components/schemas/SignalSource"},
        ),
    ]
    data: Annotated[
        msgspec.Raw | None,
        doc(
            "The record as sent; for a text signal, its storage key and options",
            {"productIds": [fields.EXAMPLE_PRODUCT]},
            extra_json_schema=_NULLABLE_OBJECT_SCHEMA,
        ),
    ]
    insight_ids: InsightIds
    external_id: Annotated[str | None, doc("Id in the caller's own system", None)]
    created_at: Annotated[datetime, doc("`occurredAt` of the request. Default: creation time")]
    updated_at: UpdatedAt
    job_id: Annotated[str | UnsetType, doc("Job; only in the response to a create")] = UNSET
    processing: Annotated[SignalProcessing | UnsetType, doc("State of the last analysis")] = UNSET
    source_key: Annotated[
        str | UnsetType,
        addition("System that `externalId` belongs to; absent if it was not sent", "feedback-app"),
    ] = UNSET


class SignalTextCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new text signal."""

    text: Annotated[
        msgspec.Raw,
        doc(
            "The text",
            "Exports take minutes. I want a CSV button.",
            extra_json_schema={"type": "string", "minLength": 1, "pattern": r"\S"},
        ),
    ]
    signal_type: Annotated[SignalType, doc("Kind of text. Selects the analysis profile", "review")]
    name: Annotated[NonEmpty | UnsetType, doc("Default: type and UTC time", "Survey answer")] = (
        UNSET
    )
    additional_context: Annotated[
        str | UnsetType, doc("Background for the analysis. Never followed as an instruction")
    ] = UNSET
    occurred_at: Annotated[
        Timestamp | UnsetType, doc("Time of the event, returned as `createdAt`")
    ] = UNSET
    product_ids: Annotated[
        Annotated[list[UUID], Meta(max_length=10_000)] | UnsetType,
        doc("Products to look for in the text. Default: all", [fields.EXAMPLE_PRODUCT]),
    ] = UNSET
    account_id: Annotated[UUID | UnsetType, doc("Account it comes from")] = UNSET
    context: Annotated[
        NonEmpty | UnsetType, addition("Label of the signal. Default: inferred by the analysis")
    ] = UNSET
    source_key: Annotated[
        Annotated[NonEmpty, Meta(max_length=200)] | UnsetType,
        addition("System that `externalId` belongs to", "feedback-app"),
    ] = UNSET
    external_id: Annotated[
        NonEmpty | UnsetType,
        addition(
            "Id in that system. With `sourceKey`, of at most 400 characters and unique: a text "
            "with the same two updates the signal",
            "record-7",
        ),
    ] = UNSET
    source_links: Annotated[
        Annotated[list[str | dict[str, Any]], Meta(max_length=1_000)] | UnsetType,
        addition(
            "Links to the record, as URLs or objects. Kept in `data`",
            ["https://feedback.example/record-7"],
        ),
    ] = UNSET
    source_external_data: Annotated[
        msgspec.Raw | UnsetType,
        addition(
            "Any data of that system. Kept in `source.external_data`, in which `signalType` and "
            "`analysisProfile` are those of the signal",
            {"votes": 12},
            extra_json_schema=_OBJECT_SCHEMA,
        ),
    ] = UNSET
    participant_policy: Annotated[
        ParticipantPolicy | UnsetType,
        addition(
            "Kept in `data`. The service takes no participants from texts, so both values have "
            "the same effect. `accountId` links the signal to an account",
            "none",
        ),
    ] = UNSET
    create_missing_accounts: Annotated[
        bool | UnsetType,
        addition("Kept in `data`. Only imports from the CRM create accounts", False),
    ] = UNSET

    def __post_init__(self) -> None:
        raw_json.check_text(self.text, _TEXT, "text")
        if self.source_external_data is not UNSET:
            raw_json.check_object(self.source_external_data, _OBJECT, "sourceExternalData")
        if self.is_identified and len(self.external_id or "") > MAX_IDENTIFIED_LENGTH:
            raise ValueError(
                f"Expected `str` of length <= {MAX_IDENTIFIED_LENGTH} - at `$.externalId`"
            )

    @property
    def is_identified(self) -> bool:
        """True if a text with the same source key and external id updates the signal."""
        return self.source_key is not UNSET and self.external_id is not UNSET


class SignalRawCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new raw signal: a record of another system. The strings in `data` are analysed."""

    source: Annotated[SignalSource, doc("System it comes from")]
    data: Annotated[
        msgspec.Raw,
        doc(
            "All strings that contain a space are analysed",
            {"body": "The export failed."},
            extra_json_schema={**_NULLABLE_OBJECT_SCHEMA, "default": None},
        ),
    ] = msgspec.field(default_factory=lambda: raw_json.NULL)
    name: Annotated[NonEmpty | UnsetType, doc("Default: source and time in UTC")] = UNSET
    external_id: Annotated[str | None, doc("Id in that system. Need not be unique", "12345")] = None
    context: Annotated[str | None, doc("Default: inferred by the analysis")] = None
    insight_ids: InsightLinks = []

    def __post_init__(self) -> None:
        self.source.check()
        raw_json.check_object(self.data, _NULLABLE_OBJECT, "data")


class SignalUpdate(msgspec.Struct, rename="camel", kw_only=True):
    """Changes of a signal. Absent fields stay as they are; objects are replaced as a whole."""

    source: Annotated[SignalSource | UnsetType, doc("Replaces the source")] = UNSET
    data: Annotated[
        msgspec.Raw | UnsetType, doc("Null clears it", extra_json_schema=_NULLABLE_OBJECT_SCHEMA)
    ] = UNSET
    insight_ids: InsightLinksUpdate = UNSET
    external_id: Annotated[str | UnsetType | None, doc("Null clears it")] = UNSET
    status: Annotated[SignalPatchStatus | UnsetType, doc("Does not queue an analysis")] = UNSET
    context: Annotated[
        str | UnsetType | None, doc("Null clears it", "For the team that owns exports")
    ] = UNSET

    def __post_init__(self) -> None:
        if self.source is not UNSET:
            self.source.check()
        if self.data is not UNSET:
            raw_json.check_object(self.data, _NULLABLE_OBJECT, "data")


class SignalQuery(OffsetQuery, frozen=True, kw_only=True, rename="camel"):
    """The query of the list of signals."""

    status: Annotated[SignalStatus | UnsetType, doc("Only signals with this status")] = UNSET
    signal_type: Annotated[SignalType | UnsetType, doc("Only signals of this type")] = UNSET
    external_id: Annotated[str | UnsetType, doc("Only signals with this external id")] = UNSET
    created_after: Annotated[Timestamp | UnsetType, doc("Created at or after this time")] = UNSET
    created_before: Annotated[Timestamp | UnsetType, doc("Created at or before this time")] = UNSET

    @property
    def from_time(self) -> datetime | UnsetType:
        """The time of `created_after`. Raises Invalid."""
        return _parse(self.created_after, "createdAfter")

    @property
    def to_time(self) -> datetime | UnsetType:
        """The time of `created_before`. Raises Invalid."""
        return _parse(self.created_before, "createdBefore")


def _parse(time: str | UnsetType, field: str) -> datetime | UnsetType:
    return UNSET if time is UNSET else parse_query_time(time, field)


class JobRef(msgspec.Struct, rename="camel"):
    """A reference to a job."""

    job_id: Annotated[str, doc("Id of the job", fields.EXAMPLE_JOB)]


_c = signals.c


def to_signal(*columns: Any) -> Signal:
    """Row factory for the columns of `SIGNALS`."""
    fields, (source_key, engine, job_id, *progress) = list(columns[:-7]), columns[-7:]
    fields[2] = public_id(KIND, fields[2])
    signal = Signal(*fields)
    if source_key is not None:
        signal.source_key = source_key
    if job_id is not None:
        started_at, processed_at, failed_at, error = progress
        note = None if processed_at is None else unsupported_note(signal.language, engine)
        signal.processing = SignalProcessing(
            str(job_id), started_at, processed_at, failed_at, error, note
        )
    return signal


SIGNALS: Final = Records(
    signals,
    KIND,
    (
        *(_c.id, _c.name, _c.number, _c.workspace_id, _c.status, _c.signal_type),
        *(func.coalesce(_c.context, _c.inferred_context), _c.language),
        *(_c.source, _c.data, INSIGHTS_OF_SIGNAL, _c.external_id, _c.created_at, _c.updated_at),
        *(_c.source_key, _c.engine, _c.last_job_id),
        *(_c.started_at, _c.processed_at, _c.failed_at, _c.last_error),
    ),
    to_signal,
    public=True,
    query=SignalQuery,
    filters=equals(status=_c.status, signal_type=_c.signal_type)
    | {
        "external_id": and_(
            # For the index, which contains the first 200 characters only.
            func.left(_c.external_id, literal_column("200"))
            == func.left(bindparam("external_id", type_=Text), literal_column("200")),
            _c.external_id == bindparam("external_id", type_=Text),
        ),
        "from_time": _c.created_at >= bindparam("from_time", type_=_c.created_at.type),
        "to_time": _c.created_at <= bindparam("to_time", type_=_c.created_at.type),
    },
    update_struct=SignalUpdate,
    update_values={
        "inferred_context": case(
            (bindparam("has_context", type_=Boolean), None), else_=_c.inferred_context
        )
    },
    returning=_c.text_key,
)

_by_id = (_c.workspace_id == WORKSPACE, _c.id == bindparam("id", type_=Uuid))
_LOCK_LAST_JOB = statement(select(_c.last_job_id).where(*_by_id).with_for_update(), row)
# A PATCH may set another status while the job is queued or running.
_SET_PROCESSING = statement(
    update(signals)
    .where(*_by_id, _c.status != literal("processing", Text))
    .values(status="processing", updated_at=func.now()),
    row,
)


def version_of(signal: Signal) -> Signal:
    """The signal without the field that only the response to its creation has."""
    return signal if signal.job_id is UNSET else msgspec.structs.replace(signal, job_id=UNSET)


async def remove(
    tx: Tx,
    workspace: WorkspaceId,
    reference: str,
    actor: Actor,
    precondition: Precondition | None = None,
) -> None:
    """Delete a signal, its links and evidence. Raises NotFound or PreconditionFailed.

    Its stored text is deleted after the retention period.
    """
    text_key = await SIGNALS.remove(tx, workspace, reference, actor, precondition)
    await retention.discard(tx, workspace, [text_key])


async def process(tx: Tx, workspace: WorkspaceId, reference: str) -> JobRef:
    """Queue an analysis unless one is queued or running. Returns the job. Raises NotFound."""
    signal_id = await SIGNALS.resolve(tx, workspace, reference)
    locked = await tx.first(_LOCK_LAST_JOB, workspace=workspace, id=signal_id)
    (last_job,) = SIGNALS.require(locked, reference)
    # A statement after the lock, so that it sees the job of the transaction that held the lock.
    if last_job is not None and await is_live(tx, workspace, last_job):
        await set_processing(tx, workspace, signal_id)
        return JobRef(str(last_job))
    return JobRef(str(await analysis.queue(tx, workspace, signal_id)))


async def set_processing(tx: Tx, workspace: WorkspaceId, signal_id: UUID) -> None:
    """Set the status of a signal whose job is queued or running."""
    await tx.first(_SET_PROCESSING, workspace=workspace, id=signal_id)
