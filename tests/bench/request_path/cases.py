"""The measured requests, and the figures that they must reach."""

from typing import Final, NamedTuple


class Musts(NamedTuple):
    """Bounds of the ratios of the product to the bare server and to the peer.

    `rps_to_bare` and `rps_to_peer` are minima, `cpu_to_bare` and `postgres_ms` maxima.
    """

    rps_to_bare: float
    cpu_to_bare: float
    rps_aim: float | None = None
    rps_to_peer: float | None = None
    postgres_ms: float | None = None


class Case(NamedTuple):
    """A request. `{row}` in the target is the id of a row; `posts` names the bodies of a POST."""

    name: str
    target: str
    musts: Musts
    posts: str | None = None

    @property
    def has_peer(self) -> bool:
        return self.musts.rps_to_peer is not None


_OTHERS: Final = Musts(0.55, 1.7)

CASES: Final = (
    Case("GET /v1/rows?limit=50", "/v1/rows?limit=50", Musts(0.62, 1.45, 0.70, 9, 0.25)),
    Case("GET /v1/rows/{id}", "/v1/rows/{row}", Musts(0.60, 1.45, 0.70, 10, 0.09)),
    Case(
        "GET /external/v1/insights?limit=50",
        "/external/v1/insights?limit=50",
        Musts(0.58, 1.45, 0.70, None, 0.55),
    ),
    Case("GET /v1/conversations?limit=20", "/v1/conversations?limit=20", _OTHERS),
    Case("GET /v1/deals, two filters", "/v1/deals?stage=negotiation&closed=false", _OTHERS),
    # The requests that write come last: they make the tables grow.
    Case("POST /v1/rows", "/v1/rows", Musts(0.58, 1.60, 0.70, 7, 0.50), posts="rows"),
    Case("POST /external/v1/signals", "/external/v1/signals", _OTHERS, posts="signals"),
)
