"""Summaries of deals, merged from linked conversations and messages."""

from typing import Any

import pytest

from domains.kernel.db.database import Database
from tests.revenue.crm.crm_records import CrmRecords
from tests.revenue.enrichment.calls import call
from tests.revenue.push_records import Source, get_json
from tests.stack import eventually

COMPLAINT = call(("a", "The export crashes every morning."))
DEAL = ("deals", "d", {"contact_emails": ["ana@acme.com"], "closed": False})


async def _summary(source: Source, deal: str = "d") -> Any:
    return (await get_json(source.tenant, f"deals/{deal}"))["summary"]


async def test_a_deal_is_summarized_from_its_conversations_and_messages(
    source: Source, crm: CrmRecords
) -> None:
    imported = {"summary": b'{"Current Status": "As imported"}', "closed": False}
    await crm.put_all(
        ("deals", "open", {"name": "Renewal", "contact_emails": ["ana@acme.com"], "closed": False}),
        ("deals", "imported", {"name": "Other", "contact_emails": ["cy@acme.com"], **imported}),
    )
    assert await _summary(source, "open") is None
    await source.push("conversations", "c", displayName="Renewal", **COMPLAINT)
    await source.push(
        "messages", "m", body="I will send you the contract tomorrow.", createdAt="2026-03-12"
    )
    cy = [{"id": "a", "email": "cy@acme.com", "name": "Cy"}]
    await source.push("conversations", "other", **COMPLAINT | {"participants": cy})

    async def with_both() -> Any:
        deal = await get_json(source.tenant, "deals/open")
        return deal if deal["crmAutofill"] and deal["summary"]["Pain Points"] else None

    deal = await eventually(with_both)
    step = "Ana Ruiz: will send you the contract tomorrow (due 2026-03-13)"
    assert deal["crmAutofill"] == {"Next Steps": step}
    assert "2026-03-12" in deal["summary"]["Current Status"]
    assert step in deal["summary"]["Current Status"]
    # An imported summary is not replaced.
    assert await _summary(source, "imported") == {"Current Status": "As imported"}
    # Next steps are removed with the message in which they were found.
    await source.delete("messages", "m")

    async def without_steps() -> bool:
        return (await get_json(source.tenant, "deals/open"))["crmAutofill"] is None

    await eventually(without_steps)


_QUOTED = "I'll send you the order form by Friday. The login page crashes all the time."


@pytest.mark.parametrize(
    "body",
    [
        f"I will sign the contract tomorrow.\n\nOn Tue, Mar 10, 2026 at 9:12 AM Bob wrote:\n"
        f"> {_QUOTED}\n",
        f"I will sign the contract tomorrow.\n\nVon: Bob <bob@ours.io>\nGesendet: Dienstag, "
        f"10. März 2026 09:12\nAn: Ana\nBetreff: Vertrag\n\n{_QUOTED}\n",
        f"<div>I will sign the&nbsp;contract <b>tomorrow</b>.</div><br><div class='gmail_quote'>"
        f"<blockquote>{_QUOTED}</blockquote></div>",
    ],
)
async def test_markup_and_quoted_mail_are_not_what_the_author_of_a_reply_says(
    source: Source, crm: CrmRecords, body: str
) -> None:
    await crm.put_all(DEAL)
    record = await source.push(
        "messages", "m", body=body, createdAt="2026-03-12", displayName="Re: <b>Contract</b>"
    )

    async def deal() -> Any:
        found = await get_json(source.tenant, "deals/d")
        return found if found["crmAutofill"] else None

    found = await eventually(deal)
    step = "Ana Ruiz: will sign the contract tomorrow (due 2026-03-13)"
    assert found["crmAutofill"] == {"Next Steps": step}
    assert found["summary"]["Next Steps"] == [step]
    assert found["summary"]["Pain Points"] == []
    assert "“Re: Contract”" in found["summary"]["Current Status"]
    assert "<" not in str(found["summary"])
    message = await get_json(source.tenant, f"messages/{record}")
    assert message["body"] == body
    assert "<" not in message["bodyPreview"].replace("<bob@ours.io>", "")


async def test_a_deal_reveals_nothing_of_private_conversations(
    source: Source, crm: CrmRecords, database: Database
) -> None:
    await crm.put_all(DEAL)
    async with database.connection() as connection:
        await connection.execute(
            "update workspaces set hides_private = true where id = $1", source.tenant.workspace
        )
    await source.push("conversations", "private", displayName="Layoffs", public=False, **COMPLAINT)
    await source.push("messages", "m", body="I will call you.", createdAt="2026-03-12", public=True)

    async def summary() -> Any:
        return await _summary(source)

    found = await eventually(summary)
    assert "Layoffs" not in str(found)
    assert found["Pain Points"] == []


async def test_changes_of_a_deal_in_quick_succession_share_one_refresh(
    source: Source, crm: CrmRecords, database: Database
) -> None:
    await crm.put_all(DEAL)
    for number in range(10):
        await source.push("messages", f"m{number}")
    async with database.connection() as connection:
        jobs = await connection.fetchval(
            "select count(*) from jobs where workspace_id = $1 and kind = 'revenue.refresh_deal'",
            source.tenant.workspace,
        )
    assert jobs <= 2
