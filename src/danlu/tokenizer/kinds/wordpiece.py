"""WordPiece as BERT has it: words and their parts, `##` before what continues a word.

Schuster & Nakajima 2012; Devlin et al. 2019 (BERT, §3). Chinese characters stand alone, case and
accents stay. NOT lossless: white space becomes one space or none, and a word with a character that
is not in the alphabet becomes [UNK]. For encoders; a model that writes text wants another kind.

The alphabet is the most frequent characters, until they make up 99.95% of the text, the value that
SentencePiece has for languages with many characters (Kudo & Richardson 2018, option
`character_coverage`). The library numbers `##` characters in the order of a hash table, which
changes the outcome of ties from run to run; here they are numbered before it begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer as Core
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from danlu.errors import DataError
from danlu.tokenizer.kind import Learned

LOSSLESS, NESTED, UNKNOWN = False, True, "[UNK]"

COVERAGE = 0.9995
INSIDE = "##"


def learn(texts: Iterable[str], size: int) -> Learned:
    """The alphabet, then the pieces that joining the most frequent pairs makes; see `bpe`.

    Raises:
        DataError: the alphabet alone is larger than `size`.
    """
    texts = list(texts)
    characters = alphabet(texts)
    forms = [*characters, *(INSIDE + c for c in characters if _continues(c))]
    if size < len(forms):
        raise DataError(
            "the vocabulary is too small for the characters of the text",
            got=f"room for {max(size, 0)} besides the special tokens",
            expected=f"at least {len(forms):,}, since {len(characters):,} characters stand alone "
            f"and {len(forms) - len(characters):,} also inside words",
            fix=f"--vocab {-(-(len(forms) + 70) // 64) * 64}, or --kind bpe",
        )
    core = _wrapped(models.WordPiece({}, unk_token=UNKNOWN))
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=forms,
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        continuing_subword_prefix=INSIDE,
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    vocab = core.get_vocab(with_added_tokens=True)
    return Learned(sorted(vocab, key=lambda piece: vocab[piece]), len(forms))


def core(learned: Learned, special: Sequence[str]) -> Core:
    """BERT's normalizer and pre-tokenizer around the pieces."""
    vocab = {piece: number for number, piece in enumerate([*special, *learned.pieces])}
    return _wrapped(models.WordPiece(vocab, unk_token=UNKNOWN))


def alphabet(texts: Iterable[str]) -> list[str]:
    """The most frequent characters of texts as they are normalized, spaces apart.

    >>> alphabet(["to be or not to be"])
    ['o', 't', 'b', 'e', 'n', 'r']
    """
    counts: Counter[str] = Counter()
    clean = _normalizer().normalize_str
    for text in texts:
        counts.update(clean(text))
    counts.pop(" ", None)
    return most_frequent(counts)


def most_frequent(counts: Counter[str]) -> list[str]:
    """The most frequent characters, as many as make up `COVERAGE` of all that were counted."""
    order = sorted(counts, key=lambda c: (-counts[c], c))
    wanted, kept = COVERAGE * counts.total(), 0
    for number, character in enumerate(order):
        if kept >= wanted:
            return order[:number]
        kept += counts[character]
    return order


def _continues(character: str) -> bool:
    """Whether a character can stand inside a word: punctuation and Chinese characters cannot."""
    word = _normalizer().normalize_str(f"a{character}a")
    return len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(word)) == 1


def _normalizer() -> Any:
    return normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )


def _wrapped(model: Any) -> Core:
    core = Core(model)
    core.normalizer = _normalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece(prefix=INSIDE)
    return core
