"""Create signals: store the text, number the signal and queue its analysis."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import (
    ARRAY,
    Boolean,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from domains.discovery.analysis import PROFILES, AnalyseSignal
from domains.discovery.links import INSIGHTS_OF_SIGNAL
from domains.discovery.signals import (
    KIND,
    SIGNALS,
    Signal,
    SignalRawCreate,
    SignalTextCreate,
    to_signal,
)
from domains.discovery.tables import signals
from domains.intelligence.findings import Findings
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.timestamps import parse_iso
from domains.kernel.db.database import LARGE_JSON, SentOnce, Tx
from domains.kernel.db.sequences import next_number_cte
from domains.kernel.db.statements import WORKSPACE, scalar, statement
from domains.kernel.jobs.enqueue import WITH_JOB, job_parameters
from domains.kernel.jobs.model import CHANNEL, Job
from domains.kernel.storage.blobs import Blobs
from domains.kernel.untrusted import raw_json


def _text(name: str) -> Any:
    return bindparam(name, type_=Text)


_counter = next_number_cte(KIND)
_occurred_at = func.coalesce(bindparam("occurred_at", type_=signals.c.created_at.type), func.now())
_job = bindparam("job_id", type_=Uuid)
# By the database's clock, like the times of the row.
_uploaded_at = func.to_char(func.timezone("UTC", func.now()), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
_data_with_upload_time = cast(
    func.jsonb_set(
        cast(bindparam("data", type_=JSON), JSONB),
        literal(["uploadedAt"], ARRAY(Text)),
        func.to_jsonb(_uploaded_at),
    ),
    JSON,
)
_VALUES: Final[dict[str, Any]] = {
    "id": bindparam("id", type_=Uuid),
    "workspace_id": WORKSPACE,
    "number": _counter.c.last,
    "name": func.coalesce(
        _text("name"),
        _text("label")
        + func.to_char(func.timezone("UTC", _occurred_at), " - FMMM/FMDD/YY, FMHH12:MI AM"),
    ),
    "status": case((_job.is_(None), "processed"), else_="processing"),
    "signal_type": _text("signal_type"),
    "context": _text("context"),
    "inferred_context": _text("inferred_context"),
    "language": _text("language"),
    "engine": _text("engine"),
    "source": bindparam("source", type_=JSON),
    "data": case(
        (_text("text_key").is_not(None), _data_with_upload_time),
        else_=bindparam("data", type_=JSON),
    ),
    "external_id": _text("external_id"),
    "text_key": _text("text_key"),
    "additional_context": _text("additional_context"),
    "product_ids": bindparam("product_ids", type_=ARRAY(Uuid)),
    "account_id": bindparam("account_id", type_=Uuid),
    "last_job_id": _job,
    "started_at": case((_job.is_(None), None), else_=func.now()),
    "created_at": _occurred_at,
}
_insert = (
    insert(signals)
    .from_select(list(_VALUES), select(*_VALUES.values()))
    .returning(
        *(
            case((bindparam("returns_data", type_=Boolean), column))
            if column is signals.c.data
            else column
            for column in SIGNALS.insert_returning
        )
    )
)
_CREATE = statement(_insert, to_signal, reuses_plan=True)
_CREATE_WITH_JOB = statement(_insert.add_cte(WITH_JOB), to_signal, reuses_plan=True)
# Large data is read by a statement of its own, because asyncpg keeps what it sent until the end of
# the statement.
_DATA = statement(
    select(signals.c.data).where(
        signals.c.workspace_id == WORKSPACE, signals.c.id == _VALUES["id"]
    ),
    scalar,
)
# Parameters that only one of the two forms of a signal sets.
_DEFAULTS: Final[dict[str, Any]] = {
    **dict.fromkeys(("signal_type", "context", "inferred_context", "engine", "external_id")),
    **dict.fromkeys(("text_key", "additional_context", "account_id", "occurred_at", "language")),
    "product_ids": [],
    "returns_data": True,
}


async def create_from_text(
    tx: Tx,
    blobs: Blobs,
    workspace: WorkspaceId,
    new: SignalTextCreate,
    findings: Findings | None = None,
) -> Signal:
    """Store a text and queue its analysis. Raises Invalid for a malformed time.

    With `findings`, no job is queued, the status is `processed`, and the caller stores them.
    """
    signal_id = new_id()
    key = f"signals/manual-text/{workspace}/{signal_id}.txt"
    data: dict[str, Any] = {"s3Key": key}
    if new.product_ids is not UNSET:
        data["productIds"] = new.product_ids
    if new.account_id is not UNSET:
        data["accountId"] = new.account_id
    if new.additional_context is not UNSET:
        data["additionalContext"] = new.additional_context
    profile = {"signalType": new.signal_type, "analysisProfile": PROFILES[new.signal_type]}
    occurred_at = None if new.occurred_at is UNSET else parse_iso(new.occurred_at, "occurredAt")
    tx.on_rollback(lambda: blobs.delete(key))
    text = raw_json.string_to_utf8(new.text)
    # Release the body.
    new.text = raw_json.NULL
    # Before the first statement, so that no database connection waits for the storage.
    await blobs.put(key, text)
    del text
    return await _create(
        tx,
        workspace,
        signal_id,
        AnalyseSignal(signal_id) if findings is None else None,
        name=new.name or None,
        label=_label(new.signal_type),
        signal_type=new.signal_type,
        source=msgspec.json.encode({"type": "manual-text", "external_data": profile}),
        data=msgspec.json.encode(data),
        text_key=key,
        additional_context=new.additional_context or None,
        product_ids=new.product_ids or [],
        account_id=new.account_id or None,
        occurred_at=occurred_at,
        inferred_context=None if findings is None else findings.context,
        language=None if findings is None else findings.language,
        engine=None if findings is None else findings.engine,
    )


async def create_from_source(tx: Tx, workspace: WorkspaceId, new: SignalRawCreate) -> Signal:
    """Store a record of another system and queue the analysis of the strings in its data.

    Raises Invalid with the linked ids that are not in the workspace.
    """
    signal_id = new_id()
    insight_ids = await INSIGHTS_OF_SIGNAL.check(tx, workspace, new.insight_ids)
    label = _label(new.source.type) or "Signal"
    source = SentOnce.if_large(msgspec.json.encode(new.source))
    data = None if new.data == raw_json.NULL else SentOnce.if_large(new.data)
    is_large = len(new.data) > LARGE_JSON
    # Release the body.
    new.data = raw_json.NULL
    new.source.external_data = UNSET
    signal = await _create(
        tx,
        workspace,
        signal_id,
        AnalyseSignal(signal_id),
        insight_ids,
        name=new.name or None,
        label=label,
        source=source,
        data=data,
        returns_data=not is_large,
        external_id=new.external_id,
        context=new.context,
    )
    if is_large:
        signal.data = await tx.first(_DATA, workspace=workspace, id=signal_id)
    if insight_ids:
        await INSIGHTS_OF_SIGNAL.replace(tx, workspace, signal_id, insight_ids)
    return signal


async def _create(
    tx: Tx,
    workspace: WorkspaceId,
    signal_id: UUID,
    job: Job | None,
    insight_ids: Sequence[UUID] = (),
    **params: Any,
) -> Signal:
    params = _DEFAULTS | params
    params |= {"workspace": workspace, "id": signal_id, "insight_ids": insight_ids}
    if job is None:
        return await tx.one(_CREATE, job_id=None, **params)
    params |= job_parameters(workspace, job)
    # Further statements follow for linked insights and for large data.
    is_alone = not insight_ids and params["returns_data"]
    create = tx.write_alone if is_alone else tx.one
    signal = await create(_CREATE_WITH_JOB, **params)
    assert signal is not None  # noqa: S101 - the INSERT has no condition
    signal.job_id = str(params["job_id"])
    tx.notify_after_commit(CHANNEL)
    return signal


def _label(name: str) -> str:
    """`Support Ticket` for `support_ticket` and `support-ticket`."""
    return name.replace("_", " ").replace("-", " ").title()
