"""Sliding windows against brute force, closed forms and each other."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from danlu.errors import ConfigError, DataError
from danlu.evaluate import perplexity
from danlu.evaluate.perplexity import Perplexity, Sums, windows
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer

MAX_LEN, VOCAB = 12, 17


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = ModelConfig(
        vocab_size=VOCAB, d_model=16, n_layers=2, head_dim=8, d_ff=24, max_len=MAX_LEN, dropout=0.3
    )
    return Transformer(config).double()


def stream(length, seed=0):
    return np.random.default_rng(seed).integers(0, VOCAB, length).astype(np.uint16)


def brute_force(model, tokens, context):
    """Each token but the first on its own, given `context(place)` tokens before it."""
    model.eval()
    nats, correct = 0.0, 0
    for at in range(1, len(tokens)):
        past = torch.tensor(tokens[at - context(at) : at].astype(int))[None]
        with torch.no_grad():
            logits = model(past)[0, -1].double()
        nats -= float(logits.log_softmax(-1)[int(tokens[at])])
        correct += int(logits.argmax() == int(tokens[at]))
    return nats, correct


@pytest.mark.parametrize("length", [2, 7, MAX_LEN, MAX_LEN + 1, 40])
def test_stride_one_is_every_token_at_its_maximal_context(model, length):
    tokens = stream(length)
    sums = Perplexity(tokens, text_bytes=1, stride=1).documents(model)[0]
    nats, correct = brute_force(model, tokens, lambda at: min(at, MAX_LEN))
    assert sums.nats == pytest.approx(nats, rel=1e-12)
    assert (sums.tokens, sums.correct) == (length - 1, correct)


@pytest.mark.parametrize(("window", "stride"), [(12, 12), (8, 4), (5, 2), (1, 1)])
def test_a_window_gives_the_context_that_it_says(model, window, stride):
    tokens = stream(45, seed=1)
    context = {}
    for piece in windows([45], window, stride):
        for at in range(piece.first + 1, piece.stop + 1):
            assert at not in context
            context[at] = at - piece.start
    assert sorted(context) == list(range(1, 45))
    assert all(min(at, window - stride + 1) <= n <= window for at, n in context.items())
    for batch_tokens in (1, 40):
        evaluate = Perplexity(
            tokens, text_bytes=1, window=window, stride=stride, batch_tokens=batch_tokens
        )
        nats, correct = brute_force(model, tokens, context.__getitem__)
        assert evaluate.documents(model)[0].nats == pytest.approx(nats, rel=1e-12)
        assert evaluate.documents(model)[0].correct == correct


@given(
    st.lists(st.integers(0, 60), max_size=5),
    st.integers(1, 20).flatmap(lambda w: st.tuples(st.just(w), st.integers(1, w))),
)
def test_windows_score_each_token_once(lengths, sizes):
    scored = [
        (piece.stream, at)
        for piece in windows(lengths, *sizes)
        for at in range(piece.first + 1, piece.stop + 1)
    ]
    assert scored == [(s, at) for s, length in enumerate(lengths) for at in range(1, length)]


def test_documents_are_scored_alone(model):
    documents = [stream(n, seed=n) for n in (30, 3, 1, 14)]
    together = Perplexity(documents, text_bytes=10, batch_tokens=1000).documents(model)
    for document, sums in zip(documents, together, strict=True):
        if len(document) == 1:
            assert sums == Sums()
        else:
            alone = Perplexity(document, text_bytes=10).documents(model)[0]
            assert sums.nats == pytest.approx(alone.nats, rel=1e-12)


def test_accuracy_and_row_chunks_change_nothing(model, monkeypatch):
    tokens = stream(60)
    full = Perplexity(tokens, text_bytes=90)(model)
    monkeypatch.setattr(perplexity, "LOGITS", 1)  # one row's logits at a time
    assert Perplexity(tokens, text_bytes=90)(model) == pytest.approx(full, rel=1e-12)
    plain = Perplexity(tokens, text_bytes=90, accuracy=False)(model)
    assert "accuracy" not in plain
    assert plain["loss"] == pytest.approx(full["loss"], rel=1e-6)  # float32 in the chunked head


class Uniform(nn.Module):
    """Knows nothing."""

    def __init__(self, vocab_size):
        super().__init__()
        self.config = SimpleNamespace(max_len=8, vocab_size=vocab_size)
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, tokens):
        return torch.zeros(*tokens.shape, self.config.vocab_size)


def test_uniform_closed_form():
    text = "春眠不觉晓"
    tokens = np.array([0, *text.encode()])
    result = Perplexity(tokens, text_bytes=15)(Uniform(256))
    assert result["bits_per_byte"] == pytest.approx(8)
    assert result["perplexity"] == pytest.approx(256)
    assert result["loss"] == pytest.approx(math.log(256))
    assert (result["tokens"], result["bytes"]) == (15, 15)
    characters = np.array([0, 1, 2, 3, 4, 5])  # another tokenizer, the same bytes
    assert Perplexity(characters, text_bytes=15)(Uniform(2**24))["bits_per_byte"] == pytest.approx(
        8
    )


def test_the_first_most_probable_token_is_the_prediction():
    """Ties go to the lowest id, here always token 0."""
    tokens = np.array([1, 0, 0, 1, 0, 2])
    assert Perplexity(tokens, text_bytes=1)(Uniform(3))["accuracy"] == 3 / 5


def test_leaves_no_trace_in_the_model(model):
    model.train()
    before = torch.get_rng_state()
    assert Perplexity(stream(30), text_bytes=1)(model) == Perplexity(stream(30), text_bytes=1)(
        model
    )
    assert model.training
    assert torch.equal(before, torch.get_rng_state())
    model(torch.zeros(1, 3, dtype=torch.long)).sum().backward()
    model.zero_grad(set_to_none=True)


def test_mode_is_restored_after_a_failure(model):
    model.train()
    with pytest.raises(IndexError):
        Perplexity(np.array([0, VOCAB, 1]), text_bytes=1)(model)
    assert model.training


@settings(max_examples=10)
@given(st.integers(2, 50), st.integers(1, 64))
def test_batching_changes_nothing(model, length, batch_tokens):
    tokens = stream(length, seed=length)
    one = Perplexity(tokens, text_bytes=7, batch_tokens=1)(model)
    assert Perplexity(tokens, text_bytes=7, batch_tokens=batch_tokens)(model) == pytest.approx(one)


@pytest.mark.parametrize(("tokens", "text_bytes"), [([0], 5), ([], 5), ([0, 1], 0)])
def test_nothing_to_score(tokens, text_bytes):
    with pytest.raises(DataError, match="no held-out text"):
        Perplexity(np.array(tokens, np.int64), text_bytes=text_bytes)


@pytest.mark.parametrize("sizes", [{"window": 13}, {"window": 4, "stride": 5}, {"stride": -1}])
def test_sizes_that_do_not_fit(model, sizes):
    with pytest.raises(ConfigError, match="do not fit the model"):
        Perplexity(stream(30), text_bytes=1, **sizes)(model)


def test_not_finite_is_said():
    assert math.isnan(perplexity.summary(Sums(math.nan, 3), 1)["perplexity"])
    assert perplexity.summary(Sums(1e6, 3), 1)["perplexity"] == math.inf
