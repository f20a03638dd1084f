"""Public ids of insights, opportunities and ideas: returned, and taken wherever a UUID is."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.discovery.support import MINIMAL, TRANSCRIPT, create_minimal, reprocess
from tests.stack import Tenant

KINDS = {"insights": "INSIGHT", "opportunities": "OPPORTUNITY", "ideas": "IDEA"}
FIELDS = {"insights": "insightIds", "opportunities": "opportunityIds", "ideas": "ideaIds"}
PAIRS = [(owner, target) for owner in FIELDS for target in FIELDS if owner != target]

each_resource = pytest.mark.parametrize("resource", KINDS)


@each_resource
async def test_answers_with_a_record_have_its_public_id(acme: Tenant, resource: str) -> None:
    kind = KINDS[resource]
    records = [await acme.create(resource, **MINIMAL[resource]) for _ in range(3)]
    assert [record["publicId"] for record in records] == [f"{kind}-1", f"{kind}-2", f"{kind}-3"]
    assert await acme.get(resource) == records[::-1]
    changed = await acme.patch(f"{resource}/{records[1]['id']}", name="Another name")
    assert changed["publicId"] == f"{kind}-2"
    assert [each["publicId"] for each in await acme.get(f"{resource}?offset=1&limit=1")] == [
        f"{kind}-2"
    ]


@each_resource
async def test_public_ids_are_not_reused_and_count_per_workspace(
    acme: Tenant, rival: Tenant, resource: str
) -> None:
    kind = KINDS[resource]
    for _ in range(2):
        await create_minimal(acme, resource)
    await acme.delete(f"{resource}/{kind}-2")
    assert (await acme.create(resource, **MINIMAL[resource]))["publicId"] == f"{kind}-3"
    assert (await rival.create(resource, **MINIMAL[resource]))["publicId"] == f"{kind}-1"


async def test_insights_of_an_analysis_have_public_ids(acme: Tenant) -> None:
    signal = await acme.process_text(TRANSCRIPT, signalType="transcript")
    insights = await acme.get("insights?order=asc")
    assert sorted(each["id"] for each in insights) == signal["insightIds"]
    assert [each["publicId"] for each in insights] == [
        f"INSIGHT-{number}" for number in range(1, len(insights) + 1)
    ]
    signal = await reprocess(acme, signal["publicId"].lower())
    again = await acme.get("insights?order=asc")
    assert not {each["publicId"] for each in again} & {each["publicId"] for each in insights}


@pytest.mark.parametrize("stores", [True, False])
async def test_a_processed_transcript_has_public_ids_if_it_is_stored(
    acme: Tenant, stores: bool
) -> None:
    response = await acme.http.post(
        "/external/v1/insights/process-transcript/insights",
        json={"transcript": TRANSCRIPT, "createInsights": stores},
    )
    insights = response.json()
    assert insights
    if stores:
        assert insights == await acme.get("insights?order=asc")
        assert insights[0]["publicId"] == "INSIGHT-1"
    else:
        assert [each for each in insights if "publicId" in each] == []


@st.composite
def any_letter_case(draw: st.DrawFn, text: str) -> str:
    upper = draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    return "".join(
        letter.upper() if up else letter.lower() for letter, up in zip(text, upper, strict=True)
    )


@each_resource
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(data=st.data())
async def test_uuid_and_public_id_in_any_letter_case_address_the_same_record(
    acme: Tenant, resource: str, data: st.DataObject
) -> None:
    record = await acme.create(resource, **MINIMAL[resource])
    reference = data.draw(any_letter_case(record["publicId"]) | any_letter_case(record["id"]))
    path = f"{resource}/{reference}"
    assert await acme.get(path) == record
    if resource == "insights":
        assert await acme.get(f"{path}/evidence") == []
    for owner, target in PAIRS:
        if target == resource:
            linked = await acme.create(
                owner, **MINIMAL[owner], **{FIELDS[target]: [reference, record["id"]]}
            )
            assert linked[FIELDS[target]] == [record["id"]]
            field = FIELDS[owner]
            changed = await acme.patch(path, **{field: [linked["publicId"], linked["id"].upper()]})
            assert changed[field] == [linked["id"]]
            assert await acme.get(f"{resource}/{record['id']}") == changed
            assert (await acme.patch(path, **{field: []}))[field] == []
    await acme.delete(path)
    assert (await acme.http.get(f"/external/v1/{path}")).status_code == 404


async def test_evidence_is_listed_by_the_public_id_of_the_insight(acme: Tenant) -> None:
    signal = await acme.process_text(TRANSCRIPT, signalType="transcript")
    for insight in await acme.get("insights"):
        evidence = await acme.get(f"insights/{insight['id']}/evidence")
        assert evidence
        assert await acme.get(f"insights/{insight['publicId'].lower()}/evidence") == evidence
    listed = await acme.get(f"insights?signalId={signal['publicId'].lower()}")
    assert listed == await acme.get("insights")


async def test_signals_take_public_ids_of_insights(acme: Tenant) -> None:
    first, second = [await create_minimal(acme, "insights") for _ in range(2)]
    signal = await acme.create(
        "signals", source={"type": "crm"}, insightIds=["insight-2", first, "INSIGHT-2"]
    )
    assert signal["insightIds"] == sorted([first, second])
    changed = await acme.patch("signals/signal-1", insightIds=["Insight-1"])
    assert changed["insightIds"] == [first]
    assert [each["id"] for each in await acme.get("insights?signalId=SIGNAL-1")] == [first]


# --- refusals ---------------------------------------------------------------------------------

OTHER_FORMS = ("0", "01", "-1", "1x", "١", f"{10**18}", "1%0a")


@each_resource
async def test_other_ids_in_paths_are_not_found(acme: Tenant, rival: Tenant, resource: str) -> None:
    kind = KINDS[resource]
    await create_minimal(rival, resource)
    for _ in range(2):
        await create_minimal(acme, resource)
    await acme.create("signals", source={"type": "crm"})
    others = {"SIGNAL", "PRODUCT", *KINDS.values()} - {kind}
    unknown = [f"{kind}-{form}" for form in OTHER_FORMS] + [f"{other}-1" for other in others]
    # The second record is another workspace's.
    messages = []
    for reference in (f"{kind}-99", f"{kind}-2", *unknown):
        path = f"/external/v1/{resource}/{reference}"
        for response in (
            await rival.http.get(path),
            await rival.http.patch(path, json={"name": "Mine"}),
            await rival.http.delete(path),
        ):
            assert response.status_code == 404, (reference, response.text)
            if reference in (f"{kind}-99", f"{kind}-2"):
                messages.append(response.json()["detail"].replace(reference, "ID"))
    assert len(set(messages)) == 1
    assert len(await acme.get(resource)) == 2
    assert len(await rival.get(resource)) == 1


@pytest.mark.parametrize(("owner", "target"), [*PAIRS, ("signals", "insights")])
async def test_unknown_public_ids_in_links_are_named(
    acme: Tenant, rival: Tenant, owner: str, target: str
) -> None:
    """The ids of another workspace and of another kind are unknown."""
    kind = KINDS[target]
    for _ in range(2):
        await create_minimal(acme, target)
    await create_minimal(rival, target)
    record = await create_minimal(rival, owner)
    known, unknown = f"{kind}-1", [f"{kind}-2", f"{kind}-99", "SIGNAL-1", f"{kind}-01"]

    async def refuse(ids: list[str]) -> set[str]:
        body: dict[str, Any] = {FIELDS[target]: ids}
        refusals = [
            await rival.http.post(f"/external/v1/{owner}", json=MINIMAL[owner] | body),
            await rival.http.patch(f"/external/v1/{owner}/{record}", json=body),
        ]
        for response in refusals:
            assert response.status_code == 400, response.text
            assert response.json()["errors"][0]["field"] == FIELDS[target]
        return {response.json()["errors"][0]["message"] for response in refusals}

    (message,) = await refuse([known, *unknown])
    assert message.endswith(f" in this workspace: {', '.join(unknown)}")
    (foreign,) = await refuse([f"{kind}-2"])
    (missing,) = await refuse([f"{kind}-99"])
    assert foreign.replace("-2", "-99") == missing
    assert (await rival.get(f"{owner}/{record}"))[FIELDS[target]] == []
