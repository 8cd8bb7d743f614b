"""What pages share: where templates and styles are, and how they are filled in."""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup, escape

HERE: Final = Path(__file__).parent


@cache
def templates() -> jinja2.Environment:
    """The templates; everything that is put into them is escaped, and a name that is not there is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["versions"] = versions()
    environment.filters["prose"] = prose
    return environment


def versions() -> Mapping[str, str]:
    """A hash for each style sheet, so that browsers notice a new one."""
    sheets = (HERE / "static").glob("*.css")
    return {sheet.stem: hashlib.sha256(sheet.read_bytes()).hexdigest()[:12] for sheet in sheets}


def prose(text: str) -> Markup:
    """A docstring's text in HTML: blank lines divide paragraphs, back quotes are code."""
    paragraphs = [part for part in re.split(r"\n\s*\n", text.strip()) if part]
    return Markup("").join(Markup("<p>{}</p>").format(_code(paragraph)) for paragraph in paragraphs)


def _code(text: str) -> Markup:
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(parts)
    )
