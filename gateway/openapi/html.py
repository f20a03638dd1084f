"""HTML elements of the reference page. All functions escape their texts."""

import json
import re
from collections.abc import Iterable
from html import escape
from typing import Any, Final

_TOKEN: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|\b(-?\d[\d.eE+-]*|true|false|null)\b')


def prose(text: str) -> str:
    """Text in which backquotes mark code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


def paragraphs(*texts: str) -> str:
    return "".join(f"<p>{prose(text)}</p>" for text in texts)


def heading(title: str, anchor: str) -> str:
    return f'<h2 id="{anchor}"><a href="#{anchor}">{escape(title)}</a></h2>'


def section(anchor: str, title: str, text: str, code: str) -> str:
    """A section with text on the left and code on the right, all given as HTML."""
    return (
        f'<section class="row" id="{escape(anchor)}"><div>'
        f'<h3><a href="#{escape(anchor)}">{title}</a></h3>{text}</div>'
        f'<div class="code">{code}</div></section>'
    )


def navigation_group(title: str, anchor: str, entries: Iterable[tuple[str, str, str]]) -> str:
    """Links of the navigation. Each entry: anchor, text, HTTP method or an empty string."""
    items = "".join(
        f'<li><a href="#{escape(name)}">{escape(text)}'
        + (f'<span class="m {method}">{method}</span>' if method else "")
        + "</a></li>"
        for name, text, method in entries
    )
    return f'<a class="group" href="#{anchor}">{escape(title)}</a><ul>{items}</ul>'


def slug(title: str) -> str:
    return "group-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def panel(title: str, content: Any) -> str:
    """A code panel. Shows a string unchanged and any other value as coloured JSON."""
    code = escape(content, quote=False) if isinstance(content, str) else _coloured(content)
    return f'<div class="panel"><b>{escape(title)}</b><pre tabindex="0">{code}</pre></div>'


def _coloured(value: Any) -> str:
    def colour(match: re.Match[str]) -> str:
        text, colon, other = match.groups()
        if other is not None:
            return f'<span class="n">{other}</span>'
        return f'<span class="{"k" if colon else "s"}">{text}</span>{colon or ""}'

    # Quotes delimit the tokens and need no escaping inside an element.
    return _TOKEN.sub(colour, escape(json.dumps(value, indent=2, ensure_ascii=False), quote=False))
