"""Read ids of CRM records. Refuse those that a program has changed."""

import re
from typing import Final

# An id that was read as a number, and maybe rounded.
_NUMBER: Final = re.compile(r"[0-9]+[.,]0+|[0-9](?:[.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)
# Characters of cells that were not quoted as they should be.
_BROKEN: Final = re.compile(r'["\r\n]')
# Spellings of a missing value.
_MISSING: Final = frozenset(("null", "none", "nil", "nan", r"\n", "undefined"))

# An id of Salesforce begins with the code of its object.
_SALESFORCE: Final = re.compile(r"(?=.*[A-Za-z])[0-9]0[0-9A-Za-z]{13}(?:[0-9A-Za-z]{3})?")
_OBJECTS: Final = {
    "001": "an account",
    "003": "a contact",
    "005": "a user",
    "006": "an opportunity",
    "00K": "a contact role",
    "00Q": "a lead",
    "00T": "a task",
    "00U": "an event",
    "00k": "a line item",
    "500": "a case",
    "800": "a contract",
    "801": "an order",
}
_CODES: Final = {"accountId": "001", "contactId": "003", "dealId": "006"}
_SHORT: Final = 15
_CHECK_CHARACTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def read_id(field: str, text: str) -> str:
    """Read the id of the field `dealId`, `accountId` or `contactId`.

    Salesforce writes an id with 15 characters in reports and with 18 in other exports. The result
    has 18, so that both are the same record. Raises ValueError with the reason.
    """
    if _NUMBER.fullmatch(text):
        raise ValueError("was rewritten as a number. Export the ids as text")
    if _BROKEN.search(text):
        raise ValueError("contains a quote or a line end")
    if text.lower() in _MISSING:
        raise ValueError("is not an id")
    if not _SALESFORCE.fullmatch(text) or text[:3] not in _OBJECTS:
        return text
    if text[:3] != _CODES[field]:
        raise ValueError(f"is the id of {_OBJECTS[text[:3]]} in Salesforce")
    return text if len(text) > _SHORT else text + _check_characters(text)


def _check_characters(text: str) -> str:
    """One character for each five of the id, which states which of them are upper case."""
    parts = (text[start : start + 5] for start in range(0, _SHORT, 5))
    return "".join(
        _CHECK_CHARACTERS[sum(letter.isupper() << bit for bit, letter in enumerate(part))]
        for part in parts
    )
