"""A small text with two topics whose words never meet."""

from __future__ import annotations

import random

SEA = ["ship", "sail", "wave", "harbour", "anchor", "storm", "captain", "tide"]
FARM = ["wheat", "plough", "barn", "cow", "harvest", "meadow", "fence", "hay"]


def two_topics(documents: int = 120, length: int = 60, *, seed: int = 0) -> list[str]:
    """Documents of either topic, in turns."""
    rng = random.Random(seed)
    return [
        " ".join(rng.choices(SEA if number % 2 else FARM, k=length)) for number in range(documents)
    ]
