"""The decoder's invariances: causal, cached, padded and packed it says the same."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import GPT2, KINDS, LEN, SHAPE, D, V, build, config, difference, some_tokens

from danlu.models import transformer
from danlu.models.cache import KVCache
from danlu.models.masks import distances, seen
from danlu.models.positions import frequencies, sinusoids
from danlu.models.transformer import (
    Attention,
    Transformer,
    parameters,
)
from danlu.types import IGNORE

EXACT = 1e-10
"""Tolerance in float64: only the order of additions may differ."""

every_kind = pytest.mark.parametrize("kind", KINDS)


def double(kind: str) -> Transformer:
    return build(KINDS[kind], dtype=torch.float64)


def packed(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and segments of documents that share one row, [1, T]."""
    positions = torch.cat([torch.arange(n) for n in lengths])
    segments = torch.cat([torch.full((n,), number) for number, n in enumerate(lengths)])
    return positions[None], segments[None]


# ---- causality


@every_kind
def test_no_position_depends_on_later_tokens(kind):
    model = double(kind)
    tokens, seen = some_tokens(1, 9), []
    hook = model.embed.register_forward_hook(lambda *args: seen.append(args[2]))
    logits = model(tokens)
    hook.remove()
    for at in range(9):
        (gradient,) = torch.autograd.grad(logits[0, at].norm(), seen[0], retain_graph=True)
        depends = gradient[0].abs().amax(-1)
        assert (depends[: at + 1] > 0).all() and (depends[at + 1 :] == 0).all()


@settings(max_examples=20)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 18), st.integers(0, V - 1))
def test_changing_a_token_leaves_earlier_logits_alone(kind, at, token):
    model, tokens = build(KINDS[kind]), some_tokens(1, 19)
    changed = tokens.clone()
    changed[0, at] = token
    with torch.no_grad():
        assert torch.equal(model(tokens)[:, :at], model(changed)[:, :at])


@every_kind
def test_a_row_in_a_batch_is_the_row_alone(kind):
    model, tokens = double(kind), some_tokens(3, 11)
    together = model(tokens)
    for row in range(3):
        assert difference(together[row], model(tokens[row : row + 1])[0]) < EXACT


# ---- the cache


@every_kind
@pytest.mark.parametrize("cuts", [[0, 1], [0, 9], [0, 4, 5, 9], list(range(LEN)), [0, 20, 47]])
def test_cached_decoding_is_the_full_forward_pass(kind, cuts):
    model, tokens = double(kind), some_tokens(2, LEN)
    cache, parts = KVCache(), []
    with torch.no_grad():
        for start, end in pairwise([*cuts, LEN]):
            parts.append(model(tokens[:, start:end], cache=cache))
            assert cache.length == end
        assert difference(torch.cat(parts, 1), model(tokens)) < EXACT


@every_kind
def test_rows_may_leave_while_decoding(kind):
    model, tokens = double(kind), some_tokens(4, 12)
    cache, rows = KVCache(), torch.tensor([3, 1])
    with torch.no_grad():
        model(tokens[:, :7], cache=cache)
        cache.keep_rows(rows)
        assert difference(model(tokens[rows, 7:], cache=cache), model(tokens[rows])[:, 7:]) < EXACT


# ---- padding and packing


@every_kind
def test_padding_on_the_left_is_invisible(kind):
    model, tokens = double(kind), some_tokens(2, 10)
    lengths, longest = (10, 6), 13
    padded = torch.full((2, longest), 7)
    positions, segments = torch.zeros(2, longest, dtype=torch.long), torch.zeros(2, longest).long()
    for row, n in enumerate(lengths):
        padded[row, -n:] = tokens[row, :n]
        positions[row, -n:] = torch.arange(n)
        segments[row, -n:] = 1
    more, cache = some_tokens(2, 3, seed=5), KVCache()
    with torch.no_grad():
        first = model(padded, positions=positions, segments=segments, cache=cache)
        for step in range(3):  # and so it stays while decoding
            segments = torch.cat([segments, torch.ones(2, 1).long()], 1)
            positions = positions[:, -1:] + 1
            last = model(
                more[:, step : step + 1], positions=positions, segments=segments, cache=cache
            )
        for row, n in enumerate(lengths):
            alone = torch.cat([tokens[row, :n], more[row]])[None]
            assert difference(first[row, -n:], model(alone)[0, :n]) < EXACT
            assert difference(last[row, -1], model(alone)[0, -1]) < EXACT


@every_kind
def test_packed_documents_have_the_loss_and_gradient_that_they_have_apart(kind):
    lengths = [5, 1, 8, 3]
    model, tokens = double(kind), some_tokens(1, sum(lengths))
    targets = some_tokens(1, sum(lengths), seed=3)
    targets[0, [0, 6]] = IGNORE
    positions, segments = packed(lengths)

    together = model(tokens, targets=targets, positions=positions, segments=segments)
    (together * torch.arange(1, 18)).sum().backward()
    gradients = {name: p.grad.clone() for name, p in parameters(model).items()}
    model.zero_grad()
    pairs = zip(tokens.split(lengths, 1), targets.split(lengths, 1), strict=True)
    apart = [model(t, targets=g) for t, g in pairs]
    (torch.cat(apart, 1) * torch.arange(1, 18)).sum().backward()

    assert difference(together, torch.cat(apart, 1)) < EXACT
    for name, parameter in parameters(model).items():
        assert difference(parameter.grad, gradients[name]) < 1e-9, name


@every_kind
def test_nothing_crosses_from_one_document_to_another(kind):
    model, tokens = build(KINDS[kind]), some_tokens(1, 12)
    positions, segments = packed([5, 7])
    other = tokens.clone()
    other[0, :5] = some_tokens(1, 5, seed=9)
    with torch.no_grad():
        a = model(tokens, positions=positions, segments=segments)
        b = model(other, positions=positions, segments=segments)
    assert torch.equal(a[:, 5:], b[:, 5:]) and not torch.equal(a[:, :5], b[:, :5])


@settings(max_examples=50)
@given(st.integers(1, 5), st.integers(0, 4), st.lists(st.integers(0, 2), min_size=9, max_size=9))
def test_the_mask_is_what_its_words_say(queries, past, numbers):
    segments = torch.tensor([numbers[: past + queries]])
    for given_segments in (None, segments):
        gap = distances(queries, past, torch.device("cpu"))
        mask = seen(gap, given_segments, window=0, causal=True)
        for q in range(queries):
            for k in range(past + queries):
                same = given_segments is None or numbers[k] == numbers[past + q]
                assert mask[0, 0, q, k].item() == (k <= past + q and same)


# ---- losses


@every_kind
def test_losses_are_those_of_the_logits(kind):
    model, tokens = double(kind), some_tokens(2, 15)
    targets = some_tokens(2, 15, seed=3)
    targets[0, :4] = IGNORE
    nll = model(tokens, targets=targets)
    want = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), reduction="none")
    assert nll.shape == (2, 15) and difference(nll, want.view(2, 15)) < EXACT
    assert (nll[0, :4] == 0).all() and (nll[1] > 0).all()
    assert build(KINDS[kind])(tokens, targets=targets).dtype == torch.float32


@every_kind
def test_every_weight_learns(kind):
    model = double(kind)
    model(some_tokens(), targets=some_tokens(seed=3)).sum().backward()
    for name, parameter in parameters(model).items():
        if name.endswith("attn.k.bias"):  # softmax forgets what all keys share, rotations excepted
            continue
        assert parameter.grad is not None and (parameter.grad != 0).any(), name


def test_a_tied_head_is_the_embedding():
    model = build()
    assert model.head.weight is model.embed.weight
    assert "head.weight" not in parameters(model) and "embed.weight" in parameters(model)
    apart = build(SHAPE | {"tied": False})
    assert apart.head.weight is not apart.embed.weight and "head.weight" in parameters(apart)


def test_under_autocast_losses_and_gradients_stay_close():
    """Also of the models whose heads are not normalised, so that bfloat16 meets float32 angles."""
    for kind in KINDS:
        model, tokens, targets = build(KINDS[kind]), some_tokens(), some_tokens(seed=3)
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
        assert rough.dtype == torch.float32 and difference(exact, rough) < 0.5
        assert abs(exact.mean() - rough.mean()) < 0.02 * exact.mean()
        assert F.cosine_similarity(gradient, rough_gradient, dim=0) > 0.99, kind


def test_whole_models_may_be_bfloat16():
    for kind in KINDS:
        model, tokens = build(KINDS[kind]), some_tokens()
        with torch.no_grad():
            exact, rough = model(tokens), model.bfloat16()(tokens)
        assert rough.dtype == torch.bfloat16
        assert F.cosine_similarity(exact.flatten(), rough.float().flatten(), dim=0) > 0.99, kind


# ---- parts


@every_kind
def test_attention_is_its_formula(kind):
    """Softmax of scaled products, head by head, against scaled_dot_product_attention."""
    model = double(kind)
    c, attention = model.config, model.blocks[0].attn
    assert isinstance(attention, Attention)
    x = torch.randn(1, 6, D, dtype=torch.float64)
    view = transformer.View(c, torch.arange(6)[None], None, None, x.dtype)
    q, k, v = (m(x)[0].view(6, -1, c.head_dim) for m in (attention.q, attention.k, attention.v))
    if attention.q_norm is not None:
        q, k = attention.q_norm(q), attention.k_norm(k)
    if c.position == "rope":
        angles = (torch.arange(6)[:, None] * frequencies(c.head_dim, c.rope_theta)).double()[
            :, None
        ]
        turn = torch.polar(torch.ones_like(angles), angles)
        half = c.head_dim // 2
        q, k = (torch.complex(t[..., :half], t[..., half:]) * turn for t in (q, k))
        q, k = (torch.cat([t.real, t.imag], -1) for t in (q, k))
    out = []
    for head in range(c.n_heads):
        shared = head // (c.n_heads // c.n_kv_heads)
        scores = q[:, head] @ k[:, shared].T / math.sqrt(c.head_dim)
        scores = scores.masked_fill(torch.ones(6, 6).triu(1).bool(), float("-inf"))
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
    model, tokens = build(KINDS[kind]), some_tokens(2, 8)
    with torch.no_grad():
        said = model(tokens, positions=torch.arange(8).expand(2, 8))
        assert torch.equal(model(tokens), said)
        moved = model(tokens, positions=torch.arange(8)[None] * 2)
    assert difference(said, moved) > 1e-3


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
