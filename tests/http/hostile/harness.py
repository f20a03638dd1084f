"""Harness of the bad-input tests: raw HTTP requests, tenants with records, the tested APIs."""

import asyncio
import contextlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Table

from domains.kernel.db.database import Database
from domains.kernel.db.tables import metadata
from gateway.operations import Surface
from tests.http.contracts import Contract, Json, Operation
from tests.http.hostile.values import (
    UNKNOWN,
    Parameter,
    Values,
    all_parameter_texts,
    is_create,
    to_json,
)
from tests.stack import Tenant

# --- raw requests -----------------------------------------------------------------------------

_CONNECTIONS: Final = 6


class Answer(NamedTuple):
    """An HTTP response. Header names are in lower case."""

    method: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    def __str__(self) -> str:
        return f"{self.status} {self.content[:300]!r}"


def request_head(method: str, target: str, key: str | None, **headers: str | None) -> bytes:
    """Request line and headers. Headers of None are left out; `_` in a name means `-`."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += [
        f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def exchange(port: int, requests: Sequence[bytes]) -> list[Answer]:
    """Send requests over a few connections. Returns the answers in the order of the requests.

    Uses sockets, because HTTP clients take longer for a request than the API.
    """
    answers: dict[int, Answer] = {}
    waiting = iter(enumerate(requests))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, request in waiting:
            if writer.is_closing():
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answers[number] = await _read_answer(reader, request)
            if answers[number].headers.get("connection") == "close":
                writer.close()
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_CONNECTIONS, len(requests))):
            group.create_task(connection())
    return [answers[number] for number in range(len(requests))]


async def _read_answer(reader: asyncio.StreamReader, request: bytes) -> Answer:
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines if line)
    headers = {name.lower(): value for name, value in pairs}
    content = await reader.readexactly(int(headers["content-length"]))
    return Answer(request.split(b" ", 1)[0].decode(), int(start.split(" ")[1]), headers, content)


# --- tenants ----------------------------------------------------------------------------------


class Caller(NamedTuple):
    """A tenant that sends requests. `ids` has the id of its record of each kind."""

    tenant: Tenant
    port: int
    ids: Mapping[str, str]

    def fill(self, text: str) -> str:
        """Replace placeholders such as `{signals}` by the tenant's ids."""
        return re.sub(r"\{([A-Za-z-]+)\}", lambda found: self.ids.get(found[1], found[0]), text)

    def body(self, body: Json) -> bytes:
        """Encode a body as JSON and fill in the tenant's ids."""
        return self.fill(to_json(body).decode()).encode()


class Tenants(NamedTuple):
    """The tenants of the tests.

    `caller` sends bad input, `other` owns records that `caller` must not reach, and `writer`
    sends good input.
    """

    caller: Caller
    other: Caller
    writer: Caller
    database: Database
    blobs: Path

    @contextlib.asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Assert that the block changes no row and no blob of `caller` and `other`."""
        before = await self._snapshot()
        yield
        assert await self._snapshot() == before

    async def _snapshot(self) -> Json:
        workspaces = [UUID(each.tenant.workspace) for each in (self.caller, self.other)]
        async with self.database.connection() as connection:
            rows = await connection.fetch(_DIGESTS, workspaces)
        files = [
            path
            for workspace in workspaces
            for place in (f"documents/{workspace}/**", f"signals/*/{workspace}/**")
            for path in self.blobs.glob(place)
        ]
        return {row["name"]: row["digest"] for row in rows} | {"blobs": sorted(map(str, files))}

    async def all_jobs_ended(self) -> bool:
        """True if all jobs of the tenants have ended."""
        async with self.database.connection() as connection:
            unfinished = await connection.fetchval(
                "select count(*) from jobs where workspace_id = any($1) and finished_at is null",
                [UUID(each.tenant.workspace) for each in (self.caller, self.other, self.writer)],
            )
        return bool(unfinished == 0)


# Set in the background when a key was used.
_NOT_COMPARED: Final = "last_used_at"


def _compared_columns(table: Table) -> str:
    names = (column.name for column in table.columns if column.name != _NOT_COMPARED)
    return ", ".join(f'"{name}"' for name in names)


# A digest of the rows of each table that belongs to workspaces.
_DIGESTS: Final = " union all ".join(
    f"select '{name}' as name, md5(string_agg(t::text, '' order by t::text)) as digest"
    f" from (select {_compared_columns(table)} from {name} where workspace_id = any($1)) t"
    for name, table in metadata.tables.items()
    if "workspace_id" in table.columns
)


# --- the APIs under test ----------------------------------------------------------------------


class Case(NamedTuple):
    """A request, and the field that the expected error names (empty: none).

    `path_id` replaces the parameter in the path.
    """

    field: str
    content: bytes | None = None
    query: str = ""
    path_id: str = UNKNOWN


class Api(ABC):
    """One of the two APIs: its contract, test values, and the format of its errors."""

    contract: ClassVar[Contract]
    surface: ClassVar[Surface]
    values: ClassVar[Values]
    # `parameters`: texts that cannot be derived from the type. `times`: texts of time parameters.
    parameters: ClassVar[Mapping[str, Parameter]]
    times: ClassVar[Parameter]
    # The field of each body that gets undecodable texts.
    text_fields: ClassVar[Mapping[str, str]]
    # Required fields whose absence is reported as an error of the whole body.
    shape_fields: ClassVar[frozenset[str]] = frozenset()
    # Fields of a body that are varied one at a time, because their values exclude each other.
    exclusive_fields: ClassVar[Mapping[str, Sequence[str]]] = {}
    media_types: ClassVar[Sequence[str]]
    refused_media_types: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def wrong_bodies(self) -> Iterable[tuple[str, Json]]:
        """Operation names with bodies whose error is not in a single field."""

    @abstractmethod
    def wrong_ids(self, operation: Operation, others: set[str]) -> tuple[set[str], set[str]]:
        """Ids in a path that get 404 (no such record), and ids that get 400 (malformed).

        `others` are ids of records of other kinds and tenants.
        """

    @abstractmethod
    def refusal(self, answer: Answer, code: str, field: str | None) -> str | None:
        """The message of an error response, or None if it does not have the documented format."""

    @abstractmethod
    async def differences(self, call: "Call", caller: Caller, bodies: Iterable[Json]) -> list[str]:
        """Send good bodies, with each media type in turn.

        Returns the differences between the bodies and the records that were read back.
        """

    def good(self, model: str) -> Json:
        """A body with every field. As a PATCH it would change every field of a record."""
        return self.make_valid(model, self.values.example(model))

    def good_bodies(self, model: str) -> Iterator[Json]:
        """Bodies that together contain every good value of every field."""
        exclusive_fields = self.exclusive_fields.get(model, ())
        together = [name for name in self.contract.models[model] if name not in exclusive_fields]
        minimal = self.values.minimal(model)
        if exclusive_fields:
            yield self.good(model)
        for fields in self.values.combined(model, together, creates=is_create(model)):
            yield self.make_valid(model, minimal | fields)
        for name in exclusive_fields:
            for value in self.values.good(model, name):
                yield self.make_valid(model, minimal | {name: value})

    def make_valid(self, model: str, body: Json) -> Json:  # noqa: ARG002 - one API overrides it
        """Make a body valid: keep one of mutually exclusive fields, add a required alternative."""
        return body

    def wrong_body(self, model: str, name: str, value: Any) -> Json:
        """Return a good body in which the field `name` has this value."""
        return self.good(model) | {name: value}


class Call(NamedTuple):
    """An operation of an API with one of its body models (empty: no body)."""

    api: Api
    operation: Operation
    model: str

    @property
    def required(self) -> list[str]:
        """Names of the required query parameters."""
        return [name for name, field in self.operation.query.items() if field.required]

    def good(self, caller: Caller) -> bytes | None:
        """A good body as JSON, or None if the operation has no body."""
        return caller.body(self.api.good(self.model)) if self.model else None

    def case(self, caller: Caller, field: str, content: bytes | None) -> Case:
        """Return a request for the tenant's own record."""
        query = caller.fill("remoteId=R-1&sourceId={sources}") if self.required else ""
        return Case(field, content, query, caller.ids.get(self.operation.collection, UNKNOWN))

    def request_head(self, case: Case, key: str | None, **headers: str | None) -> bytes:
        path = re.sub(r"\{\w+\}", lambda _: case.path_id, self.operation.path)
        query = f"?{case.query}" if case.query else ""
        target = self.api.contract.prefix + path + query
        return request_head(self.operation.method, target, key, **headers)

    def request(self, case: Case, key: str | None, media_type: str = "application/json") -> bytes:
        """Encode the request. An empty media type sends no Content-Type."""
        if case.content is None and self.operation.method not in ("POST", "PATCH"):
            return self.request_head(case, key)
        content = case.content or b""
        headers = {
            "Content_Type": (media_type or None) if content else None,
            "Content_Length": str(len(content)),
        }
        return self.request_head(case, key, **headers) + content

    async def send(self, caller: Caller, cases: Iterable[Case]) -> list[Answer]:
        """Send the requests. Returns the answers in the same order."""
        return await exchange(
            caller.port, [self.request(case, caller.tenant.key) for case in cases]
        )

    async def not_refused(self, caller: Caller, cases: Iterable[Case]) -> list[str]:
        """Send the requests. Describes each one whose answer is not a 400 that names the field."""
        cases = list(cases)
        answers = await self.send(caller, cases)
        return [
            f"{str(case)[:300]} -> {answer}"
            for case, answer in zip(cases, answers, strict=True)
            if not self.refuses(answer, 400, "validation_error", case.field)
        ]

    def refuses(self, answer: Answer, status: int, code: str, field: str = "") -> bool:
        """True if the answer is this error in the documented format and at most 2,000 bytes."""
        message = self.api.refusal(answer, code, field or None)
        return answer.status == status and len(answer.content) <= 2_000 and bool(message)

    def parameters(self) -> dict[str, Parameter]:
        """Return good and wrong texts of each query parameter, by its name."""
        return all_parameter_texts(self.operation, self.api.parameters, self.api.times)
