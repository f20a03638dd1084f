"""Objects of a document that several operations share: responses, parameters and headers."""

from typing import Any


class Components:
    """Shared objects by kind and name, collected while the operations are described."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Any]] = {}

    def share(self, kind: str, name: str, value: dict[str, Any]) -> dict[str, str]:
        """Add an object. Returns a reference. Raises ValueError if the name has another object."""
        objects = self._objects.setdefault(kind, {})
        if objects.setdefault(name, value) != value:
            raise ValueError(f"two different objects: #/components/{kind}/{name}")
        return {"$ref": f"#/components/{kind}/{name}"}

    def published(self) -> dict[str, dict[str, Any]]:
        """All objects by kind, sorted by name."""
        return {kind: dict(sorted(objects.items())) for kind, objects in self._objects.items()}
