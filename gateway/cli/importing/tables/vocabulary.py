"""Words of several languages that occur in tables."""

import unicodedata


def words(text: str) -> frozenset[str]:
    """The words of a list separated by spaces."""
    return frozenset(text.split())


def plain(text: str) -> str:
    """Fold case and remove accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
