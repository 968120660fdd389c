"""Texts and numbers in the page: English written by the server, the rest by the reader's choice.

The page is written in English, each text and number with what it was made from in `data-`
attributes; `report.js` says the same again in the reader's language with the browser's `Intl`.
So the page reads well without scripts too. The texts are in `templates/strings.LANGUAGE.json`,
where `{name|form}` stands for the value `name`, written in one of `FORMS`; those of advice stand
beside `danlu.data.advice`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

from danlu import log
from danlu.data import advice

LANGUAGES = ("en", "zh")
ABSENT = "–"
_FIELD = re.compile(r"\{(\w+)(?:\|(\w+))?\}")
_TEXT = re.compile(r"@t\.([\w.]+)")


def span(seconds: float) -> str:
    """A length of time in the unit that suits it.

    >>> span(42), span(472), span(7300)
    ('42 sec', '7.9 min', '2 hr')
    """
    for unit, name in ((3600, "hr"), (60, "min")):
        if seconds >= 1.5 * unit:
            return f"{round(seconds / unit, 1):g} {name}"
    return f"{seconds:.0f} sec"


FORMS: dict[str, Callable[[Any], str]] = {
    "int": lambda v: f"{v:,.0f}",
    "f1": lambda v: f"{v:,.1f}",
    "f2": lambda v: f"{v:,.2f}",
    "f3": lambda v: f"{v:,.3f}",
    "f4": lambda v: f"{v:,.4f}",
    "g3": lambda v: f"{v:.3g}",
    "pct": lambda v: f"{v:.2%}" if 0 < abs(v) < 0.01 else f"{v:.1%}",
    "diff": lambda v: f"{v:+.1%}",
    "count": log.count,
    "bytes": log.size,
    "span": span,
    "date": lambda v: time.strftime("%Y-%m-%d %H:%M", time.localtime(v)),
}
"""How a number is written; each has its like in `report.js`."""


@lru_cache
def strings(language: str) -> dict[str, str]:
    """The texts of a language, by key."""
    source = files("danlu.report") / "templates" / f"strings.{language}.json"
    table: dict[str, str] = json.loads(source.read_text(encoding="utf-8"))
    return table | {f"advice.{key}": text for key, text in advice.texts(language).items()}


def write(value: Any, form: str | None) -> str:
    """A value in English: a number in its form, a text reference as its text, the rest as it is."""
    if value is None:
        return ABSENT
    if form and isinstance(value, int | float):
        return FORMS[form](value)
    reference = _TEXT.fullmatch(value) if isinstance(value, str) else None
    return strings("en").get(reference[1], str(value)) if reference else str(value)


def phrase(key: str, values: Mapping[str, Any]) -> str:
    """The English text of a key with its values filled in."""
    return _FIELD.sub(lambda m: write(values.get(m[1]), m[2]), strings("en")[key])


def text(key: str, **values: Any) -> Markup:
    """A translatable text for a template: a `<span>` that knows its key and values."""
    data = Markup(' data-v="{}"').format(_json(values)) if values else Markup("")
    return Markup('<span data-t="{}"{}>{}</span>').format(key, data, phrase(key, values))


def attribute(name: str, key: str, **values: Any) -> Markup:
    """A translatable attribute for a template: `aria-label="…"` that knows its key and values."""
    data = Markup(' data-v="{}"').format(_json(values)) if values else Markup("")
    said = phrase(key, values)
    return Markup('{0}="{1}" data-a="{0}" data-t="{2}"{3}').format(name, said, key, data)


def number(value: Any, form: str) -> Markup:
    """A number for a template: a `<span>` that knows its value and form; a dash for None."""
    if value is None:
        return Markup('<span class="absent">{}</span>').format(ABSENT)
    return Markup('<span data-n="{}" data-f="{}">{}</span>').format(value, form, write(value, form))


def named(value: str) -> Markup:
    """A name that may be a text reference, for a template."""
    reference = _TEXT.fullmatch(value)
    if reference and reference[1] in strings("en"):
        return text(reference[1])
    return escape(value)


def label(kind: str, name: str) -> Markup:
    """A name that Danlu itself gives (a step, a reason), for a template; others as they are."""
    key = _key(kind, name)
    return text(key) if key in strings("en") else escape(name)


def refer(kind: str, name: str) -> str:
    """A name that Danlu itself gives, as a value of a text: a reference, if there is a text."""
    key = _key(kind, name)
    return f"@t.{key}" if key in strings("en") else name


def fact(key: str, value: Any) -> Markup:
    """A value of a list of facts, for a template: sizes and counts are written for people."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escape(ABSENT if value is None else value)
    if key.endswith("bytes"):
        return number(value, "bytes")
    return number(value, "int") if abs(value) >= 10_000 else escape(f"{value:.6g}")


def _key(kind: str, name: str) -> str:
    return f"{kind}.{re.sub(r'[^a-z]+', '_', name)}"


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
