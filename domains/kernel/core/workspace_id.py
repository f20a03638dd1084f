"""Identity of the workspace that a caller was authorised for."""

from typing import NewType
from uuid import UUID

# Proof that a check was made: only authentication, a claimed job and the operator's commands have
# one, and every function of a domain demands it.
WorkspaceId = NewType("WorkspaceId", UUID)
