"""The parts against their formulas, and what is true to the bit.

What every model promises, whatever its knobs: `test_combinations`.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import DECODERS, GPT2, SHAPE, D, V, build, config, difference, some_tokens

from danlu.models import transformer
from danlu.models.masks import alibi_slopes, relative_buckets
from danlu.models.positions import frequencies, sinusoids
from danlu.models.transformer import Attention, Transformer, parameters

BITWISE = [kind for kind in DECODERS if "n_experts" not in DECODERS[kind]]
"""Experts get other numbers of rows, and matrix products of other sizes add in another order."""

every_kind = pytest.mark.parametrize("kind", DECODERS)


# ---- bit for bit


@settings(max_examples=20)
@given(st.sampled_from(BITWISE), st.integers(0, 18), st.integers(0, V - 1))
def test_changing_a_token_leaves_earlier_logits_alone(kind, at, token):
    model, tokens = build(DECODERS[kind]), some_tokens(1, 19)
    changed = tokens.clone()
    changed[0, at] = token
    with torch.no_grad():
        assert torch.equal(model(tokens)[:, :at], model(changed)[:, :at])


@pytest.mark.parametrize("kind", BITWISE)
def test_nothing_crosses_from_one_document_to_another(kind):
    model, tokens = build(DECODERS[kind]), some_tokens(1, 12)
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]])
    segments = torch.tensor([[0] * 5 + [1] * 7])
    other = tokens.clone()
    other[0, :5] = some_tokens(1, 5, seed=9)
    with torch.no_grad():
        a = model(tokens, positions=positions, segments=segments)
        b = model(other, positions=positions, segments=segments)
    assert torch.equal(a[:, 5:], b[:, 5:]) and not torch.equal(a[:, :5], b[:, :5])


# ---- losses


def test_a_tied_head_is_the_embedding():
    model = build()
    assert model.head.weight is model.embed.weight
    assert "head.weight" not in parameters(model) and "embed.weight" in parameters(model)
    apart = build(SHAPE | {"tied": False})
    assert apart.head.weight is not apart.embed.weight and "head.weight" in parameters(apart)


def test_under_autocast_losses_and_gradients_stay_close():
    """Also of the models whose heads are not normalised, so that bfloat16 meets float32 angles."""
    for kind in DECODERS:
        model, tokens, targets = build(DECODERS[kind]), some_tokens(), some_tokens(seed=3)
        results = []
        for enabled in (False, True):
            model.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                nll = model(tokens, targets=targets)
            nll.sum().backward()
            results.append(
                (nll.detach(), torch.cat([p.grad.flatten() for p in model.parameters()]))
            )
        (exact, gradient), (rough, rough_gradient) = results
        fixed = kind in BITWISE  # else a token may change experts
        assert rough.dtype == torch.float32
        assert not fixed or difference(exact, rough) < 0.5
        assert abs(exact.mean() - rough.mean()) < 0.02 * exact.mean()
        near = F.cosine_similarity(gradient, rough_gradient, dim=0)
        assert near > (0.99 if fixed else 0.95), kind


def test_whole_models_may_be_bfloat16():
    for kind in DECODERS:
        model, tokens = build(DECODERS[kind]), some_tokens()
        with torch.no_grad():
            exact, rough = model(tokens), model.bfloat16()(tokens)
        assert rough.dtype == torch.bfloat16
        assert F.cosine_similarity(exact.flatten(), rough.float().flatten(), dim=0) > 0.99, kind


# ---- parts


def turned(x, c):
    """Rotary positions by complex numbers: x [T, H, d]."""
    angles = torch.arange(len(x))[:, None] * frequencies(c.rope_dim, c.rope_theta)
    turn = torch.polar(torch.ones_like(angles).double(), angles.double())[:, None]
    half = c.rope_dim // 2
    pairs = torch.complex(x[..., :half], x[..., half : 2 * half]) * turn
    return torch.cat([pairs.real, pairs.imag, x[..., 2 * half :]], -1)


@every_kind
def test_attention_is_its_formula(kind):
    """Softmax of scaled, capped, bent and masked products, head by head."""
    length, model = 9, build(DECODERS[kind], dtype=torch.float64)
    c, attention = model.config, model.blocks[0].attn
    assert isinstance(attention, Attention)
    x = torch.randn(1, length, D, dtype=torch.float64)
    places = torch.arange(length)[None]
    view = transformer.View(c, places, None, None, x.dtype, distance=model.distance)
    q, k, v = (m(x)[0] for m in (attention.q, attention.k, attention.v))
    if c.qk_norm == "all":
        q, k = attention.q_norm(q), attention.k_norm(k)
    q, k, v = (t.view(length, -1, c.head_dim) for t in (q, k, v))
    if c.qk_norm == "head":
        q, k = attention.q_norm(q), attention.k_norm(k)
    if c.position == "rope":
        q, k = turned(q, c), turned(k, c)
    gap = places.T - places
    out = []
    for head in range(c.n_heads):
        shared = head // (c.n_heads // c.n_kv_heads)
        scores = q[:, head] @ k[:, shared].T / math.sqrt(c.head_dim)
        if c.attn_softcap:
            scores = c.attn_softcap * torch.tanh(scores / c.attn_softcap)
        if c.position == "alibi":
            scores = scores - alibi_slopes(c.n_heads)[head] * gap
        if c.position == "relative":
            scores = scores + model.distance.weight[relative_buckets(gap, causal=True), head]
        hidden = (gap < 0) | ((gap >= c.window) if c.is_local(0) else False)
        scores = scores.masked_fill(hidden, float("-inf"))
        out.append(scores.softmax(-1) @ v[:, shared])
    want = attention.out(torch.cat(out, -1))
    assert difference(attention(x, view, 0)[0], want) < 1e-6  # angles are cut to float32


def test_rotary_scores_depend_on_distance_only():
    q, k = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)

    def score(at_q, at_k):
        turned = []
        for x, at in ((q, at_q), (k, at_k)):
            angle = (at * frequencies(8, 10_000.0))[None, None, None].double()
            turned.append(transformer.rotate(x, angle.cos(), angle.sin()))
        return (turned[0] * turned[1]).sum().item()

    assert score(3, 1) == pytest.approx(score(13, 11), abs=1e-5)
    assert score(5, 5) == pytest.approx((q * k).sum().item(), abs=1e-5)
    assert score(3, 1) != pytest.approx(score(4, 1), abs=1e-3)


def test_sinusoids_are_their_formula():
    table = sinusoids(torch.arange(30), 12)
    assert table.dtype == torch.float32 and table.shape == (30, 12)
    for p in range(30):
        for i in range(6):
            angle = p / 10_000 ** (2 * i / 12)
            assert table[p, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert table[p, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


@every_kind
def test_positions_count_from_nothing_unless_told(kind):
    model, tokens = build(DECODERS[kind]), some_tokens(2, 8)
    with torch.no_grad():
        said = model(tokens, positions=torch.arange(8).expand(2, 8))
        assert torch.equal(model(tokens), said)
        moved = model(tokens, positions=torch.arange(8)[None] * 2)
    by_distance = DECODERS[kind].get("position") in ("alibi", "relative")  # in places of the row
    assert torch.equal(said, moved) if by_distance else difference(said, moved) > 1e-3


def test_dropout_is_for_training_only():
    model, tokens = build(GPT2 | {"dropout": 0.5}), some_tokens()
    assert torch.equal(model(tokens), model(tokens))
    assert torch.equal(model(tokens), build(GPT2)(tokens))
    model.train()
    torch.manual_seed(0)
    first, second = model(tokens), model(tokens)
    torch.manual_seed(0)
    assert not torch.equal(first, second) and torch.equal(first, model(tokens))


def test_a_model_says_what_it_is():
    text = repr(build())
    assert "position=rope" in text and f"d_model={D}" in text and "Attention" in text


def test_a_model_needs_a_vocabulary():
    with pytest.raises(AssertionError, match="tokenizer"):
        Transformer(config(vocab_size=0))
