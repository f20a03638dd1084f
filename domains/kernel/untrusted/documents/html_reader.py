"""Reader of HTML pages."""

from domains.kernel.untrusted.documents.charset import charset_in_markup, decode
from domains.kernel.untrusted.html_text import html_to_text


def read_html(data: bytes, charset: str | None) -> str:
    """Return the title and the text of a page.

    Blocks are on lines of their own, table cells are separated by bars, list items have a dash.
    """
    html = decode(data, charset or charset_in_markup(data))
    return html_to_text(html, is_document=True).text
