"""Create signals: store the text, number the signal and queue its analysis.

A text with an identity, its source key and external id, updates the signal that has it already.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import (
    ARRAY,
    Boolean,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, insert

from domains.discovery import analysis
from domains.discovery.analysis import PROFILES, AnalyseSignal
from domains.discovery.links import INSIGHTS_OF_SIGNAL
from domains.discovery.signals import (
    KIND,
    SIGNALS,
    Signal,
    SignalRawCreate,
    SignalStatus,
    SignalTextCreate,
    set_processing,
    to_signal,
)
from domains.discovery.tables import IS_IDENTIFIED, signals
from domains.intelligence.findings import Findings
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.problems import WriteConflict
from domains.kernel.core.timestamps import parse_iso
from domains.kernel.db.database import LARGE_JSON, SentOnce, Tx
from domains.kernel.db.sequences import next_number_cte
from domains.kernel.db.statements import WORKSPACE, scalar, statement
from domains.kernel.jobs.enqueue import WITH_JOB, is_waiting, job_parameters, with_job_for
from domains.kernel.jobs.model import CHANNEL, Job
from domains.kernel.storage import retention
from domains.kernel.storage.blobs import Blobs
from domains.kernel.untrusted import raw_json

# Bytes. The digest of a longer text is computed in a thread: a megabyte takes about 2 ms.
_THREAD_THRESHOLD: Final = 256 * 1024

_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _text(name: str) -> Any:
    return bindparam(name, type_=Text)


_counter = next_number_cte(KIND)
_occurred_at = func.coalesce(bindparam("occurred_at", type_=signals.c.created_at.type), func.now())
_job = bindparam("job_id", type_=Uuid)
# By the database's clock, like the times of the row.
_uploaded_at = func.to_char(
    func.timezone("UTC", func.now()), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"', type_=Text
)
# The text of the object is extended: jsonb would expand the numbers of links to 300 digits.
_data_with_upload_time = cast(
    func.left(cast(bindparam("data", type_=JSON), Text), literal_column("-1"), type_=Text)
    + literal(', "uploadedAt": "', Text)
    + _uploaded_at
    + literal('"}', Text),
    JSON,
)


class _Identified(msgspec.Struct, frozen=True):
    """A signal that has the identity of a text."""

    id: UUID
    status: SignalStatus
    text_key: str | None
    content_digest: bytes | None
    last_job_id: UUID | None


class Pushed(NamedTuple):
    """A signal that a request created or updated."""

    signal: Signal
    is_new: bool


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
    "source_key": _text("source_key"),
    "content_digest": bindparam("content_digest", type_=LargeBinary),
    "additional_context": _text("additional_context"),
    "product_ids": bindparam("product_ids", type_=ARRAY(Uuid)),
    "account_id": bindparam("account_id", type_=Uuid),
    "last_job_id": _job,
    "started_at": case((_job.is_(None), None), else_=func.now()),
    "created_at": _occurred_at,
}
_returned = [
    case((bindparam("returns_data", type_=Boolean), column)) if column is signals.c.data else column
    for column in SIGNALS.insert_returning
]
_insert = insert(signals).from_select(list(_VALUES), select(*_VALUES.values()))
_CREATE = statement(_insert.returning(*_returned), to_signal, reuses_plan=True)
_CREATE_WITH_JOB = statement(
    _insert.returning(*_returned).add_cte(WITH_JOB), to_signal, reuses_plan=True
)

# Returns no row, and enqueues no job, if a signal has the identity.
_created = (
    _insert.on_conflict_do_nothing(
        index_elements=[signals.c.workspace_id, signals.c.source_key, signals.c.external_id],
        index_where=text(IS_IDENTIFIED),
    )
    .returning(*(column.label(f"column_{place}") for place, column in enumerate(_returned)))
    .cte("created")
)
_CREATE_IDENTIFIED = statement(
    select(*_created.c).add_cte(with_job_for(_created)), to_signal, reuses_plan=True
)
_identified = select(*(signals.c[name] for name in _Identified.__struct_fields__)).where(
    signals.c.workspace_id == WORKSPACE,
    signals.c.source_key == _text("source_key"),
    signals.c.external_id == _text("external_id"),
)
_FIND_IDENTIFIED = statement(_identified, _Identified, reuses_plan=True)
_LOCK_IDENTIFIED = statement(_identified.with_for_update(), _Identified)
# Columns of the text and of the options of its analysis. Other fields that the request does not
# contain stay as they are.
_REPLACED: Final = (
    *("signal_type", "source", "data", "text_key", "content_digest"),
    *("additional_context", "product_ids", "account_id"),
)
_REPLACE_TEXT = statement(
    update(signals)
    .where(signals.c.workspace_id == WORKSPACE, signals.c.id == _VALUES["id"])
    .values(
        {name: _VALUES[name] for name in _REPLACED}
        | {
            "name": func.coalesce(_text("name"), signals.c.name),
            "context": func.coalesce(_text("context"), signals.c.context),
            "created_at": func.coalesce(
                bindparam("occurred_at", type_=signals.c.created_at.type), signals.c.created_at
            ),
            "updated_at": func.now(),
        }
    )
    .returning(signals.c.id),
    scalar,
)
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
    **dict.fromkeys(("source_key", "content_digest")),
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
    params = _parameters(new, _text_key(workspace, signal_id))
    await _store_text(tx, blobs, params["text_key"], _take_text(new))
    if findings is None:
        return await _create(tx, workspace, signal_id, AnalyseSignal(signal_id), **params)
    params |= {
        "inferred_context": findings.context,
        "language": findings.language,
        "engine": findings.engine,
    }
    return await _create(tx, workspace, signal_id, None, **params)


async def push_text(tx: Tx, blobs: Blobs, workspace: WorkspaceId, new: SignalTextCreate) -> Pushed:
    """Like `create_from_text`, but update the signal with the identity of the text, if any.

    The options of the analysis, `source` and `data` are replaced with the text. The name, context
    and time stay unless the request contains them; links and insights that users edited stay.
    An analysis is queued unless text and options are those of the last one. A job that waits for a
    worker will read the new text, and is kept. Raises WriteConflict if the signal is deleted at the
    same time.
    """
    if not new.is_identified:
        return Pushed(await create_from_text(tx, blobs, workspace, new), is_new=True)
    signal_id = new_id()
    content = _take_text(new)
    digest = await _digest(content, new)
    identity = {"source_key": new.source_key, "external_id": new.external_id}
    params = _parameters(new, _text_key(workspace, signal_id), digest)
    known = await tx.before(_FIND_IDENTIFIED, workspace=workspace, **identity)
    is_stored = known is None or known.content_digest != digest
    if is_stored:
        await _store_text(tx, blobs, params["text_key"], content)
    if known is None:
        created = await _create_identified(tx, workspace, signal_id, params)
        if created is not None:
            return Pushed(created, is_new=True)
    existing = await tx.first(_LOCK_IDENTIFIED, workspace=workspace, **identity)
    if existing is None:
        raise WriteConflict("The signal was deleted at the same time. Send the request again.")
    if not is_stored and existing.content_digest == digest:
        params = _parameters(new, existing.text_key, digest)
    elif not is_stored:
        # Another request replaced the text meanwhile.
        await _store_text(tx, blobs, params["text_key"], content)
    return Pushed(await _replace_text(tx, workspace, existing, params), is_new=False)


def _take_text(new: SignalTextCreate) -> bytes:
    """Return the text in UTF-8, and release the body of the request."""
    content = raw_json.string_to_utf8(new.text)
    new.text = raw_json.NULL
    return content


def _text_key(workspace: WorkspaceId, text_id: UUID) -> str:
    return f"signals/manual-text/{workspace}/{text_id}.txt"


async def _store_text(tx: Tx, blobs: Blobs, key: str, content: bytes) -> None:
    """Store the text of a signal.

    Call it before the first statement where possible: a database connection would wait for it.
    """
    tx.on_rollback(lambda: blobs.delete(key))
    await blobs.put(key, content)


def _parameters(
    new: SignalTextCreate, key: str | None, digest: bytes | None = None
) -> dict[str, Any]:
    """The parameters of the record of a text. Raises Invalid for a malformed time."""
    occurred_at = None if new.occurred_at is UNSET else parse_iso(new.occurred_at, "occurredAt")
    return {
        "name": new.name or None,
        "label": _label(new.signal_type),
        "signal_type": new.signal_type,
        "context": new.context or None,
        "source": msgspec.json.encode({"type": "manual-text", "external_data": _profile(new)}),
        "data": msgspec.json.encode({"s3Key": key, **_options(new)}),
        "text_key": key,
        "source_key": new.source_key or None,
        "external_id": new.external_id or None,
        "content_digest": digest,
        "additional_context": new.additional_context or None,
        "product_ids": new.product_ids or [],
        "account_id": new.account_id or None,
        "occurred_at": occurred_at,
    }


def _profile(new: SignalTextCreate) -> dict[str, Any]:
    """The external data of the source: that of the request, with the profile of the analysis."""
    sent = {} if new.source_external_data is UNSET else _decode_object(new.source_external_data)
    profile = {"signalType": new.signal_type, "analysisProfile": PROFILES[new.signal_type]}
    return {**sent, **profile}


def _options(new: SignalTextCreate) -> dict[str, Any]:
    """The options of a text signal that its data shows, as far as they were sent."""
    options = {
        "productIds": new.product_ids,
        "accountId": new.account_id,
        "additionalContext": new.additional_context,
        "sourceLinks": new.source_links,
        "participantPolicy": new.participant_policy,
        "createMissingAccounts": new.create_missing_accounts,
    }
    return {name: value for name, value in options.items() if value is not UNSET}


async def _digest(content: bytes, new: SignalTextCreate) -> bytes:
    """Digest of everything that determines the insights of a text."""
    options = (new.signal_type, new.additional_context, new.product_ids, new.account_id)
    digest = hashlib.sha256(msgspec.json.encode([option or None for option in options]))
    if len(content) > _THREAD_THRESHOLD:
        await asyncio.to_thread(digest.update, content)
    else:
        digest.update(content)
    return digest.digest()


async def _create_identified(
    tx: Tx, workspace: WorkspaceId, signal_id: UUID, params: Mapping[str, Any]
) -> Signal | None:
    """Create a signal and queue its analysis. Returns None if its identity is taken."""
    job = job_parameters(workspace, AnalyseSignal(signal_id))
    own = {"workspace": workspace, "id": signal_id, "insight_ids": []}
    signal = await tx.write_alone(_CREATE_IDENTIFIED, **{**_DEFAULTS, **params, **job, **own})
    if signal is not None:
        signal.job_id = str(job["job_id"])
        tx.notify_after_commit(CHANNEL)
    return signal


async def _replace_text(
    tx: Tx, workspace: WorkspaceId, existing: _Identified, params: Mapping[str, Any]
) -> Signal:
    """Update a locked signal with a text, and queue its analysis if that may find other insights.

    The text that it had is deleted after the retention period.
    """
    kept = {name: params[name] for name in ("name", "context", "occurred_at")}
    replaced = {name: params[name] for name in _REPLACED}
    await tx.one(_REPLACE_TEXT, workspace=workspace, id=existing.id, **kept, **replaced)
    if params["text_key"] != existing.text_key:
        await retention.discard(tx, workspace, [existing.text_key])
    is_analysed = existing.status in ("processing", "processed")
    if not is_analysed or params["content_digest"] != existing.content_digest:
        await _queue_analysis(tx, workspace, existing)
    signal = await SIGNALS.get(tx, workspace, str(existing.id))
    if signal.processing is not UNSET:
        signal.job_id = signal.processing.last_job_id
    return signal


async def _queue_analysis(tx: Tx, workspace: WorkspaceId, signal: _Identified) -> None:
    # A running job may have read the old text.
    job = signal.last_job_id
    if job is not None and await is_waiting(tx, workspace, job):
        await set_processing(tx, workspace, signal.id)
    else:
        await analysis.queue(tx, workspace, signal.id)


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
