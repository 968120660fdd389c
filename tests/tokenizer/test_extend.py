"""More pieces: old ids stay, new ones are pairs of old tokens, transformers gives the same ids."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spelling_examples import FAMILIES, family
from test_every_family import HOSTILE, ids_in_transformers
from tokenizer_examples import MORE, spiteful, unicode

from danlu import discover
from danlu.errors import DataError
from danlu.tokenizer import Tokenizer, train
from danlu.tokenizer.extend import Extended, extend
from danlu.tokenizer.train import KINDS

POEM = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"
NEW = [
    POEM,
    "transformer attention layers embed transformer gradients",
    "白日依山尽 黄河入海流",
] * 20

OWN = [f"own {kind}" for kind in discover.names(KINDS)]
NAMES = [*FAMILIES, *OWN]


@cache
def old(name: str) -> Tokenizer:
    if name in OWN:
        return train(MORE, vocab=640, kind=name.removeprefix("own "), strict=False)
    return Tokenizer(family(name))


@cache
def made(name: str) -> Extended:
    return extend(old(name), NEW, tokens=60)


def count(tokenizer: Tokenizer, texts: list[str]) -> int:
    return sum(map(len, tokenizer.encode_batch(texts)))


@pytest.mark.parametrize("name", NAMES)
def test_text_like_that_learnt_from_gets_shorter(name: str) -> None:
    before, after = old(name), made(name).tokenizer
    assert count(after, NEW) < 0.8 * count(before, NEW)
    new = made(name).replaced
    assert 15 < len(new) <= 60
    assert sorted(new) == list(range(before.vocab_size, before.vocab_size + len(new)))
    assert after.vocab_size == before.vocab_size + len(new)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50)
@given(st.sampled_from(HOSTILE) | unicode | spiteful)
def test_text_without_new_pieces_keeps_its_ids(name: str, text: str) -> None:
    before, after = old(name), made(name).tokenizer
    ids = after.encode(text)
    if not {*ids} & made(name).replaced.keys():
        assert ids == before.encode(text)
    if before.unknown_id is None:
        assert after.decode(ids) == before.decode(before.encode(text))


@pytest.mark.parametrize("name", NAMES)
def test_old_tokens_stay_what_they_were(name: str) -> None:
    before, after = old(name), made(name).tokenizer
    assert after.special == before.special and after.losses == before.losses
    assert (after.bos_id, after.eos_ids, after.pad_id) == (
        before.bos_id,
        before.eos_ids,
        before.pad_id,
    )
    for number in range(before.vocab_size):
        assert after.token_bytes(number) == before.token_bytes(number)
    for special in before.special:
        assert not {*after.encode(special)} & ({*after.special.values()} - {after.unknown_id})


@pytest.mark.parametrize("name", NAMES)
def test_a_new_piece_is_what_it_replaces(name: str) -> None:
    before, after = old(name), made(name).tokenizer
    for number, ids in made(name).replaced.items():
        assert ids and all(0 <= own < before.vocab_size for own in ids)
        if before.unknown_id not in ids:
            joined = b"".join(map(before.token_bytes, ids))
            assert after.token_bytes(number) == joined


@pytest.mark.parametrize("name", NAMES)
def test_transformers_opens_it_and_gives_the_same_ids(name: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    after = made(name).tokenizer
    after.save(tmp_path)
    other = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*NEW[:3], "a transformer 春眠 x", *HOSTILE]:
        want = ids_in_transformers(other, text)
        if not {*want} & {*after.special.values()}:  # t5: see test_families
            assert after.encode(text) == want
    assert Tokenizer.load(tmp_path).encode(POEM) == after.encode(POEM)


@pytest.mark.parametrize("name", ["gpt2", "llama3", "qwen2"])
def test_a_word_is_cut_as_before_and_then_joined(name: str) -> None:
    """The oracle: new merges, by rank, over the old tokens of each word."""
    before, after = old(name), made(name).tokenizer
    files = (json.loads(t.contents["tokenizer.json"]) for t in (before, after))
    first, second = (
        [tuple(m.split(" ") if isinstance(m, str) else m) for m in file["model"]["merges"]]
        for file in files
    )
    assert second[: len(first)] == first
    rank = {pair: n for n, pair in enumerate(second[len(first) :])}
    names = {n: piece for piece, n in before._core.get_vocab(with_added_tokens=True).items()}
    cut = before._core.pre_tokenizer.pre_tokenize_str
    for text in [*NEW[:3], *MORE[:4]]:
        want = []
        for word, _ in cut(text):
            pieces = [t.value for t in before._core.model.tokenize(word)]
            while pairs := [p for p in pairwise(pieces) if p in rank]:
                best = min(pairs, key=rank.__getitem__)
                at = next(n for n, p in enumerate(pairwise(pieces)) if p == best)
                pieces[at : at + 2] = ["".join(best)]
            want += pieces
        assert [after.token(piece) for piece in want] == after.encode(text)
    assert names


def test_the_first_piece_is_the_most_frequent_pair() -> None:
    texts = ["qzqz qz qzx"] * 3 + ["xq"] * 2
    before = old("own bpe")
    counts: Counter[bytes] = Counter()
    for text in texts:
        for word, _ in before._core.pre_tokenizer.pre_tokenize_str(text):
            ids = [token.id for token in before._core.model.tokenize(word)]
            counts.update(b"".join(map(before.token_bytes, pair)) for pair in pairwise(ids))
    found = extend(before, texts, tokens=2)
    first = min(found.replaced)
    assert found.tokenizer.token_bytes(first) == counts.most_common(1)[0][0] == b"qz"


def test_it_is_the_same_every_time() -> None:
    again = extend(old("llama2"), NEW, tokens=60)
    assert again.tokenizer.contents == made("llama2").tokenizer.contents
    assert again.replaced == made("llama2").replaced


def test_characters_that_were_bytes_come_first() -> None:
    found = made("gemma")
    assert found.tokenizer.encode("觉")[-1] in found.replaced
    first = min(found.replaced)
    assert len(found.tokenizer.token_bytes(first).decode()) == 1
    assert len(found.replaced[first]) == 3, "a Chinese character replaces its three bytes"


def test_an_extended_one_can_be_extended() -> None:
    twice = extend(made("llama2").tokenizer, ["red green blue yellow " * 9], tokens=8)
    assert twice.tokenizer.vocab_size == made("llama2").tokenizer.vocab_size + len(twice.replaced)
    assert twice.tokenizer.encode(POEM) == made("llama2").tokenizer.encode(POEM)


@pytest.mark.parametrize("texts", [[], [""], ["a"]])
def test_nothing_to_learn(texts: list[str]) -> None:
    with pytest.raises(DataError, match="nothing that the vocabulary could learn"):
        extend(old("gpt2"), texts, tokens=10)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(DataError, match="half of a surrogate pair"):
        extend(old("gpt2"), ["bad \ud800"], tokens=10)


def test_another_kind_of_model_is_refused() -> None:
    core = json.loads(old("gpt2").contents["tokenizer.json"])
    core["model"] = {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"}
    core["added_tokens"] = []
    words = Tokenizer({**old("gpt2").contents, "tokenizer.json": json.dumps(core).encode()})
    with pytest.raises(DataError, match="WordLevel vocabulary cannot be extended"):
        extend(words, ["b b"], tokens=4)
