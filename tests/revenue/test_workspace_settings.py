"""Workspace settings: hidden private records, and the workspace's own e-mail domains.

A running API applies a change as soon as it is notified.
"""

import asyncio
from typing import Any

from domains.kernel.db.database import Database
from gateway.cli import admin
from tests.revenue.push_records import (
    MINIMAL_FIELDS,
    Json,
    Source,
    create_source,
    get_json,
    ids_of,
    listed_ids,
)
from tests.stack import Tenant, eventually

KINDS = tuple(MINIMAL_FIELDS)


async def _hide_private(database: Database, tenant: Tenant, hide: bool) -> None:
    await admin.set_workspace(database, tenant.workspace, None, hides_private=hide)


async def _list(source: Source, kind: str, **params: Any) -> list[Json]:
    records: list[Json] = (await get_json(source.tenant, kind, **params))[kind]
    return records


async def _is_shown(source: Source, kind: str, record: str) -> bool:
    """Return True if a record can be read and is listed. Fails if only one of both is true."""
    response = await source.http.get(f"/v1/{kind}/{record}")
    assert response.status_code in (200, 404)
    is_listed = any(record in listed.values() for listed in await _list(source, kind))
    assert is_listed == (response.status_code == 200)
    return is_listed


async def _push_all(source: Source) -> dict[str, dict[str, str]]:
    """Push a public record, a private one and one without `public`, of each kind."""
    return {
        kind: {
            "public": await source.push(kind, "public", public=True),
            "private": await source.push(kind, "private", public=False),
            "default": await source.push(kind, "default"),
        }
        for kind in KINDS
    }


async def _wait_for_status(source: Source, path: str, status: int) -> None:
    async def has_status() -> bool:
        return (await source.http.get(f"/v1/{path}")).status_code == status

    await eventually(has_status)


async def test_every_record_is_shown_by_default(source: Source) -> None:
    for kind, records in (await _push_all(source)).items():
        for record in records.values():
            assert await _is_shown(source, kind, record)


async def test_a_workspace_can_hide_private_records_and_show_them_again(
    source: Source, rival: Tenant, database: Database
) -> None:
    other = await create_source(rival)
    pushed, others = await asyncio.gather(_push_all(source), _push_all(other))
    private_row = f"rows/{pushed['rows']['private']}"
    # These reads cache both callers.
    assert await _is_shown(source, "rows", pushed["rows"]["private"])
    assert await _is_shown(other, "rows", others["rows"]["private"])
    await _hide_private(database, source.tenant, True)
    await _wait_for_status(source, private_row, 404)
    for kind, records in pushed.items():
        assert await _is_shown(source, kind, records["public"])
        assert not await _is_shown(source, kind, records["private"])
        assert not await _is_shown(source, kind, records["default"])
        # The message is the same as for an unknown id.
        hidden = await source.http.get(f"/v1/{kind}/{records['private']}")
        unknown = await source.http.get(f"/v1/{kind}/{records['private'][:-1]}e")
        assert hidden.json()["detail"][:20] == unknown.json()["detail"][:20]
    evidence = [
        (await source.http.get(f"/v1/conversations/{record}/evidence")).status_code
        for record in pushed["conversations"].values()
    ]
    assert evidence == [200, 404, 404]
    # Another workspace is not affected.
    assert await _is_shown(other, "rows", others["rows"]["private"])
    await _hide_private(database, source.tenant, False)
    await _wait_for_status(source, private_row, 200)
    for kind, records in pushed.items():
        for record in records.values():
            assert await _is_shown(source, kind, record)


async def test_hidden_records_are_found_by_no_filter_and_no_cursor(
    source: Source, acme: Tenant, database: Database
) -> None:
    """Pages are filled with visible records. An earlier cursor does not reveal hidden ones."""
    for kind in KINDS:
        for number in range(4):
            await source.push(kind, f"{number}", public=number % 2 == 0, displayName=f"N{number}")
    before = {kind: await get_json(acme, kind, limit=1) for kind in KINDS}
    await _hide_private(database, acme, True)

    async def are_hidden() -> bool:
        return len(await _list(source, "rows")) == 2

    await eventually(are_hidden)
    for kind in KINDS:
        assert len(await _list(source, kind, sourceId=source.id)) == 2
        first = await get_json(acme, kind, limit=1)
        assert first["pagination"]["hasMore"]
        last = await get_json(acme, kind, cursor=first["pagination"]["nextCursor"])
        assert len(last[kind]) == 1
        assert not last["pagination"]["hasMore"]
        cursor_before = before[kind]["pagination"]["nextCursor"]
        continued = await get_json(acme, kind, cursor=cursor_before, limit=50)
        # Ids are compared: a worker may change `processing` between two reads.
        visible = ids_of(kind, [*first[kind], *last[kind]])
        assert set(ids_of(kind, continued[kind])) <= set(visible)
    for kind in ("rows", "messages"):
        assert await listed_ids(acme, kind, remoteId="1") == []
        assert await listed_ids(acme, kind, remoteId="2") == ["2"]
    assert await _list(source, "conversations", title="N1") == []
    assert len(await _list(source, "conversations", title="N2")) == 1
    assert await _list(source, "documents", name="N3") == []


async def test_hidden_records_can_be_written(source: Source, database: Database) -> None:
    """A push updates a hidden record. It becomes visible when it is made public."""
    pushed = await _push_all(source)
    await _hide_private(database, source.tenant, True)
    await _wait_for_status(source, f"rows/{pushed['rows']['private']}", 404)
    for kind, records in pushed.items():
        record = records["private"]
        response = await source.post(kind, "private", public=True)
        assert response.status_code == 201
        assert (response.json()["status"], response.json()["recordId"]) == ("updated", record)
        assert await _is_shown(source, kind, record)
        if kind in ("rows", "documents"):
            for public in (False, True):
                changed = await source.patch(kind, "private", public=public)
                assert changed.status_code == 200, changed.text
                assert await _is_shown(source, kind, record) is public
        assert (await source.post(kind, "private")).json()["recordId"] == record
        assert not await _is_shown(source, kind, record)
        assert (await source.delete(kind, "private")).json()["recordId"] == record


async def test_sources_and_object_types_are_never_hidden(
    source: Source, acme: Tenant, database: Database
) -> None:
    row = await source.push("rows", "1")
    await _hide_private(database, acme, True)
    await _wait_for_status(source, f"rows/{row}", 404)
    assert [listed["id"] for listed in await _list(source, "sources")] == [source.id]
    assert (await get_json(acme, f"sources/{source.id}"))["id"] == source.id
    object_types = (await get_json(acme, "object-types"))["objectTypes"]
    assert [listed["id"] for listed in object_types] == [source.object_type]
    assert (await get_json(acme, f"object-types/{source.object_type}"))["id"] == source.object_type


# --- own domains ------------------------------------------------------------------------------


async def _type(
    source: Source, name: str, emails: list[str | None], owners: list[str] | None = None
) -> Any:
    """Push a conversation with these participants, and return its type."""
    people = [{"id": f"p-{number}", "email": email} for number, email in enumerate(emails)]
    record = await source.push("conversations", name, participants=people, ownerEmails=owners)
    return (await get_json(source.tenant, f"conversations/{record}"))["type"]


async def _wait_for_type(source: Source, emails: list[str | None], expected: str) -> None:
    """Wait until a conversation that is pushed now gets this type."""

    async def has_type() -> bool:
        return bool(await _type(source, "probe", emails) == expected)

    await eventually(has_type)


OWN_DOMAINS_CASES: list[tuple[list[str | None], list[str] | None, str]] = [
    (["a@ours.io"], None, "INTERNAL"),
    (["A@OURS.IO", "b@ours.example"], None, "INTERNAL"),
    (["a@ours.io", None], None, "INTERNAL"),
    (["a@ours.io", "b@acme.com"], None, "EXTERNAL"),
    (["a@sub.ours.io"], None, "EXTERNAL"),
    (["a@notours.io"], None, "EXTERNAL"),
    (["ours.io"], None, "EXTERNAL"),
    ([None], None, "EXTERNAL"),
    # The owners' domains are internal, too.
    (["a@ours.io", "b@acme.com"], ["rep@Acme.com"], "INTERNAL"),
    (["b@acme.com"], ["rep@ours.io"], "EXTERNAL"),
]


async def test_a_conversation_among_own_domains_is_internal(
    source: Source, database: Database
) -> None:
    own_domains = ["Ours.io", "ours.example"]
    await admin.set_workspace(database, source.tenant.workspace, own_domains, None)
    await _wait_for_type(source, ["a@ours.io"], "INTERNAL")
    for number, (emails, owners, expected) in enumerate(OWN_DOMAINS_CASES):
        assert await _type(source, f"{number}", emails, owners) == expected, (emails, owners)


async def test_a_change_of_own_domains_affects_later_pushes_of_one_workspace(
    source: Source, rival: Tenant, database: Database
) -> None:
    workspace = source.tenant.workspace
    emails: list[str | None] = ["a@ours.io", "b@ours.io"]
    assert await _type(source, "first", emails) == "EXTERNAL"
    await admin.set_workspace(database, workspace, ["ours.io"], None)
    await _wait_for_type(source, emails, "INTERNAL")
    assert await _type(await create_source(rival), "other", emails) == "EXTERNAL"
    # The type of an existing record changes with its next push.
    assert len(await _list(source, "conversations", type="EXTERNAL")) == 1
    assert await _type(source, "first", emails) == "INTERNAL"
    assert await _list(source, "conversations", type="EXTERNAL") == []
    await admin.set_workspace(database, workspace, [], None)
    await _wait_for_type(source, emails, "EXTERNAL")


async def test_a_setting_does_not_change_the_others(acme: Tenant, database: Database) -> None:
    await admin.set_workspace(database, acme.workspace, ["b.example", "A.example"], None)
    changed = await admin.set_workspace(database, acme.name, None, hides_private=True)
    assert (changed.domains, changed.hides_private) == (["a.example", "b.example"], True)
    changed = await admin.set_workspace(database, acme.name, [], None)
    assert (changed.domains, changed.hides_private) == ([], True)
    unchanged = await admin.set_workspace(database, acme.name, None, None)
    assert unchanged == changed
