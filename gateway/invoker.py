"""Runs the operation of a request: admission, arguments, handler, commit and response.

Litestar finds the handler and converts exceptions to responses. Its own call of a handler resolves
the arguments anew for every request, which takes longer than most handlers: see decision record 30.
"""

import codecs
import inspect
import io
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from domains.kernel.core.problems import Invalid, TooLarge
from domains.kernel.db.database import Database
from domains.kernel.tenancy.idempotency import StoredResponse
from domains.kernel.tenancy.keyring import Caller
from gateway import etags, idempotency
from gateway.admission.auth import Admission
from gateway.etags import IfMatch, VersionOf
from gateway.operations import Operation, Surface, surface_of
from gateway.transport.refusals import PROBLEM

# Parameters of handlers whose values belong to one request. The others are resources of the
# application and parameters of the path.
REQUEST_PARAMETERS: Final = ("actor", "body", "caller", "if_match", "request", "tx")

# Headers that must not be repeated: programs disagree about which of several counts.
_SINGLE: Final = (b"host", idempotency.HEADER_NAME)

_JSON: Final = (b"content-type", b"application/json")
# Clients may keep a record, and must ask each time whether it is still current.
_REVALIDATED: Final = (b"cache-control", b"private, no-cache")
_encode: Final = msgspec.json.Encoder().encode


class UnknownParameter(Exception):
    """A handler has a parameter that nothing provides. The application does not start."""


@dataclass(frozen=True, slots=True)
class HandlerPlan:
    """How to call one handler on one route. Made at start, from the handler's signature."""

    call: Callable[..., Awaitable[Any]]
    operation: Operation
    surface: Surface
    status: int
    # Arguments that are the same for every request.
    resources: Mapping[str, object]
    path_parameters: Sequence[str]
    takes_actor: bool
    takes_body: bool
    takes_caller: bool
    takes_if_match: bool
    takes_request: bool
    takes_tx: bool
    # Makes what the ETag of the response is computed from; None: it has none.
    tagged_by: VersionOf | None
    # Headers of every response of a deprecated operation.
    deprecation_headers: Sequence[tuple[bytes, bytes]]

    @classmethod
    def of(
        cls,
        handler: HTTPRouteHandler,
        path_parameters: Iterable[str],
        surface: Surface,
        resources: Mapping[str, object],
    ) -> "HandlerPlan":
        """Plan the call of a handler. Raises UnknownParameter."""
        names = inspect.signature(handler.fn).parameters.keys()
        in_path = names & set(path_parameters)
        if unknown := names - in_path - resources.keys() - set(REQUEST_PARAMETERS):
            raise UnknownParameter(f"{handler.handler_name}: {', '.join(sorted(unknown))}")
        operation: Operation = handler.opt["operation"]
        is_deletion = "DELETE" in handler.http_methods
        deprecation = operation.deprecation
        headers = deprecation.headers() if deprecation else {}
        return cls(
            call=handler.fn,
            operation=operation,
            surface=surface,
            status=handler.status_code,
            resources={name: resources[name] for name in names & resources.keys()},
            path_parameters=sorted(in_path),
            takes_actor="actor" in names,
            takes_body="body" in names,
            takes_caller="caller" in names,
            takes_if_match="if_match" in names,
            takes_request="request" in names,
            takes_tx="tx" in names,
            tagged_by=None if is_deletion else operation.version_of,
            deprecation_headers=[
                (name.lower().encode(), value.encode()) for name, value in headers.items()
            ],
        )


class Invoker:
    """Runs the operations of all routes, in the place of Litestar's own call of the handler."""

    def __init__(
        self,
        admission: Admission,
        database: Database,
        surfaces: Sequence[Surface],
        resources: Mapping[str, object],
        max_body_bytes: int,
    ) -> None:
        self._admission = admission
        self._database = database
        self._surfaces = surfaces
        self._resources = resources
        self._max_body_bytes = max_body_bytes
        self._plans: dict[HTTPRouteHandler, HandlerPlan] = {}

    def middleware(self, app: ASGIApp) -> ASGIApp:  # noqa: ARG002
        """The innermost middleware of every route, for Litestar."""
        return self  # type: ignore[return-value]

    def plan(self, routes: Iterable[BaseRoute]) -> None:
        """Plan the calls of all handlers. Raises UnknownParameter."""
        for route in routes:
            if isinstance(route, HTTPRoute):
                surface = surface_of(route.path, self._surfaces)
                for handler in route.route_handlers:
                    # Litestar's own handlers of OPTIONS have no operation.
                    if "operation" in handler.opt:
                        self._plans[handler] = HandlerPlan.of(
                            handler, route.path_parameters, surface, self._resources
                        )

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        plan = self._plans[scope["route_handler"]]  # type: ignore[index]
        if plan.deprecation_headers:
            scope["state"]["deprecation"] = plan.deprecation_headers
        response = await self._respond(plan, scope, receive, send)
        if isinstance(response, JsonResponse) and response.version is not None:
            await response.add_etag()
            if scope["method"] in ("GET", "HEAD"):
                response.encoded_headers.append(_REVALIDATED)
        await response(scope, receive, send)

    async def _respond(
        self, plan: HandlerPlan, scope: HTTPScope, receive: Receive, send: Send
    ) -> ASGIApp:
        # Of several headers with one name, the first counts.
        headers = dict(reversed(list(scope["headers"])))
        caller = await self._admission.admit(scope, headers, plan.operation, plan.surface)
        if len(headers) < len(scope["headers"]):  # type: ignore[arg-type]
            _refuse_repeated(scope["headers"])
        arguments: dict[str, Any] = dict(plan.resources)
        for name in plan.path_parameters:
            arguments[name] = str(scope["path_params"][name])
        if plan.takes_caller:
            arguments["caller"] = caller
        if plan.takes_actor and caller is not None:
            arguments["actor"] = self._admission.actor(scope, caller)
        if plan.takes_if_match:
            arguments["if_match"] = _if_match(plan, scope)
        if plan.takes_request:
            arguments["request"] = Request(scope, receive, send)
        if plan.takes_body:
            arguments["body"] = await self._read_body(scope, receive)
        if not plan.takes_tx:
            return _render(plan, scope, await _call(plan, arguments))
        key = headers.get(idempotency.HEADER_NAME)
        if key is None or caller is None or scope["method"] != "POST":
            # The only places that commit for a request: the response is rendered before, so an
            # error of the commit can still become the response.
            async with self._database.transaction(alone=True) as tx:
                return _render(plan, scope, await _call(plan, arguments, tx=tx))
        return await self._respond_once(plan, scope, caller, key, arguments)

    async def _respond_once(
        self,
        plan: HandlerPlan,
        scope: HTTPScope,
        caller: Caller,
        key: bytes,
        arguments: dict[str, Any],
    ) -> ASGIApp:
        """Call a handler with an Idempotency-Key, and store the response. Raises Replay."""
        reservation = await idempotency.reserve(
            self._database.read, caller, scope["path"], key, arguments.get("body", b"")
        )
        async with idempotency.transaction(self._database, reservation) as (tx, store):
            response = _render(plan, scope, await _call(plan, arguments, tx=tx))
            await store(_to_store(response))
        return response

    async def _read_body(self, scope: HTTPScope, receive: Receive) -> bytes:
        """Read the body, without a byte order mark.

        Raises TooLarge, Invalid if the client disconnects before the end of the body, and the
        problem of a body that the server stopped receiving.
        """
        # A list of parts would take as much memory again when they are joined.
        parts = io.BytesIO()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise Invalid("The client disconnected before it had sent the whole body.")
            part = message.get("body", b"")
            if parts.tell() + len(part) > self._max_body_bytes:
                raise TooLarge("The body is too large.")
            more = message.get("more_body", False)
            if more and (problem := scope.get(PROBLEM)) is not None:
                raise problem  # type: ignore[misc]
            if not more and not parts.tell():
                return part.removeprefix(codecs.BOM_UTF8)
            parts.write(part)
            if not more:
                # Here, where it is the only reference to a body that may be large.
                return parts.getvalue().removeprefix(codecs.BOM_UTF8)


def _refuse_repeated(headers: Iterable[tuple[bytes, bytes]]) -> None:
    names = [name for name, _ in headers]
    for name in _SINGLE:
        if names.count(name) > 1:
            raise Invalid(f"The header {name.decode().title()} is given more than once.")


def _call(plan: HandlerPlan, arguments: dict[str, Any], **further: object) -> Awaitable[Any]:
    """Call the handler. It has the only reference to the body, and can release it."""
    handling = plan.call(**arguments, **further)
    arguments.clear()
    return handling


def _if_match(plan: HandlerPlan, scope: HTTPScope) -> IfMatch | None:
    condition = etags.header_value(scope["headers"], b"if-match")
    if condition is None or plan.operation.version_of is None:
        return None
    return IfMatch(condition, plan.operation.version_of)


# --- responses --------------------------------------------------------------------------------


class JsonResponse:
    """A response with a JSON body, with the attributes of Litestar's `ASGIResponse`.

    `version`: what its ETag is computed from, encoded.
    """

    __slots__ = ("body", "encoded_headers", "status_code", "version")

    def __init__(
        self,
        status_code: int,
        body: bytes,
        headers: Mapping[str, str] = MappingProxyType({}),
        version: bytes | None = None,
    ) -> None:
        self.status_code = status_code
        self.body = body
        self.version = version
        self.encoded_headers = [_JSON, (b"content-length", b"%d" % len(body))]
        for name, value in headers.items():
            self.encoded_headers.append((name.lower().encode(), value.encode()))

    async def add_etag(self) -> None:
        """Add the ETag of the version."""
        self.encoded_headers.append((b"etag", await etags.etag_of(self.version or b"")))

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.encoded_headers,
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def _render(plan: HandlerPlan, scope: HTTPScope, returned: Any) -> JsonResponse | ASGIResponse:
    """Render what a handler returned: the value of a JSON body, or a Response."""
    if not isinstance(returned, Response):
        return _render_json(plan, plan.status, returned)
    if type(returned) is Response and isinstance(returned.content, list | msgspec.Struct):
        # Litestar would render it to the same in several times the time.
        status = returned.status_code or plan.status
        return _render_json(plan, status, returned.content, returned.headers)
    return returned.to_asgi_response(
        None,
        Request(scope),
        status_code=plan.status,
        # Litestar accepts no content then. The middleware drops the content of other responses.
        is_head_response=scope["method"] == "HEAD" and returned.content is None,
    )


def _render_json(
    plan: HandlerPlan, status: int, value: Any, headers: Mapping[str, str] = MappingProxyType({})
) -> JsonResponse:
    body = _encode(value)
    if plan.tagged_by is None:
        return JsonResponse(status, body, headers)
    version = plan.tagged_by(value)
    return JsonResponse(
        status, body, headers, version=body if version is value else _encode(version)
    )


def _to_store(response: JsonResponse | ASGIResponse) -> StoredResponse:
    headers = dict(response.encoded_headers)
    media_type = headers.get(b"content-type", b"application/json").decode()
    return StoredResponse(response.status_code, media_type, response.body)
