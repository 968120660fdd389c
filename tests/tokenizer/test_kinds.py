"""Every kind: opens in transformers, the same in every process, lossless where it says so."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_examples import MORE, NASTY, TEXTS, spiteful, talk, unicode

from danlu import discover
from danlu.errors import DataError, UnknownName
from danlu.tokenizer import Tokenizer, encode_chat, train
from danlu.tokenizer.bytelevel import bytes_of, spelled
from danlu.tokenizer.kinds import characters, unigram, wordpiece
from danlu.tokenizer.train import KINDS, built, learn, of_kind, special_tokens

NAMES = discover.names(KINDS)
LOSSLESS = [name for name in NAMES if of_kind(name).LOSSLESS]
NESTED = [name for name in NAMES if of_kind(name).NESTED]


@cache
def made(kind: str, vocab: int = 640) -> Tokenizer:
    return train(MORE, vocab=vocab, kind=kind, strict=False)


def test_there_are_five() -> None:
    assert NAMES == ["bpe", "characters", "metaspace", "unigram", "wordpiece"]
    assert LOSSLESS == ["bpe", "characters", "unigram"]
    with pytest.raises(UnknownName, match="no kind of tokenizer named 'wordpeice'") as caught:
        train(TEXTS, vocab=300, kind="wordpeice")
    assert "'wordpiece'" in caught.value.fix


# ---- what all kinds share


@pytest.mark.parametrize("kind", NAMES)
def test_it_opens_in_transformers_with_equal_ids(kind: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    own = made(kind)
    own.save(tmp_path)
    other = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*TEXTS, NASTY, "unseen: żółć 龘"]:
        assert other(text, add_special_tokens=False)["input_ids"] == own.encode(text)
        assert other(text)["input_ids"] == [own.bos_id, *own.encode(text)]
    for text in TEXTS if own.lossless else ():
        assert other.decode(own.encode(text)) == own.decode(own.encode(text)) == text
    rows = [{"role": m.role, "content": m.content} for m in talk("Hi", "Hello.")]
    theirs = other.apply_chat_template(rows, tokenize=True)["input_ids"]
    assert theirs == encode_chat(own, talk("Hi", "Hello.")).ids
    assert (other.pad_token_id, other.eos_token_id) == (own.pad_id, own.eos_ids[0])


@pytest.mark.parametrize("kind", NAMES)
def test_special_tokens_are_the_same_and_first(kind: str) -> None:
    own = made(kind)
    assert list(own.special) == special_tokens(640, kind)
    assert list(own.special.values()) == list(range(len(own.special)))
    for name in own.special:
        assert not set(own.encode(name)) & (set(own.special.values()) - {own.unknown_id})


@pytest.mark.parametrize("kind", LOSSLESS)
@given(unicode | spiteful)
def test_lossless_kinds_give_any_text_back(kind: str, text: str) -> None:
    own = made(kind)
    assert own.lossless and own.unknown_id is None
    assert own.decode(own.encode(text)) == text
    assert b"".join(map(own.token_bytes, own.encode(text))) == text.encode()


@pytest.mark.parametrize("kind", NAMES)
@given(st.lists(unicode | spiteful | st.sampled_from([*TEXTS, NASTY]), max_size=4))
def test_a_batch_is_its_texts(kind: str, texts: list[str]) -> None:
    own = made(kind)
    assert own.encode_batch(texts) == [own.encode(text) for text in texts]


@pytest.mark.parametrize("kind", NAMES)
def test_half_a_surrogate_pair_is_refused(kind: str) -> None:
    for broken in ("\ud800", "fine, then \udfff"):
        with pytest.raises(DataError, match="half of a surrogate pair"):
            made(kind).encode_batch(["good", broken])
        with pytest.raises(DataError, match="half of a surrogate pair"):
            train(["good", broken], vocab=300, kind=kind)


def test_all_are_the_same_in_every_process() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_kinds import NAMES, made; "
        "print(*(made(kind).sha256 for kind in NAMES))"
    )
    found = set()
    for seed, threads in (("0", "1"), ("4242", "2")):
        env = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        command = [sys.executable, "-c", code, str(Path(__file__).parent)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        found.add(done.stdout.strip())
    assert found == {" ".join(made(kind).sha256 for kind in NAMES)}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("vocab", [390, 420, 512])
def test_a_smaller_vocabulary_is_the_beginning_of_a_larger_one(kind: str, vocab: int) -> None:
    large = learn(MORE, vocab=640, kind=kind, strict=False)
    cut = built(large, vocab=vocab, kind=kind)
    assert cut.sha256 == train(MORE, vocab=vocab, kind=kind, strict=False).sha256


@pytest.mark.parametrize("kind", NAMES)
def test_sizes_that_cannot_be_are_refused_with_numbers(kind: str) -> None:
    with pytest.raises(DataError, match="too small"):
        train(MORE, vocab=90, kind=kind)
    with pytest.raises(DataError, match="does not support so many tokens") as caught:
        train(MORE, vocab=20_000, kind=kind)
    assert "--vocab 20000" in str(caught.value)
    fix = int(caught.value.fix.split()[1].rstrip(","))
    assert train(MORE, vocab=fix, kind=kind).vocab_size == fix
    with pytest.raises(DataError, match="too small") as caught:
        built(learn(MORE, vocab=640, kind=kind, strict=False), vocab=100, kind=kind)
    least = int(caught.value.expected.split()[-1])
    assert train(MORE, vocab=least, kind=kind, strict=False).vocab_size <= least


# ---- characters


def test_frequent_characters_are_one_token_and_others_their_bytes() -> None:
    learned = characters.learn(["床前明月光明月", "moon"], 258)
    assert [bytes_of(piece).decode() for piece in learned.pieces[256:]] == ["明", "月"]
    own = train(["床前明月光明月" * 9, "moon"], vocab=264, kind="characters")
    assert [own.token_bytes(n).decode() for n in own.encode("明月 moon")] == list("明月 moon")
    assert [own.token_bytes(n) for n in own.encode("光")] == [bytes([b]) for b in "光".encode()]


# ---- metaspace


@given(unicode | spiteful)
def test_metaspace_gives_all_but_its_own_sign_back(text: str) -> None:
    own = made("metaspace")
    assert own.losses == ["▁ (U+2581) becomes a space"] and own.unknown_id is None
    assert own.decode(own.encode(text)) == text.replace("▁", " ")
    assert b"".join(map(own.token_bytes, own.encode(text))).decode() == text.replace("▁", " ")


def test_metaspace_cuts_words_although_only_its_training_did() -> None:
    own = made("metaspace")
    for text in [*MORE, "    return os.path.join(path)\n"]:
        for piece in map(own.token_bytes, own.encode(text)):
            assert b" " not in piece.strip(b" "), "no piece reaches into the next word"
            assert not piece.strip(b" ") or not piece.endswith(b" ")


def test_rare_characters_are_bytes_in_metaspace() -> None:
    own = train(["床前明月光 moon " * 400, "龘"], vocab=320, kind="metaspace", strict=False)
    assert [own.token_bytes(n) for n in own.encode("龘")] == [bytes([b]) for b in "龘".encode()]
    assert own.decode(own.encode("明龘月")) == "明龘月"


# ---- WordPiece


def test_wordpiece_says_that_it_loses_text() -> None:
    own = made("wordpiece")
    assert not own.lossless and own.unknown_id == own.special["[UNK]"]
    assert own.decode(own.encode("the  lazy\n\ndog.")) == "the lazy dog."
    assert own.encode("龘") == [own.unknown_id] and own.decode(own.encode("龘")) == ""


def test_wordpiece_keeps_case_and_splits_chinese_singly() -> None:
    own = made("wordpiece")
    assert own.encode("The") != own.encode("the")
    pieces = [own.token_bytes(n).decode() for n in own.encode("床前明月光")]
    assert pieces == list("床前明月光")
    assert own.decode(own.encode("床前 moon, 明月.")) == "床前 moon,明月."


def test_the_alphabet_leaves_out_the_rarest_characters() -> None:
    texts = ["ab" * 5000, "龘"]
    assert wordpiece.alphabet(texts) == ["a", "b"]
    assert "龘" in wordpiece.alphabet(["ab" * 50, "龘"])
    with pytest.raises(DataError, match="too small for the characters") as caught:
        train(["".join(map(chr, range(0x4E00, 0x4E00 + 500)))], vocab=300, kind="wordpiece")
    assert "at least 500" in caught.value.expected


def test_inside_forms_are_only_for_what_can_continue_a_word() -> None:
    learned = wordpiece.learn(["moon, 月 moon"], 50)
    assert "##m" in learned.pieces and "##," not in learned.pieces and "##月" not in learned.pieces


# ---- Unigram


def test_frequent_words_become_pieces_of_whole_characters() -> None:
    texts = ["明月 moon soon " * 50, "故鄉 noon spoon " * 30]
    learned = unigram.learn(texts, 270)
    found = [bytes_of(piece) for piece in learned.pieces[256:]]
    assert {"明月".encode(), b" moon"} <= set(found)
    for piece in found:
        piece.decode()  # no piece ends inside a character
    scores = dict(zip(learned.pieces, learned.scores, strict=True))
    assert math.isclose(sum(map(math.exp, scores.values())), 1, rel_tol=1e-4)


def test_a_larger_unigram_vocabulary_makes_shorter_texts() -> None:
    lengths = [len(made("unigram", vocab).encode(TEXTS[0])) for vocab in (280, 400, 640)]
    assert sorted(lengths, reverse=True) == lengths and lengths[-1] < lengths[0] / 1.5


@given(st.dictionaries(st.text("ab", min_size=1, max_size=4), st.floats(-9, -1), max_size=9))
def test_the_best_way_without_a_piece_is_the_best_of_all_ways(scores: dict[str, float]) -> None:
    piece = "abab"
    ways = []
    for count in range(1, len(piece)):
        for cuts in combinations(range(1, len(piece)), count):
            ends = [0, *cuts, len(piece)]
            parts = [piece[a:b] for a, b in pairwise(ends)]
            ways.append(sum(scores.get(part, -math.inf) for part in parts))
    assert unigram._best_without(piece, scores, 4) == pytest.approx(max(ways))


@given(st.lists(st.text("ab月", min_size=1, max_size=6), min_size=1, max_size=6))
def test_seeds_are_all_substrings_that_repeat(words: list[str]) -> None:
    counts = Counter(words)
    brute: Counter[str] = Counter()
    for word, n in counts.items():
        for a in range(len(word)):
            for b in range(a + 1, len(word) + 1):
                brute[word[a:b]] += n
    wanted = {spelled(p): n for p, n in brute.items() if n > 1 and p not in ("a", "b")}
    assert unigram.seeds(counts, 10**6) == wanted
    assert len(unigram.seeds(counts, 2)) == min(2, len(wanted))


def test_words_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unigram, "WORDS_BYTES", 20)
    words = unigram._words(["aa bb " * 5 + "cc " * 3, "dd"])
    assert words[" bb"] == 5 and words[" aa"] == 4 and " cc" in words
    assert sum(len(word.encode()) for word in words) <= 20
