"""Near duplicates: the later of two insights with the same meaning suggests the earlier one."""

from typing import Any
from uuid import UUID, uuid4

from domains.discovery.duplicates import list_uncompared
from domains.intelligence.semantic.encoder_files import FALLBACK
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from tests.conftest import MakeTenant
from tests.discovery.support import paused_worker
from tests.stack import Stack, Tenant, eventually

SLOW = "The export to CSV is terribly slow."
ALSO_SLOW = "Exporting to CSV takes forever, it is so slow."
OTHER = "The mobile app crashes whenever I open the camera."


async def _find_insight(tenant: Tenant, text: str) -> str:
    """Analyse a text that yields one insight. Returns that insight."""
    (insight,) = (await tenant.process_text(text))["insightIds"]
    return str(insight)


async def _suggested_original(tenant: Tenant, insight: str) -> Any:
    return (await tenant.get(f"insights/{insight}")).get("duplicateOf")


async def _wait_for_suggestion(tenant: Tenant, insight: str) -> Any:
    return await eventually(lambda: _suggested_original(tenant, insight))


async def test_the_later_insight_suggests_the_earlier_one(acme: Tenant) -> None:
    first = await _find_insight(acme, SLOW)
    other = await _find_insight(acme, OTHER)
    second = await _find_insight(acme, ALSO_SLOW)
    assert await _wait_for_suggestion(acme, second) == first
    assert await _suggested_original(acme, first) is None
    assert await _suggested_original(acme, other) is None


async def test_the_same_need_in_another_language_is_suggested(acme: Tenant) -> None:
    first = await _find_insight(acme, "Der Export nach CSV ist furchtbar langsam.")
    other = await _find_insight(acme, "Der Import aus CSV ist furchtbar langsam.")
    spanish = await _find_insight(acme, "Exportar a CSV tarda una eternidad, es lentísimo.")
    english = await _find_insight(acme, ALSO_SLOW)
    assert await _wait_for_suggestion(acme, spanish) == first
    assert await _wait_for_suggestion(acme, english) in {first, spanish}
    assert await _suggested_original(acme, other) is None


async def test_an_insight_written_by_a_person_is_an_original_but_never_a_duplicate(
    acme: Tenant,
) -> None:
    written = await acme.create(
        "insights", name="Export to CSV is slow", description="Exports to CSV are very slow."
    )
    found = await _find_insight(acme, SLOW)
    again = await acme.create("insights", name="Slow", description="Exports to CSV are very slow.")
    assert await _wait_for_suggestion(acme, found) == written["id"]
    later = await _find_insight(acme, ALSO_SLOW)
    # Insights are compared in order of creation, so `again` has been compared by now.
    assert await _wait_for_suggestion(acme, later)
    assert await _suggested_original(acme, again["id"]) is None


async def test_a_suggestion_is_separate_from_the_suggestions_of_callers(acme: Tenant) -> None:
    first = await _find_insight(acme, SLOW)
    second = await _find_insight(acme, ALSO_SLOW)
    await _wait_for_suggestion(acme, second)
    assert "suggestions" not in await acme.get(f"insights/{second}")
    changed = await acme.patch(f"insights/{second}", suggestions={})
    assert (changed["suggestions"], changed["duplicateOf"]) == ({}, first)


async def test_a_suggestion_can_be_dismissed(acme: Tenant, database: Database) -> None:
    await _find_insight(acme, SLOW)
    second = await _find_insight(acme, ALSO_SLOW)
    await _wait_for_suggestion(acme, second)
    assert "duplicateOf" not in await acme.patch(f"insights/{second}", duplicateOf=None)
    assert "duplicateOf" not in await acme.get(f"insights/{second}")
    # It stays dismissed when another embedder compares all insights again.
    async with database.connection() as connection:
        await connection.execute(
            "update insights set embedder = 'another' where workspace_id = $1", acme.workspace
        )
    third = await _find_insight(acme, ALSO_SLOW)
    # Insights are compared in order of creation, so `second` has been compared by now.
    assert await _wait_for_suggestion(acme, third)
    assert await _suggested_original(acme, second) is None


async def test_a_suggestion_can_be_sent_back_or_changed(acme: Tenant) -> None:
    first, second = await _find_insight(acme, SLOW), await _find_insight(acme, OTHER)
    changed = await acme.patch(f"insights/{second}", duplicateOf=first)
    assert changed["duplicateOf"] == first
    assert (await acme.get(f"insights/{second}"))["duplicateOf"] == first


async def test_a_suggestion_of_a_caller_stays_when_the_insight_is_compared(
    acme: Tenant, stack: Stack
) -> None:
    first = await _find_insight(acme, OTHER)
    with paused_worker(stack):
        written = (await acme.create("insights", description="The camera crashes."))["id"]
        await acme.patch(f"insights/{written}", duplicateOf=first)
    await _find_insight(acme, SLOW)
    later = await _find_insight(acme, ALSO_SLOW)
    # Insights are compared in order of creation, so `written` has been compared by now.
    assert await _wait_for_suggestion(acme, later)
    assert await _suggested_original(acme, written) == first


async def test_a_suggestion_is_another_insight_of_the_workspace(make_tenant: MakeTenant) -> None:
    acme, globex = await make_tenant(), await make_tenant()
    fields = {"name": "Slow", "description": "Exports are slow."}
    insight = (await acme.create("insights", **fields))["id"]
    for other in ((await globex.create("insights", **fields))["id"], str(uuid4()), insight):
        refused = await acme.http.patch(
            f"/external/v1/insights/{insight}", json={"duplicateOf": other}
        )
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "duplicateOf")
    assert "duplicateOf" not in await acme.get(f"insights/{insight}")


async def test_a_suggestion_is_deleted_with_the_original(acme: Tenant) -> None:
    first = await _find_insight(acme, SLOW)
    second = await _find_insight(acme, ALSO_SLOW)
    await _wait_for_suggestion(acme, second)
    await acme.delete(f"insights/{first}")
    assert "duplicateOf" not in await acme.get(f"insights/{second}")


async def test_insights_of_other_workspaces_are_not_compared(make_tenant: MakeTenant) -> None:
    acme, globex = await make_tenant(), await make_tenant()
    await _find_insight(globex, SLOW)
    first = await _find_insight(acme, ALSO_SLOW)
    second = await _find_insight(acme, SLOW)
    # Insights are compared in order of creation, so `first` has been compared by now.
    assert await _wait_for_suggestion(acme, second) == first
    assert await _suggested_original(acme, first) is None


async def test_an_embedder_without_all_encoders_does_not_replace_embeddings(
    acme: Tenant, database: Database
) -> None:
    """Otherwise hosts with and without an encoder would keep replacing each other's embeddings."""
    await _find_insight(acme, SLOW)
    await _wait_for_suggestion(acme, await _find_insight(acme, ALSO_SLOW))
    workspace = WorkspaceId(UUID(acme.workspace))
    assert await list_uncompared(database.read, workspace, FALLBACK) == []
    assert await list_uncompared(database.read, workspace, "use-int8/0123abcd+none") == []
    assert len(await list_uncompared(database.read, workspace, "other")) == 2
