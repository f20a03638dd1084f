"""Summary of a deal, merged from its newest conversations and messages."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import (
    Column,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    literal_column,
    not_,
    or_,
    select,
    update,
)

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.db.tables import workspaces
from domains.kernel.job_tools import Tools, Write
from domains.kernel.untrusted.html_text import html_to_text, is_html
from domains.revenue.conversations import Participant
from domains.revenue.crm.matching import RefreshDeal
from domains.revenue.tables import conversations, deals, messages

# Newest conversations, and newest messages, that the summary is made of.
_MAX_RECORDS: Final = 20
# Items under one heading, and steps in `crmAutofill`.
_MAX_ITEMS: Final = 10
_MAX_AUTOFILL_STEPS: Final = 2
# Characters of a message that are analysed, without markup and quoted mail.
_MAX_BODY: Final = 20_000

_PAINS: Final = "Pain Points"
_STEPS: Final = "Next Steps"
_HEADINGS: Final = (_PAINS, _STEPS, "Decisions", "Objections", "Competitors", "Pricing")


class _Interaction(NamedTuple):
    """A conversation or message, and the summary found in it."""

    noun: str
    title: str | None
    at: datetime
    summary: dict[str, Any]


class _Message(NamedTuple):
    """A message for the child process, with the sender as JSON."""

    sender: bytes
    outside: list[str]
    body: str
    sent_on: date


class _LinkedMessage(NamedTuple):
    id: UUID
    subject: str | None
    created_at: datetime
    sender: bytes | None
    outside: list[str]
    body: str
    found_language: str | None


_hides_private = (
    select(workspaces.c.hides_private).where(workspaces.c.id == WORKSPACE).scalar_subquery()
)


def _newest_linked(table: Table, at: Column[Any], *columns: Any) -> Any:
    return (
        select(*columns)
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c.deal_id == bindparam("deal", type_=Text),
            table.c.deleted_at.is_(None),
            # Deals are always shown: their summary must not reveal a private record.
            or_(table.c.public, not_(_hides_private)),
        )
        .order_by(at.desc(), table.c.id.desc())
        .limit(literal_column(str(_MAX_RECORDS)))
    )


_c, _m = conversations.c, messages.c
_CONVERSATIONS: Final = statement(
    _newest_linked(
        conversations,
        _c.started_at,
        *(_c.title, _c.started_at, func.coalesce(_c.summary, _c.found_summary)),
    ),
    row,
)
_MESSAGES: Final = statement(
    _newest_linked(
        messages,
        _m.created_at,
        *(_m.id, _m.subject, _m.created_at, _m.sender, _m.outside, _m.body, _m.found_language),
    ),
    _LinkedMessage,
)
_SET_LANGUAGE: Final = statement(
    update(messages)
    .where(
        _m.workspace_id == WORKSPACE,
        _m.id == bindparam("id", type_=Uuid),
        # The message may have been replaced since it was read.
        _m.body == bindparam("body", type_=Text),
    )
    .values(found_language=bindparam("language", type_=Text)),
    row,
)
_STAGE: Final = statement(
    select(deals.c.stage).where(
        deals.c.workspace_id == WORKSPACE, deals.c.id == bindparam("deal", type_=Text)
    ),
    scalar,
)
_read_at = bindparam("read_at", type_=deals.c.found_at.type)
_STORE: Final = statement(
    update(deals)
    .where(
        deals.c.workspace_id == WORKSPACE,
        deals.c.id == bindparam("deal", type_=Text),
        # A summary made from newer records is not overwritten by an older attempt.
        or_(deals.c.found_at.is_(None), deals.c.found_at < _read_at),
    )
    .values(
        found_at=_read_at,
        found_engine=bindparam("engine", type_=Text),
        found_summary=bindparam("summary", type_=deals.c.found_summary.type),
        found_crm_autofill=bindparam("autofill", type_=deals.c.found_crm_autofill.type),
    )
    .returning(deals.c.id),
    scalar,
)
_SUMMARY: Final = msgspec.json.Decoder(dict[str, Any])
_NOW: Final = statement(select(func.clock_timestamp()), scalar)


async def refresh(tools: Tools, workspace: WorkspaceId, job: RefreshDeal) -> Write | None:
    """Merge the newest linked conversations and messages into the deal's summary.

    The summary is null if nothing is linked, and `crmAutofill` is null without next steps.
    """
    params = {"workspace": workspace, "deal": job.deal_id}
    read_at = await tools.read.one(_NOW)
    stage = await tools.read.first(_STAGE, **params)
    interactions = [
        _Interaction("a conversation", title, at, _SUMMARY.decode(summary) if summary else {})
        for title, at, summary in await tools.read.all(_CONVERSATIONS, **params)
    ]
    messages_found = await tools.read.all(_MESSAGES, **params)
    outlines = await tools.process_pool.run(
        _outline_messages,
        [
            _Message(bytes(each.sender or b"null"), each.outside, each.body, each.created_at.date())
            for each in messages_found
        ],
    )
    interactions += [
        _Interaction("a message", each.subject, each.created_at, summary)
        for each, (summary, _) in zip(messages_found, outlines, strict=True)
    ]
    languages = [
        {"workspace": workspace, "id": each.id, "body": each.body, "language": language}
        for each, (_, language) in zip(messages_found, outlines, strict=True)
        if language != each.found_language
    ]
    interactions.sort(key=lambda interaction: interaction.at, reverse=True)
    engine, items = await tools.process_pool.run(
        _merge_items,
        [[_texts(item.summary.get(heading)) for item in interactions] for heading in _HEADINGS],
    )
    summary: dict[str, Any] = {}
    if interactions:
        summary = {"Current Status": _current_status(stage, interactions)}
        summary |= dict(zip(_HEADINGS, items, strict=True))
    steps = _newest_texts(interactions, _STEPS)
    autofill = {_STEPS: "\n".join(steps[:_MAX_AUTOFILL_STEPS])}

    async def write(tx: Tx) -> None:
        # Before the deal, which an upsert of a message locks after the message.
        await tx.execute_many(_SET_LANGUAGE, sorted(languages, key=lambda each: each["id"]))
        await tx.first(
            _STORE,
            **params,
            read_at=read_at,
            engine=engine,
            summary=msgspec.json.encode(summary) if summary else None,
            autofill=msgspec.json.encode(autofill) if steps else None,
        )

    return write


def _current_status(stage: str | None, interactions: Sequence[_Interaction]) -> str:
    """The stage, the newest outcome, and the date and title of the last interaction."""
    newest = interactions[0]
    subject = newest.title or ""
    subject = html_to_text(subject).text.strip() if is_html(subject) else subject
    title = f", “{subject}”" if subject else ""
    outcome = next(iter(_newest_texts(interactions, "Outcome")), "")
    last_contact = f"Last contact on {newest.at:%Y-%m-%d}: {newest.noun}{title}"
    parts = (stage or "", outcome, last_contact)
    return " ".join(f"{part.rstrip('. ')}." for part in parts if part.strip(". "))


def _newest_texts(interactions: Sequence[_Interaction], heading: str) -> list[str]:
    """Texts under a heading in the newest interaction that has any."""
    texts = (_texts(interaction.summary.get(heading)) for interaction in interactions)
    return next(filter(None, texts), [])


def _texts(value: Any) -> list[str]:
    """Return the texts under a summary's heading, whose value is one text or a list of texts."""
    if isinstance(value, str):
        return [value] if value else []
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


# --- run in child processes --------------------------------------------------------------------
# They import the engine themselves: the worker does not load it.


def _outline_messages(batch: Sequence[_Message]) -> list[tuple[dict[str, Any], str | None]]:
    """Return summary and language of each message, read as a conversation of one turn."""
    from domains.intelligence.dialogue.turns import Turn
    from domains.intelligence.heads.names import organisations
    from domains.intelligence.outline import outline

    outlines: list[tuple[dict[str, Any], str | None]] = []
    for message in batch:
        sender = msgspec.json.decode(message.sender, type=Participant | None)
        name = (sender and (sender.name or sender.email)) or "Somebody"
        is_internal = bool(sender and sender.email and sender.email.lower() not in message.outside)
        found = outline(
            [Turn(name, message.body, is_internal)],
            "EXTERNAL",
            held_on=message.sent_on,
            kind="mail",
            max_length=_MAX_BODY,
            own_names=organisations([sender.email] if sender else []),
        )
        outlines.append((found.summary, found.language))
    return outlines


def _merge_items(lists: Sequence[Sequence[Sequence[str]]]) -> tuple[str, list[list[str]]]:
    """Merge the items of all interactions by heading, newest first, without duplicates.

    Returns the name of the engine, too.
    """
    from domains.intelligence.engine import engine

    merged = [
        _distinct(
            (text for texts in per_interaction for text in texts), merge_similar=heading == _PAINS
        )
        for heading, per_interaction in zip(_HEADINGS, lists, strict=True)
    ]
    return engine(), merged


def _distinct(texts: Iterable[str], *, merge_similar: bool) -> list[str]:
    # Similar complaints are duplicates. Similar steps, prices or decisions may differ materially.
    from domains.intelligence.semantic.near_duplicates import distinct

    items = list(dict.fromkeys(texts))[: 3 * _MAX_ITEMS]
    return (distinct(items) if merge_similar else items)[:_MAX_ITEMS]
