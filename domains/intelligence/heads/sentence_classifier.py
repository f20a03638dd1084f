"""Classification of the sentences of a document by the heads."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.findings import Profile
from domains.intelligence.heads.features import Floats, Role, SpeakerRoles, sentence_features
from domains.intelligence.heads.network import Network, network
from domains.intelligence.heads.roles import labelled_roles, speaker_roles
from domains.intelligence.semantic.embeddings import Encoder, Words, encoder
from domains.intelligence.text import linear
from domains.intelligence.text.cue_evidence import cue_evidence
from domains.intelligence.text.segmentation import Sentence
from domains.intelligence.text.words import tokens

Head = Literal[
    "need",
    "pain",
    "request",
    "praise",
    "question",
    "more",
    "step",
    "not_step",
    "price",
    "decision",
    "objection",
    "trap",
]
"""`need`: the sentence shows a pain, request, praise or question of the customer. The next four say
which, if it is one; `more`: it is about the same need as the one before. `trap`: it only resembles
a need, such as a pitch, a recap or a trouble that somebody denies."""

HEADS: Final[tuple[Head, ...]] = get_args(Head)


class Classified(NamedTuple):
    """Probability of each head for each sentence, and the inferred or known roles of speakers.

    `features` are the inputs of the networks, to classify parts of sentences. `features` and
    `speakers` have the first MAX_SENTENCES sentences only.
    """

    probabilities: Floats
    roles: SpeakerRoles
    features: Floats
    speakers: Sequence[str | None]

    def of(self, head: Head) -> Floats:
        """Return one probability for each sentence."""
        return self.probabilities[:, HEADS.index(head)]


MAX_SENTENCES: Final = 20_000
"""Sentences of a document that are classified, about 250,000 words. Bounds time and memory."""

NGRAM_HEADS: Final[tuple[Head, ...]] = (
    *("need", "pain", "request", "praise", "price", "decision", "objection", "trap"),
)
"""Heads that n-grams of words and characters improve: vectors hardly see modality and polarity."""

_LIKELY, _RELIEF, _DENIED = 0.1, 0.4, 0.35
"""Least probability of a pain and evidence of relief, and the factor of a denied pain."""

_NGRAM_SHARE: Final = 0.5
"""Weight of the n-grams' logits beside those of the networks, chosen on held-out documents."""
_TRAP_SHARE, _LEAST_TRAP = 0.4, -4.0
"""Part of a trap's logit above the least one by which a need is less likely. On held-out documents
436 instead of 568 traps are taken for needs; the F1 of needs falls from 0.755 to 0.754."""


def classify(
    sentences: Sequence[Sentence], profile: Profile, known: Mapping[str, Role]
) -> Classified:
    """Classify the sentences of a document. `known`: roles of speakers by name.

    If no role is known, those that the labels of the speakers name count. Takes about 1 ms a
    sentence on one core, most of it for the vectors. Sentences after the first MAX_SENTENCES have
    the probability 0 of every head.
    """
    read = sentences[:MAX_SENTENCES]
    texts = [sentence.text for sentence in read]
    model = encoder("use")
    vectors = model.unit_vectors(texts)
    known = known or labelled_roles(read, profile)
    roles = speaker_roles(read, vectors, known, network(f"roles_{_kind(model)}"))
    projected = heads_network().project(vectors)
    features = sentence_features(read, profile, roles, vectors, projected)
    probabilities = np.zeros((len(sentences), len(HEADS)), np.float32)
    probabilities[: len(read)] = _probabilities(features, texts)
    return Classified(probabilities, roles, features, [each.speaker for each in read])


def _without_relief(probabilities: Floats, texts: Sequence[str]) -> Floats:
    """Lower the probability of pains that the sentence denies, as in "it never crashes"."""
    need, pain = HEADS.index("need"), HEADS.index("pain")
    likely = probabilities[:, need] * probabilities[:, pain] >= _LIKELY
    for place in np.flatnonzero(likely).tolist():
        cues = cue_evidence(texts[place], tokens(texts[place]))
        if cues["relief"] >= max(_RELIEF, cues["pain"]):
            probabilities[place, need] *= _DENIED
    return probabilities


def classify_parts(classified: Classified, place: int, parts: Sequence[str]) -> Floats:
    """Classify parts of the sentence at this place, each as if it stood there alone.

    Returns a row for each part, and a column for each of HEADS.
    """
    model = encoder("use")
    vectors = model.unit_vectors(parts)
    features = np.repeat(classified.features[place : place + 1], len(parts), axis=0)
    features[:, : vectors.shape[1]] = vectors
    return _probabilities(features, parts)


def heads_network() -> Network:
    """Load the networks of the heads for the installed encoder."""
    return network(f"heads_{encoder_kind()}")


def encoder_kind() -> str:
    """Return the ending of the names of the weight files for the installed encoder."""
    return _kind(encoder("use"))


def _kind(model: Encoder) -> str:
    return "hashed" if model.name == Words.name else "use"


def _probabilities(features: Floats, texts: Sequence[str]) -> Floats:
    if not len(features):
        return np.zeros((0, len(HEADS)), np.float32)
    probabilities = heads_network().probabilities(features)
    combined = combine(probabilities, linear.model("heads_ngrams").logits(texts))
    return _without_relief(combined, texts)


def combine(probabilities: Floats, ngram_logits: NDArray[np.float64]) -> Floats:
    """Add the logits of NGRAM_HEADS to those of the networks. A likely trap lowers a need."""
    columns = [HEADS.index(head) for head in NGRAM_HEADS]
    own = probabilities[:, columns].astype(np.float64)
    logits = np.log(own) - np.log1p(-own) + _NGRAM_SHARE * ngram_logits
    trap = logits[:, NGRAM_HEADS.index("trap")] - _LEAST_TRAP
    logits[:, NGRAM_HEADS.index("need")] -= _TRAP_SHARE * np.maximum(trap, 0)
    combined = probabilities.copy()
    combined[:, columns] = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return combined
