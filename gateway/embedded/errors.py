"""The error that the embedded servers and `gateway up` show to the operator."""


class EmbeddedError(Exception):
    """One sentence for the operator: what is wrong, where, and what to do about it."""
