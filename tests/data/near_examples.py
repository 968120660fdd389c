"""Texts with planted near-duplicates of known similarity, in English and in Chinese."""

from __future__ import annotations

import random
from itertools import pairwise

WORDS = """the of and a to in he was that it his her you as had with for she not at but be my on
have him is said me which by so this all from they no were if would or when what there been one
could very an who them more some out do then now up know into little than time good day man might
old great house way long never before eyes again hand two every night water light stone river"""
EN = WORDS.split()
ZH = (
    "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学"
    "对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头"
    "面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向"
)


def sentence(draw: random.Random, zh: bool, length: int) -> list[str]:
    """Words, or characters, of a text."""
    return [draw.choice(ZH if zh else EN) for _ in range(length)]


def edited(draw: random.Random, words: list[str], share: float, zh: bool) -> list[str]:
    """The text with a share of its words replaced, taken out or doubled."""
    after: list[str] = []
    for word in words:
        if draw.random() >= share:
            after.append(word)
            continue
        kind = draw.randrange(3)
        if kind == 0:
            after.append(draw.choice(ZH if zh else EN))
        elif kind == 1:
            after += [word, draw.choice(ZH if zh else EN)]
    return after


def planted(seed: int, zh: bool, families: int) -> list[str]:
    """Texts of which many are edits of others, shuffled; no two are equal."""
    draw = random.Random(seed)
    texts = []
    for _ in range(families):
        words = sentence(draw, zh, draw.randrange(20, 220))
        texts.append(words)
        for _ in range(draw.randrange(4)):
            texts.append(edited(draw, draw.choice([words, texts[-1]]), draw.uniform(0, 0.08), zh))
    joined = list(dict.fromkeys(("" if zh else " ").join(words) for words in texts))
    draw.shuffle(joined)
    return joined


def shingles(text: str, zh: bool) -> frozenset[tuple[str, ...]]:
    """The definition: runs of five words, or characters; all of a shorter text."""
    units = list(text) if zh else text.split()
    if len(units) < 5:
        return frozenset([tuple(units)] if units else [])
    return frozenset(zip(*(units[i:] for i in range(5)), strict=False))


def similarity(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    """Jaccard."""
    return len(a & b) / len(a | b) if a | b else 0.0


def alike(texts: list[str], zh: bool, least: float) -> dict[tuple[int, int], float]:
    """All pairs that reach a similarity, by brute force over those that share a shingle."""
    sets = [shingles(text, zh) for text in texts]
    holders: dict[tuple[str, ...], list[int]] = {}
    for i, mine in enumerate(sets):
        for shingle in mine:
            holders.setdefault(shingle, []).append(i)
    pairs = {
        (a, b) for group in holders.values() for i, a in enumerate(group) for b in group[i + 1 :]
    }
    found = {pair: similarity(sets[pair[0]], sets[pair[1]]) for pair in pairs}
    return {pair: value for pair, value in sorted(found.items()) if value >= least}


def components(pairs: list[tuple[int, int]], count: int) -> list[int]:
    """The smallest member of each text's connected component."""
    leader = list(range(count))

    def find(i: int) -> int:
        while leader[i] != i:
            i = leader[i]
        return i

    for a, b in pairs:
        a, b = find(a), find(b)
        leader[max(a, b)] = min(a, b)
    assert all(a <= b for a, b in pairwise(sorted({find(i) for i in range(count)})))
    return [find(i) for i in range(count)]
