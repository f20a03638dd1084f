"""Texts as vectors: how near two of them are says whether they mean the same.

The vectors are those of a small sentence model that is made at installation. Where its file or its
runtime is missing, hashed words stand in: they find texts that share words, not texts that share a
meaning. Vectors of the two are never compared, so whoever stores a vector stores its maker's name.
"""

import hashlib
import importlib
import importlib.util
import math
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.text.words import STOP_WORDS, content_stems, tokens

SIZE: Final = 384
"""Numbers in a vector, one byte each."""

WEIGHTS: Final = Path(__file__).parents[1] / "weights"

_LONGEST: Final = 4000
"""Characters of a text that are looked at, far above what the model reads."""


class Embedder(Protocol):
    """What makes vectors: `name` stands in records and changes whenever the vectors may.

    `vectors` gives one row of SIZE signed bytes for each text, a unit vector times 127. The same
    text has the same bytes, whatever is embedded before or beside it; upper case and white space
    have no say with either maker. A text with nothing in it is the zero vector, near to nothing.
    Any string is accepted; only the beginning of a long one counts.
    """

    @property
    def name(self) -> str: ...
    def vectors(self, texts: Sequence[str]) -> NDArray[np.int8]: ...


@cache
def embedder(folder: Path = WEIGHTS) -> Embedder:
    """The best maker of vectors that this installation has, loaded at the first call in 0.5 s.

    A model in the folder that cannot be loaded is no reason to stop: words stand in, and the name
    says so.
    """
    name = available(folder)
    if name != Words.name:
        try:
            # Not above: what must be ready at once, or never embeds, does not wait for the runtime.
            minilm = importlib.import_module("domains.intelligence.semantic.sentence_model")
            return _Tidied(minilm.MiniLM(name, folder / _MODEL, folder / _TOKENIZER))
        except (ImportError, OSError, RuntimeError):
            pass
    return _Tidied(Words())


@cache
def available(folder: Path = WEIGHTS) -> str:
    """The name that `embedder` will have, found without loading anything: "tfidf/1" is the lesser.

    A model file counts only if it is the recorded one; looking costs some 40 ms once.
    """
    try:
        lines = (WEIGHTS / _SUMS).read_text("ascii").splitlines()
        sums = {name: digest for digest, name in (line.split() for line in lines)}
        whole = all(_sum(folder / name) == digest for name, digest in sums.items())
    except OSError:
        return Words.name
    there = all(importlib.util.find_spec(name) for name in ("onnxruntime", "tokenizers"))
    return f"minilm-int8/{sums[_MODEL][:8]}" if whole and there else Words.name


_MODEL: Final = "minilm.onnx"
_TOKENIZER: Final = "minilm.tokenizer.json"
_SUMS: Final = "minilm.sha256"


def _sum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class _Tidied:
    """Prepares texts for an embedder and answers for those with nothing in them."""

    def __init__(self, inner: Embedder) -> None:
        self.name = inner.name
        self._inner = inner

    def vectors(self, texts: Sequence[str]) -> NDArray[np.int8]:
        tidied = [_tidy(text) for text in texts]
        vectors = np.zeros((len(tidied), SIZE), np.int8)
        filled = [place for place, text in enumerate(tidied) if text]
        if filled:
            vectors[filled] = self._inner.vectors([tidied[place] for place in filled])
        return vectors


def _tidy(text: str) -> str:
    # Half a character outside the basic plane cannot be encoded; the tokenizer would refuse it.
    whole = text[:_LONGEST].encode("utf-8", "replace").decode("utf-8")
    return " ".join(whole.lower().split())


class Words:
    """Vectors without a model: the weighted words of a text, each thrown in a direction of its own.

    The direction comes from the word's hash, so vectors of any two days can be compared and nothing
    is learned from the texts. Stems of topic words count fully, pairs of them half, the beginnings
    of words a little against misspelling, stop words hardly.
    """

    name: Final = "tfidf/1"

    def vectors(self, texts: Sequence[str]) -> NDArray[np.int8]:
        """See `Embedder`. About 0.1 ms a sentence."""
        return np.array([self._vector(text) for text in texts], np.int8).reshape(-1, SIZE)

    def _vector(self, text: str) -> NDArray[np.int8]:
        weights = _features(text)
        if not weights:
            return np.zeros(SIZE, np.int8)
        signs = np.array([_direction(feature) for feature in weights], np.float64)
        total = np.array([*weights.values()]) @ signs
        length = math.sqrt(float(total @ total))
        return np.rint(total * (127 / (length or 1.0))).astype(np.int8)


def _features(text: str) -> dict[str, float]:
    words = tokens(text)
    stems = content_stems(words)
    weights = {f"w {stem}": 1 + math.log(count) for stem, count in Counter(stems).items()}
    weights |= {f"p {one} {two}": 0.5 for one, two in pairwise(stems)}
    weights |= {f"b {stem[:4]}": 0.4 for stem in stems if len(stem) > 4}
    return weights | {f"s {word}": 0.1 for word in words if word in STOP_WORDS or len(word) == 1}


@lru_cache(maxsize=20_000)
def _direction(feature: str) -> NDArray[np.int8]:
    """A vector of ones and minus ones, by the 384 bits of a hash."""
    digest = hashlib.blake2b(feature.encode(), digest_size=SIZE // 8).digest()
    return np.unpackbits(np.frombuffer(digest, np.uint8)).astype(np.int8) * 2 - 1
