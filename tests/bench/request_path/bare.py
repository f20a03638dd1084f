"""The limit: raw ASGI, asyncpg and msgspec over the product's tables.

It has no authentication, no rate limit, no validation beyond types, no logs and no metrics. It
serves only the requests of `cases`, each with one statement, and stores what the product stores.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import asyncpg
import msgspec
import uvicorn
from uuid_utils.compat import uuid7

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POOL_SIZE: Final = 4

_PROFILES: Final = {
    "transcript": "transcript",
    "support_ticket": "support_ticket",
    "review": "survey_response",
}

_ROW: Final = """
    select r.id, r.source_id, r.object_type_id, t.name, r.remote_id, r.name, r.display_name,
        r.fields, r.created_at, r.updated_at
    from rows r join object_types t on t.workspace_id = $1 and t.id = r.object_type_id
    where r.workspace_id = $1 and r.deleted_at is null
"""
_GET_ROW: Final = _ROW + "and r.id = $2"
_LIST_ROWS: Final = _ROW + "order by r.ordered_at desc, r.id desc limit 51"
_UPSERT_ROW: Final = """
    insert into rows (workspace_id, id, source_id, remote_id, object_type_id, name, display_name,
        fields, public, owner_emails, created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    on conflict (workspace_id, source_id, remote_id) where deleted_at is null and not native
    do update set object_type_id = excluded.object_type_id, name = excluded.name,
        display_name = excluded.display_name, fields = excluded.fields, public = excluded.public,
        owner_emails = excluded.owner_emails, created_at = excluded.created_at,
        updated_at = excluded.updated_at
    returning id
"""
_LIST_INSIGHTS: Final = """
    select i.id, i.name, i.description, i.status, i.type, i.kind, i.product_id,
        array(select opportunity_id from insight_opportunities l
            where l.workspace_id = $1 and l.insight_id = i.id order by 1),
        array(select idea_id from insight_ideas l
            where l.workspace_id = $1 and l.insight_id = i.id order by 1),
        i.tag_ids, i.created_at, i.updated_at,
        i.duplicate_of, i.suggestions, i.external_links
    from insights i where i.workspace_id = $1 order by i.number desc limit 50
"""
_CREATE_SIGNAL: Final = """
    with counter as (
        insert into public_ids (workspace_id, kind, last) values ($1, 'SIGNAL', 1)
        on conflict (workspace_id, kind) do update set last = public_ids.last + 1 returning last
    ), job as (
        insert into jobs (id, workspace_id, kind, queue, payload)
        values ($9, $1, 'discovery.analyse_signal', 'analysis', $10)
    )
    insert into signals (id, workspace_id, number, name, status, signal_type, source, data,
        text_key, last_job_id, started_at, created_at, updated_at)
    select $2, $1, last, $3, 'processing', $4, $5, $6, $7, $9, $8, $8, $8 from counter
    returning number
"""
_LIST_CONVERSATIONS: Final = """
    select id, source_id, title, started_at, ended_at, type, participants, crm_id, crm_name,
        crm_type, state, case when state = 'failed'
            then nullif(concat_ws(' ', recording_error, error), '') end, found_language
    from conversations where workspace_id = $1 and deleted_at is null
    order by started_at desc, id desc limit 21
"""
_LIST_DEALS: Final = """
    select id, name, account_name, stage, pipeline, amount, close_date, closed, created_at,
        last_activity_at, owner_name, owner_email
    from deals
    where workspace_id = $1 and coalesce(closed, false) = $2 and nfc(stage) ilike $3
    order by ordered_at desc, id desc limit 21
"""


# --- requests and responses -------------------------------------------------------------------


class Pagination(msgspec.Struct, rename="camel"):
    """Where the next page begins. The bare server makes no cursors."""

    next_cursor: str | None
    has_more: bool


class Row(msgspec.Struct, rename="camel"):
    """A row."""

    row_id: UUID
    source_id: str
    object_type_id: UUID
    object_type_name: str
    remote_id: str
    name: str
    display_name: str
    fields: msgspec.Raw
    created_at: datetime | None
    updated_at: datetime | None


class RowPage(msgspec.Struct):
    """A page of rows."""

    rows: list[Row]
    pagination: Pagination


class FieldValue(msgspec.Struct, rename="camel"):
    """A value of a row."""

    value: msgspec.Raw
    field_type: str
    label: str | None = None


class NewRow(msgspec.Struct, rename="camel"):
    """A row to store."""

    id: str
    source_id: UUID
    object_type_id: UUID
    display_name: str
    name: str
    public: bool
    owner_emails: list[str]
    created_at: datetime
    updated_at: datetime
    fields: dict[str, FieldValue]


class StoredRow(msgspec.Struct, rename="camel"):
    """Response to a new row."""

    status: str
    record_id: UUID
    id: str
    source_id: UUID


class Insight(msgspec.Struct, rename="camel"):
    """An insight."""

    id: UUID
    name: str
    description: str
    status: str
    type: str
    kind: str | None
    product_id: UUID | None
    opportunity_ids: list[UUID]
    idea_ids: list[UUID]
    tag_ids: list[str]
    created_at: datetime
    updated_at: datetime
    duplicate_of: UUID | msgspec.UnsetType
    suggestions: msgspec.Raw | msgspec.UnsetType
    external_links: msgspec.Raw | msgspec.UnsetType


class NewSignal(msgspec.Struct, rename="camel"):
    """A text to analyse."""

    text: str
    signal_type: str


class SignalProcessing(msgspec.Struct, rename="camel"):
    """State of the analysis."""

    last_job_id: UUID
    started_at: datetime
    processed_at: None = None
    failed_at: None = None
    last_error: None = None
    note: None = None


class Signal(msgspec.Struct, rename="camel", kw_only=True):
    """A new signal."""

    id: UUID
    name: str
    public_id: str
    workspace_id: UUID
    status: str = "processing"
    signal_type: str
    context: None = None
    language: None = None
    source: msgspec.Raw
    data: msgspec.Raw
    insight_ids: tuple[UUID, ...] = ()
    external_id: None = None
    created_at: datetime
    updated_at: datetime
    job_id: UUID
    processing: SignalProcessing


class Crm(msgspec.Struct):
    """A record of the CRM."""

    id: str
    name: str
    type: str


class Processing(msgspec.Struct):
    """State of a conversation."""

    status: str
    error: str | None
    note: None = None


class Conversation(msgspec.Struct, rename="camel"):
    """A conversation."""

    conversation_id: UUID
    source_id: str
    title: str | None
    start_time: datetime
    end_time: datetime
    type: str
    participants: msgspec.Raw
    crm: Crm | None
    processing: Processing
    language: str | None


class ConversationPage(msgspec.Struct):
    """A page of conversations."""

    conversations: list[Conversation]
    pagination: Pagination


class Owner(msgspec.Struct):
    """The owner of a deal."""

    name: str | None
    email: str | None


class Deal(msgspec.Struct, rename="camel"):
    """A deal."""

    deal_id: str
    name: str | None
    account_name: str | None
    stage: str | None
    pipeline: str | None
    amount: float | None
    close_date: datetime | None
    closed: bool | None
    created_date: datetime | None
    last_activity_date: datetime | None
    owner: Owner


class DealPage(msgspec.Struct):
    """A page of deals."""

    deals: list[Deal]
    pagination: Pagination


_encode: Final = msgspec.json.Encoder().encode
_decode_row: Final = msgspec.json.Decoder(NewRow).decode
_decode_signal: Final = msgspec.json.Decoder(NewSignal).decode


# --- the server -------------------------------------------------------------------------------


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is not reset when it returns to the pool."""

    def get_reset_query(self) -> str:
        return ""


async def _pass_json_through(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=bytes, decoder=msgspec.Raw, format="binary"
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + value,
        decoder=lambda value: msgspec.Raw(value[1:]),
        format="binary",
    )


class Bare:
    """The ASGI application."""

    def __init__(self, database_url: str, blob_url: str, workspace: UUID) -> None:
        self._database_url = database_url
        self._blobs = Path(unquote(urlsplit(blob_url).path))
        self._texts = f"signals/manual-text/{workspace}"
        self._workspace = workspace

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._run(receive, send)
            return
        if scope["method"] == "POST":
            status, body = 201, await self._post(scope["path"], await _read_body(receive))
        else:
            status, body = 200, await self._get(scope["path"], scope["query_string"])
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _run(self, receive: Receive, send: Send) -> None:
        (self._blobs / self._texts).mkdir(parents=True, exist_ok=True)
        async with asyncpg.create_pool(
            self._database_url,
            min_size=POOL_SIZE,
            max_size=POOL_SIZE,
            init=_pass_json_through,
            connection_class=_Connection,
        ) as self._pool:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _get(self, path: str, query: bytes) -> bytes:
        match path:
            case "/v1/rows":
                rows = await self._fetch(_LIST_ROWS)
                page = RowPage([Row(*row) for row in rows[:50]], _pagination(rows, 50))
                return _encode(page)
            case "/external/v1/insights":
                return _encode([_insight(*row) for row in await self._fetch(_LIST_INSIGHTS)])
            case "/v1/conversations":
                rows = await self._fetch(_LIST_CONVERSATIONS)
                items = [_conversation(*row) for row in rows[:20]]
                return _encode(ConversationPage(items, _pagination(rows, 20)))
            case "/v1/deals":
                filters = dict(parse_qsl(query.decode()))
                closed, stage = filters["closed"] == "true", f"%{filters['stage']}%"
                rows = await self._fetch(_LIST_DEALS, closed, stage)
                deals = [Deal(*(*row[:10], Owner(*row[10:]))) for row in rows[:20]]
                return _encode(DealPage(deals, _pagination(rows, 20)))
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(_GET_ROW, self._workspace, UUID(path[-36:]))
        return _encode(Row(*row))

    async def _post(self, path: str, body: bytes) -> bytes:
        return await (self._store_row(body) if path == "/v1/rows" else self._create_signal(body))

    async def _store_row(self, body: bytes) -> bytes:
        new, new_id = _decode_row(body), uuid7()
        async with self._pool.acquire() as connection:
            stored = await connection.fetchval(
                _UPSERT_ROW,
                *(self._workspace, new_id, str(new.source_id), new.id, new.object_type_id),
                *(new.name, new.display_name, _encode(new.fields), new.public, new.owner_emails),
                *(new.created_at, new.updated_at),
            )
        status = "created" if stored == new_id else "updated"
        return _encode(StoredRow(status, stored, new.id, new.source_id))

    async def _create_signal(self, body: bytes) -> bytes:
        """Store the text, number the signal and queue its analysis, which a relay finds."""
        new, signal_id, job_id, now = _decode_signal(body), uuid7(), uuid7(), datetime.now(UTC)
        key = f"{self._texts}/{signal_id}.txt"
        partial = self._blobs / f"{key}#1"
        partial.write_text(new.text, encoding="utf-8")
        partial.rename(self._blobs / key)
        label = new.signal_type.replace("_", " ").title()
        name = f"{label} - {now:%-m/%-d/%y, %-I:%M %p}"
        profile = {"signalType": new.signal_type, "analysisProfile": _PROFILES[new.signal_type]}
        source = _encode({"type": "manual-text", "external_data": profile})
        data = _encode({"s3Key": key, "uploadedAt": now})
        job = _encode({"kind": "discovery.analyse_signal", "signal": signal_id})
        async with self._pool.acquire() as connection:
            number = await connection.fetchval(
                _CREATE_SIGNAL,
                *(self._workspace, signal_id, name, new.signal_type, source, data, key, now),
                *(job_id, job),
            )
        signal = Signal(
            id=signal_id,
            name=name,
            public_id=f"SIGNAL-{number}",
            workspace_id=self._workspace,
            signal_type=new.signal_type,
            source=msgspec.Raw(source),
            data=msgspec.Raw(data),
            created_at=now,
            updated_at=now,
            job_id=job_id,
            processing=SignalProcessing(job_id, now),
        )
        return _encode(signal)

    async def _fetch(self, sql: str, *parameters: Any) -> list[asyncpg.Record]:
        async with self._pool.acquire() as connection:
            records: list[asyncpg.Record] = await connection.fetch(
                sql, self._workspace, *parameters
            )
        return records


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _pagination(rows: list[asyncpg.Record], limit: int) -> Pagination:
    has_more = len(rows) > limit
    return Pagination("none" if has_more else None, has_more)


def _insight(*columns: Any) -> Insight:
    optional = (msgspec.UNSET if value is None else value for value in columns[12:])
    return Insight(*columns[:12], *optional)


def _conversation(*columns: Any) -> Conversation:
    crm = Crm(*columns[7:10]) if columns[7] is not None else None
    processing = Processing(*columns[10:12])
    return Conversation(*(*columns[:7], crm, processing, columns[12]))


if __name__ == "__main__":
    uvicorn.run(
        Bare(
            os.environ["DATABASE_URL"],
            os.environ["BLOB_URL"],
            UUID(os.environ["BENCH_WORKSPACE"]),
        ),
        port=int(os.environ["BENCH_PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
