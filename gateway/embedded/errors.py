"""The one error that the local machinery shows to an operator."""


class LocalError(Exception):
    """One clear sentence: what is wrong, where, and what to do about it."""
