"""Titles of findings in the speaker's own words."""

from collections.abc import Callable, Sequence
from typing import Final

from domains.intelligence.wording.clauses import Cut, cuts, depths
from domains.intelligence.wording.cleaning import WORD, clean, forms, is_east_asian, trimmed
from domains.intelligence.wording.languages import LANGUAGES, code
from domains.intelligence.wording.references import meant

LONGEST_TITLE: Final = 80
LONGEST_EAST_ASIAN_TITLE: Final = 40
_NEAR_TIE: Final = 0.1
_WORTH_AN_ELLIPSIS: Final = 0.2
"""Difference of scores from which the beginning of the sentence is better than a clause."""

Score = Callable[[Sequence[str]], Sequence[float]]


def title(
    sentence: str, language: str | None, score: Score, before: Sequence[str] = ()
) -> str | None:
    """The title of a finding: words of its sentence in their order, at most 80 characters.

    East Asian titles have at most 40. A long sentence is cut at borders of clauses; `score` is
    called at most once, with at most 12 cuts, and returns how well each shows the finding. Where
    the title has a pronoun, `before` (the sentences before, the nearest last) can supply what it
    refers to, in square brackets in front. None if the sentence has no letters.
    """
    tongue = code(language)
    text = clean(sentence, tongue)
    if not any(c.isalpha() for c in text):
        return None
    east_asian = is_east_asian(text)
    limit = LONGEST_EAST_ASIAN_TITLE if east_asian else LONGEST_TITLE
    words = _shortened(text, "ja" if east_asian else tongue, limit, score)
    noun = meant(words, [*before, text.partition(words.rstrip("…"))[0]], tongue)
    if noun is not None and len(noun) + len(words) + 3 <= limit:
        return f"[{noun}] {words[0].lower()}{words[1:]}"
    return _capital(words)


def own_words(sentence: str, language: str, limit: int) -> str:
    """The cleaned sentence, cut at a word if it is longer than `limit` characters."""
    return _capital(ellipsis(clean(sentence, language), limit, language))


def ellipsis(text: str, limit: int, language: str) -> str:
    """The text, or its first words and an ellipsis, at most `limit` characters."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    if is_east_asian(head):
        open_at = depths(head)
        pauses = [n for n, c in enumerate(head) if c in "、。，" and n >= limit // 2]
        pause = max(pauses, key=lambda n: (not open_at[n], n), default=len(head))
        return head[:pause] + "…"
    found = [match for match in WORD.finditer(text[: limit + 40]) if match.end() < limit]
    hanging = LANGUAGES[language].hanging
    keep = len(found)
    while keep > max(len(found) - 6, 2) and forms(found[keep - 1][0]) & hanging:
        keep -= 1
    if keep:
        return trimmed(text[: found[keep - 1].end()]).rstrip("?!") + "…"
    return head + "…"


def _shortened(text: str, language: str, limit: int, score: Score) -> str:
    if len(text) <= limit:
        return text
    found = cuts(text, language, limit)
    if not found:
        return ellipsis(text, limit, language)
    rest = ellipsis(text, limit, language)
    *scores, of_rest = score([*(cut.text for cut in found), rest])
    best = max(scores)
    if of_rest > best + _WORTH_AN_ELLIPSIS:
        return rest

    def preference(scored: tuple[Cut, float]) -> tuple[bool, bool, int]:
        cut, value = scored
        return value >= best - _NEAR_TIE, cut.main, len(cut.text)

    return max(zip(found, scores, strict=True), key=preference)[0].text


def _capital(text: str) -> str:
    """The text with a capital first letter, unless its first word is written otherwise."""
    first = text.split(" ", 1)[0]
    if first[:1] in "'’" and len(first) <= 3:
        return text
    if any(c.isupper() for c in first[1:]) or any(c in "._/@" for c in first[1:-1]):
        return text
    place = next((n for n, c in enumerate(text[:3]) if c not in "¿¡“„«\"'([‘"), 0)
    letter = text[place].title()
    return text[:place] + letter + text[place + 1 :] if len(letter) == 1 else text
