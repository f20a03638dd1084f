"""The peer: the API in FastAPI, pydantic and the ORM of SQLAlchemy, over the product's tables.

The key is looked up in a dictionary, and a counter in Redis limits the requests of a minute.
"""

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import redis.asyncio as redis
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import ARRAY, JSON, ForeignKeyConstraint, Text, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload
from sqlalchemy.schema import FetchedValue
from sqlalchemy.types import TIMESTAMP
from uuid_utils.compat import uuid7

POOL_SIZE: Final = 4
REQUESTS_PER_MINUTE: Final = 100_000_000

WORKSPACE: Final = UUID(os.environ["BENCH_WORKSPACE"])
DATABASE_URL: Final = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")

# --- tables -----------------------------------------------------------------------------------


class Base(DeclarativeBase):
    """Base of the mapped classes."""

    type_annotation_map = {  # noqa: RUF012 - read by SQLAlchemy
        str: Text(),
        datetime: TIMESTAMP(timezone=True),
        list[str]: ARRAY(Text),
        dict[str, Any]: JSON(),
    }


class ObjectType(Base):
    """An object type."""

    __tablename__ = "object_types"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]


class Row(Base):
    """A row."""

    __tablename__ = "rows"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "object_type_id"], ["object_types.workspace_id", "object_types.id"]
        ),
    )

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    source_id: Mapped[str]
    remote_id: Mapped[str]
    object_type_id: Mapped[UUID]
    name: Mapped[str]
    display_name: Mapped[str]
    fields: Mapped[dict[str, Any]]
    public: Mapped[bool]
    owner_emails: Mapped[list[str]]
    created_at: Mapped[datetime | None]
    updated_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    ordered_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())

    object_type: Mapped[ObjectType] = relationship(viewonly=True)


# --- requests and responses -------------------------------------------------------------------


class Model(BaseModel):
    """Base of the models: names in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class FieldValue(Model):
    """A value of a row."""

    value: Any
    field_type: str
    label: str | None = None


class RowResponse(Model):
    """A row."""

    row_id: UUID
    source_id: str
    object_type_id: UUID
    object_type_name: str
    remote_id: str
    name: str
    display_name: str
    fields: dict[str, FieldValue]
    created_at: datetime | None
    updated_at: datetime | None


class Pagination(Model):
    """Where the next page begins. The peer makes no cursors."""

    next_cursor: str | None
    has_more: bool


class RowPage(Model):
    """A page of rows."""

    rows: list[RowResponse]
    pagination: Pagination


class NewRow(Model):
    """A row to store."""

    id: str
    source_id: UUID
    object_type_id: UUID
    display_name: str
    name: str
    public: bool = False
    owner_emails: list[str] = []
    created_at: datetime | None = None
    updated_at: datetime | None = None
    fields: dict[str, FieldValue]


class StoredRow(Model):
    """Response to a new row."""

    status: str
    record_id: UUID
    id: str
    source_id: UUID


# --- dependencies -----------------------------------------------------------------------------

engine: Final = create_async_engine(DATABASE_URL, pool_size=POOL_SIZE)
new_session: Final = async_sessionmaker(engine, expire_on_commit=False)
counters: Final = redis.Redis.from_url(os.environ["REDIS_URL"])
keys: Final = {hashlib.sha256(os.environ["BENCH_KEY"].encode()).hexdigest(): WORKSPACE}


async def open_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


async def admit(authorization: Annotated[str, Header()]) -> UUID:
    """Workspace of the request's key. Counts the request."""
    key = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    if key not in keys:
        raise HTTPException(401)
    async with counters.pipeline() as pipeline:
        pipeline.incr(f"peer:{key}")
        pipeline.expire(f"peer:{key}", 60)
        count, _ = await pipeline.execute()
    if count > REQUESTS_PER_MINUTE:
        raise HTTPException(429)
    return keys[key]


Session = Annotated[AsyncSession, Depends(open_session)]
Workspace = Annotated[UUID, Depends(admit)]


# --- operations -------------------------------------------------------------------------------

app = FastAPI()


@app.get("/v1/rows", response_model=RowPage)
async def list_rows(session: Session, workspace: Workspace, limit: int = 50) -> RowPage:
    """Get the newest rows."""
    found = await session.scalars(
        select(Row)
        .options(selectinload(Row.object_type))
        .where(Row.workspace_id == workspace, Row.deleted_at.is_(None))
        .order_by(Row.ordered_at.desc(), Row.id.desc())
        .limit(limit + 1)
    )
    rows = found.all()
    has_more = len(rows) > limit
    return RowPage(
        rows=[_response(row) for row in rows[:limit]],
        pagination=Pagination(next_cursor="none" if has_more else None, has_more=has_more),
    )


@app.get("/v1/rows/{row_id}", response_model=RowResponse)
async def get_row(row_id: UUID, session: Session, workspace: Workspace) -> RowResponse:
    """Get a row."""
    row = await session.scalar(
        select(Row)
        .options(selectinload(Row.object_type))
        .where(Row.workspace_id == workspace, Row.id == row_id, Row.deleted_at.is_(None))
    )
    if row is None:
        raise HTTPException(404)
    return _response(row)


@app.post("/v1/rows", response_model=StoredRow, status_code=201)
async def store_row(new: NewRow, session: Session, workspace: Workspace) -> StoredRow:
    """Insert or replace a row."""
    source = str(new.source_id)
    row = await session.scalar(
        select(Row).where(
            Row.workspace_id == workspace,
            Row.source_id == source,
            Row.remote_id == new.id,
            Row.deleted_at.is_(None),
        )
    )
    status = "updated" if row else "created"
    if row is None:
        row = Row(workspace_id=workspace, id=uuid7(), source_id=source, remote_id=new.id)
        session.add(row)
    row.object_type_id = new.object_type_id
    row.name = new.name
    row.display_name = new.display_name
    row.fields = {name: value.model_dump(by_alias=True) for name, value in new.fields.items()}
    row.public = new.public
    row.owner_emails = new.owner_emails
    row.created_at = new.created_at
    row.updated_at = new.updated_at
    # FastAPI ends the dependency after the response: too late for a commit.
    await session.commit()
    return StoredRow(status=status, record_id=row.id, id=new.id, source_id=new.source_id)


def _response(row: Row) -> RowResponse:
    return RowResponse(
        row_id=row.id,
        source_id=row.source_id,
        object_type_id=row.object_type_id,
        object_type_name=row.object_type.name,
        remote_id=row.remote_id,
        name=row.name,
        display_name=row.display_name,
        fields={name: FieldValue(**value) for name, value in row.fields.items()},
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["BENCH_PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
