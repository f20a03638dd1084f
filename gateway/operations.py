"""Declarations of the public APIs: surfaces and their operations."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from types import UnionType
from typing import Any, Final, Literal, ParamSpec
from uuid import UUID

import msgspec
from litestar import Request, Router
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from domains.kernel.core.network import FetchAllowlist
from domains.kernel.core.problems import Problem, WriteConflict
from domains.kernel.db.database import Read, Tx
from domains.kernel.jobs.process_pool import ProcessPool
from domains.kernel.storage.blobs import Blobs
from domains.kernel.storage.signed_urls import SignedUrls
from domains.kernel.tenancy.api_keys import Scope
from domains.kernel.tenancy.audit import Actor
from domains.kernel.tenancy.keyring import Caller
from domains.kernel.tenancy.signing import Signer
from gateway.etags import IfMatch, VersionOf

_P = ParamSpec("_P")

# Types of handler parameters. The names of the dependencies are those in `gateway.app`.
ActorDep = NamedDependency[Actor]
AnyRequest = Request[Any, Any, Any]
IdInPath = FromPath[str]
AllowlistDep = NamedDependency[SkipValidation[FetchAllowlist]]
BlobsDep = NamedDependency[Blobs]
BaseUrlDep = NamedDependency[str]
CallerDep = NamedDependency[Caller]
IfMatchDep = NamedDependency[SkipValidation[IfMatch | None]]
ProcessPoolDep = NamedDependency[ProcessPool]
ReadDep = NamedDependency[Read]
SignedUrlsDep = NamedDependency[SignedUrls]
SignerDep = NamedDependency[Signer]
TxDep = NamedDependency[Tx]

# `any key`: a valid key with any scopes. `public`: no key.
Access = Scope | Literal["any key", "public"]


class Deprecation(msgspec.Struct, frozen=True):
    """Announcement that an operation will be removed."""

    # First day on which it is deprecated.
    since: date
    # First day on which it may be gone.
    sunset: date

    def headers(self) -> dict[str, str]:
        """Return the headers `Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""
        since, sunset = (datetime.combine(day, time(), UTC) for day in (self.since, self.sunset))
        return {
            "Deprecation": f"@{int(since.timestamp())}",
            "Sunset": format_datetime(sunset, usegmt=True),
        }


class Operation(msgspec.Struct, frozen=True):
    """Declaration of a handler, used by admission and the OpenAPI documents."""

    id: str
    access: Access
    summary: str
    # Struct of the request body, or a union of structs.
    request: type[Any] | UnionType | None = None
    query: type[msgspec.Struct] | None = None
    # Error statuses besides those of every operation with such access.
    errors: tuple[int, ...] = ()
    # Not part of the vendor's API: marked in the OpenAPI document.
    addition: bool = False
    # An addition: POST may update an existing record, with 200 instead of 201.
    updates: bool = False
    # Announced on every response and in the OpenAPI document: see docs/versioning.md.
    deprecation: Deprecation | None = None
    # Requests count against the rate limits of the key.
    counted: bool = True
    # Type of the id in the path.
    path_id: Any = UUID
    # Fields of the response example that differ from the examples of its struct; in a list, of each
    # item. UNSET removes a field.
    example: Mapping[str, Any] = {}
    # For operations on one record that has an ETag: GET takes If-None-Match, PATCH and DELETE take
    # If-Match, and all but DELETE return the ETag, which is computed from this part of the record.
    version_of: VersionOf | None = None

    def __deepcopy__(self, _memo: object) -> "Operation":
        # Litestar copies handlers with their options, but a type with a Meta cannot be copied.
        return self


def _as_opt(declare: Callable[_P, Operation]) -> Callable[_P, dict[str, Any]]:
    def opt(*args: _P.args, **kwargs: _P.kwargs) -> dict[str, Any]:
        return {"operation": declare(*args, **kwargs)}

    return opt


# The `opt` of a handler. A handler without an operation stops the application from starting.
operation: Final = _as_opt(Operation)


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """A public API: its paths, handlers and error bodies."""

    title: str
    description: str
    # Rules of all operations for clients: a Markdown text with headings of the second level.
    guide: str = ""
    # The documents show the first prefix. The others serve the same handlers.
    prefixes: tuple[str, ...]
    handlers: Sequence[HTTPRouteHandler]
    # Name of the tag of a path, and descriptions of the tags.
    tag_of: Callable[[str], str]
    tags: Mapping[str, str]
    media_type: str
    # Struct of the error body by method; `*`: all other methods.
    error_types: Mapping[str, type[msgspec.Struct]]
    # Builds the error body from problem, request id and method.
    error_body: Callable[[Problem, str, str], msgspec.Struct]
    # Refuse POST and PATCH without Content-Length with 411.
    needs_length: bool = False
    # Refuse bodies of a Content-Type other than JSON with 400.
    needs_json: bool = False
    # Names of the field with the id of a created record. The first that exists counts.
    id_fields: Sequence[str] = ("id",)
    # Refuse malformed ids in paths with 400 instead of 404.
    refuses_malformed_ids: bool = False
    # Problem raised on a write conflict.
    write_conflict: type[Problem] = WriteConflict
    # Query parameters that the vendor documents; others are marked as additions. None: all.
    vendor_parameters: frozenset[str] | None = None
    # Query parameters that are additions although `vendor_parameters` is None.
    added_parameters: frozenset[str] = frozenset()

    @property
    def documents_path(self) -> str:
        """Folder of its OpenAPI document and Markdown reference, such as `/v1`."""
        prefix = self.prefixes[0]
        return f"/{self.title.lower()}" if prefix == "/" else prefix

    def routers(self) -> list[Router]:
        """One router per prefix, each with all handlers."""
        return [
            Router(path=prefix, route_handlers=serve_head(self.handlers))
            for prefix in self.prefixes
        ]

    def owns(self, path: str) -> bool:
        """True if the path lies under one of the prefixes."""
        return any(
            path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in self.prefixes
        )


def serve_head(handlers: Iterable[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """Copy the handlers, so that those of GET also answer HEAD. The middleware drops the body."""
    copies = []
    for handler in handlers:
        served = copy(handler)
        if "GET" in served.http_methods:
            served.http_methods = served.http_methods | {"HEAD"}
        copies.append(served)
    return copies


def surface_of(path: str, surfaces: Sequence[Surface]) -> Surface:
    """The surface that owns the path; the last one for a path outside all prefixes."""
    return next((surface for surface in surfaces if surface.owns(path)), surfaces[-1])
