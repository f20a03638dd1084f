"""Detection of each kind of insight, and of sentences that only look like one."""

import pytest

from domains.intelligence.findings import Profile
from domains.intelligence.insights.detection import detect, hosts, score
from domains.intelligence.text.segmentation import sentences, spoken
from domains.intelligence.text.words import stem, tokens


def kinds(text: str, profile: Profile = "raw") -> list[str]:
    return [detection.kind for detection in detect(sentences(text, profile), profile)]


@pytest.mark.parametrize(
    "text",
    [
        "The mobile app crashes whenever I attach a photo.",
        "We can't find the audit log anywhere.",
        "It takes forever to load a customer record.",
        "Setting up permissions is confusing and tedious.",
        "The calendar stopped syncing after the last update.",
        "I have to re-enter my address every time.",
        "There is no way to undo a merge.",
        "Search doesn't work with umlauts.",
        "The new pricing page is not clear at all.",
        "Nobody on my team understands the report builder.",
        "Learners complain that videos restart.",
        "The invoice screen isn't intuitive.",
    ],
)
def test_pain(text: str) -> None:
    assert kinds(text) == ["pain"]


@pytest.mark.parametrize(
    "text",
    [
        "Please add dark mode to the desktop client.",
        "It would be great if we could schedule the report.",
        "I wish there was a filter for archived deals.",
        "Would love to see an integration with our ERP.",
        "Could you add a field for the tax number?",
        "There should be an option to mute a thread.",
        "We really need better access control.",
        "Allow users to reorder the columns.",
        "Any plans to support Linux?",
        "My suggestion is to bring back the compact view.",
        "The editor needs an autosave.",
        "A keyboard shortcut for approve would be handy.",
    ],
)
def test_request(text: str) -> None:
    assert kinds(text) == ["request"]


@pytest.mark.parametrize(
    "text",
    [
        "I love how fast the search is.",
        "The onboarding was excellent and the team is helpful.",
        "Reminders work perfectly.",
        "It saves us hours every week.",
        "The new editor is a game changer for our writers.",
        "I highly recommend the analytics module.",
        "The app never crashes and I have no complaints.",
        "I couldn't be happier with the support.",
    ],
)
def test_praise(text: str) -> None:
    assert kinds(text) == ["praise"]


@pytest.mark.parametrize(
    "text",
    [
        "Does the enterprise plan include SSO?",
        "How do we export the audit log to a spreadsheet?",
        "Is there a limit on the number of seats?",
        "What happens to our data when the contract ends?",
        "Can we connect two calendars to one account?",
    ],
)
def test_question(text: str) -> None:
    assert kinds(text) == ["question"]


@pytest.mark.parametrize(
    "text",
    [
        "We met on Tuesday and talked about the schedule.",
        "No problem.",
        "Not a problem, I can wait.",
        "Okay.",
        "Right, right.",
        "Let's say it failed, we would call you.",
        "Imagine the server crashed during the demo.",
        "How was your weekend?",
        "Can you hear me?",
        "Nice to meet you, thanks for joining today.",
        "The team has four people in Lisbon.",
        "How are you doing today?",
        "Thanks in advance,",
        "The crash was fixed in March.",
    ],
)
@pytest.mark.parametrize("profile", ["raw", "transcript"])
def test_no_insight(text: str, profile: Profile) -> None:
    assert kinds(text, profile) == []


@pytest.mark.parametrize(
    "text",
    [
        "The export is not slow.",
        "We have had no issues with the sync.",
        "It never fails.",
        "The report is not hard to find.",
    ],
)
def test_negated_pain_is_no_pain(text: str) -> None:
    assert "pain" not in kinds(text)


def test_negated_praise_is_a_pain() -> None:
    assert kinds("The reporting is not very helpful.", "survey_response") == ["pain"]


CALL = """Sam (Acme): Our platform helps teams ship faster and customers love it.
Priya: We can't find the exports and the team is frustrated.
Sam (Acme): Would you like me to show you the dashboard?
Priya: Sure.
Sam (Acme): Does your team use Slack today?
Priya: Yes, every day.
Sam (Acme): And how do you export your data today?
Priya: By hand.
"""


def test_speaker_who_asks_is_the_host() -> None:
    detections = detect(sentences(CALL, "transcript"), "transcript")
    assert [(found.kind, found.sentence.speaker) for found in detections] == [("pain", "Priya")]


@pytest.mark.parametrize(
    "role", ["Agent", "Interviewer", "Support Agent", "Sales Rep", "Moderator"]
)
def test_role_name_marks_the_host(role: str) -> None:
    text = f"{role}: The exports are terrible and slow, I hate them.\nAna: Okay.\n"
    assert detect(sentences(text, "transcript"), "transcript") == []
    swapped = f"{role}: Okay.\nAna: The exports are terrible and slow, I hate them.\n"
    assert len(detect(sentences(swapped, "transcript"), "transcript")) == 1


def test_phrases_of_support_agents_are_no_insights() -> None:
    text = (
        "Thank you for contacting us, how can I help you today?\n"
        "I am sorry to hear that. Let me check the order.\n"
        "Is there anything else I can do for you? Have a great day!"
    )
    assert kinds(text, "support_ticket") == []


def test_profile_decides_the_threshold() -> None:
    text = "The audit log only goes back 30 days."
    assert kinds(text, "support_ticket") == ["pain"]
    assert kinds(text, "survey_response") == []
    assert kinds("The charts are great.", "survey_response") == ["praise"]
    assert kinds("The charts are great.", "transcript") == []


def test_report_contains_requests_of_others() -> None:
    text = "Several asked for a sandbox with sample data."
    assert kinds(text, "discovery_report") == ["request"]
    assert kinds(text, "raw") == []


def test_pros_and_cons_decide_the_kind() -> None:
    text = "Pros:\n- the calendar view\nCons:\n- the calendar colours"
    assert kinds(text, "survey_response") == ["praise", "pain"]


def test_scores_are_between_0_and_1() -> None:
    text = "Terrible, slow, buggy, broken, useless app, crashes and freezes, please add a fix?"
    assert all(0 <= value <= 1 for value in score(text, tokens(text), "raw").values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exports", "exporting"),
        ("crashes", "crashed"),
        ("stopped", "stop"),
        ("filters", "filtering"),
        ("integrations", "integrate"),
        ("companies", "company"),
        ("users'", "user's"),
    ],
)
def test_word_forms_have_the_same_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize("word", ["status", "access", "analysis", "bus", "s", "ing", ""])
def test_short_and_latin_words_are_their_own_stem(word: str) -> None:
    assert stem(word) == word


def test_seller_is_recognised_by_typical_statements() -> None:
    turns = [
        ("Rick", "Thanks for making the time. How is the team getting on?"),
        ("Grace", "The export is slow and our customers complain."),
        ("Rick", "Our platform gives you a new export. I'll send you the guide."),
        ("Tomas", "Does it work with our login? We built our own."),
        ("Grace", "And the search?"),
    ]
    assert hosts(spoken(turns)) == {"Rick"}
    assert hosts(spoken([turn for turn in turns if turn[0] != "Rick"])) == frozenset()
