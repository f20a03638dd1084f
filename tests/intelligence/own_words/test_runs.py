"""Speech that was cut into pieces gives the findings of the whole sentences."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.dialogue.turns import Turn
from domains.intelligence.findings import Document
from domains.intelligence.outline import outline
from domains.intelligence.own_words.reading import Statement, read, read_speech
from tests.intelligence.own_words.transcripts import insights, pieces

CALL = (
    ("Bo", "Hello Mira, thanks for joining today."),
    ("Mira", "Our invoices are really hard to find, we search for an hour and it is annoying."),
    ("Bo", "I will send you the new price list by Friday."),
    (
        "Mira",
        "We also look at Initech because their search is faster. It would be great if the "
        "archive could be sorted by Customer Number, though.",
    ),
    ("Bo", "Could you tell me how many people use it?"),
    ("Mira", "Does it support single sign-on for our office in Porto?"),
)


def _cut(words: int) -> list[tuple[str, str]]:
    return [(name, piece) for name, text in CALL for piece in pieces(text, words)]


def _turns(entries: list[tuple[str, str]]) -> list[Turn]:
    return [
        Turn(name, text, name == "Bo", 2.0 * number, 2.0 * number + 2)
        for number, (name, text) in enumerate(entries)
    ]


@given(words=st.integers(min_value=1, max_value=9))
def test_summary_of_cut_entries_is_that_of_the_whole(words: int) -> None:
    cut, whole = _turns(_cut(words)), _turns(list(CALL))
    expected = outline(whole, "EXTERNAL", held_on=date(2026, 3, 4))
    found = outline(cut, "EXTERNAL", held_on=date(2026, 3, 4))
    assert (found.category, found.summary) == (expected.category, expected.summary)
    assert found.summary["Pain Points"]
    assert found.summary["Next Steps"] == [
        "Bo: will send you the new price list by Friday (due 2026-03-06)"
    ]
    for heading, shown in found.evidence.items():
        assert all(each.quote in cut[each.turn].text for each in shown)
        assert " ".join(each.quote for each in shown).split() == (
            " ".join(each.quote for each in expected.evidence[heading]).split()
        )


@pytest.mark.parametrize("form", ["label", "cue"])
@pytest.mark.parametrize("words", [2, 4, 7])
def test_insights_of_cut_lines_are_those_of_the_whole(words: int, form: str) -> None:
    def text(entries: list[tuple[str, str]]) -> str:
        if form == "label":
            return "\n".join(f"{name}: {words}" for name, words in entries)
        return "WEBVTT\n\n" + "\n\n".join(
            f"00:{at:02}.000 --> 00:{at + 1:02}.000\n{name}: {words}"
            for at, (name, words) in enumerate(entries)
        )

    whole, cut = insights(text(list(CALL))), insights(text(_cut(words)))
    assert whole
    assert [(each.kind, each.name, each.description) for each in cut] == [
        (each.kind, each.name, each.description) for each in whole
    ]
    for one, other in zip(cut, whole, strict=True):
        assert " ".join(quote.text for quote in one.quotes).split() == (
            " ".join(quote.text for quote in other.quotes).split()
        )
        assert [quote.start for quote in one.quotes] == sorted({q.start for q in one.quotes})


def _runs(*entries: tuple[str, str]) -> list[tuple[str, str]]:
    return read_speech([Statement(name, text) for name, text in entries]).runs


def test_back_channels_do_not_interrupt_a_sentence() -> None:
    assert _runs(
        ("Ana", "The export that we"),
        ("Bo", "Mm-hm."),
        ("Ana", "use every day"),
        ("Bo", "Right, yeah."),
        ("Ana", "is slow."),
        ("Bo", "Okay."),
        ("Bo", "Since when is that?"),
    ) == [
        ("Ana", "The export that we use every day is slow."),
        ("Bo", "Mm-hm."),
        ("Bo", "Right, yeah."),
        ("Bo", "Okay. Since when is that?"),
    ]


def test_new_sentence_after_a_broken_off_one() -> None:
    assert _runs(
        ("Ana", "And then the"),
        ("Ana", "So we export it by hand."),
        ("Ana", "It takes an hour."),
    ) == [("Ana", "And then the"), ("Ana", "So we export it by hand. It takes an hour.")]


def test_capital_words_within_a_sentence() -> None:
    entries = (
        "We work with",
        "HE colleges and the",
        "Children and",
        "People Committee of",
        "Bath.",
    )
    assert _runs(*(("Ana", text) for text in entries)) == [("Ana", " ".join(entries))]


def test_messages_without_punctuation_stay_apart() -> None:
    entries = (("Ana", "Hi"), ("Ana", "Export is broken"), ("Ana", "Can you have a look"))
    assert _runs(*entries) == list(entries)


@pytest.mark.parametrize(("pause", "turns"), [(0.2, 1), (5.0, 2)])
def test_unknown_speakers_are_joined_up_to_a_pause(pause: float, turns: int) -> None:
    start = 2.0 + pause
    text = (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nThe export takes\n\n"
        f"00:00:{start:06.3f} --> 00:00:{start + 2:06.3f}\nan hour."
    )
    sentences = read(Document(text=text, profile="transcript")).sentences
    assert len({sentence.turn for sentence in sentences}) == turns
