"""More rows: means of the replaced ones, old rows and old logits as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from model_examples import KINDS, build

from danlu.errors import ModelError
from danlu.models.resize import padded, resize
from danlu.models.transformer import parameters

REPLACED = {304: [1, 2], 305: [7], 306: [3, 3, 5, 9]}


@pytest.mark.parametrize("kind", list(KINDS))
def test_new_rows_are_means_and_old_ones_stay(kind: str) -> None:
    model, before = build(KINDS[kind]), build(KINDS[kind])
    resize(model, 307, REPLACED)
    old, new = parameters(before), parameters(model)
    assert old.keys() == new.keys()
    for name, tensor in new.items():
        assert torch.equal(tensor[: len(old[name])], old[name])
    for table, was in (
        (model.embed.weight, before.embed.weight),
        (model.head.weight, before.head.weight),
    ):
        assert len(table) == model.config.vocab_size == 320
        for number, ids in REPLACED.items():
            mean = sum(was[own].double() for own in ids) / len(ids)
            torch.testing.assert_close(table[number].double(), mean, rtol=1e-6, atol=1e-7)
        assert torch.equal(table[307], table[319])
    assert (model.head.weight is model.embed.weight) == model.config.tied
    assert model.embed.num_embeddings == model.head.out_features == 320


@pytest.mark.parametrize("kind", list(KINDS))
def test_logits_of_old_tokens_are_what_they_were(kind: str) -> None:
    model, before = build(KINDS[kind]), build(KINDS[kind])
    tokens = torch.arange(24).reshape(2, 12) * 7 % 304
    want = before(tokens)
    resize(model, 307, REPLACED)
    assert torch.equal(model.hidden(tokens), before.hidden(tokens))
    torch.testing.assert_close(model(tokens)[..., :304], want, rtol=1e-6, atol=1e-6)


def test_a_token_in_place_of_one_is_as_probable_as_it() -> None:
    model = build(KINDS["learned"])
    resize(model, 307, REPLACED)
    tokens = torch.tensor([[1, 7, 305, 2]])
    logits = model(tokens)
    torch.testing.assert_close(logits[..., 305], logits[..., 7])
    other = model(torch.tensor([[1, 305, 7, 2]]))
    torch.testing.assert_close(other, logits)


def test_rows_that_are_there_already_are_used() -> None:
    """Padding rows of the old model become the new tokens' first."""
    model = build({"vocab_size": 320})
    was = model.embed.weight.detach().clone()
    resize(model, 307, REPLACED)
    assert model.config.vocab_size == 320
    assert torch.equal(model.embed.weight[305], was[7])
    assert torch.equal(model.embed.weight[:304], was[:304])


def test_the_mean_of_half_precision_rows_is_rounded_once() -> None:
    model = build(dtype=torch.bfloat16)
    was = model.embed.weight.detach().clone()
    resize(model, 307, {304: [0, 1, 2, 3, 4]})
    assert model.embed.weight.dtype == torch.bfloat16
    assert torch.equal(model.embed.weight[304], was[:5].float().mean(0).bfloat16())


def test_it_can_be_trained() -> None:
    model = build().train()
    resize(model, 307, REPLACED)
    tokens = torch.tensor([[304, 305, 306, 1]])
    model(tokens, targets=tokens).sum().backward()
    grad = parameters(model)["embed.weight"].grad
    assert grad is not None and grad[304:307].abs().sum(1).min() > 0


@pytest.mark.parametrize("replaced", [{304: []}, {304: [304]}, {304: [-1]}, {400: [1]}])
def test_ids_that_cannot_be(replaced: dict[int, Any]) -> None:
    with pytest.raises(ModelError, match="cannot begin at the mean"):
        resize(build(), 305, replaced)


def test_rows_are_a_multiple_of_64() -> None:
    assert [padded(n) for n in (1, 63, 64, 65)] == [64, 64, 64, 128]


def test_transformers_opens_the_larger_model(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    from danlu.models import hub
    from danlu.tokenizer import train
    from danlu.tokenizer.extend import extend

    for kind in ("rope, multi-head, biases", "learned"):
        model = build(KINDS[kind])
        small = train(["the moon and the sea "] * 30, vocab=304, strict=False)
        made = extend(small, ["春眠不觉晓 moonlight"] * 9, tokens=20)
        resize(model, made.tokenizer.vocab_size, made.replaced)
        folder = tmp_path / kind.split(",")[0]
        hub.save(folder, model, made.tokenizer)
        tokens = torch.tensor([made.tokenizer.encode("春眠不觉晓 moonlight")])
        assert tokens.max() >= small.vocab_size
        with torch.no_grad():
            theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(tokens)
            again = hub.load(folder)
            torch.testing.assert_close(theirs.logits, model(tokens), rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(again.model(tokens), model(tokens))
        assert again.tokenizer.contents == made.tokenizer.contents
