"""Segmentation into sentences: speakers, times and offsets in each format."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.findings import Profile
from domains.intelligence.text.segmentation import sentences
from domains.intelligence.text.sentence_borders import MAX_QUOTE

PROFILES: tuple[Profile, ...] = get_args(Profile)


def spoken(text: str, profile: Profile = "transcript") -> list[tuple[str | None, str]]:
    return [(sentence.speaker, sentence.text) for sentence in sentences(text, profile)]


def timed(text: str) -> list[tuple[str | None, float | None, float | None]]:
    return [
        (sentence.speaker, sentence.start_time, sentence.end_time)
        for sentence in sentences(text, "transcript")
    ]


def texts(text: str, profile: Profile = "raw") -> list[str]:
    return [sentence.text for sentence in sentences(text, profile)]


def test_name_and_colon() -> None:
    assert spoken("Ana Lopez: We export by hand. It hurts.\nBob: Why?") == [
        ("Ana Lopez", "We export by hand."),
        ("Ana Lopez", "It hurts."),
        ("Bob", "Why?"),
    ]


def test_turn_continues_on_lines_without_a_speaker() -> None:
    assert spoken("Ana: First line.\nSecond line.\n\nThird line.\nBob: Mine.") == [
        ("Ana", "First line."),
        ("Ana", "Second line."),
        ("Ana", "Third line."),
        ("Bob", "Mine."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[00:12:31] Ana: It fails.\n[00:12:40] Bob: When?",
        "Ana [00:12:31]: It fails.\nBob [00:12:40]: When?",
        "00:12:31 Ana\nIt fails.\n00:12:40 Bob\nWhen?",
        "(12:31) Ana: It fails.\r\n(12:40) Bob: When?",
        "Ana (12:31)\nIt fails.\nBob (12:40)\nWhen?",
        "Ana 12:31\nIt fails.\n\nBob 12:40\nWhen?",
        "**Ana** [12:31]: It fails.\n**Bob** [12:40]: When?",
    ],
)
def test_timestamp_formats(text: str) -> None:
    assert spoken(text) == [("Ana", "It fails."), ("Bob", "When?")]
    assert timed(text) == [("Ana", 751.0, 760.0), ("Bob", 760.0, None)]


def test_timestamps_without_speakers() -> None:
    assert timed("[01:00:00.500] It fails.\n[01:00:02,250] Again.") == [
        (None, 3600.5, 3602.25),
        (None, 3602.25, None),
    ]


def test_speakers_within_one_line() -> None:
    assert spoken(
        "Agent: Hello. Customer: The export fails. Agent: Sorry. Customer: It is slow."
    ) == [
        ("Agent", "Hello."),
        ("Customer", "The export fails."),
        ("Agent", "Sorry."),
        ("Customer", "It is slow."),
    ]


def test_ticket_headers_are_not_speakers() -> None:
    text = "Subject: Export fails\nFrom: Ana\nPriority: high\n\nIt broke on Monday.\nError: 504"
    assert spoken(text, "support_ticket") == [
        (None, "Export fails"),
        (None, "It broke on Monday."),
        (None, "Error: 504"),
    ]


def test_subject_line_is_no_speaker() -> None:
    assert spoken("Subject: Weekly call\nAna: It fails.")[0] == (None, "Weekly call")


def test_bullets_headings_and_wrapped_lines() -> None:
    text = (
        "# Findings\n- exports are slow\n* search is fine\n1. no dark mode\n\n"
        "A paragraph that is wrapped by a mail program at this\ncolumn and goes on."
    )
    assert texts(text) == [
        "Findings",
        "exports are slow",
        "search is fine",
        "no dark mode",
        "A paragraph that is wrapped by a mail program at this\ncolumn and goes on.",
    ]


def test_pros_and_cons() -> None:
    text = "Pros: fast\nCons:\n- slow sync\n- no undo\nCons: ugly\nThe rest is fine."
    result = sentences(text, "survey_response")
    assert [(sentence.section, sentence.text) for sentence in result] == [
        ("pros", "fast"),
        ("cons", "slow sync"),
        ("cons", "no undo"),
        ("cons", "ugly"),
        ("", "The rest is fine."),
    ]


def test_contrast_is_split_into_two_statements() -> None:
    text = "The editor is lovely, but the export never finishes."
    assert texts(text) == ["The editor is lovely", "the export never finishes."]
    assert len(sentences("Not only fast but also cheap.", "raw")) == 1


def test_missing_full_stops() -> None:
    text = "I love the search engine It is quick My notes sync at once"
    assert texts(text, "survey_response") == [
        "I love the search engine",
        "It is quick",
        "My notes sync at once",
    ]


def test_abbreviations_do_not_end_sentences() -> None:
    assert len(sentences("Dr. Smith uses it, e.g. for reports.", "raw")) == 1


def test_speech_without_punctuation_is_split() -> None:
    text = "Ana: " + "we go to the report and then we wait for it and nothing happens " * 40
    result = texts(text, "transcript")
    assert len(result) > 5
    assert all(len(sentence) <= MAX_QUOTE for sentence in result)
    assert " ".join(result) == text.removeprefix("Ana: ").strip()


@pytest.mark.parametrize("text", ["", " ", "\n\r\n\t", ".", "?!", "🙂", "—", "-->", "[00:00:01]"])
def test_text_without_sentences(text: str) -> None:
    for profile in PROFILES:
        assert sentences(text, profile) == []


def test_single_letter_is_a_sentence() -> None:
    assert texts("a") == ["a"]


LINES = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(
            [
                "Ana: It fails.",
                "[00:01:02] Bob: Why?",
                "Subject: Export",
                "- bullet 🙂 point",
                "Cons:",
                "00:10:00 Ana",
                "It is great, but it fails. Really?",
                "\u2028",
                "",
            ]
        ),
    ),
    max_size=12,
).flatmap(lambda lines: st.sampled_from(["\n", "\r\n", "\n\n"]).map(lambda end: end.join(lines)))


@given(text=LINES, profile=st.sampled_from(PROFILES))
def test_sentences_of_any_text_are_slices_in_order(text: str, profile: Profile) -> None:
    last = 0
    for sentence in sentences(text, profile):
        assert text[sentence.start : sentence.end] == sentence.text
        assert sentence.text.strip() == sentence.text
        assert 0 < len(sentence.text) <= MAX_QUOTE
        assert sentence.speaker is None or sentence.speaker.strip()
        assert sentence.start >= last
        last = sentence.end


def test_sentences_of_scripts_without_spaces_end_at_their_full_stops() -> None:
    text = "注文のたびに落ちます。「もう無理。」と彼は言います！！本当ですか？ はい。"
    assert [each.text for each in sentences(text, "raw")] == [
        "注文のたびに落ちます。",
        "「もう無理。」と彼は言います！！",
        "本当ですか？",
        "はい。",
    ]


@pytest.mark.parametrize(
    "expected",
    [
        ["love the app.", "but it crashes all the time.", "pls fix the export, its slow."],
        ["me encanta la app.", "pero se cierra sola.", "arreglen eso"],
        ["sehr gut.", "aber sie stürzt ab, z.b. beim export.", "bitte fixen"],
        ["so i tried version 2.3. it hangs.", "what now?", "please help"],
        ["Luv the widgets.", "pls make them bigger"],
        ["No capitals after a question?", "they still begin a sentence.", "Always."],
    ],
)
def test_sentences_without_capitals_are_split(expected: list[str]) -> None:
    assert texts(" ".join(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "We use approx. ten seats.",
        "The inv. module is slow and the acct. page too.",
        "Das gilt lt. vertrag inkl. der wartung.",
        "no. 5 is broken",
        "see acme.example. it.is.not.split",
        "It took 5 sec. to load, says Mrs. miller",
        "I use Yahoo! mail every day",
    ],
)
def test_small_letters_after_abbreviations_continue_the_sentence(text: str) -> None:
    assert texts(f"The first is fine. {text}")[1:] == [text]


@pytest.mark.parametrize(
    "expected",
    [
        ["Ich schicke es bis zum 28. November.", "Danach nicht."],
        ["Er kommt Samstag, 3. Mai.", "Das passt."],
        ["Im 2. Stock fällt er aus.", "Der 3. Versuch klappt."],
        ["I am 28.", "Nobody cares."],
        ["Wir sind 28.", "Niemand fragt."],
        ["Un client demande « en cuir, combien ? et en toile ? ».", "Je dois refaire le devis."],
    ],
)
def test_german_ordinals_and_quotations_continue_the_sentence(expected: list[str]) -> None:
    assert texts(" ".join(expected)) == expected


@pytest.mark.parametrize("text", ["Ab" + "." * 40_000, "Great" + "!" * 40_000, ". " * 20_000])
def test_runs_of_signs_take_linear_time(text: str) -> None:
    """A quadratic function would not return."""
    assert len(sentences(text, "raw")) <= len(text)
