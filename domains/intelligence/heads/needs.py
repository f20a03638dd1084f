"""Customer needs in classified sentences: one for each group of sentences on the same need."""

from collections.abc import Sequence
from typing import Final, NamedTuple, get_args

from domains.intelligence.findings import Kind, Profile
from domains.intelligence.heads.sentence_classifier import HEADS, Classified, heads_network
from domains.intelligence.text.segmentation import Sentence

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

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
    return Thresholds(tuned[f"need_{profile}"], tuned[f"more_{profile}"])


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
            and more[place] >= least.more
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


def _type(classified: Classified, place: int) -> tuple[Kind, float]:
    """Return the most probable type of the sentence, and its probability."""
    types = [float(classified.probabilities[place, HEADS.index(each)]) for each in KINDS]
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
