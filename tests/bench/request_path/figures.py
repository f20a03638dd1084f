"""Figures of interleaved rounds: medians of the ratios within each round, and their spread."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from tests.bench.request_path.cases import Case
from tests.bench.request_path.servers import BARE, OURS, PEER
from tests.bench.wrk import Run

Verdict = Literal["met", "missed", "inconclusive"]

# Share of its median by which the bare server's rate may move before ratios say nothing.
MAX_DRIFT: Final = 0.15


class Spread(NamedTuple):
    """The median of the rounds, and the quartiles around it."""

    median: float
    lower: float
    upper: float

    @property
    def width(self) -> float:
        """Distance of the quartiles, as a share of the median."""
        return (self.upper - self.lower) / self.median if self.median else 0.0

    def rounded(self, digits: int) -> "Spread":
        """The spread as it is shown. Verdicts are about shown figures."""
        return Spread(*(round(value, digits) for value in self))


class Figure(NamedTuple):
    """A measured figure and its must."""

    spread: Spread
    must: float | None
    verdict: Verdict | None


class Figures(NamedTuple):
    """The figures of a case. None: not measured."""

    case: Case
    rps_to_bare: Figure
    cpu_to_bare: Figure
    rps_to_peer: Figure | None
    postgres_ms: Figure
    p99_to_bare: Figure
    peer_to_bare: Spread | None
    drift: float


def spread(values: Sequence[float]) -> Spread:
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, lower, upper)


def figures_of(case: Case, rounds: Sequence[Mapping[str, Run]]) -> Figures:
    """Figures of a case from its rounds, which have a run of each server."""
    bare_rates = spread([runs[BARE].rps for runs in rounds])
    inconclusive = bare_rates.width > MAX_DRIFT
    musts = case.musts

    def ratios(field: Callable[[Run], float], other: str, name: str = OURS) -> Spread:
        return spread([field(runs[name]) / max(field(runs[other]), 1e-9) for runs in rounds])

    def figure(measured: Spread, digits: int, *, least: float | None, most: float | None) -> Figure:
        shown = measured.rounded(digits)
        must = most if least is None else least
        if must is None:
            return Figure(shown, None, None)
        reached = shown.median >= must if most is None else shown.median <= must
        return Figure(shown, must, "inconclusive" if inconclusive else _verdict(reached))

    def rate(run: Run) -> float:
        return run.rps

    def cpu(run: Run) -> float:
        return run.cpu

    peer = ratios(rate, PEER) if case.has_peer else None
    return Figures(
        case,
        rps_to_bare=figure(ratios(rate, BARE), 2, least=musts.rps_to_bare, most=None),
        cpu_to_bare=figure(ratios(cpu, BARE), 2, least=None, most=musts.cpu_to_bare),
        rps_to_peer=None if peer is None else figure(peer, 1, least=musts.rps_to_peer, most=None),
        postgres_ms=figure(
            spread([runs[OURS].postgres_cpu for runs in rounds]),
            3,
            least=None,
            most=musts.postgres_ms,
        ),
        p99_to_bare=figure(ratios(lambda run: run.p99, BARE), 2, least=None, most=None),
        peer_to_bare=ratios(rate, BARE, PEER) if case.has_peer else None,
        drift=bare_rates.width,
    )


def _verdict(reached: bool) -> Verdict:
    return "met" if reached else "missed"
