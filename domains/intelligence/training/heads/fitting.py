"""Train the heads and the roles of speakers on the project's own documents.

The documents are divided into parts. For each part, networks are trained on the others; the weight
file holds all of them. So every document has predictions of a network that did not see it: they
choose the thresholds and give the figures in MODELS.md.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from domains.intelligence.heads.features import ROLES, Role, SpeakerRoles, sentence_features
from domains.intelligence.heads.network import Layers, Network, NetworkFile
from domains.intelligence.heads.roles import labelled_roles, speaker_features, speaker_roles
from domains.intelligence.heads.sentence_classifier import (
    HEADS,
    NGRAM_HEADS,
    Classified,
    Head,
    combine,
)
from domains.intelligence.semantic.embeddings import Encoder
from domains.intelligence.training.fitting import Head as LinearHead
from domains.intelligence.training.fitting import Shape, held_out, precise_threshold
from domains.intelligence.training.fitting import fit as fit_ngrams
from domains.intelligence.training.heads import categories, competitors
from domains.intelligence.training.heads.assembled_calls import assembled_calls
from domains.intelligence.training.heads.marked_documents import (
    UNLABELLED,
    MarkedDocument,
    read_documents,
)
from domains.intelligence.training.heads.network_fitting import Settings, fit
from domains.intelligence.training.heads.sentence_labels import targets
from domains.intelligence.training.heads.thresholds import need_thresholds

Floats = NDArray[np.float32]

PARTS: Final = 5
_ROLE_SETTINGS: Final = Settings(units=32, epochs=30, dropout=0.5)
_HEAD_SETTINGS: Final = Settings()
_NGRAMS: Final = Shape(bits=15, characters=(3, 6), tolerance=1e-2)
_DISAGREEMENT: Final = 0.5
"""Target where two readers disagree."""
_AXES: Final = 32
"""Numbers left of the vector of a neighbour. With 16 and 64 the heads are as good."""
_DATA: Final = "own documents (CC0)"
_PRECISIONS: Final[dict[Head, float]] = {
    "step": 0.85,
    "price": 0.65,
    "decision": 0.45,
    "objection": 0.5,
}
"""Heads with one threshold for all texts: the lowest one with this precision by sentence. It is
near the one with the highest F1."""


class Example(NamedTuple):
    """A document ready for training. `part` numbers the part of the data that it belongs to."""

    document: MarkedDocument
    vectors: Floats
    answers: Floats
    weights: Floats
    known_roles: dict[str, Role]
    part: int


class Trained(NamedTuple):
    """Weight files by name, and the examples with their held-out probabilities."""

    files: dict[str, bytes]
    examples: list[Example]
    held_out: list[Floats]


def examples(documents: Sequence[MarkedDocument], encoder: Encoder) -> list[Example]:
    """Prepare the documents that have sentences."""
    made = []
    for document in documents:
        sentences = document.own_words.sentences
        if sentences:
            vectors = encoder.unit_vectors([sentence.text for sentence in sentences])
            answers, weights = targets(document)
            # By hash, so that a document keeps its part when others are added.
            part = hashlib.sha256(document.id.encode()).digest()[0] % PARTS
            roles = document.known_roles()
            made.append(Example(document, vectors, answers, weights, roles, part))
    return made


def train(documents: Sequence[MarkedDocument], encoder: Encoder, kind: str) -> Trained:
    """Train all heads on the vectors of this encoder, and the n-grams of the sentence heads.

    The files are named heads_ngrams, and roles_, heads_, categories_ and competitors_{kind}. Takes
    some minutes.
    """
    data = examples(documents, encoder)
    # A call is assembled of one part only, so that no network sees what it is judged by.
    more = [
        each._replace(part=part)
        for part in range(PARTS)
        for each in examples(assembled_calls(_of_part(data, part), part), encoder)
    ]
    role_layers = [_fit_roles([*data, *more], part) for part in range(PARTS)]
    inferred = [Network(_file(encoder, ROLES, [layers])) for layers in role_layers]
    projection = _fit_projection(data)
    sides = [_sides(example, inferred[example.part]) for example in data]
    inputs = [
        _features(example, roles, projection) for example, roles in zip(data, sides, strict=True)
    ]
    more_inputs = [_features(each, _sides(each, inferred[each.part]), projection) for each in more]
    unlabelled = examples(list(read_documents(UNLABELLED)), encoder)
    head_layers = [
        _fit_heads([*data, *more], [*inputs, *more_inputs], part) for part in range(PARTS)
    ]
    networks = [Network(_file(encoder, HEADS, [layers], projection)) for layers in head_layers]
    ngrams, ngram_logits = _fit_ngrams(data)
    held_out = [
        combine(networks[example.part].probabilities(features), logits)
        for example, features, logits in zip(data, inputs, ngram_logits, strict=True)
    ]
    thresholds: dict[str, float] = {
        head: precise_threshold(*_sentences(data, held_out, HEADS.index(head)), precision)
        for head, precision in _PRECISIONS.items()
    }
    thresholds |= need_thresholds([example.document for example in data], held_out)
    files = {
        f"roles_{kind}": msgspec.msgpack.encode(_file(encoder, ROLES, role_layers)),
        f"heads_{kind}": msgspec.msgpack.encode(
            _file(encoder, HEADS, head_layers, projection, thresholds)
        ),
        "heads_ngrams": ngrams,
        f"categories_{kind}": categories.train(
            f"categories_{kind}",
            [example.document for example in [*data, *unlabelled]],
            [
                *_classified(data, held_out, sides, inputs),
                *_unlabelled_classified(unlabelled, inferred, networks, projection),
            ],
            encoder,
        ),
        f"competitors_{kind}": competitors.train(f"competitors_{kind}", encoder),
    }
    return Trained(files, data, held_out)


def _unlabelled_classified(
    data: Sequence[Example],
    inferred: Sequence[Network],
    networks: Sequence[Network],
    projection: bytes,
) -> list[Classified]:
    """Classify documents that no network has seen, without n-grams."""
    sides = [_sides(example, inferred[example.part]) for example in data]
    inputs = [
        _features(example, roles, projection) for example, roles in zip(data, sides, strict=True)
    ]
    found = [
        networks[example.part].probabilities(features)
        for example, features in zip(data, inputs, strict=True)
    ]
    return _classified(data, found, sides, inputs)


def _of_part(data: Sequence[Example], part: int) -> list[MarkedDocument]:
    return [example.document for example in data if example.part == part]


def _classified(
    data: Sequence[Example],
    held_out: Sequence[Floats],
    sides: Sequence[SpeakerRoles],
    inputs: Sequence[Floats],
) -> list[Classified]:
    return [
        Classified(
            rows,
            roles,
            features,
            [sentence.speaker for sentence in example.document.own_words.sentences],
        )
        for example, rows, roles, features in zip(data, held_out, sides, inputs, strict=True)
    ]


def _fit_ngrams(data: Sequence[Example]) -> tuple[bytes, list[NDArray[np.float64]]]:
    """Fit the n-grams, and return them with the held-out logits of each example."""
    texts = [sentence.text for example in data for sentence in example.document.own_words.sentences]
    answers = np.concatenate([example.answers for example in data])
    weights = np.concatenate([example.weights for example in data]).astype(np.float64)
    heads: dict[str, LinearHead] = {}
    for head in NGRAM_HEADS:
        column = HEADS.index(head)
        # Sentences on which two readers disagree teach nothing here.
        certain = weights[:, column] * (answers[:, column] != _DISAGREEMENT)
        heads[head] = LinearHead(answers[:, column] > _DISAGREEMENT, 3.0, weights=certain)
    groups = np.repeat(
        [example.part for example in data], [len(example.vectors) for example in data]
    )
    content = fit_ngrams("heads_ngrams", texts, heads, _NGRAMS, trained_on=_DATA)
    found = held_out(texts, heads, _NGRAMS, groups=groups, folds=PARTS)
    logits = np.log(found) - np.log1p(-found)
    borders = np.cumsum([len(example.vectors) for example in data])[:-1]
    return content, np.split(logits, borders)


def _fit_roles(data: Sequence[Example], part: int) -> Layers:
    rows, answers = [], []
    for example in data:
        if example.part != part and example.known_roles:
            speakers, features = speaker_features(
                example.document.own_words.sentences, example.vectors
            )
            for speaker, row in zip(speakers, features, strict=True):
                if speaker in example.known_roles:
                    rows.append(row)
                    answers.append([example.known_roles[speaker] == role for role in ROLES])
    targets_ = np.asarray(answers, np.float32)
    return fit(np.asarray(rows), targets_, np.ones_like(targets_), part, _ROLE_SETTINGS)


def _fit_heads(data: Sequence[Example], inputs: Sequence[Floats], part: int) -> Layers:
    chosen = [place for place, example in enumerate(data) if example.part != part]
    return fit(
        np.concatenate([inputs[place] for place in chosen]),
        np.concatenate([data[place].answers for place in chosen]),
        np.concatenate([data[place].weights for place in chosen]),
        part,
        _HEAD_SETTINGS,
    )


def _fit_projection(data: Sequence[Example]) -> bytes:
    """Return the main axes of the vectors, as in the weight file."""
    vectors = np.concatenate([example.vectors for example in data]).astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :_AXES]
    return axes.astype(np.float16).tobytes()


def _sides(example: Example, roles: Network) -> SpeakerRoles:
    """Return the roles as known in one half of the documents, as inferred in the other."""
    is_known = hashlib.sha256(example.document.id.encode()).digest()[1] % 2 == 0
    sentences = example.document.own_words.sentences
    known = example.known_roles if is_known else {}
    known = known or labelled_roles(sentences, example.document.profile)
    return speaker_roles(sentences, example.vectors, known, roles)


def _features(example: Example, sides: SpeakerRoles, projection: bytes) -> Floats:
    axes = np.frombuffer(projection, np.float16).astype(np.float32).reshape(-1, _AXES)
    return sentence_features(
        example.document.own_words.sentences,
        example.document.profile,
        sides,
        example.vectors,
        example.vectors @ axes,
    )


def _file(
    encoder: Encoder,
    outputs: Sequence[str],
    layers: list[Layers],
    projection: bytes = b"",
    thresholds: Mapping[str, float] | None = None,
) -> NetworkFile:
    chosen = dict(thresholds or {})
    return NetworkFile(encoder.name, list(outputs), projection, layers, chosen, _DATA)


def _sentences(
    data: Sequence[Example], held_out: Sequence[Floats], head: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    answers = np.concatenate([example.answers[:, head] for example in data]) > _DISAGREEMENT
    return answers, np.concatenate([rows[:, head] for rows in held_out]).astype(np.float64)
