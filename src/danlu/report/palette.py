"""The colours, once: the page's CSS variables and the charts are both made of these.

Paper and ink with one accent, cinnabar (丹砂): the model's own results. Everything it is compared
with stays in greys, and is told apart by line style, marker or label as well.
"""

from __future__ import annotations

PALETTES: dict[str, dict[str, str]] = {
    "light": {
        "paper": "#faf8f4",
        "card": "#ffffff",
        "sunk": "#f3efe8",
        "ink": "#1f1c18",
        "soft": "#4d4841",
        "muted": "#6f685e",
        "line": "#e4ded3",
        "faint": "#c9c1b3",
        "accent": "#b8321f",
        "wash": "#f9e9e4",
        "raw": "#a39a8c",
        "trend": "#3a4453",
        "bar": "#cfc7b9",
    },
    "dark": {
        "paper": "#141210",
        "card": "#1c1a17",
        "sunk": "#25221e",
        "ink": "#f0ebe2",
        "soft": "#cbc4b8",
        "muted": "#a0988b",
        "line": "#322e29",
        "faint": "#554e45",
        "accent": "#f07a63",
        "wash": "#3a221c",
        "raw": "#7d7568",
        "trend": "#b9c4d6",
        "bar": "#4b453d",
    },
}
