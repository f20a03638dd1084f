"""Titles of needs and summary items, in the speakers' own words."""

from collections.abc import Sequence
from typing import Final

from domains.intelligence.heads.needs import Need
from domains.intelligence.heads.sentence_classifier import HEADS, Classified, classify_parts
from domains.intelligence.text.segmentation import Sentence
from domains.intelligence.wording.languages import code
from domains.intelligence.wording.titles import own_words, title

_MAX_ITEM: Final = 200
_BEFORE: Final = 3
"""Sentences of the same speaker in which the object of a pronoun is looked for."""


def need_title(
    sentences: Sequence[Sentence], classified: Classified, need: Need, language: str | None
) -> str | None:
    """Return the title of a need, from its main sentence. None if it has no words."""
    columns = [HEADS.index("need"), HEADS.index(need.type)]

    def score(parts: Sequence[str]) -> list[float]:
        rows = classify_parts(classified, need.main, parts)
        return [float(row) for row in rows[:, columns].prod(axis=1)]

    main = sentences[need.main]
    near = sentences[max(0, need.main - _BEFORE) : need.main]
    before = [each.text for each in near if each.speaker == main.speaker]
    return title(main.text, language, score, before)


def item_text(sentence: str, language: str | None) -> str:
    """Return a sentence as an item of a summary: own words, at most 200 characters."""
    return own_words(sentence, code(language), _MAX_ITEM)
