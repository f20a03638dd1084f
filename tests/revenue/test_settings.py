"""A workspace's settings: whether records that are not public are shown, and whose domains are its
own. A change holds for the next request, on an API that is running.
"""

from typing import Any

import pytest

from domains.kernel.db.database import Database
from gateway.cli import admin
from tests.revenue.push_records import (
    MINIMAL_FIELDS,
    Json,
    Source,
    create_source,
    get_json,
    listed_ids,
)
from tests.stack import Tenant, eventually

KINDS = tuple(MINIMAL_FIELDS)
# Seconds within which a change reaches every process.
AT_ONCE = 1.0


async def _show(database: Database, tenant: Tenant, *, everything: bool) -> None:
    await admin.set_workspace(database, tenant.workspace, None, hides_private=not everything)


async def _listed(source: Source, kind: str, **params: Any) -> list[Json]:
    records: list[Json] = (await get_json(source.tenant, kind, **params))[kind]
    return records


async def _shows(source: Source, kind: str, record: str) -> bool:
    """Whether a record is read and listed; never the one without the other."""
    answer = await source.http.get(f"/v1/{kind}/{record}")
    assert answer.status_code in (200, 404)
    listed = [record in each.values() for each in await _listed(source, kind)]
    assert any(listed) == (answer.status_code == 200)
    return answer.status_code == 200


async def _pushed(source: Source) -> dict[str, dict[str, str]]:
    """Record ids by kind: one that is public, one that is not, and one that says nothing of it."""
    return {
        kind: {
            "open": await source.push(kind, "open", public=True),
            "closed": await source.push(kind, "closed", public=False),
            "unsaid": await source.push(kind, "unsaid"),
        }
        for kind in KINDS
    }


async def _hidden(source: Source, kind: str, record: str) -> None:
    """Wait until a record is not shown."""

    async def gone() -> bool:
        return (await source.http.get(f"/v1/{kind}/{record}")).status_code == 404

    await eventually(gone, AT_ONCE)


async def test_every_record_is_shown_unless_the_workspace_says_otherwise(acme: Tenant) -> None:
    source = await create_source(acme)
    for kind, records in (await _pushed(source)).items():
        for record in records.values():
            assert await _shows(source, kind, record)


async def test_a_workspace_can_hide_what_is_not_public_and_show_it_again(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    source, other = await create_source(acme), await create_source(rival)
    pushed, others = await _pushed(source), await _pushed(other)
    # Each is cached as a caller who may see everything.
    assert await _shows(source, "rows", pushed["rows"]["closed"])
    assert await _shows(other, "rows", others["rows"]["closed"])
    await _show(database, acme, everything=False)
    await _hidden(source, "rows", pushed["rows"]["closed"])
    for kind, records in pushed.items():
        assert await _shows(source, kind, records["open"])
        assert not await _shows(source, kind, records["closed"])
        assert not await _shows(source, kind, records["unsaid"])
        # As if it did not exist.
        absent = await acme.http.get(f"/v1/{kind}/{records['closed']}")
        unknown = await acme.http.get(f"/v1/{kind}/{records['closed'][:-1]}e")
        assert absent.json()["detail"][:20] == unknown.json()["detail"][:20]
    evidence = [
        (await acme.http.get(f"/v1/conversations/{record}/evidence")).status_code
        for record in pushed["conversations"].values()
    ]
    assert evidence == [200, 404, 404]
    # It is this workspace's setting.
    assert await _shows(other, "rows", others["rows"]["closed"])
    await _show(database, acme, everything=True)

    async def shown() -> bool:
        return (await acme.http.get(f"/v1/rows/{pushed['rows']['closed']}")).is_success

    await eventually(shown, AT_ONCE)
    for kind, records in pushed.items():
        for record in records.values():
            assert await _shows(source, kind, record)


async def test_what_is_hidden_is_found_by_no_filter_and_no_cursor(
    acme: Tenant, database: Database
) -> None:
    """Pages are full of what is shown, and a cursor from before shows nothing more."""
    source = await create_source(acme)
    for kind in KINDS:
        for number in range(4):
            await source.push(kind, f"{number}", public=number % 2 == 0, displayName=f"N{number}")
    before = {kind: await get_json(acme, kind, limit=1) for kind in KINDS}
    await _show(database, acme, everything=False)

    async def hidden() -> bool:
        return len(await _listed(source, "rows")) == 2

    await eventually(hidden, AT_ONCE)
    for kind in KINDS:
        assert len(await _listed(source, kind, sourceId=source.id)) == 2
        first = await get_json(acme, kind, limit=1)
        assert first["pagination"]["hasMore"]
        cursor = first["pagination"]["nextCursor"]
        last = await get_json(acme, kind, cursor=cursor)
        assert len(last[kind]) == 1
        assert not last["pagination"]["hasMore"]
        walked = await get_json(
            acme, kind, cursor=before[kind]["pagination"]["nextCursor"], limit=50
        )
        shown = [*first[kind], *last[kind]]
        assert [each for each in walked[kind] if each not in shown] == []
    for kind, name in (("rows", "remoteId"), ("messages", "remoteId")):
        assert await listed_ids(acme, kind, **{name: "1"}) == []
        assert await listed_ids(acme, kind, **{name: "2"}) == ["2"]
    assert await _listed(source, "conversations", title="N1") == []
    assert len(await _listed(source, "conversations", title="N2")) == 1
    assert await _listed(source, "documents", name="N3") == []


async def test_what_is_hidden_can_be_written(acme: Tenant, database: Database) -> None:
    """A record comes and goes as it is made public or not, and is updated, never made twice."""
    source = await create_source(acme)
    pushed = await _pushed(source)
    await _show(database, acme, everything=False)
    await _hidden(source, "rows", pushed["rows"]["closed"])
    for kind, records in pushed.items():
        again = await source.post(kind, "closed", public=True)
        told = (again.status_code, again.json()["status"], again.json()["recordId"])
        assert told == (201, "updated", records["closed"])
        assert await _shows(source, kind, records["closed"])
        if kind in ("rows", "documents"):
            for public in (False, True):
                changed = await source.patch(kind, "closed", public=public)
                assert changed.status_code == 200, changed.text
                assert await _shows(source, kind, records["closed"]) is public
        assert (await source.post(kind, "closed")).json()["recordId"] == records["closed"]
        assert not await _shows(source, kind, records["closed"])
        assert (await source.delete(kind, "closed")).json()["recordId"] == records["closed"]


async def test_sources_and_object_types_are_always_shown(acme: Tenant, database: Database) -> None:
    source = await create_source(acme)
    row = await source.push("rows", "1")
    await _show(database, acme, everything=False)
    await _hidden(source, "rows", row)
    assert [each["id"] for each in await _listed(source, "sources")] == [source.id]
    assert (await get_json(acme, f"sources/{source.id}"))["id"] == source.id
    types = (await get_json(acme, "object-types"))["objectTypes"]
    assert [each["id"] for each in types] == [source.object_type]
    assert (await get_json(acme, f"object-types/{source.object_type}"))["id"] == source.object_type


# --- own domains ------------------------------------------------------------------------------


async def _type(source: Source, emails: list[str | None], owners: list[str] | None = None) -> str:
    """The type of a new conversation with these participants."""
    people = [{"id": f"p-{number}", "email": each} for number, each in enumerate(emails)]
    remote = f"{len(await _listed(source, 'conversations', limit=50))}"
    call = await source.push("conversations", remote, participants=people, ownerEmails=owners)
    found: str = (await get_json(source.tenant, f"conversations/{call}"))["type"]
    return found


async def _becomes(source: Source, emails: list[str | None], wanted: str) -> None:
    """Wait until new conversations of these participants are of this type."""

    async def changed() -> bool:
        return await _type(source, emails) == wanted

    await eventually(changed, AT_ONCE)


@pytest.mark.parametrize(
    ("emails", "owners", "expected"),
    [
        (["a@ours.io"], None, "INTERNAL"),
        (["A@OURS.IO", "b@ours.example"], None, "INTERNAL"),
        (["a@ours.io", None], None, "INTERNAL"),
        (["a@ours.io", "b@acme.com"], None, "EXTERNAL"),
        (["a@sub.ours.io"], None, "EXTERNAL"),
        (["a@notours.io"], None, "EXTERNAL"),
        (["ours.io"], None, "EXTERNAL"),
        ([None], None, "EXTERNAL"),
        # Of the owners' domains, too, for this conversation.
        (["a@ours.io", "b@acme.com"], ["rep@Acme.com"], "INTERNAL"),
        (["b@acme.com"], ["rep@ours.io"], "EXTERNAL"),
    ],
)
async def test_a_call_among_a_workspace_s_own_people_is_internal(
    acme: Tenant,
    database: Database,
    emails: list[str | None],
    owners: list[str] | None,
    expected: str,
) -> None:
    source = await create_source(acme)
    # Before the key is known anywhere: this is not about when it holds.
    await admin.set_workspace(database, acme.workspace, ["Ours.io", "ours.example"], None)
    await _becomes(source, ["a@ours.io"], "INTERNAL")
    assert await _type(source, emails, owners) == expected


async def test_own_domains_hold_at_once_and_for_one_workspace(
    acme: Tenant, rival: Tenant, database: Database
) -> None:
    source, other = await create_source(acme), await create_source(rival)
    everybody: list[str | None] = ["a@ours.io", "b@ours.io"]
    assert await _type(source, everybody) == "EXTERNAL"
    await admin.set_workspace(database, acme.workspace, ["ours.io"], None)
    await _becomes(source, everybody, "INTERNAL")
    assert await _type(other, everybody) == "EXTERNAL"
    # What was pushed before is what it was, until it is pushed again.
    first = (await _listed(source, "conversations", type="EXTERNAL"))[-1]
    people = [{"email": each} for each in everybody]
    again = await source.post("conversations", "0", participants=people)
    assert again.json()["recordId"] == first["conversationId"]
    shown = await get_json(acme, f"conversations/{first['conversationId']}")
    assert shown["type"] == "INTERNAL"
    await admin.set_workspace(database, acme.workspace, [], None)
    await _becomes(source, everybody, "EXTERNAL")


async def test_a_setting_leaves_the_others_as_they_are(acme: Tenant, database: Database) -> None:
    await admin.set_workspace(database, acme.workspace, ["b.example", "A.example"], None)
    changed = await admin.set_workspace(database, acme.name, None, hides_private=True)
    assert (changed.domains, changed.hides_private) == (["a.example", "b.example"], True)
    changed = await admin.set_workspace(database, acme.name, [], None)
    assert (changed.domains, changed.hides_private) == ([], True)
    unchanged = await admin.set_workspace(database, acme.name, None, None)
    assert unchanged == changed
