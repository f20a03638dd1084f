"""Handlers of ideas."""

from typing import Final

from litestar import Response, delete, get, patch, post
from litestar.params import RawBody

from domains.discovery.ideas import IDEAS, Idea, IdeaCreate, IdeaQuery, IdeaUpdate
from gateway import etags
from gateway.discovery.path_ids import IDEA_ID
from gateway.discovery.responses import DELETED, Deleted, paged
from gateway.operations import (
    ActorDep,
    AnyRequest,
    BaseUrlDep,
    CallerDep,
    IdInPath,
    IfMatchDep,
    ReadDep,
    TxDep,
    operation,
)
from gateway.requests import decode_body, decode_new, parse_query


@get("/ideas", opt=operation("listIdeas", "ideas:read", "List ideas", query=IdeaQuery))
async def list_ideas(
    request: AnyRequest, caller: CallerDep, read: ReadDep, base_url: BaseUrlDep
) -> Response[list[Idea]]:
    """List the ideas of the workspace, newest first.

    A page has up to 100 ideas. All filters must match; `q` searches names and descriptions.
    400: a limit, offset or filter that is not valid.
    """
    query = parse_query(request, IdeaQuery)
    return paged(await IDEAS.page(read, caller.workspace, query), query, request, base_url)


@get(
    "/ideas/{id:str}",
    opt=operation(
        "getIdea",
        "ideas:read",
        "Get an idea",
        errors=(404,),
        path_id=IDEA_ID,
        version_of=etags.whole,
    ),
)
async def get_idea(id: IdInPath, caller: CallerDep, read: ReadDep) -> Idea:
    """Get an idea. 404: the workspace has no idea with this id."""
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
    """Create an idea.

    400: an empty name or description, or ids of opportunities or insights that do not exist.
    """
    new = await decode_new(body, IdeaCreate)
    return await IDEAS.create(tx, caller.workspace, new)


@patch(
    "/ideas/{id:str}",
    opt=operation(
        "updateIdea",
        "ideas:write",
        "Change an idea",
        request=IdeaUpdate,
        errors=(404,),
        path_id=IDEA_ID,
        version_of=etags.whole,
    ),
)
async def update_idea(
    id: IdInPath, body: RawBody, caller: CallerDep, tx: TxDep, if_match: IfMatchDep
) -> Idea:
    """Change an idea. Absent fields stay as they are; lists are replaced as a whole.

    400: a value that is not valid, or ids of linked records that do not exist.
    """
    changes = await decode_body(body, IdeaUpdate)
    return await IDEAS.change(tx, caller.workspace, id, changes, if_match)


@delete(
    "/ideas/{id:str}",
    status_code=200,
    opt=operation(
        "deleteIdea",
        "ideas:delete",
        "Delete an idea",
        errors=(404,),
        path_id=IDEA_ID,
        version_of=etags.whole,
    ),
)
async def delete_idea(
    id: IdInPath, caller: CallerDep, actor: ActorDep, tx: TxDep, if_match: IfMatchDep
) -> Deleted:
    """Delete an idea and its links. The linked opportunities and insights stay."""
    await IDEAS.remove(tx, caller.workspace, id, actor, if_match)
    return DELETED


HANDLERS: Final = (list_ideas, get_idea, create_idea, update_idea, delete_idea)
