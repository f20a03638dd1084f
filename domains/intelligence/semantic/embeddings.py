"""Embeddings of texts: USE for all languages, and MiniLM for pairs of English texts.

The encoders are built at installation. If the files or the runtime of one are missing, hashed words
replace it: they find texts that share words, not texts that share a meaning. Embeddings of
different encoders are never compared, so the encoders' names are stored with each.
"""

import hashlib
import importlib
import math
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.language import detect
from domains.intelligence.semantic.encoder_files import (
    HASHED_WORDS,
    NONE,
    SIZES,
    WEIGHTS,
    Model,
    available,
)
from domains.intelligence.text.words import STOP_WORDS, content_stems, tokens

SIZE: Final = SIZES["use"] + SIZES["minilm"]
"""Bytes of a stored vector."""
ALL_LANGUAGES: Final = slice(0, SIZES["use"])
ENGLISH: Final = slice(SIZES["use"], SIZE)
"""Parts of a stored vector. ENGLISH is zero unless the text is English or of unknown language."""

_MAX_LENGTH: Final = 4000
"""Characters of a text that are read, far more than the encoders' tokens."""


class Encoder(Protocol):
    """Encodes texts. `name` changes whenever the vectors may change.

    `unit_vectors` returns a row of length 1 for each text. The vector of a text does not depend on
    the texts beside it. Letter case and white space are ignored. A text without letters or digits
    may be the zero vector; an empty one always is. Any string is accepted.
    """

    @property
    def name(self) -> str: ...
    def unit_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class Embedder:
    """Embeds texts for storage and comparison: unit vectors times 127, rounded to signed bytes.

    A vector has the two parts ALL_LANGUAGES and ENGLISH. Without `english` the latter is zero.
    """

    def __init__(self, all_languages: Encoder, english: Encoder | None) -> None:
        self.name: Final = f"{all_languages.name}+{english.name if english else NONE}"
        self._all_languages = all_languages
        self._english = english

    def vectors(self, texts: Sequence[str]) -> NDArray[np.int8]:
        """Return one row of SIZE bytes for each text. See `Encoder`."""
        vectors = np.zeros((len(texts), SIZE), np.float32)
        english = [place for place, text in enumerate(texts) if detect(text) in (None, "en")]
        if texts:
            vectors[:, ALL_LANGUAGES] = self._all_languages.unit_vectors(texts)
        if english and self._english is not None:
            own = self._english.unit_vectors([texts[place] for place in english])
            vectors[english, ENGLISH] = own
        rounded: NDArray[np.int8] = np.rint(vectors * np.float32(127)).astype(np.int8)
        return rounded


@cache
def embedder(folder: Path = WEIGHTS) -> Embedder:
    """Return the embedder of the installed encoders. See `encoder`.

    MiniLM is left out if it is missing, and with hashed words.
    """
    all_languages, english = encoder("use", folder), encoder("minilm", folder)
    has_both = Words.name not in (all_languages.name, english.name)
    return Embedder(all_languages, english if has_both else None)


def encoder(model: Model, folder: Path = WEIGHTS) -> Encoder:
    """Return the encoder, or hashed words if it is not installed or cannot be loaded.

    The first call loads it, in about 0.5 s.
    """
    return _loaded(model, folder)


@cache
def _loaded(model: Model, folder: Path) -> Encoder:
    name = available(model, folder)
    if not name.startswith(Words.name):
        try:
            # Imported here: a process that never encodes should not load the runtime.
            module = importlib.import_module("domains.intelligence.semantic.sentence_model")
            files = folder / f"{model}.onnx", folder / f"{model}.tokenizer.json"
            return _Encoder(name, SIZES[model], module.SentenceModel(*files))
        except (ImportError, OSError, RuntimeError):
            pass
    return _Encoder(Words.name, SIZES[model], Words(SIZES[model]))


class _Vectors(Protocol):
    """Encodes texts that are normalised and not empty."""

    def unit_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class _Encoder:
    """Normalises texts for a model. Empty texts become zero vectors."""

    def __init__(self, name: str, size: int, model: _Vectors) -> None:
        self.name: Final = name
        self._size = size
        self._model = model

    def unit_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        normal = [_normalize(text) for text in texts]
        vectors = np.zeros((len(normal), self._size), np.float32)
        filled = [place for place, text in enumerate(normal) if text]
        if filled:
            vectors[filled] = self._model.unit_vectors([normal[place] for place in filled])
        return vectors


def _normalize(text: str) -> str:
    # The tokenizers cannot encode an unpaired surrogate.
    whole = text[:_MAX_LENGTH].encode("utf-8", "replace").decode("utf-8")
    return " ".join(whole.lower().split())


class Words:
    """Vectors without a model: the weighted sum of one direction per word of a text.

    A word's direction comes from its hash, so vectors of any two days are comparable and nothing is
    learned from the texts. Stems of topic words count 1, pairs of them 0.5, the first letters of
    words 0.4 against misspelling, stop words 0.1.
    """

    name: Final = HASHED_WORDS

    def __init__(self, size: int) -> None:
        self._size = size

    def unit_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Encoder`. About 0.1 ms a sentence."""
        return np.array([self._vector(text) for text in texts], np.float32)

    def _vector(self, text: str) -> NDArray[np.float64]:
        weights = _features(text)
        if not weights:
            return np.zeros(self._size)
        signs = np.array([_direction(feature, self._size) for feature in weights], np.float64)
        total = np.array([*weights.values()]) @ signs
        length = math.sqrt(float(total @ total))
        return np.asarray(total / (length or 1.0))


def _features(text: str) -> dict[str, float]:
    words = tokens(text)
    stems = content_stems(words)
    weights = {f"w {stem}": 1 + math.log(count) for stem, count in Counter(stems).items()}
    weights |= {f"p {one} {two}": 0.5 for one, two in pairwise(stems)}
    weights |= {f"b {stem[:4]}": 0.4 for stem in stems if len(stem) > 4}
    return weights | {f"s {word}": 0.1 for word in words if word in STOP_WORDS or len(word) == 1}


@lru_cache(maxsize=20_000)
def _direction(feature: str, size: int) -> NDArray[np.int8]:
    """Return a vector of ones and minus ones: the bits of a hash. At most 512 of them."""
    digest = hashlib.blake2b(feature.encode(), digest_size=size // 8).digest()
    return np.unpackbits(np.frombuffer(digest, np.uint8)).astype(np.int8) * 2 - 1
