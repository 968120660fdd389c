"""Training a vocabulary: what is in it, the same everywhere, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import tokenizers
from tokenizer_examples import MORE, TEXTS, trained

from danlu.errors import DataError
from danlu.tokenizer import train
from danlu.tokenizer.bytelevel import QWEN2
from danlu.tokenizer.train import SIZES, special_tokens, vocabulary


@pytest.mark.parametrize("vocab", [262, 300, 400, 640])
def test_it_has_as_many_tokens_as_asked(vocab):
    tokenizer = trained(vocab)
    assert tokenizer.vocab_size == vocab
    alphabet = {tokenizer.token_bytes(n) for n in range(vocab)}
    assert {bytes([byte]) for byte in range(256)} <= alphabet
    assert list(tokenizer.special) == special_tokens(vocab)
    assert list(tokenizer.special.values()) == list(range(len(tokenizer.special)))


def test_a_larger_vocabulary_makes_shorter_texts():
    lengths = [len(trained(vocab).encode(TEXTS[0])) for vocab in (262, 300, 400, 640)]
    assert sorted(lengths, reverse=True) == lengths and lengths[-1] < lengths[0] / 2


def test_digits_stand_alone_and_words_do_not_cross():
    tokenizer = train(["in 1999 and 2001 " * 50, "a,b;c. " * 50], vocab=280, strict=False)
    texts = [tokenizer.token_bytes(n).decode(errors="replace") for n in range(280)]
    assert not any(char.isdigit() for text in texts if len(text) > 1 for char in text)
    assert " and" in texts and not any(" " in text[1:] for text in texts)


def test_the_expression_is_qwens_own():
    split = json.loads(trained().contents["tokenizer.json"])["pre_tokenizer"]["pretokenizers"][0]
    assert split["pattern"] == {"Regex": QWEN2} and split["behavior"] == "Isolated"
    from transformers.models.qwen2 import tokenization_qwen2

    assert tokenization_qwen2.PRETOKENIZE_REGEX == QWEN2


def test_its_files_say_what_transformers_needs():
    tokenizer = trained()
    assert tokenizer.config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert tokenizer.config["chat_template"] == tokenizer.chat_template
    core = json.loads(tokenizer.contents["tokenizer.json"])
    assert all(t["special"] and not t["normalized"] for t in core["added_tokens"])
    assert core["normalizer"] is None and core["truncation"] is None and core["padding"] is None


def test_the_beginning_of_a_text_is_in_the_post_processor():
    core = tokenizers.Tokenizer.from_str(trained().contents["tokenizer.json"].decode())
    assert core.encode("a").ids[0] == 0 and core.encode("a").ids.count(0) == 1
    assert core.encode("a", "b").ids.count(0) == 2


def test_it_is_the_same_in_every_process():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from tokenizer_examples import trained; print(trained(400).sha256)"
    )
    hashes = set()
    for seed, threads in (("0", "1"), ("1", "4"), ("4242", "2")):
        env = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "RAYON_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "true",
        }
        command = [sys.executable, "-c", code, os.path.dirname(__file__)]  # noqa: PTH120
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        hashes.add(done.stdout.strip())
    assert hashes == {trained(400).sha256}


def test_texts_may_come_from_a_generator():
    assert train((t for t in MORE), vocab=300).sha256 == trained(300).sha256


def test_a_vocabulary_that_is_too_small():
    with pytest.raises(DataError, match="too small") as caught:
        train(TEXTS, vocab=200)
    assert "at least 262" in str(caught.value)
    with pytest.raises(DataError, match="too small"):
        train(TEXTS, vocab=262 - 1)
    assert train(TEXTS, vocab=262).vocab_size == 262


def test_a_vocabulary_that_the_text_does_not_support():
    with pytest.raises(DataError, match="does not support so many tokens") as caught:
        train(TEXTS, vocab=5000)
    assert "--vocab 5000" in str(caught.value) and "or more text" in str(caught.value)
    fix = int(caught.value.fix.split()[1].rstrip(","))
    assert train(TEXTS, vocab=fix).vocab_size == fix
    small = train(TEXTS, vocab=5000, strict=False)
    assert 262 <= small.vocab_size < 5000


@pytest.mark.parametrize("texts", [[], [""], ["a"]])
def test_almost_no_text(texts):
    with pytest.raises(DataError, match="does not support") as caught:
        train(texts, vocab=400)
    fix = int(caught.value.fix.split()[1].rstrip(","))
    tokenizer = train(texts, vocab=fix)
    assert tokenizer.decode(tokenizer.encode("any text 床")) == "any text 床"


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(DataError, match="half of a surrogate pair"):
        train(["good", "bad \udc00"], vocab=300)


def test_special_tokens_in_the_text_teach_nothing_special():
    texts = ["say <|im_end|> and <|endoftext|> twice "] * 50
    tokenizer = train(texts, vocab=300, strict=False)
    ids = tokenizer.encode(texts[0])
    assert not set(ids) & set(tokenizer.special.values())
    assert tokenizer.decode(ids) == texts[0]


def test_reserved_tokens_grow_with_the_vocabulary():
    assert [len(special_tokens(n)) for n in (0, 127, 128, 8192, 10**6)] == [4, 4, 5, 68, 68]
    assert len(set(special_tokens(10**6))) == 68


def test_recommended_sizes_grow_with_the_text_and_with_chinese():
    bounds = [bound for bound, *_ in SIZES]
    at = [n for bound in bounds for n in (bound - 1, bound)]
    for han in (0.0, 1.0):
        sizes = [vocabulary(n, han) for n in at]
        assert sorted(sizes) == sizes and sizes[-1] == 50_304
    assert all(vocabulary(n, 0.5) >= vocabulary(n, 0.1) for n in at)
    assert vocabulary(0, 0.0) == 512 and vocabulary(0, 0.21) == 1024 and vocabulary(0, 0.2) == 512
    assert all(size % 64 == 0 for _, *two in SIZES for size in two)
