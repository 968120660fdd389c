"""Sentence embeddings: one at a time, in any batch, by transformers' own BERT."""

from __future__ import annotations

import pytest
import torch
from model_examples import V, build, difference, randomise, tokenizer

from danlu.errors import DataError, ModelError
from danlu.models import hub, spelling
from danlu.models.sentences import sentence_embeddings
from danlu.models.transformer import Transformer

BERT = {"model_type": "bert", "vocab_size": V, "hidden_size": 32, "num_hidden_layers": 2}
BERT |= {"num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 48}
TEXTS = ["床前明月光", "a", "", "with the statement", "yield and assignment, with", "疑是地上霜。"]


@pytest.fixture(scope="module")
def bert() -> Transformer:
    return randomise(Transformer(spelling.read_config(BERT))).eval()


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_it_is_transformers_bert_pooled(bert, pooling, tmp_path):
    transformers = pytest.importorskip("transformers")
    hub.save(tmp_path, bert, tokenizer())
    theirs = transformers.AutoModel.from_pretrained(tmp_path).eval()
    got = sentence_embeddings(bert, tokenizer(), TEXTS, pooling=pooling)
    for text, row in zip(TEXTS, got, strict=True):
        ids = [tokenizer().bos_id, *tokenizer().encode(text), tokenizer().eos_ids[0]]
        with torch.no_grad():
            hidden = theirs(input_ids=torch.tensor([ids])).last_hidden_state[0]
        want = hidden.mean(0) if pooling == "mean" else hidden[0]
        assert difference(row, want / want.norm()) < 1e-5


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_batches_and_order_change_nothing(bert, rows):
    want = sentence_embeddings(bert, tokenizer(), TEXTS)
    got = sentence_embeddings(bert, tokenizer(), TEXTS[::-1], batch_rows=rows)
    assert difference(got.flip(0), want) < 1e-6
    assert torch.allclose(want.norm(dim=1), torch.ones(len(TEXTS)))


def test_no_texts(bert):
    assert sentence_embeddings(bert, tokenizer(), []).shape == (0, 32)


def test_a_long_text_is_cut_only_when_asked(bert):
    with pytest.raises(DataError, match="more tokens") as caught:
        sentence_embeddings(bert, tokenizer(), ["short", "月" * 60])
    assert "48" in caught.value.expected and "max_tokens" in caught.value.fix
    cut = sentence_embeddings(bert, tokenizer(), ["霜" * 60], max_tokens=400)
    again = sentence_embeddings(bert, tokenizer(), ["霜" * 61], max_tokens=48)
    assert torch.equal(cut, again)


def test_a_decoder_makes_none():
    with pytest.raises(ModelError, match="only an encoder"):
        sentence_embeddings(build(), tokenizer(), TEXTS)
