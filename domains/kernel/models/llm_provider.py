"""LLM provider of the deployment, for the workspaces that allow it to read their texts."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec
import structlog

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Unavailable
from domains.kernel.db.database import Read
from domains.kernel.jobs.process_pool import ComputationTimeout
from domains.kernel.models import llm_usage
from domains.kernel.models.llm_types import LLMClient, LLMError, LLMRequest, LLMResponse
from domains.kernel.models.llm_usage import Outcome

T = TypeVar("T")

logger = structlog.get_logger()


class ProviderResult(msgspec.Struct, Generic[T], frozen=True):
    """Result of a request to the provider.

    `value` is None if there is no usable response. `fallback_reason` is None on success, and
    if no request was sent.
    """

    value: T | None
    fallback_reason: str | None


class LLMProvider:
    """Sends requests to the model, if one is configured, and records their usage.

    A failed request does not fail the job: the caller falls back to the built-in engine.
    """

    def __init__(self, client: LLMClient | None, read: Read) -> None:
        self._client = client
        self._read = read

    async def is_enabled_for(self, workspace: WorkspaceId) -> bool:
        """Return True if a model is configured and the workspace allows it to read its texts."""
        return self._client is not None and await llm_usage.uses_provider(self._read, workspace)

    async def request(
        self,
        workspace: WorkspaceId,
        request: LLMRequest,
        parse: Callable[[LLMResponse], Awaitable[T]],
    ) -> ProviderResult[T]:
        """Send one request, record its usage and parse the response.

        `parse` raises ValueError if the response does not fit the request, ComputationTimeout or
        Unavailable if it could not be read. All three lead to a fallback.
        """
        # The workspace may have disabled the provider since the job was queued.
        if self._client is None or not await self.is_enabled_for(workspace):
            return ProviderResult(None, None)
        try:
            response = await self._client.complete(request)
        except LLMError as error:
            await llm_usage.record(self._read, workspace, request.task, error.reason, error.usage)
            return ProviderResult(None, f"{error.reason}: {error.message}")
        outcome: Outcome = "unusable"
        try:
            value = await parse(response)
            outcome = "answered"
        except (ValueError, ComputationTimeout, Unavailable) as error:
            logger.warning("llm_response_unusable", task=request.task)
            detail = str(error) if isinstance(error, ValueError) else "it could not be read"
            return ProviderResult(None, f"unusable: The model's response is unusable: {detail}.")
        finally:
            # The tokens are used, even if the job fails.
            await llm_usage.record(self._read, workspace, request.task, outcome, response.usage)
        return ProviderResult(value, None)
