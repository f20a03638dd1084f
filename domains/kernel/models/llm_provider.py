"""The model provider of the deployment, for the workspaces that let it read their texts."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec
import structlog

from domains.kernel.core.problems import Unavailable
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read
from domains.kernel.jobs.process_pool import ComputationTimeout
from domains.kernel.models import llm_usage
from domains.kernel.models.llm_types import Answer, Answering, Question, Unanswered
from domains.kernel.models.llm_usage import Outcome, Usage

T = TypeVar("T")

logger = structlog.get_logger()


class Consulted(msgspec.Struct, Generic[T], frozen=True):
    """What a provider made of a question: something found, or why there is nothing."""

    found: T | None
    fallback: str | None


class Provider:
    """Asks, counts what it cost, and says why there is no usable answer. Without one: never used.

    What is unanswered is no failure of a job: the embedded engine does the work then.
    """

    def __init__(self, chat: Answering | None, read: Read) -> None:
        self._chat = chat
        self._read = read

    async def is_used_by(self, workspace: WorkspaceId) -> bool:
        """Whether there is one, and the workspace lets its texts be sent there."""
        return self._chat is not None and await llm_usage.uses_provider(self._read, workspace)

    async def consult(
        self,
        workspace: WorkspaceId,
        question: Question,
        understood: Callable[[Answer], Awaitable[T]],
    ) -> Consulted[T]:
        """Ask once, and count it. `understood` reads the answer: a ValueError says that it is not
        as was asked for; ComputationTimeout and Unavailable, that it could not be read.
        """
        # The switch may have been turned since the job was queued.
        if self._chat is None or not await self.is_used_by(workspace):
            return Consulted(None, None)
        try:
            answer = await self._chat.ask(question)
        except Unanswered as error:
            await llm_usage.count(
                self._read, workspace, Usage(question.task, error.reason, error.spent)
            )
            return Consulted(None, f"{error.reason}: {error.message}")
        outcome: Outcome = "unusable"
        try:
            found = await understood(answer)
            outcome = "answered"
        except (ValueError, ComputationTimeout, Unavailable) as error:
            logger.warning("provider_unusable", task=question.task)
            why = str(error) if isinstance(error, ValueError) else "it could not be read"
            return Consulted(None, f"unusable: The answer is of no use: {why}.")
        finally:
            # It was spent, whatever becomes of the job.
            await llm_usage.count(
                self._read, workspace, Usage(question.task, outcome, answer.spent)
            )
        return Consulted(found, None)
