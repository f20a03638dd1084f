"""The language of signals, and the note for a language that the engine does not support."""

import pytest

from tests.discovery.support import reprocess
from tests.stack import Tenant

GERMAN = "Der Export unserer Berichte bricht jeden Montag nach zehn Minuten ab."
ENGLISH = "The export of our reports fails every Monday after ten minutes."
THAI = "การส่งออกรายงานของเราล้มเหลวทุกวันจันทร์หลังจากผ่านไปสิบนาที"
NOTE = "The built-in engine does not support the language th; findings may be missing."


@pytest.mark.parametrize(
    ("text", "language", "note"),
    [(GERMAN, "de", None), (ENGLISH, "en", None), (THAI, "th", NOTE), ("Ok.", None, None)],
)
async def test_a_text_signal(
    acme: Tenant, text: str, language: str | None, note: str | None
) -> None:
    created = await acme.create_signal(text)
    assert (created["language"], created["processing"]["note"]) == (None, None)
    signal = await acme.wait_until_processed(created["id"])
    assert (signal["status"], signal["processing"]["lastError"]) == ("processed", None)
    assert (signal["language"], signal["processing"]["note"]) == (language, note)
    assert (await acme.get("signals"))[0] == signal


async def test_a_raw_signal_has_the_language_of_its_newest_analysis(acme: Tenant) -> None:
    created = await acme.create("signals", source={"type": "crm"}, data={"body": THAI + " " + THAI})
    signal = await acme.wait_until_processed(created["id"])
    assert (signal["language"], signal["processing"]["note"]) == ("th", NOTE)
    path = f"signals/{created['id']}"
    # The language cannot be set.
    await acme.patch(path, data={"body": GERMAN}, language="fr")
    signal = await reprocess(acme, created["id"])
    assert (signal["language"], signal["processing"]["note"]) == ("de", None)
    await acme.patch(path, data={"body": "a b"})
    assert (await reprocess(acme, created["id"]))["language"] is None


async def test_a_transcript_that_is_stored_with_its_insights(acme: Tenant) -> None:
    transcript = "[00:00:05] Maria: The dashboard crashes every morning, and nobody can work."
    response = await acme.http.post(
        "/external/v1/insights/process-transcript/insights",
        json={"transcript": transcript, "createInsights": True},
    )
    assert response.status_code == 200
    (signal,) = await acme.get("signals")
    assert signal["language"] == "en"


async def test_insights_of_a_german_signal_are_in_its_words(acme: Tenant) -> None:
    created = await acme.create_signal(GERMAN)
    await acme.wait_until_processed(created["id"])
    (insight,) = await acme.get(f"insights?signalId={created['id']}")
    assert (insight["name"], insight["kind"]) == (GERMAN.rstrip("."), "pain")
    assert GERMAN in insight["description"]
    (quote,) = await acme.get(f"insights/{insight['id']}/evidence")
    assert (quote["quote"], quote["start"]) == (GERMAN, 0)
