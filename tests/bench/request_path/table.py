"""The figures as a table of Markdown."""

from collections.abc import Iterable
from typing import Final

from tests.bench.request_path.figures import MAX_DRIFT, Figure, Figures

_HEADER: Final = (
    "request",
    "rps / bare",
    "CPU / bare",
    "rps / peer",
    "PostgreSQL ms",
    "p99 / bare",
    "bare moved",
)


def table(measured: Iterable[Figures], rounds: int, seconds: int, records: int) -> str:
    """A table with a row per request, and a line on how it was measured."""
    lines = [_line(_HEADER), _line("---" for _ in _HEADER), *map(_row, measured)]
    measured_by = (
        f"{rounds} rounds of {seconds} s, {records:,} records of each kind. In parentheses: the"
        " middle half of the rounds.\n"
        f"“Inconclusive”: the bare server's own rate moved by more than {MAX_DRIFT:.0%}."
    )
    return "\n".join([*lines, "", measured_by])


def _row(figures: Figures) -> str:
    aim = figures.case.musts.rps_aim
    return _line(
        (
            f"`{figures.case.name}`",
            _cell(figures.rps_to_bare, 2, "≥") + (f", aim {aim:.2f}" if aim else ""),
            _cell(figures.cpu_to_bare, 2, "≤"),
            _cell(figures.rps_to_peer, 1, "≥"),
            _cell(figures.postgres_ms, 3, "≤"),
            _cell(figures.p99_to_bare, 2, "≤"),
            f"{figures.drift:.0%}",
        )
    )


def _cell(figure: Figure | None, digits: int, sign: str) -> str:
    """Such as `0.64 (0.62–0.66), must ≥ 0.62: met`."""
    if figure is None:
        return "-"
    median, lower, upper = (f"{value:.{digits}f}" for value in figure.spread)
    text = f"{median} ({lower}–{upper})"
    if figure.must is None:
        return text
    verdict = figure.verdict if figure.verdict == "met" else f"**{figure.verdict}**"
    return f"{text}, must {sign} {figure.must:.{digits}f}: {verdict}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
