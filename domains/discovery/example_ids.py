"""Ids of the records that the examples of the API reference show."""

from typing import Final

SIGNAL: Final = "0199c2f4-6f0a-7d3c-8a41-5b0c9d7e2f11"
JOB: Final = "0199c2f4-6f0b-7a55-93c2-1f2e3d4c5b6a"
INSIGHT: Final = "0199c2f4-8d42-7e10-a3b7-4c5d6e7f8091"
OPPORTUNITY: Final = "0199c2f7-0a1b-7c2d-8e3f-4a5b6c7d8e9f"
IDEA: Final = "0199c2f9-5b6c-7d7e-8f90-a1b2c3d4e5f6"
PRODUCT: Final = "0199c2f1-3e44-7d86-92b7-1a2b3c4d5e6f"
