"""Reader of plain text, and of markup and data formats that are kept as they are."""

from domains.kernel.untrusted.documents.charset import charset_in_markup, decode


def read_text(data: bytes, charset: str | None) -> str:
    return decode(data, charset or charset_in_markup(data))
