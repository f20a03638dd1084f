"""Plans of handler calls, made at start from the signatures."""

import pytest
from litestar import get

from gateway.discovery.surface import DISCOVERY
from gateway.invoker import HandlerPlan, UnknownParameter
from gateway.operations import IdInPath, operation


@get("/things/{thing_id:str}", opt=operation("getThing", "any key", "Get a thing"))
async def get_thing(thing_id: IdInPath, caller: str, read: str) -> str:
    return f"{thing_id} {caller} {read}"


async def test_a_plan_has_the_resources_and_the_path_parameters_of_the_handler() -> None:
    resources = {"read": "R", "signer": "S"}
    plan = HandlerPlan.of(get_thing, ["thing_id", "other"], DISCOVERY, resources)
    assert plan.resources == {"read": "R"}
    assert plan.path_parameters == ["thing_id"]
    taken = (plan.takes_body, plan.takes_caller, plan.takes_request, plan.takes_tx)
    assert taken == (False, True, False, False)
    assert plan.status == 200
    assert await plan.call(thing_id="1", caller="C", **plan.resources) == "1 C R"


def test_a_parameter_that_nothing_provides_stops_the_start() -> None:
    with pytest.raises(UnknownParameter, match="get_thing: read, thing_id"):
        HandlerPlan.of(get_thing, [], DISCOVERY, {})
