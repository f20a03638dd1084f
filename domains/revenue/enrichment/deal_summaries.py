"""What a deal's conversations and messages say about it: where it stands and what comes next."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Text, bindparam, func, literal_column, not_, or_, select, update

from domains.intelligence.dialogue.turns import Turn
from domains.intelligence.engine import engine
from domains.intelligence.outline import outline
from domains.intelligence.semantic import clusters
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Tx
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement
from domains.kernel.db.tables import workspaces
from domains.kernel.job_tools import Tools, Write
from domains.revenue.conversations import Participant
from domains.revenue.crm.matching import RefreshDeal
from domains.revenue.tables import conversations, deals, messages

# Conversations and messages, the newest, of which a deal's summary is made; and items of it.
_NEWEST: Final = 20
_MOST_ITEMS: Final = 10
_MOST_STEPS: Final = 2
_LONGEST: Final = 20_000

_MERGED: Final = (
    *("Pain Points", "Next Steps", "Decisions", "Objections", "Competitors", "Pricing"),
)
_PAINS: Final = "Pain Points"
_STEPS: Final = "Next Steps"


class _Contact(NamedTuple):
    """A conversation or message, and what was found in it."""

    what: str
    title: str | None
    at: datetime
    summary: dict[str, Any]


class _Mail(NamedTuple):
    sender: bytes
    outside: list[str]
    body: str
    sent_on: date


_hides_private = (
    select(workspaces.c.hides_private).where(workspaces.c.id == WORKSPACE).scalar_subquery()
)


def _linked(table: Any, at: Any, *columns: Any) -> Any:
    return (
        select(*columns)
        .where(
            table.c.workspace_id == WORKSPACE,
            table.c.deal_id == bindparam("deal", type_=Text),
            table.c.deleted_at.is_(None),
            # A deal is shown to those, too, from whom what is not public is hidden.
            or_(table.c.public, not_(_hides_private)),
        )
        .order_by(at.desc(), table.c.id.desc())
        .limit(literal_column(str(_NEWEST)))
    )


_c, _m = conversations.c, messages.c
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
        *(_m.subject, _m.created_at, _m.sender, _m.outside),
        func.left(_m.body, literal_column(str(_LONGEST))),
    ),
    row,
)
_STAGE: Final = statement(
    select(deals.c.stage).where(
        deals.c.workspace_id == WORKSPACE, deals.c.id == bindparam("deal", type_=Text)
    ),
    scalar,
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
    """Store what the newest conversations and messages linked to a deal say about it.

    Nothing where they say nothing: what is not known is null.
    """
    which = {"workspace": workspace, "deal": job.deal_id}
    read_at = await tools.read.one(_NOW)
    stage = await tools.read.first(_STAGE, **which)
    contacts = [
        _Contact("a conversation", title, at, _SUMMARY.decode(found) if found is not None else {})
        for title, at, found in await tools.read.all(_CALLS, **which)
    ]
    mails = await tools.read.all(_MESSAGES, **which)
    read_mails = await tools.process_pool.run(
        _outlined,
        [
            _Mail(bytes(sender or b"null"), outside, body, at.date())
            for _, at, sender, outside, body in mails
        ],
    )
    contacts += [
        _Contact("a message", subject, at, found)
        for (subject, at, *_), found in zip(mails, read_mails, strict=True)
    ]
    contacts.sort(key=lambda each: each.at, reverse=True)
    merged = await tools.process_pool.run(
        _merged, [[_texts(each.summary.get(heading)) for each in contacts] for heading in _MERGED]
    )
    summary: dict[str, Any] = {}
    if contacts:
        summary = {"Current Status": _status(stage, contacts)}
        summary |= dict(zip(_MERGED, merged, strict=True))
    steps = next((some for each in contacts if (some := _texts(each.summary.get(_STEPS)))), [])
    autofill = {_STEPS: "\n".join(steps[:_MOST_STEPS])}

    async def write(tx: Tx) -> None:
        await tx.first(
            _REFRESHED,
            **which,
            read_at=read_at,
            engine=engine(),
            summary=msgspec.json.encode(summary) if summary else None,
            autofill=msgspec.json.encode(autofill) if steps else None,
        )

    return write


def _status(stage: str | None, contacts: Sequence[_Contact]) -> str:
    """The stage, what the newest talk came to, and when that was: facts alone."""
    newest = contacts[0]
    named = f", “{newest.title}”" if newest.title else ""
    outcome = next(
        (some[0] for each in contacts if (some := _texts(each.summary.get("Outcome")))), ""
    )
    parts = [stage or "", outcome, f"Last contact on {newest.at:%Y-%m-%d}: {newest.what}{named}"]
    return " ".join(f"{part.rstrip('. ')}." for part in parts if part.strip(". "))


def _texts(value: Any) -> list[str]:
    """The texts under a heading: one, or a list of them."""
    if isinstance(value, str):
        return [value] if value else []
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


# --- in child processes ------------------------------------------------------------------------


def _outlined(mails: Sequence[_Mail]) -> list[dict[str, Any]]:
    """A message is a talk of one turn."""
    found: list[dict[str, Any]] = []
    for mail in mails:
        party = msgspec.json.decode(mail.sender, type=Participant | None)
        name = (party and (party.name or party.email)) or "Somebody"
        ours = bool(party and party.email and party.email.lower() not in mail.outside)
        turn = Turn(name, _own_words(mail.body), ours)
        found.append(outline([turn], "EXTERNAL", held_on=mail.sent_on).summary)
    return found


_QUOTED: Final = re.compile(
    r"^(?:On .{5,200}wrote:|Am .{5,200}schrieb.{0,80}:|Le .{5,200}écrit ?:|"
    r"-{2,} ?Original Message ?-{2,}|"
    r"-{2,} ?Forwarded message ?-{2,}|_{10,}|From: .{1,200})\s*$",
    re.MULTILINE | re.IGNORECASE,
)


def _own_words(body: str) -> str:
    """A mail without the one that it answers, and what that one quotes."""
    cut = _QUOTED.search(body)
    kept = body[: cut.start()] if cut else body
    return "\n".join(line for line in kept.splitlines() if not line.lstrip().startswith(">"))


def _merged(lists: Sequence[Sequence[Sequence[str]]]) -> list[list[str]]:
    """Per heading the items, newest first, without those that say the same as a newer one."""
    return [
        _distinct((text for some in each for text in some), alike=heading == _PAINS)
        for heading, each in zip(_MERGED, lists, strict=True)
    ]


def _distinct(texts: Iterable[str], *, alike: bool) -> list[str]:
    """Steps, prices and decisions that are nearly alike are two; complaints are one."""
    items = list(dict.fromkeys(texts))[: 3 * _MOST_ITEMS]
    return (clusters.distinct(items) if alike else items)[:_MOST_ITEMS]
