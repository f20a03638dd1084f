"""Routes that the OpenAPI documents describe."""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from litestar import Response
from litestar.handlers import HTTPRouteHandler

from gateway.operations import Operation, Surface


class Route(NamedTuple):
    surface: Surface
    method: str
    # With the documented prefix and parameters in camel case.
    path: str
    handler: HTTPRouteHandler

    @property
    def operation(self) -> Operation:
        declared: Operation = self.handler.opt["operation"]
        return declared

    @property
    def needs_key(self) -> bool:
        return self.operation.access != "public"

    @property
    def is_counted(self) -> bool:
        """True if requests count against the rate limits of a key."""
        return self.needs_key and self.operation.counted

    @property
    def required_scopes(self) -> list[str]:
        access = self.operation.access
        return [] if access in ("any key", "public") else [access]

    @property
    def request_types(self) -> tuple[Any, ...]:
        """Types of the body; empty without one."""
        request = self.operation.request
        if request is None:
            return ()
        return get_args(request) if isinstance(request, UnionType) else (request,)

    @property
    def response_type(self) -> Any:
        """Type of the body that the handler returns, also within a Response."""
        returned = get_type_hints(self.handler.fn)["return"]
        return get_args(returned)[0] if get_origin(returned) is Response else returned

    @property
    def sets_status(self) -> bool:
        """True for a public handler that returns a Response: its errors have the same body type."""
        returned = get_type_hints(self.handler.fn)["return"]
        return not self.needs_key and get_origin(returned) is Response


def routes_of(surface: Surface) -> Iterator[Route]:
    """All routes of the surface under its documented prefix."""
    prefix = surface.prefixes[0].rstrip("/")
    for handler in surface.handlers:
        path = re.sub(
            r"\{(\w+):\w+\}",
            lambda match: f"{{{_camel_case(match[1])}}}",
            min(handler.paths, key=len),
        )
        for method in sorted(handler.http_methods):
            yield Route(surface, str(method), prefix + path, handler)


def _camel_case(name: str) -> str:
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)
