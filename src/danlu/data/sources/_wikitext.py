"""Wiki markup to plain text, in time linear in its length.

The markup is MediaWiki's (https://www.mediawiki.org/wiki/Help:Formatting). Templates, tables,
references, galleries, files, categories and links to other languages go; headings stay as lines,
unless nothing stands under them. Not a parser of the whole language: what a template would have
said is lost, but for the few in CARRIERS.

Why not mwparserfromhell: it took minutes on 80 kB of hostile markup (unclosed `{{a|`), and it keeps
the words of references and file links. The tests compare with it where both should agree.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from danlu.data.sources._page_text import names

DROPPED_TAGS = (
    "ref|references|gallery|math|chem|ce|timeline|syntaxhighlight|source|imagemap|score|hiero|"
    "templatedata|graph|mapframe|maplink|inputbox|categorytree|table|style|script|templatestyles|"
    "includeonly|section|indicator"
)
"""Extension and HTML tags whose content is no running text."""

CARRIERS = {
    **dict.fromkeys(("lang", "transl", "transliteration"), 1),
    **dict.fromkeys(("nowrap", "nobr", "small", "big", "le", "link-en", "link-ja", "tl"), 0),
    **dict.fromkeys(("tsl", "ilh"), 2),
}
"""Templates that only dress up one of their parameters: which one, from 0."""

MEDIA = names("file image media category 文件 檔案 档案 图像 圖像 分类 分類")
"""Namespaces of links that are no text, in English and Chinese; a dump names its own."""

_TOKEN = re.compile(
    r"\{(?P<open>\{)|\}(?P<close>\})"
    r"|\[(?P<link>\[(?P<space>[^\[\]{}|:\n]{1,60}:)?)|\](?P<endlink>\](?!\](?!\])))"
    r"|\{(?P<table>\|)(?<![^\n\t :*#;]\{\|)|\|(?P<endtable>\})(?<![^\n\t ]\|\})(?!\})"
    rf"|<(?P<slash>/?)(?P<tag>{DROPPED_TAGS})\b(?P<rest>[^<>]*)>",
    re.IGNORECASE,
)
"""Each alternative begins with a literal, which lets `re` skip running text quickly."""
_NAMES = "|".join(map(re.escape, CARRIERS))
_CARRIER = re.compile(rf"\{{\{{\s?({_NAMES})\s?\|([^{{}}]*)\}}\}}", re.IGNORECASE)
_EXTERNAL = re.compile(r"\[(?:https?:|ftp:)?//[^\s\[\]<>]+(?:[ \t]([^\[\]\n]*))?\]")
_LINK = re.compile(r"\[\[([^\[\]]*)\]\](\w*)")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z-]{2,12})?\Z")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_BREAK = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)
_QUOTES = re.compile(r"'{5}|'{3}|'{2}")
_SWITCH = re.compile(r"__[^\W\d_]{3,30}__")
_EMPTY_BRACKETS = re.compile(r"[(（][\s,;:，；、：]{0,20}[)）]")
_SPACE_BEFORE = re.compile(rf"[ \t]?{_EMPTY_BRACKETS.pattern}")
"""The same with a space before it, five times slower where there is none."""
_BRACKET_START = re.compile(r"([(（])[ \t]?[,;，；、][ \t]?")
_LITERAL = str.maketrans({char: f"&#{ord(char)};" for char in "[]{}<>'=*#:;|_-&"})
_MAX_NESTED_LINKS = 6


def plain(wikitext: str, media: Iterable[str] = MEDIA, variant: str = "zh-hans") -> str:
    r"""The running text of a page.

    Args:
        wikitext: the page's source.
        media: lower-case names of namespaces whose links are left out: files and categories.
        variant: which Chinese script to take where the source states several.

    >>> plain("'''Du Fu''' was a [[poet]].<ref>Hawkes</ref>\n== Life ==\n* b. [[712|in 712]]")
    'Du Fu was a poet.\n\nLife\n\nb. in 712'
    """
    text = _without_comments(wikitext)
    text = _literal(text, "nowiki")
    text = _CARRIER.sub(_carried, text)
    text = _without_blocks(text, frozenset(media))
    if "-{" in text:
        text = variants(text, variant)
    text = _EXTERNAL.sub(lambda match: (match[1] or "").strip(), text)
    text = _links(text)
    text = _QUOTES.sub("", _TAG.sub("", _BREAK.sub("\n", text)))
    if "__" in text:
        text = _SWITCH.sub("", text)
    text = html.unescape(text).replace("\xa0", " ")
    if _EMPTY_BRACKETS.search(text):
        text = _SPACE_BEFORE.sub("", text)
    text = _BRACKET_START.sub(r"\1", text)
    return "\n".join(_with_single_blanks(_without_bare_headings(text.split("\n"))))


def variants(text: str, variant: str = "zh-hans") -> str:
    """The text with `-{…}-` replaced by what a reader of one Chinese script sees.

    Rules are at https://zh.wikipedia.org/wiki/Help:字詞轉換語法.

    >>> variants("-{zh-hans:计算机;zh-hant:電腦}-和-{H|zh-cn:a;zh-tw:b}--{R|鼠}-", "zh-hant")
    '電腦和鼠'
    """
    for _ in range(_MAX_NESTED_LINKS):
        text, changes = _VARIANT.subn(lambda match: _variant(match[1], variant), text)
        if not changes:
            break
    return text


_VARIANT = re.compile(r"-\{([^{}]*)\}-")
_RULE = re.compile(r"(?:[^;]*=>\s*)?(zh(?:-[a-z]+)?)\s*:(.*)\Z", re.DOTALL)
_FALLBACK = {
    "zh-hans": ("zh-hans", "zh-cn", "zh-sg", "zh-my", "zh"),
    "zh-hant": ("zh-hant", "zh-tw", "zh-hk", "zh-mo", "zh"),
}


def _variant(content: str, variant: str) -> str:
    flags, bar, body = content.partition("|")
    if not bar:
        flags, body = "", content
    if {"H", "T", "-"} & {flag.strip() for flag in flags.split(";")}:
        return ""  # a rule for the rest of the page, or its title
    rules = [_RULE.match(part.strip()) for part in body.split(";")]
    said = {match[1]: match[2].strip() for match in rules if match}
    if not said:
        return body
    order = [*_FALLBACK[variant], *said]
    return next(said[name] for name in order if name in said)


def _without_comments(text: str) -> str:
    first, *others = text.split("<!--")
    return first + "".join(other.partition("-->")[2] for other in others)


def _literal(text: str, tag: str) -> str:
    """The text with what stands in `<nowiki>` as character references, so that it is no markup."""
    first, *others = text.split(f"<{tag}>")
    for other in others:
        inside, _, after = other.partition(f"</{tag}>")
        first += inside.translate(_LITERAL) + after
    return first


def _carried(match: re.Match[str]) -> str:
    parts = [part for part in match[2].split("|") if "=" not in part]
    wanted = CARRIERS[match[1].lower()]
    return parts[wanted].strip() if wanted < len(parts) else ""


def _without_blocks(text: str, media: frozenset[str]) -> str:
    """The text without templates, tables, dropped tags and media links, which may hold another."""
    opened: list[tuple[str, int]] = []
    counts: Counter[str] = Counter()
    cuts: list[tuple[int, int]] = []
    for match in _TOKEN.finditer(text):
        kind, begins = _kind(match, media)
        if begins and (match["rest"] or "").endswith("/"):
            cuts.append(match.span())
        elif begins:
            opened.append((kind, match.start()))
            counts[kind.removesuffix("media")] += 1
        elif counts[kind]:
            found, start = _pop(kind, opened, counts)
            if found == "[":
                continue
            while cuts and cuts[-1][0] >= start:
                cuts.pop()
            cuts.append((start, match.end()))
    at, kept = 0, []
    for start, end in cuts:
        kept.append(text[at:start])
        at = end
    return "".join(kept) + text[at:]


def _kind(match: re.Match[str], media: frozenset[str]) -> tuple[str, bool]:
    """What a token begins or ends, and whether it begins it: `{`, `|` for a table, `[` for a link,
    `[media`, or a tag.
    """
    if match["tag"]:
        return f"<{match['tag'].lower()}", not match["slash"]
    if match["link"]:
        space = (match["space"] or "")[:-1].strip().lower()
        return "[media" if space in media else "[", True
    if match["endlink"]:
        return "[", False
    if match["table"] or match["endtable"]:
        return "|", bool(match["table"])
    return "{", bool(match["open"])


def _pop(kind: str, opened: list[tuple[str, int]], counts: Counter[str]) -> tuple[str, int]:
    """The last block of a kind; those inside it that never end go with it."""
    while True:
        found, start = opened.pop()
        counts[found.removesuffix("media")] -= 1
        if found.removesuffix("media") == kind:
            return found, start


def _links(text: str) -> str:
    """The text with links as the words that they show, from the innermost out."""
    for _ in range(_MAX_NESTED_LINKS):
        text, changes = _LINK.subn(_shown, text)
        if not changes:
            break
    return text


def _shown(match: re.Match[str]) -> str:
    target, _, label = match[1].partition("|")
    if ":" in target and _LANGUAGE.match(target.partition(":")[0].strip()):
        return match[2]  # the page in another language
    return (label.rpartition("|")[2] if label else target.strip().lstrip(":")) + match[2]


def _without_bare_headings(lines: list[str]) -> Iterator[str]:
    """Lines without list marks; headings in blank lines, but those with nothing under them."""
    waiting: list[tuple[int, str]] = []
    for line in lines:
        stripped = line.strip()
        level = _level(stripped)
        if level:
            while waiting and waiting[-1][0] >= level:
                waiting.pop()
            waiting.append((level, stripped.strip("= \t")))
            continue
        words = stripped.lstrip("*#:; \t") if stripped[:1] in tuple("*#:;") else stripped
        if words.strip("-") and waiting:
            for _, heading in waiting:
                yield from ("", heading, "")
            waiting.clear()
        yield words if words.strip("-") else ""


def _level(line: str) -> int:
    """The level of a heading, 1 to 6, or 0.

    >>> _level("== Life =="), _level("a = b"), _level("====")
    (2, 0, 0)
    """
    if not (line.startswith("=") and line.endswith("=")):
        return 0
    inner = line.strip("=")
    if not inner.strip():
        return 0
    return min((len(line) - len(line.lstrip("="))), len(line) - len(line.rstrip("=")), 6)


def _with_single_blanks(lines: Iterable[str]) -> Iterator[str]:
    """The lines with at most one blank one in a row, and none at the ends."""
    blank = started = False
    for line in lines:
        if not line:
            blank = True
            continue
        if blank and started:
            yield ""
        yield line
        blank, started = False, True
