"""Imported accounts in the discovery API: UUIDs that stay, look-ups, pages, tenants, scopes."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.kernel.db.database import Database
from tests.cli.run_import import Importer
from tests.conftest import MakeTenant
from tests.stack import Tenant

HALDEN = {
    "accountId": "0015g-HALDEN",
    "name": "Halden Æ",
    "website": "https://www.Halden.example/about",
    "createdDate": "2024-03-01T09:30:00Z",
}
PATH = "/external/v1/accounts"
UNKNOWN = "0199c2f0-1c22-7b64-b0f5-9e8d7c6b5a40"


async def _import(importer: Importer, tenant: Tenant, *accounts: dict[str, Any]) -> None:
    await importer.import_records(tenant, accounts=list(accounts))


async def _ids(tenant: Tenant, query: str = "") -> list[str]:
    """The CRM ids of a list, in order."""
    return [each["externalId"] for each in await tenant.get(f"accounts?{query}")]


async def test_an_imported_account_is_listed_and_read_by_its_uuid(
    importer: Importer, acme: Tenant
) -> None:
    await _import(importer, acme, HALDEN)
    (account,) = await acme.get("accounts")
    uuid = account["id"]
    assert str(UUID(uuid)) == uuid
    assert account == {
        "id": uuid,
        "externalId": "0015g-HALDEN",
        "name": "Halden Æ",
        "website": "https://www.Halden.example/about",
        "domain": "halden.example",
        "workspaceId": acme.workspace,
        "createdAt": "2024-03-01T09:30:00Z",
        "updatedAt": account["updatedAt"],
    }
    assert await acme.get(f"accounts/{uuid}") == account
    assert await acme.get(f"accounts/{uuid.upper()}") == account
    # The prefix of older clients.
    response = await acme.http.get(f"/api{PATH}/{uuid}")
    assert response.json() == account


async def test_an_account_without_values_has_nulls_and_the_time_of_its_import(
    importer: Importer, acme: Tenant
) -> None:
    await _import(importer, acme, {"accountId": "bare"})
    (account,) = await acme.get("accounts")
    assert (account["name"], account["website"], account["domain"]) == (None, None, None)
    assert account["createdAt"] == account["updatedAt"]


async def test_another_import_keeps_the_id_and_its_place_in_the_list(
    importer: Importer, acme: Tenant
) -> None:
    await _import(importer, acme, HALDEN)
    await _import(importer, acme, {"accountId": "later"})
    before = await acme.get("accounts")
    assert [each["externalId"] for each in before] == ["later", "0015g-HALDEN"]
    await _import(importer, acme, HALDEN)
    assert await acme.get("accounts") == before
    await _import(importer, acme, HALDEN | {"name": "Halden ASA"})
    after = await acme.get("accounts")
    assert after[0] == before[0]
    assert after[1] == before[1] | {"name": "Halden ASA", "updatedAt": after[1]["updatedAt"]}
    assert after[1]["updatedAt"] > before[1]["updatedAt"]


async def test_a_deleted_account_is_not_found_and_returns_with_its_id(
    importer: Importer, acme: Tenant, database: Database
) -> None:
    await _import(importer, acme, HALDEN, {"accountId": "other"})
    (account,) = await acme.get("accounts?externalId=0015g-HALDEN")
    path = f"{PATH}/{account['id']}"
    async with database.connection() as connection:
        await connection.execute(
            "delete from accounts where workspace_id = $1 and id = $2",
            *(UUID(acme.workspace), HALDEN["accountId"]),
        )
    assert (await acme.http.get(path)).status_code == 404
    response = await acme.http.get(PATH)
    assert (len(response.json()), response.headers["x-total-count"]) == (1, "1")
    await _import(importer, acme, HALDEN)
    assert (await acme.http.get(path)).json()["id"] == account["id"]
    assert await _ids(acme) == ["0015g-HALDEN", "other"]


async def test_the_id_is_taken_as_account_id_of_signals_and_insights(
    importer: Importer, acme: Tenant
) -> None:
    await _import(importer, acme, HALDEN)
    (account,) = await acme.get("accounts")
    signal = await acme.process_text("The export fails every day.", accountId=account["id"])
    insights = await acme.get(f"insights?accountId={account['id']}")
    assert [each["id"] for each in insights] == signal["insightIds"]


# --- look-ups ---------------------------------------------------------------------------------

LISTED = (
    {"accountId": "a1", "name": "Müller & Söhne", "website": "müller.example"},
    {"accountId": "A1", "name": "müller & söhne", "domain": "Mail.Example"},
    {"accountId": "2", "name": "Mu%ller", "website": "https://mail.example"},
    {"accountId": "3", "name": "x" * 300 + "y", "website": "gmail.com"},
    {"accountId": "4", "name": "x" * 300 + "z"},
    {"accountId": "ü 5"},
)


async def test_lookups_are_exact(importer: Importer, acme: Tenant, rival: Tenant) -> None:
    await _import(importer, acme, *LISTED)
    await _import(importer, rival, {"accountId": "a1", "name": "M%", "domain": "mail.example"})
    for params, found in (
        ({"name": "MÜLLER & SÖHNE"}, {"a1", "A1"}),
        # The letter ü as two code points.
        ({"name": "mu\u0308ller & so\u0308hne"}, {"a1", "A1"}),
        ({"name": "Müller"}, set()),
        ({"name": "mu%LLER"}, {"2"}),
        ({"name": "%"}, set()),
        ({"name": "X" * 300 + "y"}, {"3"}),
        ({"name": "x" * 300}, set()),
        ({"domain": "MAIL.example"}, {"A1", "2"}),
        ({"domain": "https://www.mail.example/"}, {"A1", "2"}),
        ({"domain": "example"}, set()),
        ({"domain": "müller.example"}, {"a1"}),
        ({"domain": "xn--mller-kva.example"}, {"a1"}),
        # Domains of nobody.
        ({"domain": "gmail.com"}, set()),
        ({"domain": "no domain"}, set()),
        ({"externalId": "a1"}, {"a1"}),
        ({"externalId": "A1"}, {"A1"}),
        ({"externalId": "ü 5"}, {"ü 5"}),
        ({"externalId": "a"}, set()),
        ({"externalId": "a1", "name": "müller & söhne"}, {"a1"}),
        ({"externalId": "2", "name": "müller & söhne"}, set()),
        ({"domain": "mail.example", "name": "müller & söhne"}, {"A1"}),
        ({"id": "a1", "unknown": "1"}, {account["accountId"] for account in LISTED}),
    ):
        response = await acme.http.get(PATH, params=params)
        accounts = response.json()
        assert {each["externalId"] for each in accounts} == found, params
        assert response.headers["x-total-count"] == str(len(found))
        assert {each["workspaceId"] for each in accounts} <= {acme.workspace}


@pytest.mark.parametrize("reference", ["x", "0015g-HALDEN", UNKNOWN, "ACCOUNT-1", "%00"])
async def test_other_ids_are_not_found(importer: Importer, acme: Tenant, reference: str) -> None:
    await _import(importer, acme, HALDEN)
    response = await acme.http.get(f"{PATH}/{reference}")
    assert response.status_code == 404
    assert response.json()["detail"].startswith("There is no account ")


async def test_the_same_crm_id_in_another_workspace_is_another_account(
    importer: Importer, acme: Tenant, rival: Tenant
) -> None:
    await _import(importer, acme, HALDEN)
    assert await rival.get("accounts") == []
    await _import(importer, rival, HALDEN | {"name": "Theirs"})
    ((own,), (other,)) = await acme.get("accounts"), await rival.get("accounts")
    assert own["id"] != other["id"]
    assert (own["name"], other["name"]) == ("Halden Æ", "Theirs")
    foreign = await acme.http.get(f"{PATH}/{other['id']}")
    unknown = await acme.http.get(f"{PATH}/{UNKNOWN}")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["detail"].replace(other["id"], UNKNOWN) == unknown.json()["detail"]


async def test_accounts_need_their_own_scope(importer: Importer, make_tenant: MakeTenant) -> None:
    reader = await make_tenant(scopes=["accounts:read"])
    await _import(importer, reader, HALDEN)
    (account,) = await reader.get("accounts")
    assert await reader.get(f"accounts/{account['id']}") == account
    # The scope opens nothing else.
    assert (await reader.http.get("/v1/accounts")).status_code == 403
    outsider = await make_tenant(scopes=["read", "ingest", "signals:read", "products:read"])
    for path in (PATH, f"{PATH}/{account['id']}"):
        response = await outsider.http.get(path)
        assert response.status_code == 403
        assert response.json()["detail"] == "API key missing required scope: accounts:read"


# --- pages ------------------------------------------------------------------------------------


@settings(
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    batches=st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=5), max_size=4),
    limit=st.integers(1, 4),
    order=st.sampled_from(["asc", "desc"]),
    name=st.sampled_from([None, "Even", "odd"]),
)
async def test_pages_together_are_the_list(
    make_tenant: MakeTenant,
    database: Database,
    batches: list[set[str]],
    limit: int,
    order: str,
    name: str | None,
) -> None:
    """Accounts are in the order of their first import, those of one transaction by their ids."""
    tenant = await make_tenant()
    expected: list[str] = []
    for batch in batches:
        async with database.connection() as connection:
            await connection.execute(
                "insert into accounts (workspace_id, id, name)"
                " select $1, id, case when ascii(id) % 2 = 0 then 'even' else 'odd' end"
                " from unnest($2::text[]) as id on conflict (workspace_id, id)"
                " do update set website = 'https://x.example'",
                *(UUID(tenant.workspace), list(batch)),
            )
        expected += sorted(batch - set(expected))
    if name is not None:
        parity = 0 if name == "Even" else 1
        expected = [each for each in expected if ord(each) % 2 == parity]
    query = f"order={order}&limit={limit}" + (f"&name={name}" if name else "")
    pages: list[str] = []
    for offset in range(0, len(expected) + 1, limit):
        response = await tenant.http.get(f"{PATH}?{query}&offset={offset}")
        pages += [each["externalId"] for each in response.json()]
        assert response.headers["x-total-count"] == str(len(expected))
    assert pages == (expected if order == "asc" else expected[::-1])
