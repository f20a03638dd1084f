"""What is made of conversations and messages: category and summary, and what a deal's are."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)

from domains.intelligence.outline import Audience, Turn, next_steps, outline
from domains.kernel import jobs
from domains.kernel.compute import Compute
from domains.kernel.db import Read, Tx
from domains.kernel.keys import WorkspaceId
from domains.kernel.statements import row, scalar, statement
from domains.revenue import crm
from domains.revenue.conversations import (
    FetchRecording,
    Participant,
    ProcessConversation,
    TranscriptEntry,
)
from domains.revenue.crm import RefreshDeal
from domains.revenue.records import WORKSPACE
from domains.revenue.tables import conversations, deals, messages

Write = Callable[[Tx], Awaitable[None]]

# Conversations and messages, the newest, of which a deal's summary is made; and items of it.
_NEWEST: Final = 20
_MOST_ITEMS: Final = 10

_PAINS: Final = "Pain Points"
_STEPS: Final = "Next Steps"


# --- conversations ----------------------------------------------------------------------------

_c = conversations.c
_version = (
    _c.workspace_id == WORKSPACE,
    _c.id == bindparam("id", type_=Uuid),
    _c.version == bindparam("version", type_=Integer),
    _c.deleted_at.is_(None),
)


class _Said(msgspec.Struct, frozen=True):
    title: str | None
    type: Audience
    participants: msgspec.Raw
    outside: list[str]
    transcript: msgspec.Raw | None
    recording_url: str | None
    recording_key: str | None


_SAID: Final = statement(
    select(*(_c[name] for name in _Said.__struct_fields__)).where(*_version), _Said
)
_lacking = and_(_c.recording_url.is_not(None), _c.recording_key.is_(None), _c.error.is_not(None))
_ENRICHED: Final = statement(
    update(conversations)
    .where(*_version)
    .values(
        found_category=bindparam("category", type_=Text),
        found_summary=bindparam("summary", type_=_c.found_summary.type),
        # A recording that could not be had is still missing.
        state=case((_lacking, literal_column("'failed'")), else_=literal_column("'processed'")),
        error=case((_lacking, _c.error), else_=null()),
    )
    .returning(_c.deal_id),
    row,
)
_FAILED: Final = statement(
    update(conversations)
    .where(*_version)
    .values(state=literal_column("'failed'"), error=bindparam("reason", type_=Text))
    .returning(_c.id),
    scalar,
)

_TRANSCRIPT: Final = msgspec.json.Decoder(list[TranscriptEntry])
_PARTICIPANTS: Final = msgspec.json.Decoder(list[Participant])


async def enrich(
    read: Read, compute: Compute, workspace: WorkspaceId, job: ProcessConversation
) -> Write | None:
    """Store category and summary of what was said, and have the linked deal refreshed."""
    which = {"workspace": workspace, "id": job.conversation_id, "version": job.version}
    found = await read.first(_SAID, **which)
    if found is None:
        return None
    if found.transcript is None:
        if found.recording_url is None or found.recording_key is not None:
            return None
        return lambda tx: _fetch_first(tx, workspace, job)
    made = await compute.run(
        _outlined,
        bytes(found.transcript),
        bytes(found.participants),
        found.outside,
        found.type,
        found.title or "",
    )

    async def write(tx: Tx) -> None:
        stored = await tx.first(
            _ENRICHED,
            **which,
            category=made.category,
            summary=msgspec.json.encode(made.summary),
        )
        if stored is not None:
            await crm.refresh_soon(tx, workspace, stored)

    return write


class _Made(NamedTuple):
    category: str
    summary: dict[str, list[str]]


def _outlined(
    transcript: bytes, participants: bytes, outside: list[str], audience: Audience, title: str
) -> _Made:
    """In a child process: reading ten thousand sentences takes a while, too."""
    own = {
        each.name
        for each in _PARTICIPANTS.decode(participants)
        if each.name and each.email and each.email.lower() not in outside
    }
    turns = [
        Turn(each.speaker, each.text, each.speaker in own)
        for each in _TRANSCRIPT.decode(transcript)
    ]
    made = outline(turns, audience, title)
    return _Made(made.category, made.summary)


async def _fetch_first(tx: Tx, workspace: WorkspaceId, job: ProcessConversation) -> None:
    await jobs.enqueue(tx, workspace, FetchRecording(job.conversation_id, job.version))


async def enriching_failed(
    tx: Tx, workspace: WorkspaceId, job: ProcessConversation, _id: UUID, reason: str
) -> None:
    """Mark why there is no summary, unless the conversation has become another meanwhile."""
    await tx.first(
        _FAILED, workspace=workspace, id=job.conversation_id, version=job.version, reason=reason
    )


# --- deals ------------------------------------------------------------------------------------


class _Call(NamedTuple):
    title: str | None
    at: datetime
    summary: dict[str, Any]


def _linked(table: Any, at: Any, *columns: Any) -> Any:
    return (
        select(*columns)
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c.deal_id == bindparam("deal", type_=Text),
            table.c.deleted_at.is_(None),
        )
        .order_by(at.desc(), table.c.id.desc())
        .limit(literal_column(str(_NEWEST)))
    )


_m = messages.c
_CALLS: Final = statement(
    _linked(
        conversations,
        _c.started_at,
        *(_c.title, _c.started_at, func.coalesce(_c.summary, _c.found_summary)),
    ),
    row,
)
_MESSAGES: Final = statement(
    _linked(
        messages,
        _m.created_at,
        *(_m.subject, _m.sender, func.left(_m.body, literal_column("20000")), _m.created_at),
    ),
    row,
)
_read_at = bindparam("read_at", type_=deals.c.found_at.type)
_REFRESHED: Final = statement(
    update(deals)
    .where(
        deals.c.workspace_id == WORKSPACE,
        deals.c.id == bindparam("deal", type_=Text),
        # Not over what somebody read later.
        or_(deals.c.found_at.is_(None), deals.c.found_at < _read_at),
    )
    .values(
        found_at=_read_at,
        found_summary=bindparam("summary", type_=deals.c.found_summary.type),
        found_crm_autofill=bindparam("autofill", type_=deals.c.found_crm_autofill.type),
    )
    .returning(deals.c.id),
    scalar,
)
_SUMMARY: Final = msgspec.json.Decoder(dict[str, Any])
_NOW: Final = statement(select(func.clock_timestamp()), scalar)


async def refresh(
    read: Read, compute: Compute, workspace: WorkspaceId, job: RefreshDeal
) -> Write | None:
    """Store what the newest conversations and messages linked to a deal say about it.

    Nothing where they say nothing: what is not known is null.
    """
    which = {"workspace": workspace, "deal": job.deal_id}
    read_at = await read.one(_NOW)
    calls = [
        _Call(title, at, _SUMMARY.decode(summary) if summary is not None else {})
        for title, at, summary in await read.all(_CALLS, **which)
    ]
    mails = await read.all(_MESSAGES, **which)
    steps = [(call.at, each) for call in calls for each in _texts(call.summary.get(_STEPS))]
    said = [(bytes(sender or b"null"), body) for _, sender, body, _ in mails]
    found = await compute.run(_steps_of, said)
    steps += [(mail[-1], each) for mail, some in zip(mails, found, strict=True) for each in some]
    latest = max((at for at, _ in steps), default=None)
    summary: dict[str, Any] = {}
    if status := _status(calls, mails):
        summary["Current Status"] = status
        summary[_PAINS] = _distinct(
            each for call in calls for each in _texts(call.summary.get(_PAINS))
        )
    autofill = {_STEPS: "\n".join(_distinct(each for at, each in steps if at == latest))}

    async def write(tx: Tx) -> None:
        await tx.first(
            _REFRESHED,
            **which,
            read_at=read_at,
            summary=msgspec.json.encode(summary) if summary else None,
            autofill=msgspec.json.encode(autofill) if steps else None,
        )

    return write


def _steps_of(said: list[tuple[bytes, str]]) -> list[list[str]]:
    """In a child process: the next steps in each of some messages."""
    found = []
    for sender, body in said:
        party = msgspec.json.decode(sender, type=Participant | None)
        speaker = (party and (party.name or party.email)) or "Unknown"
        found.append(list(next_steps([Turn(speaker, body)])))
    return found


def _status(calls: list[_Call], mails: list[Any]) -> str | None:
    """The latest contact, and how many there were: facts alone."""
    contacts = [(call.at, "a conversation", call.title) for call in calls]
    contacts += [(at, "a message", subject) for subject, _, _, at in mails]
    if not contacts:
        return None
    at, what, title = max(contacts, key=lambda each: each[0])
    named = f", “{title}”" if title else ""
    return f"Last contact on {at:%Y-%m-%d}: {what}{named}."


def _texts(value: Any) -> list[str]:
    """The texts under a heading: one, or a list of them."""
    if isinstance(value, str):
        return [value] if value else []
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _distinct(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))[:_MOST_ITEMS]
