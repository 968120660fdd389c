"""More pieces for a vocabulary that exists, learnt from text that it cuts too finely.

Byte pairs are counted over the tokens that texts already are, so a new piece is two or more old
ones that often follow each other, and is learnt as any other (Sennrich et al. 2016, §3.2, begun
where the old vocabulary ends). Old merges come first and are untouched: a text without the new
pairs keeps its ids. Characters that have no piece, spelled in bytes or unknown, get one first: the
most frequent, at most half of the new ones.

Each piece knows the old tokens it stands for: the mean of their rows is where its own row begins
(Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models", has the mean of all
rows; that of the pieces is nearer). A model must be trained on to use the new rows well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log

from tokenizers import Regex, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Core

from danlu.errors import DataError
from danlu.tokenizer.graft import Piece, grafted
from danlu.tokenizer.kinds.metaspace import WORDS
from danlu.tokenizer.tokenizer import Tokenizer, check_encodable

FIRST = 0x20000
"""The character that stands for token 0 while pairs are counted; none from here on is a space."""

TWICE = 2
"""A piece is one that occurs so often at least."""


@dataclass(frozen=True)
class Extended:
    """A larger tokenizer, and the old ids that each new one replaces."""

    tokenizer: Tokenizer
    replaced: dict[int, list[int]]


def extend(tokenizer: Tokenizer, texts: Iterable[str], *, tokens: int) -> Extended:
    """The tokenizer with at most `tokens` more pieces, from pairs that occur twice in texts.

    Ids of old tokens stay, and so do those of texts in which no new piece occurs.

    Raises:
        DataError: the vocabulary is of another kind than BPE, Unigram or WordPiece, there is
            nothing to learn, or text holds half of a surrogate pair.
    """
    core = Core.from_str(tokenizer.contents["tokenizer.json"].decode())
    _check(core)
    words = _words(core, texts)
    names = {number: piece for piece, number in core.get_vocab(with_added_tokens=True).items()}
    first = tokenizer.vocab_size
    characters = _characters(tokenizer, core, words, tokens // 2)
    for number, (piece, _) in enumerate(characters, first):
        names[number] = piece.text
    segment = _segmenter(core, {p.text: n for n, (p, _) in enumerate(characters, first)})
    pairs, counts = _pairs({word: segment(word) for word in words}, words, tokens - len(characters))
    inside = "##" if _type(core) == "WordPiece" else ""
    joined = _pieces(pairs, names, inside, tokens - len(characters))
    known = {n: piece.ids for n, (piece, _) in enumerate(characters, first)}
    pieces = [piece for piece, _ in characters]
    scores = [count for _, count in characters]
    for text, ids, parts in joined:
        old = [number for own in ids for number in known.get(own, [own])]
        pieces.append(Piece(text, old, parts))
        scores.append(counts["".join(chr(FIRST + own) for own in ids)])
    if not any(piece.ids for piece in pieces):
        raise DataError("there is nothing that the vocabulary could learn", fix="more text")
    total = max(counts.total(), 1)
    rates = [log(max(count, 0.5) / total) for count in scores]
    contents = {**tokenizer.contents, "tokenizer.json": grafted(tokenizer, pieces, rates)}
    made = Tokenizer(contents)
    replaced = {made.token(piece.text): piece.ids for piece in pieces if piece.ids}
    return Extended(made, {n: ids for n, ids in replaced.items() if n is not None and n >= first})


def _check(core: Core) -> None:
    """Refuse models whose pieces are more than text to be joined."""
    marks = ["end_of_word_suffix", "dropout"]
    marks += ["continuing_subword_prefix"] if _type(core) == "BPE" else []
    own = [mark for mark in marks if getattr(core.model, mark, None)]
    if own or _type(core) not in ("BPE", "Unigram", "WordPiece"):
        raise DataError(
            f"a {_type(core)} vocabulary{' with ' + own[0] if own else ''} cannot be extended",
            expected="BPE, Unigram or WordPiece",
        )


def _type(core: Core) -> str:
    return type(core.model).__name__


def _words(core: Core, texts: Iterable[str]) -> Counter[str]:
    """The words of texts as the model gets them, with how often; no piece reaches across them."""
    steps = [core.pre_tokenizer] if core.pre_tokenizer is not None else []
    if _type(core) in ("BPE", "Unigram") and "ByteLevel" not in repr(core.decoder):
        steps.append(pre_tokenizers.Split(Regex(WORDS), behavior="isolated"))
    cut = pre_tokenizers.Sequence(steps).pre_tokenize_str
    words: Counter[str] = Counter()
    for text in texts:
        check_encodable([text])
        clean = text if core.normalizer is None else core.normalizer.normalize_str(text)
        words.update(word for word, _ in cut(clean))
    return words


def _characters(
    tokenizer: Tokenizer, core: Core, words: Counter[str], most: int
) -> list[tuple[Piece, int]]:
    """Frequent characters without a piece, and how often they occur."""
    if tokenizer.spelling.name == "byte-level":
        return []
    counts: Counter[str] = Counter()
    for word, n in words.items():
        if _type(core) != "WordPiece":
            for character in word:
                counts[character] += n
        elif len(word) == 1:
            counts[word] += n
    missing = [c for c in counts if core.token_to_id(c) is None and counts[c] >= TWICE]
    order = sorted(missing, key=lambda c: (-counts[c], c))[:most]
    return [(Piece(c, [t.id for t in core.model.tokenize(c)], None), counts[c]) for c in order]


def _segmenter(core: Core, characters: dict[str, int]) -> Callable[[str], list[int]]:
    """Words as ids, those of new characters included."""

    def segment(word: str) -> list[int]:
        ids: list[int] = []
        begin = 0
        for place, character in enumerate(word):
            if character in characters:
                ids += [token.id for token in core.model.tokenize(word[begin:place])]
                ids.append(characters[character])
                begin = place + 1
        return ids + [token.id for token in core.model.tokenize(word[begin:])]

    return segment


Pair = tuple[str, str]


def _pairs(
    ids: dict[str, list[int]], words: Counter[str], most: int
) -> tuple[list[Pair], Counter[str]]:
    """Pairs in the order in which they are joined, and how often what was joined is used.

    A token is one character here, so that the library can count.
    """
    spelled = {word: "".join(chr(FIRST + number) for number in own) for word, own in ids.items()}
    alphabet = {character for text in spelled.values() for character in text}
    core = Core(models.BPE())
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + most + most // 8, min_frequency=TWICE, show_progress=False
    )
    core.train_from_iterator(_repeated(spelled, words), trainer)
    used: Counter[str] = Counter()
    for word, n in words.items():
        for token in core.model.tokenize(spelled[word]):
            used[token.value] += n
    merges = json.loads(core.to_str())["model"]["merges"]
    return [(left, right) for left, right in merges], used


def _repeated(spelled: dict[str, str], words: Counter[str]) -> Iterator[str]:
    for word in sorted(words):
        if len(spelled[word]) > 1:
            yield f"{spelled[word]} " * words[word]


def _pieces(
    pairs: Sequence[Pair], names: dict[int, str], inside: str, most: int
) -> Iterator[tuple[str, list[int], Pair | None]]:
    """Pieces as text, the tokens they are made of, and the two pieces that are joined.

    A pair whose product the vocabulary has already is joined too, but is no new piece.
    """
    there, made = set(names.values()), 0

    def text(symbols: str) -> str:
        first, *rest = (names[ord(symbol) - FIRST] for symbol in symbols)
        return first + "".join(part.removeprefix(inside) for part in rest)

    for left, right in pairs:
        piece = text(left + right)
        if made == most and piece not in there:
            return
        made += piece not in there
        there.add(piece)
        yield piece, [ord(symbol) - FIRST for symbol in left + right], (text(left), text(right))
