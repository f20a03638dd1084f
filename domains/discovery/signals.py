"""Signals: what customers said. Text goes in, its analysis is queued, insights come out."""

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
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from domains.discovery.analysis import PROFILES, AnalyseSignal, SignalType
from domains.discovery.links import INSIGHTS_OF_SIGNAL
from domains.discovery.tables import signal_insights, signals
from domains.kernel import jobs
from domains.kernel.blobs import Blobs, DeleteBlob
from domains.kernel.db import Read, Tx
from domains.kernel.ids import new_id, parse_id, parse_public_id, public_id
from domains.kernel.instants import utc
from domains.kernel.keys import WorkspaceId
from domains.kernel.paging import OffsetList, OffsetPage, Paged
from domains.kernel.problems import NotFound
from domains.kernel.statements import row, scalar, statement
from domains.kernel.tables import public_ids

_KIND: Final = "SIGNAL"

SignalStatus = Literal["pending", "processing", "processed", "failed"]

NonEmpty = Annotated[str, Meta(min_length=1, pattern=r"\S")]


class SignalSource(msgspec.Struct, omit_defaults=True):
    """Where a signal comes from."""

    type: Annotated[str, Meta(description="The system or channel; `manual-text` for typed text")]
    external_data: Annotated[
        dict[str, Any] | UnsetType, Meta(description="What that system says of it")
    ] = UNSET


class SignalProcessing(msgspec.Struct, rename="camel"):
    """What became of the newest analysis."""

    last_job_id: Annotated[str, Meta(description="The job that does, or did, the analysis")]
    started_at: Annotated[datetime | None, Meta(description="When it was queued")]
    processed_at: Annotated[datetime | None, Meta(description="When its insights were stored")]
    failed_at: Annotated[datetime | None, Meta(description="When it was given up")]
    last_error: Annotated[str | None, Meta(description="Why it was given up, in a sentence")]


class Signal(msgspec.Struct, rename="camel"):
    """A signal as it is answered."""

    id: Annotated[UUID, Meta(description="The signal's uuid")]
    name: Annotated[
        str, Meta(description="As given, else type and time: `Review - 3/11/25, 2:30 PM`")
    ]
    public_id: Annotated[
        str,
        Meta(
            pattern="^SIGNAL-[0-9]+$",
            description="Counts up per workspace; every path takes it in place of the uuid",
        ),
    ]
    workspace_id: Annotated[UUID, Meta(description="The workspace that it belongs to")]
    status: Annotated[
        SignalStatus, Meta(description="`processing` until the analysis ended, well or badly")
    ]
    signal_type: Annotated[
        SignalType | None, Meta(description="Of typed text; null for signals from a source")
    ]
    context: Annotated[
        str | None, Meta(description="As given, else what the analysis takes it for")
    ]
    source: Annotated[
        msgspec.Raw,
        Meta(
            description="Where it comes from",
            extra_json_schema={"$ref": "#/components/schemas/SignalSource"},
        ),
    ]
    data: Annotated[
        msgspec.Raw | None,
        Meta(
            description="The record as given; of typed text, where it is and what came with it",
            extra_json_schema={"anyOf": [{"type": "object"}, {"type": "null"}]},
        ),
    ]
    insight_ids: Annotated[list[UUID], Meta(description="The insights it is linked to")]
    external_id: Annotated[str | None, Meta(description="Its id in the caller's own system")]
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

    text: Annotated[NonEmpty, Meta(description="What was said or written")]
    signal_type: Annotated[SignalType, Meta(description="What it is; chooses the analysis profile")]
    name: Annotated[NonEmpty | UnsetType, Meta(description="Made of type and time if left out")] = (
        UNSET
    )
    additional_context: Annotated[
        str | UnsetType,
        Meta(description="Background for the analysis; data, never an instruction"),
    ] = UNSET
    occurred_at: Annotated[
        datetime | UnsetType, Meta(description="When it happened; becomes `createdAt`")
    ] = UNSET
    product_ids: Annotated[
        list[UUID] | UnsetType, Meta(description="The products it may be about")
    ] = UNSET
    account_id: Annotated[
        UUID | UnsetType, Meta(description="The account it comes from; goes to its insights")
    ] = UNSET


class SignalRawCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A signal from another system; the text found in `data` is analysed."""

    source: Annotated[SignalSource, Meta(description="The system that it comes from")]
    data: Annotated[
        dict[str, Any] | None, Meta(description="The record; every text in it is analysed")
    ] = None
    name: Annotated[
        NonEmpty | UnsetType, Meta(description="Made of source and time if left out")
    ] = UNSET
    external_id: Annotated[
        str | None, Meta(description="Its id in that system; need not be unique")
    ] = None
    context: Annotated[str | None, Meta(description="Kept as it is; inferred if left out")] = None
    insight_ids: Annotated[
        list[str], Meta(description="Insights of this workspace to link it to")
    ] = msgspec.field(default_factory=list)


class SignalUpdate(msgspec.Struct, rename="camel", kw_only=True):
    """What a PATCH may change; absent fields stay as they are, objects are replaced whole."""

    source: Annotated[SignalSource | UnsetType, Meta(description="Replaces the source")] = UNSET
    data: Annotated[
        dict[str, Any] | UnsetType | None, Meta(description="Replaces the data; null clears it")
    ] = UNSET
    insight_ids: Annotated[
        list[str] | UnsetType, Meta(description="Replaces the links to insights")
    ] = UNSET
    external_id: Annotated[str | UnsetType | None, Meta(description="Null clears it")] = UNSET
    status: Annotated[
        Literal["pending", "processed"] | UnsetType,
        Meta(description="Setting it queues nothing: see `process`"),
    ] = UNSET
    context: Annotated[str | UnsetType | None, Meta(description="Null clears it")] = UNSET


class JobRef(msgspec.Struct, rename="camel"):
    """The job that does the work."""

    job_id: Annotated[str, Meta(description="The job's id")]


# --- statements -------------------------------------------------------------------------------

_workspace = bindparam("workspace", type_=Uuid)
_id = bindparam("id", type_=Uuid)

_linked = (
    func.array(
        select(signal_insights.c.insight_id)
        .where(
            signal_insights.c.workspace_id == signals.c.workspace_id,
            signal_insights.c.signal_id == signals.c.id,
        )
        .order_by(signal_insights.c.insight_id)
        .correlate(signals)
        .scalar_subquery(),
        type_=ARRAY(Uuid),
    )
).label("insight_ids")

_COLUMNS: Final = (
    signals.c.id,
    signals.c.name,
    signals.c.number,
    signals.c.workspace_id,
    signals.c.status,
    signals.c.signal_type,
    func.coalesce(signals.c.context, signals.c.inferred_context),
    signals.c.source,
    signals.c.data,
    _linked,
    signals.c.external_id,
    signals.c.created_at,
    signals.c.updated_at,
    signals.c.last_job_id,
    signals.c.started_at,
    signals.c.processed_at,
    signals.c.failed_at,
    signals.c.last_error,
)


def _signal(*columns: Any) -> Signal:
    values, (job, *progress) = list(columns[:-5]), columns[-5:]
    values[2] = public_id(_KIND, values[2])
    processing = UNSET if job is None else SignalProcessing(str(job), *progress)
    return Signal(*[*values, UNSET, processing])


_LIST: Final = OffsetList(signals, _COLUMNS, signals.c.number, _signal)

_GET = statement(
    select(*_COLUMNS).where(signals.c.workspace_id == _workspace, signals.c.id == _id), _signal
)

_FIND_NUMBER = statement(
    select(signals.c.id).where(
        signals.c.workspace_id == _workspace, signals.c.number == bindparam("number")
    ),
    scalar,
)

_counter = (
    upsert(public_ids)
    .values(workspace_id=_workspace, kind=_KIND, last=1)
    .on_conflict_do_update(
        index_elements=[public_ids.c.workspace_id, public_ids.c.kind],
        set_={"last": public_ids.c.last + 1},
    )
    .returning(public_ids.c.last)
    .cte("counter")
)
_occurred = func.coalesce(bindparam("occurred_at", type_=signals.c.created_at.type), func.now())
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
            literal("processing", Text),
            bindparam("signal_type", type_=Text),
            bindparam("context", type_=Text),
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
            bindparam("job", type_=Uuid),
            func.now(),
            _occurred,
        ),
    )
    .returning(signals.c.id),
    scalar,
)


def _changed(name: str, column: Any) -> Any:
    """The new value where one is given, else what stands there."""
    return case(
        (bindparam(f"has_{name}", type_=Boolean), bindparam(name, type_=column.type)), else_=column
    )


_UPDATE = statement(
    update(signals)
    .where(signals.c.workspace_id == _workspace, signals.c.id == _id)
    .values(
        source=_changed("source", signals.c.source),
        data=_changed("data", signals.c.data),
        external_id=_changed("external_id", signals.c.external_id),
        status=_changed("status", signals.c.status),
        context=_changed("context", signals.c.context),
        inferred_context=case(
            (bindparam("has_context", type_=Boolean), None), else_=signals.c.inferred_context
        ),
        updated_at=func.now(),
    )
    .returning(signals.c.id),
    scalar,
)

_DELETE = statement(
    delete(signals)
    .where(signals.c.workspace_id == _workspace, signals.c.id == _id)
    .returning(signals.c.id, signals.c.text_key),
    row,
)

_LAST_JOB = statement(
    select(signals.c.last_job_id)
    .where(signals.c.workspace_id == _workspace, signals.c.id == _id)
    .with_for_update(),
    row,
)

_QUEUED = statement(
    update(signals)
    .where(signals.c.workspace_id == _workspace, signals.c.id == _id)
    .values(
        status="processing",
        last_job_id=bindparam("job"),
        started_at=func.now(),
        processed_at=null(),
        failed_at=null(),
        last_error=null(),
        updated_at=func.now(),
    )
    .returning(signals.c.id),
    scalar,
)


# --- what the API does ------------------------------------------------------------------------


async def page(read: Read, workspace: WorkspaceId, wanted: OffsetPage) -> Paged[Signal]:
    """Signals in the order of their numbers, with the capped count, by one statement."""
    return await _LIST.page(read, workspace, wanted)


async def get(read: Read, workspace: WorkspaceId, reference: str) -> Signal:
    """By uuid or public id; NotFound."""
    signal_id = await _resolve(read, workspace, reference)
    found = await read.first(_GET, workspace=workspace, id=signal_id)
    if found is None:
        raise _not_found(reference)
    return found


async def create_from_text(
    tx: Tx, blobs: Blobs, workspace: WorkspaceId, new: SignalTextCreate
) -> Signal:
    """Store the text, queue its analysis; answers with the job's id and status `processing`."""
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
    occurred_at = None if new.occurred_at is UNSET else utc(new.occurred_at, "occurredAt")
    tx.undo(lambda: blobs.delete(key))
    await blobs.put(key, new.text.encode())
    return await _create(
        tx,
        workspace,
        signal_id,
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
    )


async def create_from_source(tx: Tx, workspace: WorkspaceId, new: SignalRawCreate) -> Signal:
    """Store another system's record, queue the analysis of the text found in its data."""
    signal_id = new_id()
    insight_ids = await INSIGHTS_OF_SIGNAL.known(tx, workspace, new.insight_ids)
    created = await _create(
        tx,
        workspace,
        signal_id,
        name=new.name or None,
        label=new.source.type.replace("_", " ").replace("-", " ").title() or "Signal",
        source=new.source,
        data=new.data,
        external_id=new.external_id,
        context=new.context,
    )
    await INSIGHTS_OF_SIGNAL.add(tx, workspace, signal_id, insight_ids)
    return msgspec.structs.replace(created, insight_ids=sorted(insight_ids))


async def _create(
    tx: Tx,
    workspace: WorkspaceId,
    signal_id: UUID,
    *,
    name: str | None,
    label: str,
    source: SignalSource,
    data: dict[str, Any] | None,
    signal_type: SignalType | None = None,
    context: str | None = None,
    external_id: str | None = None,
    text_key: str | None = None,
    additional_context: str | None = None,
    product_ids: list[UUID] | None = None,
    account_id: UUID | None = None,
    occurred_at: datetime | None = None,
) -> Signal:
    job = await jobs.enqueue(tx, workspace, AnalyseSignal(signal_id))
    await tx.one(
        _CREATE,
        id=signal_id,
        workspace=workspace,
        name=name,
        label=label,
        signal_type=signal_type,
        context=context,
        source=msgspec.json.encode(source),
        data=None if data is None else msgspec.json.encode(data),
        external_id=external_id,
        text_key=text_key,
        additional_context=additional_context,
        product_ids=product_ids or [],
        account_id=account_id,
        occurred_at=occurred_at,
        job=job,
    )
    created = await tx.one(_GET, workspace=workspace, id=signal_id)
    return msgspec.structs.replace(created, job_id=str(job))


async def change(tx: Tx, workspace: WorkspaceId, reference: str, changes: SignalUpdate) -> Signal:
    """Change what is given; NotFound, or Invalid naming insights that the workspace has not."""
    signal_id = await _resolve(tx, workspace, reference)
    insight_ids = (
        None
        if changes.insight_ids is UNSET
        else await INSIGHTS_OF_SIGNAL.known(tx, workspace, changes.insight_ids)
    )
    given = {
        "source": _encoded(changes.source),
        "data": _encoded(changes.data),
        "external_id": changes.external_id,
        "status": changes.status,
        "context": changes.context,
    }
    updated = await tx.first(
        _UPDATE,
        workspace=workspace,
        id=signal_id,
        **{f"has_{name}": value is not UNSET for name, value in given.items()},
        **{name: None if value is UNSET else value for name, value in given.items()},
    )
    if updated is None:
        raise _not_found(reference)
    if insight_ids is not None:
        await INSIGHTS_OF_SIGNAL.replace(tx, workspace, signal_id, insight_ids)
    return await tx.one(_GET, workspace=workspace, id=signal_id)


async def remove(tx: Tx, workspace: WorkspaceId, reference: str) -> None:
    """Delete a signal, its links and evidence, and soon after the commit its text; NotFound."""
    signal_id = await _resolve(tx, workspace, reference)
    deleted = await tx.first(_DELETE, workspace=workspace, id=signal_id)
    if deleted is None:
        raise _not_found(reference)
    _, text_key = deleted
    if text_key is not None:
        await jobs.enqueue(tx, workspace, DeleteBlob(text_key))


async def process(tx: Tx, workspace: WorkspaceId, reference: str) -> JobRef:
    """Queue the analysis again; while one is queued or running, that one's id is the answer."""
    signal_id = await _resolve(tx, workspace, reference)
    found = await tx.first(_LAST_JOB, workspace=workspace, id=signal_id)
    if found is None:
        raise _not_found(reference)
    # A statement of its own, after the lock: it sees what the holder before us queued.
    (last,) = found
    if last is not None and await jobs.is_live(tx, workspace, last):
        return JobRef(str(last))
    job = await jobs.enqueue(tx, workspace, AnalyseSignal(signal_id))
    await tx.one(_QUEUED, workspace=workspace, id=signal_id, job=job)
    return JobRef(str(job))


async def _resolve(read: Read, workspace: WorkspaceId, reference: str) -> UUID:
    """The uuid that a path's id stands for; NotFound where it can be none."""
    number = parse_public_id(_KIND, reference)
    found = (
        parse_id(reference)
        if number is None
        else await read.first(_FIND_NUMBER, workspace=workspace, number=number)
    )
    if found is None:
        raise _not_found(reference)
    return found


def _encoded(value: Any) -> Any:
    """JSON bytes of a value; null and absent stay themselves."""
    return value if value is None or value is UNSET else msgspec.json.encode(value)


def _not_found(reference: str) -> NotFound:
    return NotFound(f"There is no signal {reference[:64]!r} in this workspace.")
