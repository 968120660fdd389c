"""C4's rules for English pages of the web (Raffel et al. 2020, section 2.2).

C4 deletes lines and then judges what is left. Here a rule never edits a text: `c4_sentences` counts
the sentences of the lines that C4 would leave, so it removes the documents that C4 removes, and the
setting `c4_lines` deletes the other lines too (`kept_lines`). Two limits on such lines are ours.
A sentence is a . ! or ? before white space, a closing mark or the end, where C4 used NLTK. Not
here: the list of bad words, which is not shipped; the language test and the duplicates of three
sentences, which are other steps.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from danlu.data.quality import classes
from danlu.data.quality.rules import Rule

if TYPE_CHECKING:
    from danlu.data.quality.measures import Measures
    from danlu.data.quality.repeats import F64, Bools

MIN_LINE_WORDS = 5
JAVASCRIPT = ("javascript",)
POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)

rule = functools.partial(Rule, source="Raffel et al. 2020, 2.2", judges="spaced")


def kept_lines(m: Measures) -> Bools:
    """[lines] the lines that C4 keeps: enough words, a sentence's end, no script, no policy."""
    ends = m.line_ends(classes.TERMINAL) & ~m.line_ellipsis
    noise = m.line_has((*JAVASCRIPT, *POLICIES))
    return ends & (m.line_words >= MIN_LINE_WORDS) & ~noise


def sentences(m: Measures) -> F64:
    """[N] sentences that end in the lines that C4 keeps."""
    return m.lines.per_text(m.line_sentences * kept_lines(m))


RULES = (
    rule("c4_sentences", sentences, limit=3, side="min", unit="sentences in kept lines"),
    rule(
        "c4_lorem_ipsum",
        lambda m: m.phrases(("lorem ipsum",)),
        limit=0,
        side="max",
        unit="times lorem ipsum",
    ),
    rule("c4_braces", lambda m: m.of_code("{"), limit=0, side="max", unit="times {"),
    rule(
        "c4_javascript_lines",
        lambda m: m.lines.share(m.line_has(JAVASCRIPT)),
        limit=0.2,
        side="max",
        unit="share of lines with javascript",
        source="ours, after Raffel et al. 2020, 2.2",
    ),
    rule(
        "c4_policy_lines",
        lambda m: m.lines.share(m.line_has(POLICIES)),
        limit=0.2,
        side="max",
        unit="share of lines on cookies, terms or privacy",
        source="ours, after Raffel et al. 2020, 2.2",
    ),
)
