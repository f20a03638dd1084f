"""Signals: what customers said. Text goes in, its analysis is queued, insights come out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import (
    ARRAY,
    Boolean,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from domains.discovery import example_ids
from domains.discovery.analysis import PROFILES, AnalyseSignal, SignalType, queue
from domains.discovery.links import INSIGHTS_OF_SIGNAL, LinkIds
from domains.discovery.records import InsightIds, NonEmpty, Records, equals
from domains.discovery.tables import signals
from domains.intelligence.findings import Findings
from domains.kernel.core.ids import new_id, public_id
from domains.kernel.core.timestamps import to_utc
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.sequences import next_number_cte
from domains.kernel.db.statements import row, statement
from domains.kernel.jobs.enqueue import enqueue, is_live
from domains.kernel.pagination.offset import OffsetPage, OffsetQuery
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import Blobs

_KIND: Final = "SIGNAL"

SignalStatus = Literal["pending", "processing", "processed", "failed"]


class SignalSource(msgspec.Struct, omit_defaults=True):
    """Where a signal comes from."""

    type: Annotated[
        str,
        Meta(
            description="The system or channel; `manual-text` for typed text", examples=["ticket"]
        ),
    ]
    external_data: Annotated[
        dict[str, Any] | UnsetType,
        Meta(description="What that system says of it", examples=[{"provider": "zendesk"}]),
    ] = UNSET


class SignalProcessing(msgspec.Struct, rename="camel"):
    """What became of the newest analysis."""

    last_job_id: Annotated[
        str, Meta(description="The job that does, or did, the analysis", examples=[example_ids.JOB])
    ]
    started_at: Annotated[datetime | None, Meta(description="When it was queued")]
    processed_at: Annotated[datetime | None, Meta(description="When its insights were stored")]
    failed_at: Annotated[datetime | None, Meta(description="When it was given up", examples=[None])]
    last_error: Annotated[
        str | None, Meta(description="Why it was given up, in a sentence", examples=[None])
    ]


class Signal(msgspec.Struct, rename="camel"):
    """A signal as it is answered."""

    id: Annotated[UUID, Meta(description="The signal's uuid", examples=[example_ids.SIGNAL])]
    name: Annotated[
        str,
        Meta(
            description="As given, else type and time: `Review - 3/11/25, 2:30 PM`",
            examples=["Survey answer"],
        ),
    ]
    public_id: Annotated[
        str,
        Meta(
            pattern="^SIGNAL-[0-9]+$",
            description="Counts up per workspace; every path takes it in place of the uuid",
            examples=["SIGNAL-42"],
        ),
    ]
    workspace_id: Annotated[UUID, Meta(description="The workspace that it belongs to")]
    status: Annotated[
        SignalStatus,
        Meta(
            description="`processing` until the analysis ended, well or badly",
            examples=["processed"],
        ),
    ]
    signal_type: Annotated[
        SignalType | None,
        Meta(description="Of typed text; null for signals from a source", examples=["review"]),
    ]
    context: Annotated[
        str | None,
        Meta(
            description="As given, else what the analysis takes it for",
            examples=["feature_feedback"],
        ),
    ]
    source: Annotated[
        msgspec.Raw,
        Meta(
            description="Where it comes from",
            extra_json_schema={"$ref": "#/components/schemas/SignalSource"},
            examples=[{"type": "manual-text"}],
        ),
    ]
    data: Annotated[
        msgspec.Raw | None,
        Meta(
            description="The record as given; of typed text, where it is and what came with it",
            extra_json_schema={"anyOf": [{"type": "object"}, {"type": "null"}]},
            examples=[{"productIds": [example_ids.PRODUCT]}],
        ),
    ]
    insight_ids: InsightIds
    external_id: Annotated[
        str | None, Meta(description="Its id in the caller's own system", examples=[None])
    ]
    created_at: Annotated[
        datetime, Meta(description="When it occurred, if given, else when it came")
    ]
    updated_at: Annotated[datetime, Meta(description="When it changed last")]
    job_id: Annotated[
        str | UnsetType, Meta(description="The job that analyses it; in answers to a create only")
    ] = UNSET
    processing: Annotated[
        SignalProcessing | UnsetType, Meta(description="What became of the newest analysis")
    ] = UNSET


class SignalTextCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A signal that is text."""

    text: Annotated[
        NonEmpty,
        Meta(
            description="What was said or written",
            examples=["Exports take minutes. I want a CSV button."],
        ),
    ]
    signal_type: Annotated[
        SignalType,
        Meta(description="What it is; chooses the analysis profile", examples=["review"]),
    ]
    name: Annotated[
        NonEmpty | UnsetType,
        Meta(description="Made of type and time if left out", examples=["Survey answer"]),
    ] = UNSET
    additional_context: Annotated[
        str | UnsetType,
        Meta(description="Background for the analysis; data, never an instruction"),
    ] = UNSET
    occurred_at: Annotated[
        datetime | UnsetType, Meta(description="When it happened; becomes `createdAt`")
    ] = UNSET
    product_ids: Annotated[
        Annotated[list[UUID], Meta(max_length=10_000)] | UnsetType,
        Meta(description="The products it may be about", examples=[[example_ids.PRODUCT]]),
    ] = UNSET
    account_id: Annotated[
        UUID | UnsetType, Meta(description="The account it comes from; goes to its insights")
    ] = UNSET


class SignalRawCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A signal from another system; the text found in `data` is analysed."""

    source: Annotated[SignalSource, Meta(description="The system that it comes from")]
    data: Annotated[
        dict[str, Any] | None,
        Meta(
            description="The record; every text in it is analysed",
            examples=[{"body": "The export failed halfway through."}],
        ),
    ] = None
    name: Annotated[
        NonEmpty | UnsetType, Meta(description="Made of source and time if left out")
    ] = UNSET
    external_id: Annotated[
        str | None,
        Meta(description="Its id in that system; need not be unique", examples=["12345"]),
    ] = None
    context: Annotated[str | None, Meta(description="Kept as it is; inferred if left out")] = None
    insight_ids: Annotated[
        LinkIds, Meta(description="Insights of this workspace to link it to")
    ] = msgspec.field(default_factory=list)


class SignalUpdate(msgspec.Struct, rename="camel", kw_only=True):
    """What a PATCH may change; absent fields stay as they are, objects are replaced whole."""

    source: Annotated[SignalSource | UnsetType, Meta(description="Replaces the source")] = UNSET
    data: Annotated[
        dict[str, Any] | UnsetType | None, Meta(description="Replaces the data; null clears it")
    ] = UNSET
    insight_ids: Annotated[
        LinkIds | UnsetType, Meta(description="Replaces the links to insights")
    ] = UNSET
    external_id: Annotated[str | UnsetType | None, Meta(description="Null clears it")] = UNSET
    status: Annotated[
        Literal["pending", "processed"] | UnsetType,
        Meta(description="Setting it queues nothing: see `process`"),
    ] = UNSET
    context: Annotated[
        str | UnsetType | None,
        Meta(description="Null clears it", examples=["For the team that owns exports"]),
    ] = UNSET


class SignalQuery(OffsetQuery, frozen=True, kw_only=True, rename="camel"):
    """Which signals, and which part of them."""

    status: Annotated[SignalStatus | UnsetType, Meta(description="Those in this status")] = UNSET
    signal_type: Annotated[SignalType | UnsetType, Meta(description="Those of this type")] = UNSET
    external_id: Annotated[
        str | UnsetType, Meta(description="Those with exactly this id of the caller's own system")
    ] = UNSET
    created_after: Annotated[
        datetime | UnsetType, Meta(description="Those whose `createdAt` is this or later")
    ] = UNSET
    created_before: Annotated[
        datetime | UnsetType, Meta(description="Those whose `createdAt` is this or earlier")
    ] = UNSET


class JobRef(msgspec.Struct, rename="camel"):
    """The job that does the work."""

    job_id: Annotated[str, Meta(description="The job's id", examples=[example_ids.JOB])]


# --- statements -------------------------------------------------------------------------------

_workspace = bindparam("workspace", type_=Uuid)
_id = bindparam("id", type_=Uuid)
_c = signals.c


def _signal(*columns: Any) -> Signal:
    values, (job, *progress) = list(columns[:-5]), columns[-5:]
    values[2] = public_id(_KIND, values[2])
    processing = UNSET if job is None else SignalProcessing(str(job), *progress)
    return Signal(*[*values, UNSET, processing])


SIGNALS: Final = Records(
    signals,
    _KIND,
    (
        _c.id,
        _c.name,
        _c.number,
        _c.workspace_id,
        _c.status,
        _c.signal_type,
        func.coalesce(_c.context, _c.inferred_context),
        _c.source,
        _c.data,
        INSIGHTS_OF_SIGNAL,
        _c.external_id,
        _c.created_at,
        _c.updated_at,
        _c.last_job_id,
        _c.started_at,
        _c.processed_at,
        _c.failed_at,
        _c.last_error,
    ),
    _signal,
    public=True,
    query=SignalQuery,
    filters=equals(status=_c.status, signal_type=_c.signal_type)
    | {
        "external_id": and_(
            # The index holds the beginning only.
            func.left(_c.external_id, literal_column("200"))
            == func.left(bindparam("external_id", type_=Text), literal_column("200")),
            _c.external_id == bindparam("external_id", type_=Text),
        ),
        "created_after": _c.created_at >= bindparam("created_after", type_=_c.created_at.type),
        "created_before": _c.created_at <= bindparam("created_before", type_=_c.created_at.type),
    },
    changes=SignalUpdate,
    also={
        "inferred_context": case(
            (bindparam("has_context", type_=Boolean), None), else_=_c.inferred_context
        )
    },
    returning=_c.text_key,
)

_counter = next_number_cte(_KIND)
_occurred = func.coalesce(bindparam("occurred_at", type_=signals.c.created_at.type), func.now())
_job = bindparam("job", type_=Uuid)
_CREATE = statement(
    insert(signals)
    .from_select(
        [
            "id",
            "workspace_id",
            "number",
            "name",
            "status",
            "signal_type",
            "context",
            "inferred_context",
            "engine",
            "source",
            "data",
            "external_id",
            "text_key",
            "additional_context",
            "product_ids",
            "account_id",
            "last_job_id",
            "started_at",
            "created_at",
        ],
        select(
            _id,
            _workspace,
            _counter.c.last,
            func.coalesce(
                bindparam("name", type_=Text),
                bindparam("label", type_=Text)
                + func.to_char(func.timezone("UTC", _occurred), " - FMMM/FMDD/YY, FMHH12:MI AM"),
            ),
            case((_job.is_(None), "processed"), else_="processing"),
            bindparam("signal_type", type_=Text),
            bindparam("context", type_=Text),
            bindparam("inferred_context", type_=Text),
            bindparam("engine", type_=Text),
            bindparam("source", type_=JSON),
            # Typed text is stamped with the time of its upload, by the same clock as the row.
            case(
                (
                    bindparam("text_key", type_=Text).is_not(None),
                    cast(
                        func.jsonb_set(
                            cast(bindparam("data", type_=JSON), JSONB),
                            literal(["uploadedAt"], ARRAY(Text)),
                            func.to_jsonb(
                                func.to_char(
                                    func.timezone("UTC", func.now()),
                                    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"',
                                )
                            ),
                        ),
                        JSON,
                    ),
                ),
                else_=bindparam("data", type_=JSON),
            ),
            bindparam("external_id", type_=Text),
            bindparam("text_key", type_=Text),
            bindparam("additional_context", type_=Text),
            bindparam("product_ids", type_=ARRAY(Uuid)),
            bindparam("account_id", type_=Uuid),
            _job,
            case((_job.is_(None), None), else_=func.now()),
            _occurred,
        ),
    )
    .returning(*SIGNALS.returned),
    _signal,
)


_LAST_JOB = statement(
    select(signals.c.last_job_id)
    .where(signals.c.workspace_id == _workspace, signals.c.id == _id)
    .with_for_update(),
    row,
)

# Somebody may have set another status while the job waits or runs.
_STILL_PROCESSING = statement(
    update(signals)
    .where(
        signals.c.workspace_id == _workspace,
        signals.c.id == _id,
        signals.c.status != literal("processing", Text),
    )
    .values(status="processing", updated_at=func.now()),
    row,
)


# --- what the API does ------------------------------------------------------------------------


async def page(read: Read, workspace: WorkspaceId, wanted: SignalQuery) -> OffsetPage[Signal]:
    """The wanted signals; Invalid for a time that is out of range."""
    return await SIGNALS.page(
        read,
        workspace,
        msgspec.structs.replace(
            wanted,
            created_after=_instant(wanted.created_after, "createdAfter"),
            created_before=_instant(wanted.created_before, "createdBefore"),
        ),
    )


async def create_from_text(
    tx: Tx, blobs: Blobs, workspace: WorkspaceId, new: SignalTextCreate
) -> Signal:
    """Store the text, queue its analysis; answers with the job's id and status `processing`."""
    return await _keep_text(tx, blobs, workspace, new)


async def create_analysed(
    tx: Tx, blobs: Blobs, workspace: WorkspaceId, new: SignalTextCreate, findings: Findings
) -> Signal:
    """Store a text whose analysis is done already: nothing is queued, the status is `processed`."""
    return await _keep_text(tx, blobs, workspace, new, findings)


async def _keep_text(
    tx: Tx,
    blobs: Blobs,
    workspace: WorkspaceId,
    new: SignalTextCreate,
    findings: Findings | None = None,
) -> Signal:
    signal_id = new_id()
    key = f"signals/manual-text/{workspace}/{signal_id}.txt"
    product_ids = [] if new.product_ids is UNSET else new.product_ids
    data: dict[str, Any] = {"s3Key": key}
    if new.product_ids is not UNSET:
        data["productIds"] = product_ids
    if new.account_id is not UNSET:
        data["accountId"] = new.account_id
    if new.additional_context is not UNSET:
        data["additionalContext"] = new.additional_context
    source = SignalSource(
        "manual-text",
        {"signalType": new.signal_type, "analysisProfile": PROFILES[new.signal_type]},
    )
    occurred_at = None if new.occurred_at is UNSET else to_utc(new.occurred_at, "occurredAt")
    tx.on_rollback(lambda: blobs.delete(key))
    await blobs.put(key, new.text.encode())
    # The first statement, so that no connection waits for the store.
    job = await enqueue(tx, workspace, AnalyseSignal(signal_id)) if findings is None else None
    return await _create(
        tx,
        workspace,
        signal_id,
        job,
        name=new.name or None,
        label=new.signal_type.replace("_", " ").title(),
        signal_type=new.signal_type,
        source=source,
        data=data,
        text_key=key,
        additional_context=new.additional_context or None,
        product_ids=product_ids,
        account_id=new.account_id or None,
        occurred_at=occurred_at,
        inferred_context=None if findings is None else findings.context,
        engine=None if findings is None else findings.engine,
    )


async def create_from_source(tx: Tx, workspace: WorkspaceId, new: SignalRawCreate) -> Signal:
    """Store another system's record, queue the analysis of the text found in its data."""
    signal_id = new_id()
    insight_ids = await INSIGHTS_OF_SIGNAL.known(tx, workspace, new.insight_ids)
    job = await enqueue(tx, workspace, AnalyseSignal(signal_id))
    created = await _create(
        tx,
        workspace,
        signal_id,
        job,
        name=new.name or None,
        label=new.source.type.replace("_", " ").replace("-", " ").title() or "Signal",
        source=new.source,
        data=new.data,
        external_id=new.external_id,
        context=new.context,
        insight_ids=insight_ids,
    )
    if insight_ids:
        await INSIGHTS_OF_SIGNAL.replace(tx, workspace, signal_id, insight_ids)
    return created


async def _create(
    tx: Tx,
    workspace: WorkspaceId,
    signal_id: UUID,
    job: UUID | None,
    *,
    name: str | None,
    label: str,
    source: SignalSource,
    data: dict[str, Any] | None,
    signal_type: SignalType | None = None,
    context: str | None = None,
    inferred_context: str | None = None,
    engine: str | None = None,
    external_id: str | None = None,
    text_key: str | None = None,
    additional_context: str | None = None,
    product_ids: Sequence[UUID] = (),
    account_id: UUID | None = None,
    occurred_at: datetime | None = None,
    insight_ids: Sequence[UUID] = (),
) -> Signal:
    created = await tx.one(
        _CREATE,
        id=signal_id,
        workspace=workspace,
        name=name,
        label=label,
        signal_type=signal_type,
        context=context,
        inferred_context=inferred_context,
        engine=engine,
        source=msgspec.json.encode(source),
        data=None if data is None else msgspec.json.encode(data),
        external_id=external_id,
        text_key=text_key,
        additional_context=additional_context,
        product_ids=product_ids,
        account_id=account_id,
        occurred_at=occurred_at,
        job=job,
        insight_ids=insight_ids,
    )
    created.job_id = UNSET if job is None else str(job)
    return created


async def remove(tx: Tx, workspace: WorkspaceId, reference: str) -> None:
    """Delete a signal, its links and evidence, and in the time of retention its text; NotFound."""
    text_key = await SIGNALS.remove(tx, workspace, reference)
    await retention.discard(tx, workspace, [text_key])


async def process(tx: Tx, workspace: WorkspaceId, reference: str) -> JobRef:
    """Queue the analysis again; while one is queued or running, that one's id is the answer."""
    signal_id = await SIGNALS.resolve(tx, workspace, reference)
    locked = await tx.first(_LAST_JOB, workspace=workspace, id=signal_id)
    # A statement of its own, after the lock: it sees what the holder before us queued.
    (last,) = SIGNALS.found(locked, reference)
    if last is not None and await is_live(tx, workspace, last):
        await tx.first(_STILL_PROCESSING, workspace=workspace, id=signal_id)
        return JobRef(str(last))
    return JobRef(str(await queue(tx, workspace, signal_id)))


def _instant(given: datetime | UnsetType, field: str) -> datetime | UnsetType:
    return given if given is UNSET else to_utc(given, field)
