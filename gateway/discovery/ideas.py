"""Handlers of ideas."""

from typing import Final

from litestar import Response, delete, get, patch, post
from litestar.params import RawBody

from domains.discovery.ideas import IDEAS, Idea, IdeaCreate, IdeaQuery, IdeaUpdate
from gateway import etags
from gateway.discovery.responses import DELETED, Deleted, paged
from gateway.operations import (
    AnyRequest,
    BaseUrlDep,
    CallerDep,
    IdInPath,
    IfMatchDep,
    ReadDep,
    TxDep,
    operation,
)
from gateway.requests import decode_body, parse_query


@get("/ideas", opt=operation("listIdeas", "ideas:read", "List ideas", query=IdeaQuery))
async def list_ideas(
    request: AnyRequest, caller: CallerDep, read: ReadDep, base_url: BaseUrlDep
) -> Response[list[Idea]]:
    query = parse_query(request, IdeaQuery)
    return paged(await IDEAS.page(read, caller.workspace, query), query, request, base_url)


@get(
    "/ideas/{id:str}",
    opt=operation("getIdea", "ideas:read", "Get an idea", errors=(404,), version_of=etags.whole),
)
async def get_idea(id: IdInPath, caller: CallerDep, read: ReadDep) -> Idea:
    return await IDEAS.get(read, caller.workspace, id)


@post(
    "/ideas",
    opt=operation(
        "createIdea",
        "ideas:write",
        "Create an idea",
        request=IdeaCreate,
        errors=(409,),
        version_of=etags.whole,
    ),
)
async def create_idea(body: RawBody, caller: CallerDep, tx: TxDep) -> Idea:
    new = await decode_body(body, IdeaCreate)
    return await IDEAS.create(tx, caller.workspace, new)


@patch(
    "/ideas/{id:str}",
    opt=operation(
        "updateIdea",
        "ideas:write",
        "Change an idea",
        request=IdeaUpdate,
        errors=(404,),
        version_of=etags.whole,
    ),
)
async def update_idea(
    id: IdInPath, body: RawBody, caller: CallerDep, tx: TxDep, if_match: IfMatchDep
) -> Idea:
    changes = await decode_body(body, IdeaUpdate)
    return await IDEAS.change(tx, caller.workspace, id, changes, if_match)


@delete(
    "/ideas/{id:str}",
    status_code=200,
    opt=operation(
        "deleteIdea", "ideas:delete", "Delete an idea", errors=(404,), version_of=etags.whole
    ),
)
async def delete_idea(id: IdInPath, caller: CallerDep, tx: TxDep, if_match: IfMatchDep) -> Deleted:
    await IDEAS.remove(tx, caller.workspace, id, if_match)
    return DELETED


HANDLERS: Final = (list_ideas, get_idea, create_idea, update_idea, delete_idea)
