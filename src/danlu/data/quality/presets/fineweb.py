"""FineWeb's own rules, on top of Gopher's and C4's (Penedo et al. 2024, section 3.6).

A line ends with punctuation where its last character is . ! ? or a quotation mark, Western or
Chinese. A value that is equal to its limit fails, as in the paper.
"""

from __future__ import annotations

import functools

from danlu.data.quality import classes
from danlu.data.quality.rules import Rule

SHORT_LINE = 30

rule = functools.partial(Rule, source="Penedo et al. 2024, 3.6", judges="spaced", exclusive=True)

RULES = (
    rule(
        "fineweb_ended_lines",
        lambda m: m.lines.share(m.line_ends(classes.ENDING)),
        limit=0.12,
        side="min",
        unit="share of lines that end with punctuation",
    ),
    rule(
        "fineweb_duplicate_line_characters",
        lambda m: m.again_share(m.lines, m.lines_again),
        limit=0.1,
        side="max",
        unit="share of characters in lines that occurred before",
        repetition=True,
    ),
    rule(
        "fineweb_short_lines",
        lambda m: m.lines.share(m.lines.lengths < SHORT_LINE),
        limit=0.67,
        side="max",
        unit=f"share of lines shorter than {SHORT_LINE} characters",
    ),
)
