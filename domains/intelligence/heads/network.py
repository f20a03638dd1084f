"""Small neural networks on sentence vectors: one hidden layer, computed with numpy.

A file holds several networks of the same shape, each trained without another part of the data.
Their logits are averaged.
"""

import functools
from importlib import resources
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CLIP: Final = 4.0
"""Largest absolute value of a normalised input."""


_LARGEST: Final = 12.0
"""Largest absolute logit, so that probabilities stay between 0 and 1 in 32 bits."""


class Layers(msgspec.Struct, frozen=True):
    """One network: 16-bit floats in row order. `hidden` has shape (inputs, units)."""

    mean: bytes
    deviation: bytes
    hidden: bytes
    hidden_bias: bytes
    output: bytes
    output_bias: bytes


class NetworkFile(msgspec.Struct, frozen=True):
    """Content of a weight file (MessagePack).

    `outputs` names the columns of the result. `thresholds` are probabilities by name, tuned on data
    that the networks did not see. `encoder` is the name of the encoder of the inputs. `projection`
    maps the vectors of neighbours to few numbers; it has shape (vector, numbers) or is empty.
    """

    encoder: str
    outputs: list[str]
    projection: bytes
    networks: list[Layers]
    thresholds: dict[str, float]
    trained_on: str


class Network:
    """Networks ready to compute."""

    def __init__(self, content: NetworkFile) -> None:
        self.outputs: Final = tuple(content.outputs)
        self.thresholds: Final = content.thresholds
        self.encoder: Final = content.encoder
        self._networks = [_arrays(layers, len(self.outputs)) for layers in content.networks]
        self._projection = content.projection

    def project(self, vectors: Floats) -> Floats:
        """Reduce the vectors of neighbours."""
        projection = _floats(self._projection, vectors.shape[1], -1)
        return vectors @ projection

    def probabilities(self, inputs: Floats) -> Floats:
        """Return one row for each row of inputs, and one column for each output."""
        total = np.zeros((len(inputs), len(self.outputs)), np.float32)
        for mean, deviation, hidden, hidden_bias, output, output_bias in self._networks:
            normal = np.clip((inputs - mean) / deviation, -CLIP, CLIP)
            units = np.maximum(normal @ hidden + hidden_bias, 0)
            total += units @ output + output_bias
        logits: Floats = total / np.float32(len(self._networks))
        one = np.float32(1)
        probabilities: Floats = one / (one + np.exp(-np.clip(logits, -_LARGEST, _LARGEST)))
        return probabilities


def _arrays(layers: Layers, outputs: int) -> tuple[Floats, ...]:
    return (
        _floats(layers.mean, -1),
        _floats(layers.deviation, -1),
        _floats(layers.hidden, len(layers.mean) // 2, -1),
        _floats(layers.hidden_bias, -1),
        _floats(layers.output, -1, outputs),
        _floats(layers.output_bias, -1),
    )


def _floats(data: bytes, *shape: int) -> Floats:
    return np.frombuffer(data, np.float16).astype(np.float32).reshape(shape)


@functools.cache
def network(name: str) -> Network:
    """Load the networks with this name that ship with the package."""
    content = (resources.files("domains.intelligence") / "weights" / f"{name}.bin").read_bytes()
    return parse(content)


def parse(content: bytes) -> Network:
    """Read a weight file."""
    return Network(msgspec.msgpack.decode(content, type=NetworkFile))
