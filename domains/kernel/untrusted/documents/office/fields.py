"""Codes of fields in Word documents."""

import re
from typing import Final

# Fields whose result is the number of a page or section.
_PAGE_FIELDS: Final = frozenset({"PAGE", "NUMPAGES", "SECTION", "SECTIONPAGES"})

# Characters of a code that are looked at.
_MAX_CODE: Final = 1000
# A phonetic guide: text that is raised over other text.
_PHONETIC_GUIDE: Final = re.compile(r"\\s\\up ?[0-9]{0,3}\([^()]*\),([^()]*)\)")


def is_page_number(code: str) -> bool:
    """Return whether the field is replaced by the number of a page or section."""
    return _name(code) in _PAGE_FIELDS


def text_in_code(code: str) -> str:
    """Return the text that an equation field shows under a phonetic guide, or an empty string."""
    guide = _PHONETIC_GUIDE.search(code[:_MAX_CODE]) if _name(code) == "EQ" else None
    return guide[1] if guide else ""


def _name(code: str) -> str:
    return code[:100].strip().partition(" ")[0].upper()
