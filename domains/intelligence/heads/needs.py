"""Customer needs in classified sentences: one for each group of sentences on the same need."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, get_args

from domains.intelligence.findings import Profile
from domains.intelligence.heads.sentence_classifier import HEADS, Classified, heads_network
from domains.intelligence.text.segmentation import Sentence

NeedType = Literal["pain", "request", "praise", "question"]

NEED_TYPES: Final[tuple[NeedType, ...]] = get_args(NeedType)

_MAX_DISTANCE: Final = 4
"""Sentences from one to the next on the same need."""


class Need(NamedTuple):
    """A need and the places of its sentences, in order.

    `main` is the place of the most probable one, and `probability` its probability.
    """

    type: NeedType
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
        if group is not None and more[place] >= least.more and _is_near(sentences, group, place):
            group.append(place)
        else:
            group = latest[sentence.speaker] = [place]
            groups.append(group)
    needs = []
    for group in groups:
        main = max(group, key=lambda place: (probabilities[place], -place))
        types = [float(classified.probabilities[main, HEADS.index(each)]) for each in NEED_TYPES]
        kind = NEED_TYPES[types.index(max(types))]
        needs.append(Need(kind, group, main, float(probabilities[main])))
    return needs


def _is_near(sentences: Sequence[Sentence], group: Sequence[int], place: int) -> bool:
    last = group[-1]
    if place - last > _MAX_DISTANCE:
        return False
    # Paragraphs of a text without speakers are turns of nobody.
    return sentences[place].speaker is not None or (
        sentences[place].turn - sentences[last].turn <= 1
    )
