"""The text of an HTML page: what its reader would read, without the page's machinery.

The page is parsed as browsers do (selectolax with lexbor), so broken markup gives some text and
never an error. Block elements become paragraphs or lines, the cells of a table's row stand between
` | `, `<pre>` keeps its lines. The walk over the tree is a loop, not a recursion, and changes
nothing in it.

Trap: lexbor's time is quadratic in the depth of nested block elements (10,000 `<div>` 0.3 s,
100,000 39 s) and in the attributes of one element (20,000 1 s), so both are bounded before a page
is parsed.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danlu.data.sources._licence import spelled
from danlu.data.sources._page_text import PageText, names
from danlu.data.sources._parts import short

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_DEPTH = 12_000
"""Elements inside each other, and attributes of one element."""
MACHINERY = names(
    "script style noscript template svg math iframe object embed canvas audio video map head "
    "title textarea select button input datalist dialog rt rp"
)
"""Elements that hold nothing to read, or readings over Chinese and Japanese characters."""
BOILERPLATE = names("nav header footer aside form menu")
"""Elements around the text proper."""
ARTICLES = ("article", "main")
"""A `header` or `footer` inside one of these belongs to the text."""

_EMPTY_TAG = re.compile(r"<([A-Za-z][\w:-]*)(\s[^<>]*)?/>")
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]{0,20})")
_VOID = (
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "wbr",
)
_SHALLOW = frozenset((*_VOID, "p", "li", "dt", "dd", "td", "th", "tr", "option", "tbody", "a"))
"""Elements whose end tag may be missing, and which then do not nest."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says."""

    text: str
    title: str = ""
    licence: str = ""


class TooComplex(ValueError):
    """A page has more than MAX_DEPTH elements inside each other, or attributes in one of them."""


def extract(markup: str, *, boilerplate: bool = False, xml: bool = False) -> Page:
    r"""The page's text, title and licence.

    Args:
        markup: the page.
        boilerplate: keep navigation, headers, footers, asides and forms.
        xml: it is XHTML, where `<title/>` is a whole element; in HTML it would never end.

    >>> extract("<title>Ode</title><nav>Home</nav><p>Season of<br>mists &amp; mellow").text
    'Season of\nmists & mellow'

    Raises:
        TooComplex: it would take very long to parse.
    """
    from selectolax.lexbor import LexborHTMLParser

    if xml:
        markup = _EMPTY_TAG.sub(_opened_and_closed, markup)
    if _is_complex(markup):
        raise TooComplex
    tree = LexborHTMLParser(markup)
    title, body = tree.css_first("title"), tree.body
    text = ""
    if body is not None:
        skipped = {node.mem_id for node in tree.css("[hidden]")}
        skipped |= set() if boilerplate else _small_forms(body)
        text = _Walk(skipped, boilerplate=boilerplate).text(body)
    return Page(text, short(title.text()) if title else "", _licence(tree))


class _Walk:
    """A walk over a tree in document order; `skipped` are nodes to leave out, by `mem_id`."""

    def __init__(self, skipped: set[int], *, boilerplate: bool) -> None:
        self._skipped, self._boilerplate = skipped, boilerplate
        self._text, self._articles = PageText(), 0

    def text(self, root: LexborNode) -> str:
        """The text under a node."""
        above: list[tuple[LexborNode, str]] = []
        node: LexborNode | None = root
        while node is not None:
            tag = node.tag or "-"
            if self._enters(node, tag):
                above.append((node, tag))
                node = node.child
            else:
                node = node.next if above else None
            while node is None and above:
                left, tag = above.pop()
                self._text.close(tag)
                self._articles -= tag in ARTICLES
                node = left.next if above else None
        return self._text.joined()

    def _enters(self, node: LexborNode, tag: str) -> bool:
        """Takes the node's own text; whether what is in it is wanted, too."""
        if tag == "-text":
            self._text.add(node.text_content or "")
        elif tag == "br":
            self._text.line()
        elif not (tag in MACHINERY or tag[0] in "-_!" or self._is_left_out(node, tag)):
            self._text.open(tag)
            self._articles += tag in ARTICLES
            return True
        return False

    def _is_left_out(self, node: LexborNode, tag: str) -> bool:
        if self._skipped and node.mem_id in self._skipped:
            return True
        if self._boilerplate or tag not in BOILERPLATE or tag == "form":
            return False
        return not (self._articles and tag in ("header", "footer"))


def _small_forms(body: LexborNode) -> set[int]:
    """Forms with less than half of the page's text; some sites wrap the whole page in one."""
    forms = body.css("form")
    if not forms:
        return set()
    most = len(body.text()) / 2
    return {form.mem_id for form in forms if len(form.text()) < most}


def _licence(tree: LexborHTMLParser) -> str:
    """What `rel="license"` points to."""
    for node in tree.css("a[rel~=license], link[rel~=license]"):
        if link := node.attributes.get("href"):
            return spelled(link)
    return ""


def _is_complex(markup: str) -> bool:
    """Whether a page would take lexbor very long; only large pages can, and only they cost time."""
    if len(markup) < 2 * MAX_DEPTH:
        return False
    if markup.count("<") > MAX_DEPTH and _depth(markup) > MAX_DEPTH:
        return True
    tags = (part.partition(">")[0] for part in markup.split("<") if len(part) > 2 * MAX_DEPTH)
    return any(tag[:1].isalpha() and len(tag.split()) > MAX_DEPTH for tag in tags)


def _depth(markup: str) -> int:
    """An upper bound of how deep elements are nested.

    >>> _depth("<div><p><div></div></div><br><i>")
    2
    """
    opened: Counter[str] = Counter()
    depth = deepest = 0
    for closing, name in _TAG.findall(markup):
        tag = name.lower()
        if not closing and tag not in _SHALLOW:
            opened[tag] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif closing and opened[tag]:
            opened[tag] -= 1
            depth -= 1
    return deepest


def _opened_and_closed(match: re.Match[str]) -> str:
    name = match[1]
    return match[0] if name.lower() in _VOID else f"<{name}{match[2] or ''}></{name}>"
