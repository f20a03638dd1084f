"""Category, summary and evidence of conversations."""

from itertools import permutations

from domains.kernel.db.database import Database
from tests.revenue.enrichment.calls import call
from tests.revenue.push_records import Source, get_json
from tests.revenue.stored_rows import get_row, wait_until_processed
from tests.stack import Tenant


async def test_a_conversation_gets_a_category_and_a_summary(
    source: Source, database: Database
) -> None:
    sentences = (
        ("a", "The export crashes every morning."),
        ("b", "We will send you a fix by Friday."),
    )
    record = await source.push(
        "conversations", "c", displayName="Renewal with Acme", **call(*sentences)
    )
    await wait_until_processed(database, "conversations", record)
    conversation = await get_json(source.tenant, f"conversations/{record}")
    assert conversation["category"] == "customer_commercials"
    summary = conversation["summary"]
    # All headings, those of the category first.
    assert list(summary) == [
        *("Outcome", "Pain Points", "Next Steps", "Key Points", "Decisions", "Objections"),
        *("Questions", "Competitors", "Pricing", "Requests", "Praise"),
    ]
    assert summary["Pain Points"] == ["The export crashes every morning"]
    # The conversation was on a Wednesday.
    step = "Bob Ray: will send you a fix by Friday (due 2026-03-13)"
    assert summary["Next Steps"] == [step]
    assert summary["Outcome"] == step
    row = await get_row(database, "conversations", record)
    assert row["found_engine"].startswith("embedded/")


async def test_complaints_of_the_workspaces_own_people_are_no_pain_points(
    source: Source, database: Database
) -> None:
    complaints = ("The export crashes every morning.", "The search is terribly slow.")
    for number, (theirs, own) in enumerate(permutations(complaints)):
        sentences = (("a", theirs), ("b", own))
        record = await source.push("conversations", f"c{number}", **call(*sentences))
        await wait_until_processed(database, "conversations", record)
        conversation = await get_json(source.tenant, f"conversations/{record}")
        assert conversation["summary"]["Pain Points"] == [theirs.rstrip(".")]


async def test_the_participants_organisations_are_no_competitors(
    source: Source, database: Database
) -> None:
    for name, competitors in (("Globex", ["We compared you with Globex"]), ("Acme", [])):
        sentence = f"We compared you with {name}."
        record = await source.push("conversations", name, **call(("a", sentence)))
        await wait_until_processed(database, "conversations", record)
        conversation = await get_json(source.tenant, f"conversations/{record}")
        assert conversation["summary"]["Competitors"] == competitors


async def test_each_item_of_a_summary_has_a_quote(
    source: Source, database: Database, rival: Tenant
) -> None:
    sentences = (
        ("a", "Hello. The export crashes every morning. It costs us 400 dollars a month!"),
        ("b", "I will send you a fix tomorrow."),
    )
    record = await source.push("conversations", "c", displayName="Demo", **call(*sentences))
    early = await get_json(source.tenant, f"conversations/{record}/evidence")
    state = (await get_json(source.tenant, f"conversations/{record}"))["processing"]["status"]
    # The worker may be faster than this test.
    assert early == {} or state == "processed"
    await wait_until_processed(database, "conversations", record)
    summary = (await get_json(source.tenant, f"conversations/{record}"))["summary"]
    evidence = await get_json(source.tenant, f"conversations/{record}/evidence")
    assert evidence.keys() == summary.keys()
    texts = {text for _, text in sentences}
    for heading, value in summary.items():
        items = [value] if isinstance(value, str) and value else list(value)
        assert list(dict.fromkeys(each["item"] for each in evidence[heading])) == items
        for quoted in evidence[heading]:
            assert any(quoted["quote"] in text for text in texts)
            assert quoted["speaker"] in {"Ana Ruiz", "Bob Ray"}
            assert quoted["endTime"] >= quoted["startTime"] >= 0
    assert evidence["Pain Points"][0]["quote"] == "The export crashes every morning."
    assert evidence["Pricing"][0]["quote"] == "It costs us 400 dollars a month!"
    response = await rival.http.get(f"/v1/conversations/{record}/evidence")
    assert response.status_code == 404


async def test_an_internal_participant_without_a_name_is_not_taken_for_a_customer(
    source: Source, database: Database
) -> None:
    complaint = "With other tools the export crashes every morning."
    for email, pains in (("bob@acme.com", [complaint.rstrip(".")]), ("bob@ours.io", [])):
        fields = call(("b", complaint))
        fields["participants"] = [
            {"id": "a", "email": "ana@acme.com", "name": "Ana Ruiz"},
            {"id": "b", "email": email},
        ]
        record = await source.push("conversations", email, displayName="Demo", **fields)
        await wait_until_processed(database, "conversations", record)
        conversation = await get_json(source.tenant, f"conversations/{record}")
        assert conversation["summary"]["Pain Points"] == pains


async def test_a_transcript_cut_into_captions_has_the_summary_of_the_whole(
    source: Source, database: Database
) -> None:
    sentences = (
        (
            "a",
            "<p>Our invoices are really hard to find, we search for an hour &amp; lose time.</p>",
        ),
        ("b", "I will send you the new price list by Friday."),
    )
    whole = call(*sentences)
    plain = [text.removeprefix("<p>").removesuffix("</p>") for _, text in sentences]
    cut = call(
        *(
            (speaker, " ".join(words[at : at + 4]))
            for (speaker, _), text in zip(sentences, plain, strict=True)
            for words in [text.split()]
            for at in range(0, len(words), 4)
        )
    )
    shown = []
    for number, fields in enumerate((whole, cut)):
        record = await source.push("conversations", f"c{number}", displayName="Call", **fields)
        await wait_until_processed(database, "conversations", record)
        conversation = await get_json(source.tenant, f"conversations/{record}")
        assert [entry["text"] for entry in conversation["transcript"]] == [
            entry["text"] for entry in fields["transcript"]
        ]
        evidence = await get_json(source.tenant, f"conversations/{record}/evidence")
        shown.append((conversation["summary"], evidence))
    (summary, evidence), (summary_of_cut, evidence_of_cut) = shown
    assert summary_of_cut == summary
    assert "find" in str(summary["Pain Points"])
    assert summary["Next Steps"] == [
        "Bob Ray: will send you the new price list by Friday (due 2026-03-13)"
    ]
    assert "<" not in str(summary)
    quotes = [each["quote"] for each in evidence_of_cut["Next Steps"]]
    assert quotes == ["I will send you", "the new price list", "by Friday."]
    assert " ".join(quotes) == evidence["Next Steps"][0]["quote"]
