"""Reader of plain text, and of markup and data formats that are kept as they are."""

import sys

from domains.kernel.untrusted.documents.charset import charset_in_markup, decode
from domains.kernel.untrusted.documents.reader_process import main


def read_text(data: bytes, charset: str | None) -> str:
    return decode(data, charset or charset_in_markup(data))


if __name__ == "__main__":
    sys.exit(main({"text": read_text}, *sys.argv[1:]))
