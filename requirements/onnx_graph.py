"""Write ONNX models with numpy alone.

An ONNX file is a protocol buffer. This module encodes the few messages that the models need, so
that numpy is the only package that influences the bytes.
"""

from __future__ import annotations

import struct

import numpy as np

MAX_WEIGHT = 63
"""Largest absolute value of a weight, 7 of 8 bits. With 8 bits, processors without VNNI saturate
when they add two products, so the vectors would depend on the processor."""


def quantize(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Quantise to int8, with one scale for all values along the axis. Returns both arrays."""
    scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / np.float32(MAX_WEIGHT), 1e-12)
    return np.rint(values / scale).astype(np.int8), scale.astype(np.float32)


# Element types of the ONNX format. The numbers in the calls below are its protobuf field numbers.
FLOAT, UINT8, INT64 = 1, 2, 7
ELEMENTS = {"float32": FLOAT, "uint8": UINT8, "int8": 3, "int64": INT64}


class Graph:
    """Collects operations and constants and encodes them as an ONNX model."""

    # The names given{n} and made{n} are part of the bytes that the .sha256 files record.

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

    def linear(self, x: str, weight: np.ndarray, axis: int, *, zeros: bool = False) -> str:
        """Multiply the last axis of x by a matrix with 7-bit weights; inputs are rounded to 8 bits.

        One input scale per row, so a row's result does not depend on the rest of the batch.
        `zeros`: rows may be all zero. `axis` is the number of the last axis, or -1.
        """
        integers, scale = quantize(weight, 0)
        largest = self.op("ReduceMax", self.op("Abs", x), self.constant([axis]), keepdims=1)
        step = self.op("Mul", largest, self.constant(np.float32(1 / 127)))
        if zeros:
            step = self.op("Max", step, self.constant(np.float32(1e-12)))
        row = self.op("Round", self.op("Div", x, step))
        row = self.op("Cast", self.op("Add", row, self.constant(np.float32(128))), to=UINT8)
        y = self.op("MatMulInteger", row, self.constant(integers), self.constant(np.uint8(128)))
        y = self.op("Mul", self.op("Cast", y, to=FLOAT), step)
        return self.op("Mul", y, self.constant(scale[0]))

    def model(self, name: str, output: str, width: int) -> bytes:
        """Encode the model with the input `ids` and this output of `width` numbers a text."""
        graph = b"".join(_bytes(1, node) for node in self.nodes) + _bytes(2, name)
        graph += b"".join(_bytes(5, constant) for constant in self.constants)
        graph += _bytes(11, _port("ids", INT64, "texts", "tokens"))
        graph += _bytes(12, _port(output, FLOAT, "texts", width))
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
