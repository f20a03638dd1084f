"""Links and types by addresses that look like an organization's and are not, or have two forms."""

from typing import Any

import pytest

from domains.revenue.people import Person, external_emails, matched_emails
from tests.revenue.crm.crm_records import CrmRecords
from tests.revenue.push_records import Source, get_json

IDN = "müller.example"
PUNYCODE = "xn--mller-kva.example"


async def _linked_to(source: Source, *emails: str) -> Any:
    people = [{"email": email} for email in emails]
    record = await source.push("conversations", "one", participants=people)
    crm = (await get_json(source.tenant, f"conversations/{record}"))["crm"]
    return crm and crm["id"]


async def test_the_domain_of_a_free_mail_provider_links_nobody(
    source: Source, crm: CrmRecords
) -> None:
    await crm.put_all(
        ("accounts", "gmail", {"name": "Gmail", "domain": "gmail.com"}),
        ("accounts", "bo", {"name": "Bo", "contact_emails": ["bo@gmail.com"]}),
    )
    assert await _linked_to(source, "ana@gmail.com") is None
    assert await _linked_to(source, "ana@gmail.com", "bo@gmail.com") == "bo"


@pytest.mark.parametrize(
    ("owner", "participant", "type_"),
    [
        ("founder@gmail.com", "client@gmail.com", "EXTERNAL"),
        ("Founder+calls@gmail.com", "founder@gmail.com", "INTERNAL"),
        ("founder@gmail.com", "founder+demo@gmail.com", "INTERNAL"),
        ("boss@acme.com", "rep@acme.com", "INTERNAL"),
        (f"boss@{IDN}", f"rep@{PUNYCODE}", "INTERNAL"),
    ],
)
async def test_an_owner_on_free_mail_is_internal_alone(
    source: Source, owner: str, participant: str, type_: str
) -> None:
    people = [{"email": participant}, {"email": owner}]
    record = await source.push("conversations", "a", participants=people, ownerEmails=[owner])
    assert (await get_json(source.tenant, f"conversations/{record}"))["type"] == type_


def test_the_domains_of_the_workspace_are_internal_even_if_shared() -> None:
    people = [Person(email=email) for email in ("ana@gmail.com", f"bo@{PUNYCODE}", "cy@gmx.de")]
    outside, domains = external_emails(people, [], ["gmail.com", IDN])
    assert (outside, domains) == (["cy@gmx.de"], [])


async def test_plus_addresses_match_their_base_address_if_nothing_better_does(
    source: Source, crm: CrmRecords
) -> None:
    def contact(email: str, **columns: Any) -> dict[str, Any]:
        return {"name": email, "contact_emails": matched_emails([email]), **columns}

    await crm.put_all(("accounts", "domain", {"name": "Acme", "domain": "acme.com"}))
    assert await _linked_to(source, "ana+crm@acme.com") == "domain"
    await crm.put_all(("accounts", "base", contact("ana@acme.com")))
    assert await _linked_to(source, "ana+crm@acme.com") == "base"
    await crm.put_all(("accounts", "plus", contact("Ana+CRM@acme.com")))
    assert await _linked_to(source, "ana+crm@acme.com") == "plus"
    assert await _linked_to(source, "ana@acme.com") == "base"
    # An open deal of a less exact contact is not better.
    await crm.put_all(("deals", "deal", contact("ana+deal@acme.com", closed=False)))
    assert await _linked_to(source, "ana@acme.com") == "base"
    assert await _linked_to(source, "ana+x@acme.com") == "deal"


async def test_a_deal_names_its_account_in_any_normal_form(source: Source, crm: CrmRecords) -> None:
    account = {"name": "M\u00fcller", "contact_emails": ["ana@acme.com"]}
    await crm.put_all(("accounts", "acc", account))
    await crm.put_all(("deals", "deal", {"account_name": "MU\u0308LLER", "closed": False}))
    assert await _linked_to(source, "ana@acme.com") == "deal"
    assert (await get_json(source.tenant, "accounts/acc"))["latestDeal"]["dealId"] == "deal"


async def test_idn_and_punycode_are_equal(source: Source, crm: CrmRecords) -> None:
    account = {"name": "Müller", "domain": PUNYCODE, "website": f"https://www.{PUNYCODE}/"}
    await crm.put_all(("accounts", "acc", account))
    assert await _linked_to(source, f"ana@{IDN}") == "acc"
    (contact,) = (await get_json(source.tenant, "accounts/acc"))["contacts"]
    assert contact["email"] == f"ana@{IDN}"
    await source.push("messages", "m", sender={"email": f"Ana@{IDN.upper()}"})
    for kind, params in (
        ("conversations", {"attendees": f"ANA@{PUNYCODE}"}),
        ("conversations", {"attendees": f"ana@{IDN}"}),
        ("conversations", {"attendees": IDN.upper()}),
        ("conversations", {"attendees": f"@{PUNYCODE}"}),
        ("messages", {"participantEmail": f"ana@{PUNYCODE}"}),
        ("accounts", {"website": IDN}),
        ("accounts", {"website": PUNYCODE}),
        ("accounts", {"website": "https://www.müller"}),
    ):
        assert len((await get_json(source.tenant, kind, **params))[kind]) == 1, params
