"""XML read with expat, from the standard library; entity declarations are refused.

Expat opens no other files or addresses unless told to, so what is left to fear is a document that
declares entities which grow when they are expanded (the "billion laughs" attack). None of the
formats read here needs such declarations.
See https://docs.python.org/3/library/xml.html#xml-security.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

from danlu.errors import DataError

MAX_DEPTH = 1_000
"""Elements inside each other in a tree that is kept in memory."""


def parser(name: str, *, namespaces: bool) -> expat.XMLParserType:
    """A parser that refuses entity declarations; tags are `uri}local` with `namespaces`."""
    made = expat.ParserCreate(namespace_separator="}" if namespaces else None)
    made.buffer_text = True

    def refuse(entity: str, *_: Any) -> None:
        raise DataError(
            f"{name} declares an entity of its own (an XML bomb?)",
            got=f"<!ENTITY {entity} …>",
            expected="XML without declarations of entities",
            fix="leave it out, or remove its DOCTYPE if you trust it",
        )

    made.EntityDeclHandler = refuse
    return made


def feed(made: expat.XMLParserType, data: bytes, name: str, *, last: bool) -> None:
    """Give the parser some more bytes.

    Raises:
        DataError: it is not well-formed, or ends too early; the message has the line.
    """
    try:
        made.Parse(data, last)
    except expat.ExpatError as error:
        raise DataError(
            f"{name} is broken XML at line {error.lineno:,}",
            got=expat.ErrorString(error.code),
            expected="complete, well-formed XML",
            fix="download or write it again (it was cut or damaged), or leave it out",
        ) from None
    except (UnicodeError, LookupError, ValueError) as error:  # an encoding that is no text's
        raise DataError(f"{name} is broken XML", got=str(error)) from None


def tree(data: bytes, name: str) -> ET.Element:
    """A small document as a tree, with tags such as `{uri}local`.

    Raises:
        DataError: as `parser` and `feed`, or it is nested too deeply.
    """
    made, builder, depth = parser(name, namespaces=True), ET.TreeBuilder(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise DataError(f"{name} is nested too deeply", got=f"{depth:,} elements")
        builder.start(_bracketed(tag), {_bracketed(key): v for key, v in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_bracketed(tag))

    made.StartElementHandler = start
    made.EndElementHandler = end
    made.CharacterDataHandler = builder.data
    feed(made, data, name, last=True)
    return builder.close()


def texts(root: ET.Element, tags: Iterable[str]) -> str:
    """The text of the first element with one of the tags, or empty.

    >>> texts(ET.fromstring("<a><b> x </b></a>"), ["b"])
    'x'
    """
    for tag in tags:
        for element in root.iter(tag):
            if text := "".join(element.itertext()).strip():
                return text
    return ""


def _bracketed(tag: str) -> str:
    return "{" + tag if "}" in tag else tag
