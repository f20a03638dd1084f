"""Both APIs, all their operations, and the decorator that runs a test for each."""

from collections.abc import Iterable
from typing import Final

import pytest

from tests.http.hostile.discovery import DiscoveryApi
from tests.http.hostile.harness import Api, Call
from tests.http.hostile.revenue import RevenueApi

DISCOVERY: Final = DiscoveryApi()
REVENUE: Final = RevenueApi()
APIS: Final[tuple[Api, ...]] = (DISCOVERY, REVENUE)

# Every operation with each of its body models.
CALLS: Final = [
    Call(api, operation, model)
    for api in APIS
    for operation in api.contract.operations.values()
    for model in operation.bodies or ("",)
]


def for_each(calls: Iterable[Call]) -> pytest.MarkDecorator:
    """Run a test for each of the calls."""
    return pytest.mark.parametrize(
        "call", [pytest.param(call, id=f"{call.operation.name}-{call.model}") for call in calls]
    )
