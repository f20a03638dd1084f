"""The installed files of the sentence encoders. Nothing here loads an encoder or numpy."""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Final, Literal

Model = Literal["minilm", "use"]

SIZES: Final[dict[Model, int]] = {"minilm": 384, "use": 512}
"""Numbers in a vector. Hashed words have as many as the encoder that they replace."""

WEIGHTS: Final = Path(__file__).parents[1] / "weights"

HASHED_WORDS: Final = "tfidf/1"
"""Name of the replacement of a missing encoder."""

NONE: Final = "none"
FALLBACK: Final = f"{HASHED_WORDS}+{NONE}"
"""Name of the embedder that has hashed words instead of encoders."""


@cache
def available(model: Model, folder: Path = WEIGHTS) -> str:
    """Return the name of the encoder that `embeddings.encoder` returns, without loading it.

    The name of hashed words is "tfidf/1". Files with another hash than the recorded one are not
    used. The first call hashes the files, which takes 40 to 120 ms.
    """
    try:
        lines = (WEIGHTS / f"{model}.sha256").read_text("ascii").splitlines()
        sums = {name: digest for digest, name in (line.split() for line in lines)}
        is_complete = all(_sum(folder / name) == digest for name, digest in sums.items())
    except OSError:
        return HASHED_WORDS
    has_runtime = all(importlib.util.find_spec(name) for name in ("onnxruntime", "tokenizers"))
    is_available = is_complete and has_runtime
    return f"{model}-int8/{sums[f'{model}.onnx'][:8]}" if is_available else HASHED_WORDS


def _sum(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def is_complete(embedder: str) -> bool:
    """Return True if the embedder of this name has both encoders."""
    return not embedder.endswith(f"+{NONE}")
