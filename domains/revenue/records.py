"""What all pushed records have: an identity of source and id, an upsert and a soft deletion."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Protocol, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta
from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.ids import parse_id
from domains.kernel.core.network import FetchAllowlist
from domains.kernel.core.problems import FieldError, Forbidden, NotFound, invalid
from domains.kernel.core.timestamps import parse_iso, parse_iso_end, parse_timestamp
from domains.kernel.db.statements import WORKSPACE, Statement, row, scalar, statement
from domains.kernel.pagination.cursor import CursorQuery
from domains.kernel.untrusted.url_policy import Refused, check_url
from domains.revenue import example_ids
from domains.revenue.tables import sources

T = TypeVar("T")

Version = Annotated[Literal[1], Meta(description="Of the format; there is only this one")]
Timestamp = Annotated[
    str | int | float, Meta(description="ISO 8601, Unix seconds or Unix milliseconds")
]
# The bounds of lists.
LowerBound = Annotated[
    str,
    Meta(
        description="an ISO 8601 date-time, or a date for its first moment",
        extra_json_schema={"format": "date-time"},
    ),
]
UpperBound = Annotated[
    str,
    Meta(
        description="an ISO 8601 date-time, or a date for its last moment",
        extra_json_schema={"format": "date-time"},
    ),
]
# Longer ones fit into no index.
Identifier = Annotated[str, Meta(min_length=1, max_length=512)]
# Of a source or an object type, and the names of these.
DisplayLabel = Annotated[str, Meta(min_length=1, max_length=255)]
# What is searched for parts of it has an end, for the sake of the index.
DisplayName = Annotated[str, Meta(max_length=10_000)]
_FullName = Annotated[str, Meta(max_length=1000)]
# Longer ones fit into no index.
_Email = Annotated[str, Meta(max_length=512)]
# A list without an end would keep everybody waiting while it is written.
Emails = Annotated[list[_Email], Meta(max_length=1000)]
# An address that can be fetched: servers take no longer ones.
WebAddress = Annotated[str, Meta(max_length=8192)]

# Fields that several answers have.
SourceReference = Annotated[
    str,
    Meta(description="Its source: a UUID or the name of its origin", examples=[example_ids.SOURCE]),
]
RemoteId = Annotated[
    str, Meta(description="Its id in the source system", examples=[example_ids.REMOTE])
]
FullName = Annotated[str | None, Meta(description="Full name", examples=["Ana Berg"])]
EmailAddress = Annotated[
    str | None, Meta(description="E-mail address", examples=["ana@halden.example"])
]


# What an import brings is shown, not fetched.
_NOTHING: Final = FetchAllowlist()


class Addressed(Protocol):
    """Whoever has an e-mail address, or could have one."""

    email: str | None


class Person(msgspec.Struct, rename="camel", kw_only=True):
    """Somebody in a request."""

    version: Version = 1
    id: Annotated[str | None, Meta(description="In the source system")] = None
    name: Annotated[_FullName | None, Meta(description="Full name", examples=["Ana Berg"])] = None
    email: Annotated[
        _Email | None, Meta(description="E-mail address", examples=["ana@halden.example"])
    ] = None


class RecordRequest(msgspec.Struct, rename="camel", kw_only=True):
    """What every pushed record says about itself."""

    version: Version = 1
    id: Annotated[
        Identifier,
        Meta(description="The record's id in the source system", examples=[example_ids.REMOTE]),
    ]
    source_id: Annotated[
        UUID, Meta(description="One of your sources", examples=[example_ids.SOURCE])
    ]
    display_name: Annotated[
        DisplayName, Meta(description="What people call it", examples=["Halden rollout"])
    ] = ""
    updated_at: Annotated[
        Timestamp | None, Meta(description="When it changed in the source system")
    ] = None
    public: Annotated[
        bool, Meta(description="Whether everybody in the organization may see it")
    ] = False
    owner_emails: Annotated[Emails, Meta(description="Those to whom it belongs")] = []


class RecordResponse(msgspec.Struct, rename="camel"):
    """What became of a pushed record."""

    status: Annotated[Literal["created", "updated"], Meta(description="What was done")]
    record_id: Annotated[UUID, Meta(description="The id by which it is read")]
    id: Annotated[
        str,
        Meta(
            description="The id in the source system, as it was given",
            examples=[example_ids.REMOTE],
        ),
    ]
    source_id: Annotated[
        UUID, Meta(description="The source, as it was given", examples=[example_ids.SOURCE])
    ]


class RecordAddress(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The query that names a record to change or delete."""

    remote_id: Annotated[Identifier, Meta(description="The `id` with which it was pushed")]
    source_id: Annotated[UUID, Meta(description="The source through which it was pushed")]


class DeletedRecordResponse(msgspec.Struct, rename="camel"):
    """A record that is gone."""

    status: Annotated[Literal["deleted"], Meta(description="Always `deleted`")]
    record_id: Annotated[UUID, Meta(description="The id by which it was read")]
    id: Annotated[
        str, Meta(description="The id in the source system", examples=[example_ids.REMOTE])
    ]
    source_id: Annotated[UUID, Meta(description="Its source", examples=[example_ids.SOURCE])]
    deleted_at: Annotated[datetime, Meta(description="When it was deleted")]


# --- refusals ---------------------------------------------------------------------------------


def forbidden(field: str, noun: str) -> Forbidden:
    """The refusal of a write through what is not, or no longer, the caller's.

    An unknown one looks the same, so that nobody learns which ids exist elsewhere.
    """
    message = f"{field}: there is no such {noun} that you may write to"
    return Forbidden(message, FieldError(field, message))


def not_found(noun: str, reference: object) -> NotFound:
    """The refusal where the workspace has no such record."""
    return NotFound(f"There is no {noun} {str(reference)[:64]!r} in this organization.")


# --- statements -------------------------------------------------------------------------------

_SOURCE: Final = bindparam("source", type_=Uuid)
_REMOTE: Final = bindparam("remote", type_=Text)

# For statements that show a record: whether records that are not public may be shown.
INCLUDE_PRIVATE: Final = bindparam("include_private", type_=literal(True).type)

WRITABLE: Final = statement(
    select(sources.c.id).where(
        sources.c.workspace_id == WORKSPACE,
        sources.c.id == _SOURCE,
        sources.c.deleted_at.is_(None),
    ),
    scalar,
)


def active_source() -> CTE:
    """The source of the parameter `source`, if one may write through it."""
    return (
        select(sources.c.id)
        .where(
            sources.c.workspace_id == WORKSPACE,
            sources.c.id == _SOURCE,
            sources.c.deleted_at.is_(None),
        )
        .cte("source")
    )


def identity(table: Table) -> ColumnElement[bool]:
    """That a record is the living one of the parameters `source` and `remote`."""
    return and_(
        table.c.workspace_id == WORKSPACE,
        table.c.source_id == cast(_SOURCE, Text),
        table.c.remote_id == _REMOTE,
        # Written out, since a partial index serves no parameter.
        text(f"{table.name}.deleted_at is null and not {table.name}.native"),
    )


def upsert(
    table: Table,
    columns: Iterable[str],
    into: Callable[..., T],
    *,
    also: Mapping[str, ColumnElement[Any]] | None = None,
    beside: Sequence[CTE] = (),
    returning: Sequence[Any] = (),
    keeping: Sequence[str] = (),
    where: ColumnElement[bool] | None = None,
    versioned: bool = False,
) -> Statement[T]:
    """Insert, or replace as a whole, the record of the parameters `source` and `remote`.

    `columns` are set to the parameters of their names, `also` to expressions over the CTEs
    `beside`, each of which has one row at most. Answers with the record's id, which is the
    parameter `id` for a new one, and `returning`; with nothing where one may not write through the
    source, or the existing record does not meet `where`. What the columns `keeping` held in the
    version that was replaced is in their `former_` columns: no other way to see it is right while
    others write, too.
    """
    source = active_source()
    values: dict[str, Any] = {
        "workspace_id": WORKSPACE,
        "id": bindparam("id", type_=Uuid),
        "source_id": cast(source.c.id, Text),
        "remote_id": _REMOTE,
        **{name: bindparam(name, type_=table.c[name].type) for name in columns},
        **(also or {}),
    }
    given: Any = source
    for each in beside:
        given = given.outerjoin(each, true())
    adding = insert(table).from_select(list(values), select(*values.values()).select_from(given))
    kept = ("workspace_id", "id", "source_id", "remote_id")
    changes: dict[str, Any] = {name: adding.excluded[name] for name in values if name not in kept}
    changes |= {f"former_{name}": table.c[name] for name in keeping}
    if versioned:
        changes["version"] = table.c.version + 1
    return statement(
        adding.on_conflict_do_update(
            index_elements=["workspace_id", "source_id", "remote_id"],
            index_where=text("deleted_at is null and not native"),
            set_=changes,
            where=where,
        ).returning(table.c.id, *returning),
        into,
    )


def deletion(table: Table, *left: Column[Any]) -> Statement[tuple[Any, ...]]:
    """Mark the record of the parameters `source` and `remote` as deleted.

    Answers with its id, the time and `left`; nulls where there is none; nothing where one may not
    write through the source.
    """
    source = active_source()
    gone = (
        update(table)
        .where(identity(table), select(source.c.id).exists())
        .values(deleted_at=func.now())
        .returning(table.c.id, table.c.deleted_at, *left)
        .cte("gone")
    )
    return statement(select(gone).select_from(source.outerjoin(gone, true())), row)


def shown(table: Table) -> tuple[ColumnElement[bool], ...]:
    """That a record is the living one of the parameter `id`, and may be shown."""
    return (
        table.c.workspace_id == WORKSPACE,
        table.c.id == bindparam("id", type_=Uuid),
        table.c.deleted_at.is_(None),
        or_(table.c.public, INCLUDE_PRIVATE),
    )


def response(record: UUID, new: UUID, remote: str, source: UUID) -> RecordResponse:
    """The answer to an upsert: created where the record got the new id."""
    return RecordResponse("created" if record == new else "updated", record, remote, source)


def deleted(
    found: tuple[Any, ...] | None, address: RecordAddress, noun: str
) -> DeletedRecordResponse:
    """The answer to a deletion; Forbidden or NotFound."""
    if found is None:
        raise forbidden("sourceId", "source")
    record, at, *_ = found
    if record is None:
        raise not_found(noun, address.remote_id)
    return DeletedRecordResponse("deleted", record, address.remote_id, address.source_id, at)


# --- filters ----------------------------------------------------------------------------------


def contains(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """That a text holds the parameter `name`, a pattern made by `pattern`, in any letter case."""
    return column.ilike(bindparam(name, type_=Text))


def pattern(fragment: str) -> str:
    """What ILIKE takes for a fragment anywhere in a text, every character taken literally."""
    escaped = fragment.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def has(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """That an array holds the parameter `name`."""
    element = func.array_append(
        literal_column("'{}'::text[]"), bindparam(name, type_=Text), type_=column.type
    )
    return column.bool_op("@>")(element)


def given(query: CursorQuery, names: Mapping[str, Callable[[Any, str], Any]]) -> dict[str, Any]:
    """The filters of a query that are given, each made ready by its function.

    A function takes the value and the name of its field in the request. An empty text filters
    nothing; an empty time or source is for its function to refuse.
    """
    encoded = {field.name: field.encode_name for field in msgspec.structs.fields(query)}
    values = ((name, getattr(query, name), ready) for name, ready in names.items())
    return {
        name: ready(value, encoded[name])
        for name, value, ready in values
        if value is not UNSET and (value != "" or ready not in _OF_TEXTS)
    }


def exact(value: T, _field: str) -> T:
    return value


def as_pattern(value: str, _field: str) -> str:
    return pattern(value)


def as_lower(value: str, _field: str) -> str:
    return value.lower()


_OF_TEXTS: Final = (exact, as_pattern, as_lower)

as_start: Final = parse_iso
as_end: Final = parse_iso_end


def source_of(native: frozenset[str]) -> Callable[[str, str], str]:
    """Makes a `sourceId` ready for a list whose records may have these native origins."""

    def ready(value: str, field: str) -> str:
        if value in native:
            return value
        if (parsed := parse_id(value)) is not None:
            return str(parsed)
        origins = f" or one of {', '.join(sorted(native))}" if native else ""
        raise invalid(field, f"must be a UUID{origins}")

    return ready


# --- values -----------------------------------------------------------------------------------


def moment_of(value: str | float | None, field: str) -> datetime | None:
    """The instant that a request gives, if any; Invalid for nonsense."""
    return None if value is None else parse_timestamp(value, field)


def address_of(person: Addressed) -> str:
    """Somebody's e-mail as it is compared: in lower case, without spaces around it; or empty."""
    return (person.email or "").strip().lower()


def domain_of(email: str) -> str:
    """What follows the last @, in lower case; empty where there is none."""
    return email.rpartition("@")[2].lower() if "@" in email else ""


def distinct(texts: Iterable[str]) -> list[str]:
    """Each text that is not empty once, in order."""
    return list(dict.fromkeys(filter(None, texts)))


def outside(
    emails: Iterable[str], owner_emails: Iterable[str], own_domains: Iterable[str]
) -> tuple[list[str], list[str]]:
    """The e-mails, and their domains, of those who are not the workspace's own people."""
    own = {*(domain_of(email.strip()) for email in owner_emails), *own_domains}
    outsiders = [email for email in emails if domain_of(email) not in own]
    return outsiders, distinct(map(domain_of, outsiders))


def web_address(url: str, field: str, allowed: FetchAllowlist = _NOTHING) -> str:
    """The URL if it is one that may be fetched; Invalid.

    What its name resolves to is looked at when it is fetched.
    """
    try:
        check_url(url, allowed)
    except Refused as refused:
        raise invalid(field, refused.reason) from refused
    return url


def kept(parameter: str, column: Column[Any]) -> ColumnElement[Any]:
    """In an UPDATE: the parameter unless it is null, else what is there."""
    value = bindparam(parameter, type_=column.type)
    return case((value.is_(None), column), else_=value)
