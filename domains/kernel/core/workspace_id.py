"""The type of workspace ids that have been authorized."""

from typing import NewType
from uuid import UUID

# Proof of authorization: only authentication, a claimed job and the operator's commands create one,
# and every function of a domain requires it.
WorkspaceId = NewType("WorkspaceId", UUID)
