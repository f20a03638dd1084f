"""Engine of the tests of bad input: raw requests, tenants with a record of each kind, and the
description of one API.
"""

import asyncio
import contextlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

from domains.kernel.db.database import Database
from domains.kernel.db.tables import metadata
from gateway.operations import Surface
from tests.http.contracts import Contract, Json, Operation
from tests.http.hostile.values import UNKNOWN, Parameter, Values, json_of, parameters
from tests.stack import Tenant

# --- raw requests -----------------------------------------------------------------------------

_CONNECTIONS: Final = 6


class Answer(NamedTuple):
    """An answer; the names of its headers are in lower case."""

    method: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    def __str__(self) -> str:
        return f"{self.status} {self.content[:300]!r}"


def head(method: str, target: str, key: str | None, **headers: str | None) -> bytes:
    """The head of a request, without headers of None. `_` in a name stands for `-`."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += [
        f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def exchange(port: int, requests: Sequence[bytes]) -> list[Answer]:
    """The answers to requests, which are sent over a few connections at a time.

    Written on sockets: clients for HTTP take longer for a request than the API for its answer.
    """
    answers: dict[int, Answer] = {}
    waiting = iter(enumerate(requests))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, request in waiting:
            if writer.is_closing():
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answers[number] = await _answer(reader, request)
            if answers[number].headers.get("connection") == "close":
                writer.close()
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_CONNECTIONS, len(requests))):
            group.create_task(connection())
    return [answers[number] for number in range(len(requests))]


async def _answer(reader: asyncio.StreamReader, request: bytes) -> Answer:
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines if line)
    headers = {name.lower(): value for name, value in pairs}
    content = await reader.readexactly(int(headers["content-length"]))
    return Answer(request.split(b" ", 1)[0].decode(), int(start.split(" ")[1]), headers, content)


# --- tenants ----------------------------------------------------------------------------------


class Home(NamedTuple):
    """A tenant with one record of each kind, and the ids of these by kind."""

    tenant: Tenant
    port: int
    ids: Mapping[str, str]

    def fill(self, text: str) -> str:
        """The text with the tenant's ids for `{signals}` and the like."""
        return re.sub(r"\{([A-Za-z-]+)\}", lambda found: self.ids.get(found[1], found[0]), text)

    def body(self, body: Json) -> bytes:
        """A body as JSON, with the tenant's ids."""
        return self.fill(json_of(body).decode()).encode()


class World(NamedTuple):
    """The tenant of the bad input, one whose records it must not reach, and one for good input."""

    mine: Home
    foreign: Home
    own: Home
    database: Database
    blobs: Path

    @contextlib.asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Assert that nothing inside the block changes a row or a blob of the first two tenants."""
        before = await self._stored()
        yield
        assert await self._stored() == before

    async def _stored(self) -> Json:
        workspaces = [UUID(each.tenant.workspace) for each in (self.mine, self.foreign)]
        async with self.database.connection() as connection:
            rows = await connection.fetch(_DIGESTS, workspaces)
        files = [
            path
            for workspace in workspaces
            for place in (f"documents/{workspace}/**", f"signals/*/{workspace}/**")
            for path in self.blobs.glob(place)
        ]
        return {row["name"]: row["digest"] for row in rows} | {"blobs": sorted(map(str, files))}

    async def settled(self) -> bool:
        """True if no job of any of the tenants is under way."""
        async with self.database.connection() as connection:
            found = await connection.fetchval(
                "select count(*) from jobs where workspace_id = any($1) and finished_at is null",
                [UUID(each.tenant.workspace) for each in (self.mine, self.foreign, self.own)],
            )
        return bool(found == 0)


# A digest of the rows of each table that belongs to workspaces.
_DIGESTS: Final = " union all ".join(
    f"select '{name}' as name, md5(string_agg(t::text, '' order by t::text)) as digest"
    f" from {name} t where workspace_id = any($1)"
    for name, table in metadata.tables.items()
    if "workspace_id" in table.columns
)


# --- the APIs under test ----------------------------------------------------------------------


class Case(NamedTuple):
    """A request to an operation, and the field that its refusal names (empty: none)."""

    field: str
    content: bytes | None = None
    query: str = ""
    reference: str = UNKNOWN


class Site(ABC):
    """One of the two APIs: its contract, its values, and how it refuses."""

    contract: ClassVar[Contract]
    surface: ClassVar[Surface]
    values: ClassVar[Values]
    # Parameters whose texts do not follow from their type, and the times of all others.
    parameters: ClassVar[Mapping[str, Parameter]]
    times: ClassVar[Parameter]
    # A field of each body for texts that no decoder takes.
    text_fields: ClassVar[Mapping[str, str]]
    # Required fields of bodies without which the body as a whole is at fault.
    shapes: ClassVar[frozenset[str]] = frozenset()
    # Fields of a body that are varied one at a time, as their good values exclude each other.
    apart: ClassVar[Mapping[str, Sequence[str]]] = {}
    media_types: ClassVar[Sequence[str]]
    refused_media_types: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def wrong_bodies(self) -> Iterable[tuple[str, Json]]:
        """Names of operations, and bodies for them that are wrong as a whole."""

    @abstractmethod
    def wrong_ids(self, operation: Operation, others: set[str]) -> tuple[set[str], set[str]]:
        """Ids in a path of which there is no record, and malformed ones: 404 and 400.

        `others` are ids of records of other kinds and tenants.
        """

    @abstractmethod
    def refusal(self, answer: Answer, code: str, field: str | None) -> str | None:
        """The sentence of a refusal in the documented form, or None if it has another form."""

    @abstractmethod
    async def differences(self, call: "Call", home: Home, bodies: Iterable[Json]) -> list[str]:
        """Send good bodies, each with another media type; how records differ from them."""

    def good(self, model: str) -> Json:
        """A body with every field, which would change every field of a record."""
        return self.complete(model, self.values.example(model))

    def good_bodies(self, model: str) -> Iterator[Json]:
        """Bodies that together have every good value of every field."""
        apart = self.apart.get(model, ())
        together = [name for name in self.contract.models[model] if name not in apart]
        least = self.values.least(model)
        if apart:
            yield self.good(model)
        for fields in self.values.combined(model, together):
            yield self.complete(model, least | fields)
        for name in apart:
            for value in self.values.good(model, name):
                yield self.complete(model, least | {name: value})

    def complete(self, model: str, body: Json) -> Json:  # noqa: ARG002 - for one API alone
        """The body without fields that exclude each other, and with one of those it needs."""
        return body

    def wrong_body(self, model: str, name: str, value: Any) -> Json:
        """A good body with another value of one field."""
        return self.good(model) | {name: value}


class Call(NamedTuple):
    """An operation of a site, with one of its bodies (empty: it has none)."""

    site: Site
    operation: Operation
    model: str

    @property
    def required(self) -> list[str]:
        """The required parameters of the query."""
        return [name for name, field in self.operation.query.items() if field.required]

    def good(self, home: Home) -> bytes | None:
        """A good body."""
        return home.body(self.site.good(self.model)) if self.model else None

    def case(self, home: Home, field: str, content: bytes | None) -> Case:
        """A request about the tenant's own record."""
        query = home.fill("remoteId=R-1&sourceId={sources}") if self.required else ""
        return Case(field, content, query, home.ids.get(self.operation.collection, UNKNOWN))

    def head(self, case: Case, key: str | None, **headers: str) -> bytes:
        path = re.sub(r"\{\w+\}", lambda _: case.reference, self.operation.path)
        query = f"?{case.query}" if case.query else ""
        target = self.site.contract.prefix + path + query
        return head(self.operation.method, target, key, **headers)

    def request(self, case: Case, key: str | None, media_type: str = "application/json") -> bytes:
        """A request as bytes."""
        if case.content is None and self.operation.method not in ("POST", "PATCH"):
            return self.head(case, key)
        content = case.content or b""
        headers = {
            "Content_Type": media_type if content else "",
            "Content_Length": str(len(content)),
        }
        return self.head(case, key, **headers) + content

    async def send(self, home: Home, cases: Iterable[Case]) -> list[Answer]:
        """The answers to cases, in their order."""
        return await exchange(home.port, [self.request(case, home.tenant.key) for case in cases])

    async def let_through(self, home: Home, cases: Iterable[Case]) -> list[str]:
        """Cases that were not refused as invalid, by the name of the field at fault."""
        cases = list(cases)
        answers = await self.send(home, cases)
        return [
            f"{str(case)[:300]} -> {answer}"
            for case, answer in zip(cases, answers, strict=True)
            if not self.refuses(answer, 400, "validation_error", case.field)
        ]

    def refuses(self, answer: Answer, status: int, code: str, field: str = "") -> bool:
        """True if an answer is this refusal in the documented form, and short."""
        said = self.site.refusal(answer, code, field or None)
        return answer.status == status and len(answer.content) <= 2_000 and bool(said)

    def parameters(self) -> dict[str, Parameter]:
        """Good and wrong texts of the parameters."""
        return parameters(self.operation, self.site.parameters, self.site.times)
