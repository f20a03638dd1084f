"""Customer needs in classified sentences: one for each group of sentences on the same need."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, get_args

import numpy as np
from msgspec.structs import replace

from domains.intelligence.findings import Kind, Profile
from domains.intelligence.heads.features import Floats, trained_profile, word_count
from domains.intelligence.heads.sentence_classifier import (
    HEADS,
    Classified,
    classify_parts,
    heads_network,
)
from domains.intelligence.text.segmentation import Sentence
from domains.intelligence.text.words import content_stems, tokens

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

MAX_QUOTES: Final = 5
_MAX_DISTANCE: Final = 4
"""Sentences from one to the next on the same need."""
_SURE: Final = 0.6
"""Probability of a type from which sentences of another type are another need."""


class Need(NamedTuple):
    """A need and the places of its sentences, in order.

    `main` is the place of the sentence that shows it best, `probability` the highest of them all.
    """

    type: Kind
    places: list[int]
    main: int
    probability: float


class Thresholds(NamedTuple):
    """A sentence shows a need from the probability `need` on.

    From `more` on it continues the need of the same speaker just before.
    """

    need: float
    more: float


def thresholds(profile: Profile) -> Thresholds:
    """Return the thresholds for a profile, as tuned in training."""
    tuned = heads_network().thresholds
    trained = trained_profile(profile)
    return Thresholds(tuned[f"need_{trained}"], tuned[f"more_{trained}"])


class Split(NamedTuple):
    """Sentences of which some were split, with their classification.

    `origins` has the place of the whole sentence for each of them.
    """

    sentences: list[Sentence]
    classified: Classified
    origins: list[int]


def split_mixed(
    sentences: Sequence[Sentence], classified: Classified, least: Thresholds, language: str | None
) -> Split:
    """Split sentences with a clause that shows a need of another type than the whole sentence.

    "I love it, but it is slow" is praise and a pain. Borders are contrasts and semicolons.
    """
    contrast = _CONTRASTS.get(language or "en")
    probabilities = classified.of("need")
    split = Split([], classified, [])
    rows: list[Floats] = []
    for place, sentence in enumerate(sentences):
        parts, found = [sentence], classified.probabilities[place : place + 1]
        if contrast is not None and probabilities[place] >= least.need:
            parts, found = _mixed_parts(sentence, place, classified, least, contrast)
        split.sentences.extend(parts)
        split.origins.extend([place] * len(parts))
        rows.append(found)
    if len(split.sentences) == len(sentences):
        return split
    read = [origin for origin in split.origins if origin < len(classified.features)]
    return split._replace(
        classified=classified._replace(
            probabilities=np.concatenate(rows),
            features=classified.features[read],
            speakers=[classified.speakers[origin] for origin in read],
        )
    )


def _mixed_parts(
    sentence: Sentence,
    place: int,
    classified: Classified,
    least: Thresholds,
    contrast: re.Pattern[str],
) -> tuple[list[Sentence], Floats]:
    """Return the parts of a mixed sentence or the sentence itself, with their probabilities."""
    whole = classified.probabilities[place]
    for parts in _partitions(sentence, contrast):
        found = classify_parts(classified, place, [part.text for part in parts])
        if _are_mixed(found, whole, least):
            return parts, found
    return [sentence], whole[np.newaxis]


def _partitions(sentence: Sentence, contrast: re.Pattern[str]) -> Iterator[list[Sentence]]:
    """Iterate over the first three ways to split a sentence in two at a border of clauses."""
    text = sentence.text
    borders = (
        border
        for border in contrast.finditer(text)
        if word_count(text[: border.start()]) >= _FEWEST_WORDS
        and word_count(text[border.end() :]) >= _FEWEST_WORDS
    )
    for border in islice(borders, _MAX_PARTITIONS):
        yield [
            replace(sentence, text=text[: border.start()], end=sentence.start + border.start()),
            replace(sentence, text=text[border.end() :], start=sentence.start + border.end()),
        ]


def _are_mixed(rows: Floats, whole: Floats, least: Thresholds) -> bool:
    """Return True if a part shows a need of another type than the whole sentence."""
    of_whole, need = _best_type(whole)[0], HEADS.index("need")
    return any(row[need] >= least.need and _best_type(row)[0] != of_whole for row in rows)


_FEWEST_WORDS: Final = 2
_MAX_PARTITIONS: Final = 3
_CONTRASTS: Final[dict[str, re.Pattern[str]]] = {
    language: re.compile(rf"[,;]?\s+(?:[–—-]\s+)?(?=(?:{words})\b)|\s*;\s+(?=\w)", re.IGNORECASE)
    for language, words in {
        "en": "but|however|although|though|except",
        "de": "aber|allerdings|jedoch",
        "fr": "mais|par contre|cependant",
        "es": "pero|aunque|sin embargo",
        "pt": "mas|porém|só que",
        "it": "ma|però|tuttavia",
        "nl": "maar|echter",
    }.items()
} | {"ja": re.compile(r"(?<=[がどに])、")}


def find_needs(
    sentences: Sequence[Sentence], classified: Classified, least: Thresholds
) -> list[Need]:
    """Return the needs in order of their first sentences."""
    probabilities = classified.of("need")
    more = classified.of("more")
    groups: list[list[int]] = []
    latest: dict[str | None, list[int]] = {}
    for place, sentence in enumerate(sentences):
        if probabilities[place] < least.need:
            continue
        group = latest.get(sentence.speaker)
        if (
            group is not None
            and (more[place] >= least.more or _REFERS_BACK.fullmatch(sentence.text))
            and _is_near(sentences, group, place)
            and _may_agree(classified, group[-1], place)
        ):
            group.append(place)
        else:
            group = latest[sentence.speaker] = [place]
            groups.append(group)
    needs = []
    for group in groups:
        # A sentence that continues a need makes a poor title.
        weights = {place: float(probabilities[place] * (1 - more[place] / 2)) for place in group}
        main = max(group, key=lambda place: (weights[place], -place))
        best = float(probabilities[group].max())
        needs.append(Need(_type(classified, main)[0], group, main, best))
    return needs


_REFERS_BACK: Final = re.compile(
    r"\W*(?:(?:i|we) )?(?:(?:really|just|absolutely|simply|totally) )*"
    r"(?:love|like|adore|enjoy|hate|dislike|recommend) (?:it|this|them|that)\W*",
    re.IGNORECASE,
)
"""A short English judgement on what was said just before."""


def merge_repeated(sentences: Sequence[Sentence], needs: Sequence[Need]) -> list[Need]:
    """Merge needs of one type whose main sentences have nearly the same topic words.

    A first sentence without a full stop may be the subject of a mail: the need that repeats most of
    its topic words is the same. Needs after the first 300 are compared by their exact words only.
    """
    kept: list[tuple[Need, frozenset[str]]] = []
    by_words: dict[tuple[Kind, frozenset[str]], int] = {}
    places: list[set[int]] = []
    for need in needs:
        about = frozenset(content_stems(tokens(sentences[need.main].text)))
        key = (need.type, about)
        place = by_words.get(key)
        if place is None and len(kept) < _MAX_COMPARED:
            place = next(
                (
                    number
                    for number, (other, words) in enumerate(kept)
                    if other.type == need.type
                    and (
                        _is_same(about, words)
                        or (_is_subject(sentences, other) and _repeats(about, words))
                    )
                ),
                None,
            )
        if place is None or not about:
            by_words[key] = len(kept)
            kept.append((need, about))
            places.append(set(need.places))
        else:
            first, words = kept[place]
            kept[place] = (max(first, need, key=lambda each: each.probability), words)
            places[place].update(need.places)
    return [need._replace(places=sorted(own)) for (need, _), own in zip(kept, places, strict=True)]


_MAX_COMPARED: Final = 300
_SAME_SHARE: Final = 0.75


_COMMON_WORDS: Final = 2


def _is_same(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _SAME_SHARE * max(len(one | other), 1)


def _is_subject(sentences: Sequence[Sentence], need: Need) -> bool:
    return need.places == [0] and sentences[0].text[-1] not in ".!?…。！？"


def _repeats(about: frozenset[str], subject: frozenset[str]) -> bool:
    common = len(about & subject)
    return common >= max(min(_COMMON_WORDS, len(subject)), 1, _SAME_SHARE * len(subject))


def quoted(need: Need) -> list[int]:
    """Return the first places of a need, at most MAX_QUOTES, always with its main one."""
    others = [place for place in need.places if place != need.main]
    return sorted([need.main, *others[: MAX_QUOTES - 1]])


def _type(classified: Classified, place: int) -> tuple[Kind, float]:
    """Return the most probable type of the sentence, and its probability."""
    return _best_type(classified.probabilities[place])


def _best_type(row: Floats) -> tuple[Kind, float]:
    types = [float(row[HEADS.index(each)]) for each in KINDS]
    best = max(types)
    return KINDS[types.index(best)], best


def _may_agree(classified: Classified, one: int, other: int) -> bool:
    """Return False if the two sentences are surely of different types."""
    (first, sure), (second, also) = (_type(classified, place) for place in (one, other))
    return first == second or min(sure, also) < _SURE


def _is_near(sentences: Sequence[Sentence], group: Sequence[int], place: int) -> bool:
    last = group[-1]
    if place - last > _MAX_DISTANCE:
        return False
    # Paragraphs of a text without speakers are turns of nobody.
    return sentences[place].speaker is not None or (
        sentences[place].turn - sentences[last].turn <= 1
    )
