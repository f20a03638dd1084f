"""Ids of the records that the examples of the API reference show."""

from typing import Final

# Ids that the source system and the CRM gave.
REMOTE: Final = "HF-1042"
DEAL: Final = "0065g00000HALDEN"
ACCOUNT: Final = "0015g00000HALDEN"

SOURCE: Final = "0199c301-2a3b-7c4d-8e5f-60718293a4b5"
OBJECT_TYPE: Final = "0199c302-3b4c-7d5e-8f60-718293a4b5c6"
# Of a row, conversation, message or document.
RECORD: Final = "0199c303-4c5d-7e6f-9071-8293a4b5c6d7"
