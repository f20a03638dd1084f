"""Fit networks with one hidden layer by Adam, in numpy. Reproducible on one machine."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.heads.network import CLIP, Layers

Floats = NDArray[np.float32]

_BATCH: Final = 64
_MOMENTUM, _SQUARE_MOMENTUM, _EPSILON = 0.9, 0.999, 1e-8


class Settings(NamedTuple):
    """`dropout` of hidden units; of inputs half as much. `decay` is the weight decay per step."""

    units: int = 128
    epochs: int = 10
    rate: float = 1e-3
    dropout: float = 0.3
    decay: float = 1e-4


def fit(inputs: Floats, answers: Floats, weights: Floats, seed: int, settings: Settings) -> Layers:
    """Fit a network that gives, for each row of inputs, the probability of each answer.

    The answers lie between 0 and 1. `weights` have the same shape; a weight of 0 ignores an answer.
    """
    draw = np.random.default_rng(seed)
    mean = _stored(inputs.mean(axis=0))
    deviation = _stored(inputs.std(axis=0) + np.float32(1e-3))
    normal = np.clip((inputs - mean) / deviation, -CLIP, CLIP)
    width, outputs = inputs.shape[1], answers.shape[1]
    parameters = [
        draw.standard_normal((width, settings.units), np.float32) * np.float32(width**-0.5),
        np.zeros(settings.units, np.float32),
        draw.standard_normal((settings.units, outputs), np.float32)
        * np.float32(settings.units**-0.5),
        np.zeros(outputs, np.float32),
    ]
    optimizer = _Adam(parameters, settings)
    for epoch in range(settings.epochs):
        rate = settings.rate * (1 + np.cos(np.pi * epoch / settings.epochs)) / 2 + 1e-5
        order = draw.permutation(len(normal))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            kept_inputs = _mask(draw, (len(rows), width), settings.dropout / 2)
            kept_units = _mask(draw, (len(rows), settings.units), settings.dropout)
            gradients = _gradients(
                parameters, normal[rows] * kept_inputs, kept_units, answers[rows], weights[rows]
            )
            optimizer.step(gradients, rate)
    return Layers(
        *(values.astype(np.float16).tobytes() for values in (mean, deviation, *parameters))
    )


def _stored(values: Floats) -> Floats:
    """Round as in the weight file."""
    return values.astype(np.float16).astype(np.float32)


def _mask(draw: np.random.Generator, shape: tuple[int, int], dropout: float) -> Floats:
    kept = draw.random(shape, np.float32) >= dropout
    return kept.astype(np.float32) / np.float32(1 - dropout)


def _gradients(
    parameters: list[Floats], inputs: Floats, kept: Floats, answers: Floats, weights: Floats
) -> list[Floats]:
    """Gradients of the weighted cross-entropy."""
    hidden, hidden_bias, output, output_bias = parameters
    activation = inputs @ hidden + hidden_bias
    units = np.maximum(activation, 0) * kept
    predicted = 1 / (1 + np.exp(-np.clip(units @ output + output_bias, -30, 30)))
    error = (predicted - answers) * weights / np.float32(len(inputs))
    below = (error @ output.T) * kept * (activation > 0)
    return [inputs.T @ below, below.sum(axis=0), units.T @ error, error.sum(axis=0)]


class _Adam:
    """Adam with decoupled weight decay. Changes the parameters in place."""

    def __init__(self, parameters: list[Floats], settings: Settings) -> None:
        self._parameters = parameters
        self._decay = settings.decay / settings.rate
        self._means = [np.zeros_like(each) for each in parameters]
        self._squares = [np.zeros_like(each) for each in parameters]
        self._steps = 0

    def step(self, gradients: list[Floats], rate: float) -> None:
        self._steps += 1
        for values, gradient, mean, square in zip(
            self._parameters, gradients, self._means, self._squares, strict=True
        ):
            mean[...] = _MOMENTUM * mean + (1 - _MOMENTUM) * gradient
            square[...] = _SQUARE_MOMENTUM * square + (1 - _SQUARE_MOMENTUM) * gradient**2
            direction = mean / (1 - _MOMENTUM**self._steps)
            scale = np.sqrt(square / (1 - _SQUARE_MOMENTUM**self._steps)) + _EPSILON
            decay = rate * self._decay if values.ndim > 1 else 0.0
            values[...] = values * (1 - decay) - rate * direction / scale
