"""Ids in paths of the discovery API, as the OpenAPI documents describe them."""

from typing import Annotated, Any, Final

from domains.discovery.fields import reference_schema
from domains.kernel.core.field_docs import doc


def _record_id(kind: str, number: int) -> Any:
    description = f"UUID or public id of the {kind.lower()}, such as `{kind}-{number}`."
    return Annotated[str, doc(description, extra_json_schema=reference_schema(kind))]


SIGNAL_ID: Final = _record_id("SIGNAL", 42)
INSIGHT_ID: Final = _record_id("INSIGHT", 7)
OPPORTUNITY_ID: Final = _record_id("OPPORTUNITY", 3)
IDEA_ID: Final = _record_id("IDEA", 12)
