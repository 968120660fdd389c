"""What is left of HTML in text that is otherwise plain: `&amp;`, `&#39;`, `<br>`, `</p>`, `<b>`.

Only the entities of ENTITIES, numeric ones, and tags of a short list are touched, and nothing at
all in a document that may be *about* markup or code: one that has a whole page's tags (`<html`,
`<script` …) or escaped tags (`&lt;b&gt;`), that says HTML, XML or markup, that quotes an entity or
a tag, or that looks like source code. Breaks and blocks become line ends. A tag inside a line goes
only where both `<b>` and `</b>` stand in the document, so that `x <i> y` stays. `<sup>` stays, for
without it 10³ would become 103.
"""

from __future__ import annotations

import html
import itertools
import re

ENTITIES = (
    "amp|lt|gt|quot|apos|nbsp|ensp|emsp|ndash|mdash|hellip|lsquo|rsquo|ldquo|rdquo|laquo|raquo|"
    "bull|middot|copy|reg|trade|deg|times|euro|pound|cent|yen|sect|para|iexcl|iquest|eacute|egrave|"
    "agrave|ccedil|ntilde|auml|ouml|uuml|szlig|aacute|iacute|oacute|uacute|acirc|ecirc|icirc|ocirc"
)
_BLOCKS = "p|br|hr|div|li|ul|ol|tr|td|th|table|tbody|blockquote|center|h[1-6]"
_INLINE = "b|i|u|a|em|strong|span|font|small|big|img"

_ENTITY_FORM = f"&(?:(?i:{ENTITIES})|#[0-9]{{2,7}}|#[xX][0-9a-fA-F]{{2,6}});"
TRACE = f"{_ENTITY_FORM}|</?(?i:{_BLOCKS}|{_INLINE})[ \t\n/>]"
"""Found in every text that `strip` would change."""

_ENTITY = re.compile(_ENTITY_FORM)
_ATTRIBUTES = (
    r"(?:\s{1,9}[a-zA-Z-]{1,30}\s?=\s?"
    r"(?:\"[^\"<>]{0,500}\"|'[^'<>]{0,500}'|[^\s\"'<>=]{1,500}))*+\s{0,9}/?>"
)
_BLOCK = re.compile(f"[ \t]*</?({_BLOCKS}){_ATTRIBUTES}[ \t]*", re.IGNORECASE)
_PAIRED = re.compile(f"<(/?)({_INLINE}){_ATTRIBUTES}", re.IGNORECASE)
_SINGLE = frozenset(("img",))

_SUBJECT = re.compile(
    r"(?i:html|xml|markup|<!doctype|<head\b|<body\b|</?script|</?style\b|</?svg|</?code|</?pre\b)"
    r"|&lt;/?[a-zA-Z!]|&(?:amp|#38);(?:[a-zA-Z]{2,6}|#x?[0-9a-fA-F]{2,6});"
    r"|[\"'`](?:&[a-zA-Z0-9#]{2,8};|</?[a-zA-Z][^<>\n]{0,40}>)|```|<\?php"
)
_CODE = re.compile(
    r"^[ \t]*(?:import \w|from \S+ import |#include\b|def \w+\(|class \w+[(:{]|function \w*\(|"
    r"public |private |using namespace|const \w+ =|var \w+ =|let \w+ =|return [^.]*;$)"
    r"|[;{}][ \t]*$",
    re.MULTILINE,
)
CODE_LINES = 2
"""A document with as many lines that look like code is left alone."""


def strip(text: str) -> str:
    r"""The text with its leftovers of HTML resolved, or as it is where markup may be its subject.

    >>> strip("Fish &amp; chips<br>&#163;5, <b>today</b> only")
    'Fish & chips\n£5, today only'
    >>> strip("In HTML, a line break is <br>.")
    'In HTML, a line break is <br>.'
    """
    if not _ENTITY.search(text) and not _BLOCK.search(text) and not _PAIRED.search(text):
        return text
    if _SUBJECT.search(text) or _looks_like_code(text):
        return text
    tags = {(slash, name.lower()) for slash, name in _PAIRED.findall(text)}
    pairs = {name for _, name in tags if {("", name), ("/", name)} <= tags} | _SINGLE
    text = _PAIRED.sub(lambda tag: "" if tag[2].lower() in pairs else tag[0], text)
    text = _BLOCK.sub(lambda tag: "\n\n" if tag[1].lower() == "p" else "\n", text)
    return _ENTITY.sub(_character, text)


def _looks_like_code(text: str) -> bool:
    return len(list(itertools.islice(_CODE.finditer(text), CODE_LINES))) == CODE_LINES


def _character(entity: re.Match[str]) -> str:
    """What an entity stands for; a space for those that are no-break or wide."""
    name = entity[0] if entity[0][1] == "#" else _spelled(entity[0])
    character = html.unescape(name)
    return " " if character in ("\xa0", "\u2002", "\u2003") else character


def _spelled(entity: str) -> str:
    """`&AMP;` as `&amp;`; `&Eacute;` keeps its capital."""
    small = entity.lower()
    return entity if entity[1:2].isupper() and entity[2:].islower() else small
