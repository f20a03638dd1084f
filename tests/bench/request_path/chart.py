"""The figures as an SVG chart: requests per second as a share of the bare server's."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from tests.bench.request_path.figures import Figures, Spread

# Pixels.
_WIDTH: Final = 860
_LEFT: Final = 290
_PLOT: Final = 500
_TOP: Final = 64
_GROUP: Final = 46
_BAR: Final = 14

# The right end of the axis.
_MAXIMUM: Final = 1.0

_OURS, _PEER, _MUST, _TEXT, _GRID = "#2563eb", "#9ca3af", "#b91c1c", "#1f2937", "#e5e7eb"


def chart(measured: Sequence[Figures]) -> str:
    """A group of bars per request, with the quartiles of the rounds and the must."""
    height = _TOP + _GROUP * len(measured) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="13">',
        "<title>Requests per second as a share of the bare server's</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(16, 24, "Requests per second as a share of the bare server's", size=15),
        *_legend(),
        *_grid(height),
    ]
    for index, figures in enumerate(measured):
        parts += _group(figures, _TOP + _GROUP * index)
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> list[str]:
    return [
        _rect(16, 36, 12, 12, _OURS),
        _text(34, 47, "this product"),
        _rect(130, 36, 12, 12, _PEER),
        _text(148, 47, "FastAPI + ORM"),
        _line(262, 34, 262, 50, _MUST, 3),
        _text(272, 47, "must"),
        _line(322, 42, 338, 42, _TEXT, 1),
        _text(344, 47, "middle half of the rounds"),
    ]


def _grid(height: int) -> list[str]:
    bottom = height - 32
    shares = [step / 5 for step in range(6)]
    return [
        part
        for share in shares
        for part in (
            _line(_x(share), _TOP - 6, _x(share), bottom, _GRID, 1),
            _text(_x(share), bottom + 18, f"{share:.1f}", anchor="middle"),
        )
    ]


def _group(figures: Figures, top: int) -> list[str]:
    ours, must = figures.rps_to_bare.spread, figures.case.musts.rps_to_bare
    has_peer = figures.peer_to_bare is not None
    first = top + (4 if has_peer else 4 + _BAR // 2)
    parts = [
        _text(_LEFT - 12, top + 4 + _BAR + 4, figures.case.name, anchor="end"),
        *_bar(ours, first, _OURS),
        _line(_x(must), first - 3, _x(must), first + _BAR + 3, _MUST, 3),
    ]
    if figures.peer_to_bare is not None:
        parts += _bar(figures.peer_to_bare, first + _BAR + 2, _PEER)
    return parts


def _bar(measured: Spread, top: int, color: str) -> list[str]:
    middle = top + _BAR // 2
    return [
        _rect(_LEFT, top, _x(measured.median) - _LEFT, _BAR, color),
        _line(_x(measured.lower), middle, _x(measured.upper), middle, _TEXT, 1),
        _text(
            _x(max(measured.upper, measured.median)) + 8, top + _BAR - 2, f"{measured.median:.2f}"
        ),
    ]


def _x(share: float) -> int:
    return _LEFT + round(_PLOT * min(share, _MAXIMUM * 1.05) / _MAXIMUM)


def _rect(x: int, y: int, width: int, height: int, color: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{color}"/>'


def _line(x1: int, y1: int, x2: int, y2: int, color: str, width: int) -> str:
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="{width}"/>'
    )


def _text(x: int, y: int, text: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x}" y="{y}" fill="{_TEXT}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
