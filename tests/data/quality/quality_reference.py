"""The measures of one text, written from their definitions, in plain Python."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from danlu.data import characters, units
from danlu.data.quality.presets import chinese

WIDE_ENDS = "。！？｡．…!?"


def units_of(text: str) -> list[str]:
    made = units.of(pa.array([text], pa.string()))
    return [made.spelling(u) for u in range(len(made.hashes))]


def is_spaced(text: str) -> bool:
    made = units.of(pa.array([text], pa.string()))
    wide = sum(int(made.kinds[start]) == units.WIDE for start in made.starts)
    return not characters.is_han(text) and 2 * wide <= len(made.starts)


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def paragraphs_of(text: str) -> list[str]:
    found: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return ["\n".join(lines).strip() for lines in found if lines]


def sentences_of(text: str) -> list[str]:
    found = [""]
    for i, char in enumerate(text):
        found[-1] += char
        if char == "\n" or is_wide_end(text, i):
            found.append("")
    return [sentence.strip() for sentence in found if sentence.strip()]


def is_wide_end(text: str, i: int) -> bool:
    after_han = i > 0 and bool(characters.HAN.match(text[i - 1]))
    return text[i] in WIDE_ENDS or (text[i] == "." and after_han)


def wide_sentences(text: str) -> int:
    ends = [is_wide_end(text, i) for i in range(len(text))]
    return sum(end and not before for end, before in zip(ends, [False, *ends], strict=False))


def again(items: Sequence[str]) -> list[bool]:
    return [item in items[:i] for i, item in enumerate(items)]


def share(items: Sequence[object]) -> float:
    return sum(map(bool, items)) / max(len(items), 1)


def again_share(items: Sequence[str]) -> float:
    repeated = sum(len(x) for x, old in zip(items, again(items), strict=True) if old)
    return repeated / max(sum(map(len, items)), 1)


def grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def top(text: str, n: int, times: int = 2) -> float:
    words = units_of(text)
    counts = Counter(grams(words, n))
    most = max(counts.values(), default=0)
    if most < times:
        return 0.0
    longest = max(sum(map(len, gram)) for gram, count in counts.items() if count == most)
    return min(1.0, most * longest / max(sum(map(len, words)), 1))


def covered(text: str, n: int, *, later: bool, in_units: bool = False) -> float:
    words = units_of(text)
    found = grams(words, n)
    inside = [False] * len(words)
    for i, gram in enumerate(found):
        if gram in found[:i] or (not later and gram in found[i + 1 :]):
            inside[i : i + n] = [True] * n
    sizes = [1 if in_units else len(word) for word in words]
    part = sum(size for size, yes in zip(sizes, inside, strict=True) if yes)
    return part / max(sum(sizes), 1)


def is_bullet(line: str) -> bool:
    if line[0] in "*-–":
        return len(line) > 1 and line[1].isspace()
    return line[0] in "•‣⁃◦·∙●○▪▫■□◆◇★"


def is_kept_by_c4(line: str) -> bool:
    noise = "javascript|terms of use|privacy policy|cookie policy|uses? cookies|use of cookies"
    return (
        line[-1] in '.!?"”'
        and not line.endswith(("...", "…"))
        and len(line.split()) >= 5
        and not re.search(noise, line, re.IGNORECASE)
    )


def c4_sentences(text: str) -> int:
    lines = [line for line in lines_of(text) if is_kept_by_c4(line)]
    return sum(len(re.findall("[.!?](?=[\\s\"'”’)\\]»]|\\Z)", line)) for line in lines)


def count(text: str, category: str) -> int:
    return sum(unicodedata.category(char)[0] == category for char in text)


def phrases(text: str, wanted: Iterator[str] | Sequence[str]) -> int:
    return len(re.findall("|".join(map(re.escape, wanted)), text, re.IGNORECASE))


def is_odd(code: int) -> bool:
    ranges = [(0x2190, 0x2BFF), (0x3200, 0x3400), (0xE000, 0xF900), (0xFF10, 0xFF1A)]
    ranges += [(0xFF21, 0xFF3B), (0xFF41, 0xFF5B), (0xFFF0, 0x10000), (0x1F000, 0x20000)]
    return any(low <= code < high for low, high in [*ranges, (0xF0000, 0x110000)])


def deflated(text: str) -> float:
    return len(zlib.compress(text.encode(), 1)) / len(text.encode())


def compressed(text: str) -> float:
    data = text.encode()
    easy = data and len(pa.Codec("lz4_raw").compress(data, asbytes=True)) < 0.5 * len(data)
    return deflated(text) if easy else 1.0


def confirmed(text: str, value: float) -> float:
    if len(units_of(text)) < 24:
        return 0.0
    return 0.5 if value > 0.5 and deflated(text) >= 0.4 else value


def per(part: float, whole: float) -> float:
    return part / max(whole, 1)


def values(text: str) -> dict[str, float]:
    """Every rule's value."""
    words, lines, paragraphs = text.split(), lines_of(text), paragraphs_of(text)
    sentences, own = sentences_of(text), units_of(text)
    solid = len("".join(words))
    stops = ["the", "be", "to", "of", "and", "that", "have", "with"]
    javascript, policies = ["javascript"], ["cookie policy", "terms of use", "privacy policy"]
    policies += ["uses cookies", "use of cookies", "use cookies"]
    wide_ends = [".", "!", "?", "…", "。", "！", "？", "｡", "．", "」", "』", '"', "'", "”", "’"]

    def said_before(n: int) -> float:
        return covered(text, n, later=True, in_units=True)

    named = {
        "gentle_duplicate_lines": again_share(lines) if len(lines) >= 4 else 0.0,
        "gentle_one_phrase": confirmed(text, max(top(text, n, 3) / 0.4 for n in (2, 3, 4))),
        "gentle_duplicate_phrases": confirmed(
            text, max(said_before(5) / 0.45, said_before(10) / 0.35)
        ),
        "gentle_compressible": compressed(text),
        "gopher_words_min": len(words),
        "gopher_words_max": len(words),
        "gopher_word_length_min": per(solid, len(words)),
        "gopher_word_length_max": per(solid, len(words)),
        "gopher_hashes": per(text.count("#"), len(words)),
        "gopher_ellipses": per(text.count("...") + text.count("…"), len(words)),
        "gopher_bullet_lines": share([is_bullet(line) for line in lines]),
        "gopher_ellipsis_lines": share([line.endswith(("...", "…")) for line in lines]),
        "gopher_lettered_words": share([count(word, "L") for word in words]),
        "gopher_stop_words": len(set(own) & set(stops)),
        "gopher_duplicate_lines": share(again(lines)),
        "gopher_duplicate_paragraphs": share(again(paragraphs)),
        "gopher_duplicate_line_characters": again_share(lines),
        "gopher_duplicate_paragraph_characters": again_share(paragraphs),
        "c4_sentences": c4_sentences(text),
        "c4_lorem_ipsum": phrases(text, ["lorem ipsum"]),
        "c4_braces": text.count("{"),
        "c4_javascript_lines": share([phrases(line, javascript) for line in lines]),
        "c4_policy_lines": share([phrases(line, policies) for line in lines]),
        "fineweb_ended_lines": share([line[-1] in wide_ends for line in lines]),
        "fineweb_duplicate_line_characters": again_share(lines),
        "fineweb_short_lines": share([len(line) < 30 for line in lines]),
        "chinese_characters_min": len(own),
        "chinese_han_share": per(characters.count(characters.HAN, text), solid),
        "chinese_symbols": per(sum(is_odd(ord(char)) for char in text), solid),
        "chinese_letters": per(count(text, "L"), solid),
        "chinese_function_words": sum(bool(set(group) & set(text)) for group in FUNCTION_WORDS),
        "chinese_sentence_ends": 100 * per(wide_sentences(text), len(own)),
        "chinese_ended_lines": share([line[-1] in wide_ends for line in lines]),
        "chinese_line_breaks": per(text.count("\n"), len(own) / 1.5),
        "chinese_list_lines": share([len(x) < 16 and not count(x[-1], "P") for x in lines]),
        "chinese_boilerplate": 100 * per(phrases(text, chinese.BOILERPLATE), len(own)),
        "chinese_advertising": 100 * per(phrases(text, chinese.ADVERTISING), len(own)),
        "chinese_duplicate_lines": share(again(lines)),
        "chinese_duplicate_sentences": again_share(sentences),
    }
    for n in (2, 3, 4):
        named[f"gopher_top_{n}gram"] = top(text, n)
    for n in range(5, 11):
        named[f"gopher_duplicate_{n}gram"] = covered(text, n, later=False)
    for n in (3, 5, 6):
        named[f"chinese_top_{n}gram"] = top(text, n)
    for n in (8, 9, 11, 12, 14, 15):
        named[f"chinese_duplicate_{n}gram"] = covered(text, n, later=True)
    return named


FUNCTION_WORDS = chinese.FUNCTION_WORDS
