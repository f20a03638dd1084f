"""Titles: the sentence's own words, without openings, cut where a clause ends."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.wording.languages import LANGUAGES
from domains.intelligence.wording.titles import title


def by_length(texts: Sequence[str]) -> list[float]:
    """A stand-in for the classifier: a longer text shows a little more."""
    return [0.6 + len(text) / 400 for text in texts]


def titled(sentence: str, language: str, before: Sequence[str] = ()) -> str | None:
    return title(sentence, language, by_length, before)


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("en", "Well, the report never opens.", "The report never opens"),
        ("en", "Yeah, no, so we, uh, type it all twice.", "We, type it all twice"),
        ("en", "I mean, honestly, the the scanner is slow!", "The scanner is slow!"),
        ("en", "[laughs] And it prints upside down.", "It prints upside down"),
        ("en", "- **Search** never finds `old` orders.", "Search never finds old orders"),
        ("en", "> 2. The map is blank.", "The map is blank"),
        ("en", "“We count the keys by hand.”", "We count the keys by hand"),
        ("en", '"Done" is the only status we have', '"Done" is the only status we have'),
        ("en", "iPhone photos arrive sideways.", "iPhone photos arrive sideways"),
        ("en", "config.yaml is overwritten on update", "config.yaml is overwritten on update"),
        ("en", "It's — we have no way to undo that.", "We have no way to undo that"),
        ("en", "And does it export to Excel?", "Does it export to Excel?"),
        ("en", "No passwords for my volunteers, please.", "No passwords for my volunteers, please"),
        ("en", "Well organised layout.", "Well organised layout"),
        ("en", "So many clicks for one invoice.", "So many clicks for one invoice"),
        ("en", "The the pages that that app has", "The pages that that app has"),
        ("de", "Na ja, also, die Suche findet nichts.", "Die Suche findet nichts"),
        (
            "de",
            "Und die Leute, die die App nutzen, warten.",
            "Die Leute, die die App nutzen, warten",
        ),
        ("de", "Ehrlich gesagt, äh, der Export dauert ewig.", "Der Export dauert ewig"),
        ("de", "Also brauchen wir zwei Listen.", "Also brauchen wir zwei Listen"),
        ("de", "Das Feld heißt „Sonstiges“.", "Das Feld heißt „Sonstiges“"),
        ("fr", "Ben, euh, le planning se vide tout seul.", "Le planning se vide tout seul"),
        ("fr", "Mais nous nous trompons à chaque fois.", "Nous nous trompons à chaque fois"),
        ("fr", "Est-ce que ça marche hors ligne ?", "Est-ce que ça marche hors ligne ?"),
        ("es", "Pues, o sea, la caja no cuadra nunca.", "La caja no cuadra nunca"),
        ("es", "¿Y se puede cambiar el idioma?", "¿Se puede cambiar el idioma?"),
        ("pt", "Bom, olha, o relatório sai em branco.", "O relatório sai em branco"),
        ("it", "Cioè, allora, la stampa parte due volte.", "La stampa parte due volte"),
        ("it", "Devo riaprirle a una a una", "Devo riaprirle a una a una"),
        ("es", "Perdimos dos este año", "Perdimos dos este año"),
        ("en", "It was it was 5 mm too short", "It was 5 mm too short"),
        ("pt", "Bom atendimento na loja", "Bom atendimento na loja"),
        ("nl", "Nou moet ik weer inloggen", "Nou moet ik weer inloggen"),
        ("nl", "Nou ja, kijk, de lijst klopt nooit.", "De lijst klopt nooit"),
        ("nl", "'t Rooster verspringt elke week.", "'t Rooster verspringt elke week"),
        ("ja", "えっと、まあ、在庫の数が合わないんです。", "在庫の数が合わないんです"),
        ("ja", "「予約が二重になる」", "予約が二重になる"),
    ],
)
def test_a_short_sentence_loses_only_its_opening_and_marks(
    language: str, sentence: str, expected: str
) -> None:
    assert titled(sentence, language) == expected


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        (
            "en",
            "The rota sends everyone the wrong shift on Mondays, and then my phone does not stop "
            "ringing until noon.",
            "The rota sends everyone the wrong shift on Mondays",
        ),
        (
            "en",
            "We keep a second list on the wall because the system forgets the allergies of the "
            "children each time that they move up a class.",
            "We keep a second list on the wall",
        ),
        (
            "de",
            "Die Rechnungen gehen immer an die alte Adresse, weil niemand weiß, wo man die neue "
            "Anschrift einträgt.",
            "Die Rechnungen gehen immer an die alte Adresse",
        ),
        (
            "fr",
            "Le lecteur refuse une carte sur deux le matin, et on attend tous dehors sous la "
            "pluie.",
            "Le lecteur refuse une carte sur deux le matin",
        ),
        (
            "es",
            "El sistema cobra dos veces a los socios mayores, y luego vienen todos a reclamar a "
            "la ventanilla.",
            "El sistema cobra dos veces a los socios mayores",
        ),
        (
            "pt",
            "O leitor não aceita o cartão dos motoristas novos, e a fila chega até a rua principal "
            "do bairro.",
            "O leitor não aceita o cartão dos motoristas novos",
        ),
        (
            "it",
            "La bilancia non parla con la cassa del negozio, e noi scriviamo tutti i pesi a mano "
            "su un quaderno.",
            "La bilancia non parla con la cassa del negozio",
        ),
        (
            "nl",
            "De planning is op zondag altijd onbereikbaar, en dan bellen alle chauffeurs mij thuis "
            "onder het eten op.",
            "De planning is op zondag altijd onbereikbaar",
        ),
        (
            "ja",
            "配達の時間を毎朝一軒ずつ手で書き写しているんですけど、月末になると数が多くてとても間に合いません。",
            "配達の時間を毎朝一軒ずつ手で書き写しているんです",
        ),
    ],
)
def test_a_long_sentence_is_cut_where_a_clause_ends(
    language: str, sentence: str, expected: str
) -> None:
    assert titled(sentence, language) == expected


def test_a_pronoun_is_not_cut_from_the_noun_that_it_repeats() -> None:
    sentence = (
        "Die Liste der Gäste mit Allergien, die ist immer erst am Abend fertig, wenn die Küche "
        "schon geschlossen hat."
    )
    found = titled(sentence, "de")
    assert found is not None
    assert found.startswith("Die Liste der Gäste mit Allergien")


@pytest.mark.parametrize(
    "sentence",
    [
        "I do not believe, after a whole year of trying it, that the new scanner is any faster "
        "than the old one was.",
        "Nobody here would say that the new booking page is hard to use for people who have a "
        "computer at home.",
        "Ich glaube nach drei Monaten wirklich nicht, dass der neue Kalender schneller ist als "
        "der alte im Büro war.",
        "No creo, después de probarlo tres meses enteros, que el nuevo lector sea más rápido que "
        "el de antes.",
    ],
)
def test_a_cut_keeps_the_negation_that_governs_it(sentence: str) -> None:
    language = {"I": "en", "Nobody": "en", "Ich": "de", "No": "es"}[sentence.split(maxsplit=1)[0]]
    found = titled(sentence, language)
    assert found is not None
    assert found.startswith(" ".join(sentence.split()[:3]))
    assert found.endswith("…")


def test_the_clause_with_the_best_score_is_the_title() -> None:
    sentence = (
        "I have been at the front desk since nineteen ninety one; the visitor list is never right "
        "and it takes me an hour to correct it."
    )

    def prefer_list(texts: Sequence[str]) -> list[float]:
        assert 1 < len(texts) <= 12
        return [0.9 if text.endswith("never right") else 0.1 for text in texts]

    assert title(sentence, "en", prefer_list) == "The visitor list is never right"


def test_a_sentence_without_a_readable_cut_ends_with_an_ellipsis() -> None:
    sentence = "Labels for the big freezers in the back store room of our third shop in the high "
    found = titled(sentence + "street behind the old town hall of Ashby", "en")
    assert found == "Labels for the big freezers in the back store room of our third shop…"


@pytest.mark.parametrize(
    ("language", "sentence", "before", "expected"),
    [
        ("en", "It takes forever.", "The export is new.", "[export] it takes forever"),
        ("en", "They keep vanishing.", "The labels are new.", "[labels] they keep vanishing"),
        ("en", "It crashes a lot.", "I tried the stock list.", "[stock list] it crashes a lot"),
        ("de", "Er dauert ewig.", "Der Export ist neu.", "[Export] er dauert ewig"),
        ("fr", "Elle plante souvent.", "La tablette est neuve.", "[tablette] elle plante souvent"),
        ("nl", "Hij loopt vaak vast.", "De scanner is nieuw.", "[scanner] hij loopt vaak vast"),
        ("pt", "Ela trava muito.", "A balança é nova.", "[balança] ela trava muito"),
        # More than one noun, another number, a clause as the subject, or no noun at all.
        ("en", "It takes forever.", "The export is slower than the import.", "It takes forever"),
        ("en", "They keep vanishing.", "The export is new.", "They keep vanishing"),
        ("en", "It takes an hour to start.", "The export is new.", "It takes an hour to start"),
        ("en", "It takes forever.", "We reboot the printer.", "It takes forever"),
        ("en", "It crashes daily.", "My wife is ill.", "It crashes daily"),
        ("en", "It takes forever.", "Nobody knows why.", "It takes forever"),
        ("de", "Es dauert ewig.", "Das Programm ist neu.", "Es dauert ewig"),
        ("en", "The export takes forever.", "The app is new.", "The export takes forever"),
    ],
)
def test_the_noun_of_a_pronoun_is_shown_only_where_it_is_clear(
    language: str, sentence: str, before: str, expected: str
) -> None:
    assert titled(sentence, language, [before]) == expected


@pytest.mark.parametrize("sentence", ["", "   ", "…", "33.34, 33.33", "👍👍", "--- *** ---"])
def test_a_sentence_without_letters_has_no_title(sentence: str) -> None:
    assert titled(sentence, "en") is None


WORDS = sorted(
    {
        word
        for language in LANGUAGES.values()
        for group in (language.subjects, language.verbs, language.joins, language.subordinators)
        for word in group
    }
)
MARKS = [",", ";", ":", " –", "...", ".", "?", "“", "”", '"', "(", ")", "[", "]", "、", "。", "**"]
PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(MARKS),
    st.sampled_from(["Export", "けど", "注文", "x-y"]),
)
SENTENCES = st.lists(PIECES, max_size=60).map(" ".join)


@given(
    sentence=st.one_of(st.text(max_size=300), SENTENCES),
    before=st.lists(SENTENCES, max_size=2),
    language=st.sampled_from([*LANGUAGES, "pt-BR", "xx", None]),
)
def test_a_title_is_words_of_its_sentence_in_their_order(
    sentence: str, before: list[str], language: str | None
) -> None:
    found = title(sentence, language, by_length, before)
    assert found == title(sentence, language, by_length, before)
    if found is None:
        return
    assert len(found) <= 80
    words = re.sub(r"^\[[^\]]+\] ", "", found) if before else found
    signs = iter(sentence.casefold())
    assert all(sign in signs for sign in words.removesuffix("…").casefold() if sign.isalnum())


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a ",
        ", and it",
        "(",
        "“",
        "the the ",
        "um ",
        "well, ",
        "**x ",
        "[",
        "、",
        "けど、",
        "¿",
        "- ",
    ],
)
def test_hostile_sentences_have_a_title_of_bounded_length(unit: str) -> None:
    found = titled(unit * (100_000 // len(unit)) + "end", "en", [unit * 50_000])
    assert found is None or len(found) <= 80
