"""What says the same as an earlier insight is marked so, for people to decide."""

from typing import Any
from uuid import UUID

from domains.discovery import duplicates
from domains.intelligence.semantic import embeddings
from domains.kernel.db.database import Database
from tests.conftest import MakeTenant
from tests.stack import Tenant, eventually

SLOW = "The export to CSV is terribly slow."
ALSO_SLOW = "Exporting to CSV takes forever, it is so slow."
OTHER = "The mobile app crashes whenever I open the camera."


async def _insights(caller: Tenant, text: str) -> list[str]:
    signal = await caller.wait_until_processed((await caller.create_signal(text))["id"])
    assert signal["insightIds"], text
    return list(signal["insightIds"])


async def _original(caller: Tenant, insight: str) -> Any:
    shown = await caller.get(f"insights/{insight}")
    return shown.get("suggestions", {}).get("duplicateOf")


async def _marked(caller: Tenant, insight: str) -> Any:
    async def marked() -> Any:
        return await _original(caller, insight)

    return await eventually(marked)


async def test_the_later_of_two_that_say_the_same_points_to_the_earlier(acme: Tenant) -> None:
    (first,) = await _insights(acme, SLOW)
    (other,) = await _insights(acme, OTHER)
    (second,) = await _insights(acme, ALSO_SLOW)
    assert await _marked(acme, second) == first
    assert await _original(acme, first) is None
    assert await _original(acme, other) is None


async def test_what_a_person_wrote_is_an_original_too(acme: Tenant) -> None:
    made = await acme.create(
        "insights", name="Export to CSV is slow", description="Exports to CSV are very slow."
    )
    (found,) = await _insights(acme, SLOW)
    again = await acme.create("insights", name="Slow", description="Exports to CSV are very slow.")
    assert await _marked(acme, found) == made["id"]
    (later,) = await _insights(acme, ALSO_SLOW)
    # By now it was compared, and is no repetition: who wrote it knows what is there.
    assert await _marked(acme, later)
    assert await _original(acme, again["id"]) is None


async def test_a_suggestion_can_be_dismissed(acme: Tenant) -> None:
    await _insights(acme, SLOW)
    (second,) = await _insights(acme, ALSO_SLOW)
    await _marked(acme, second)
    answer = await acme.http.patch(f"/external/v1/insights/{second}", json={"suggestions": {}})
    assert answer.json()["suggestions"] == {}
    assert (await acme.get(f"insights/{second}"))["suggestions"] == {}


async def test_it_goes_with_the_insight_that_it_names(acme: Tenant) -> None:
    (first,) = await _insights(acme, SLOW)
    (second,) = await _insights(acme, ALSO_SLOW)
    await _marked(acme, second)
    assert (await acme.http.delete(f"/external/v1/insights/{first}")).status_code == 200
    assert "suggestions" not in await acme.get(f"insights/{second}")


async def test_another_workspace_has_no_part_in_it(make_tenant: MakeTenant) -> None:
    acme, globex = await make_tenant(), await make_tenant()
    await _insights(globex, SLOW)
    (ours,) = await _insights(acme, ALSO_SLOW)
    (again,) = await _insights(acme, SLOW)
    # By now both were compared.
    assert await _marked(acme, again) == ours
    assert await _original(acme, ours) is None


async def test_the_lesser_maker_of_vectors_takes_nothing_over(
    acme: Tenant, database: Database
) -> None:
    """Two hosts of which one lacks the model would else convert for ever."""
    await _insights(acme, SLOW)
    (second,) = await _insights(acme, ALSO_SLOW)
    await _marked(acme, second)
    lesser = await database.read.all(
        duplicates._WAITING,
        workspace=UUID(acme.workspace),
        embedder=embeddings.Words.name,
        lesser=True,
    )
    other = await database.read.all(
        duplicates._WAITING, workspace=UUID(acme.workspace), embedder="other", lesser=False
    )
    assert (len(lesser), len(other)) == (0, 2)
