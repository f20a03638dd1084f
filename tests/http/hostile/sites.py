"""Both APIs with all their operations, for tests that run over them."""

from collections.abc import Iterable
from typing import Final

import pytest

from tests.http.hostile.discovery import Discovery
from tests.http.hostile.engine import Call, Site
from tests.http.hostile.revenue import Revenue

DISCOVERY: Final = Discovery()
REVENUE: Final = Revenue()
SITES: Final[tuple[Site, ...]] = (DISCOVERY, REVENUE)

# Every operation with every one of its bodies.
CALLS: Final = [
    Call(site, operation, model)
    for site in SITES
    for operation in site.contract.operations.values()
    for model in operation.bodies or ("",)
]


def each(calls: Iterable[Call]) -> pytest.MarkDecorator:
    """Run a test for each of the calls."""
    return pytest.mark.parametrize(
        "call", [pytest.param(call, id=f"{call.operation.name}-{call.model}") for call in calls]
    )
