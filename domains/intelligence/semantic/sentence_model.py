"""The sentence model at work. Importing this costs 0.3 s, so only `embeddings` does, when asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray
from tokenizers import Tokenizer

MAX_TOKENS: Final = 128
"""Pieces of words that are read of a text, about 90 words; the rest has no say in its vector."""

_FATAL: Final = 4


class MiniLM:
    """all-MiniLM-L6-v2 with 8-bit weights, on one thread; safe to share between threads.

    Texts are read one at a time: so nothing that is embedded with a text, and no padding, can move
    its vector by a bit. That costs 4 to 5 ms for a sentence of 14 tokens on one core.
    """

    def __init__(self, name: str, model: Path, tokenizer: Path) -> None:
        """Load both files; raises OSError or ONNX Runtime's errors where they cannot be read."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _FATAL
        onnxruntime.disable_telemetry_events()
        self.name = name
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_str(tokenizer.read_text("utf-8"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.int8]:
        """See `embeddings.Embedder`."""
        made: dict[str, NDArray[np.int8]] = {}
        for text in texts:
            if text not in made:
                ids = self._tokenizer.encode(text).ids
                (unit,) = self._session.run(None, {"ids": np.array([ids], np.int64)})[0]
                made[text] = np.rint(unit * np.float32(127)).astype(np.int8)
        return np.array([made[text] for text in texts], np.int8)
