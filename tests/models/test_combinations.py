"""Any knobs that go together make a model that keeps its promises; others are refused, and why.

The default run draws a few dozen models for each promise. `make soak` draws thousands, which keep
all of them, and says how many different ones they were (`make soak ARGS="-s -k combinations"`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from combinations import LONGEST, VOCAB, anything, sensible
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_examples import randomise
from pydantic import ValidationError
from torch import Tensor

from danlu.models import count
from danlu.models.cache import KVCache
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer, balance, parameters
from danlu.types import IGNORE

EXACT = 1e-9
"""Tolerance in float64, relative to the largest number: only the order of additions may differ."""

seeds = st.integers(0, 2**20)


def built(knobs: dict[str, Any], dtype: torch.dtype = torch.float64, **more: Any) -> Transformer:
    return randomise(Transformer(ModelConfig(**knobs | more)).to(dtype)).eval()


def text(rows: int, length: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, VOCAB, (rows, length), generator=generator)


def say(model: Transformer, tokens: Tensor, source: Tensor | None = None, **more: Any) -> Tensor:
    """The model's answer; the kind of a token follows from its id, the source is of one length."""
    kinds = model.config.n_token_types
    if kinds:
        more["token_types"] = tokens % kinds
    if model.encoder is not None:
        more["source"] = source if source is not None else text(len(tokens), 6, 77)
    return model(tokens, **more)


def assert_same(got: Tensor, want: Tensor, what: str = "") -> None:
    assert got.shape == want.shape and torch.isfinite(want).all(), what
    assert (got - want).abs().max() <= EXACT * (1 + want.abs().max()), what


# ---- what every model promises


def losses_are_those_of_its_logits(model: Transformer, dice: random.Random) -> None:
    tokens, targets = text(2, 9, 1), text(2, 9, 2)
    targets[0, dice.randrange(9)] = IGNORE
    logits = say(model, tokens)
    assert logits.shape == (2, 9, VOCAB) and logits.dtype == torch.float64
    want = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    assert_same(say(model, tokens, targets=targets).flatten(), want)


def reach(model: Transformer, length: int) -> Tensor:
    """Which tokens may influence each place, bool [T, T]: layer by layer, who sees whom."""
    c, found = model.config, torch.eye(length, dtype=torch.bool)
    for layer in range(c.n_layers):
        sees = torch.zeros(length, length, dtype=torch.bool)
        for q in range(length):
            for k in range(length):
                later, far = k > q, abs(k - q) >= c.window
                sees[q, k] = not (later and c.kind != "encoder") and not (c.is_local(layer) and far)
        found = (sees.float() @ found.float()) > 0
    return found


def it_sees_what_it_should_and_no_more(model: Transformer, dice: random.Random) -> None:
    """By gradient: never a later token in a decoder, never one outside the windows' reach.

    Of what the head reads: it reads each place alone, and a ReLU in it may let nothing through.
    """
    length, embedded, read = 9, [], []
    hooks = [
        model.embed.register_forward_hook(lambda *args: embedded.append(args[2])),
        model.norm.register_forward_hook(lambda *args: read.append(args[2])),
    ]
    say(model, text(1, length, dice.randrange(99)))
    for hook in hooks:
        hook.remove()
    (hidden,) = read
    direction = torch.randn(hidden.shape[-1], generator=torch.manual_seed(3)).double()
    for at, allowed in enumerate(reach(model, length)):
        asked = (hidden[0, at] * direction).sum()
        *source, own = torch.autograd.grad(asked, embedded, retain_graph=True)
        assert torch.equal(own[0].abs().amax(-1) > 0, allowed), at
        assert all((gradient[0].abs().amax(-1) > 0).all() for gradient in source)


def cached_decoding_is_the_full_pass(model: Transformer, dice: random.Random) -> None:
    if model.config.kind == "encoder":
        return
    tokens, cache, parts = text(3, LONGEST, 1), KVCache(), []
    cuts = sorted({0, LONGEST, *(dice.randrange(1, LONGEST) for _ in range(dice.randrange(6)))})
    rows = torch.tensor(dice.sample(range(3), 2))
    left = dice.choice(cuts[1:-1] or [LONGEST])
    with torch.no_grad():
        full = say(model, tokens)
        for start, end in pairwise(cuts):
            parts.append(say(model, tokens[:, start:end], cache=cache))
            if end == left and left < LONGEST:
                break
        assert_same(torch.cat(parts, 1), full[:, : cache.length])
        if left < LONGEST:  # and rows may leave
            cache.keep_rows(rows)
            assert_same(say(model, tokens[rows, left:], cache=cache), full[rows, left:])


def a_row_of_a_batch_is_the_row_alone(model: Transformer, dice: random.Random) -> None:
    tokens, source = text(3, 11, 1), text(3, 6, 2)
    together = say(model, tokens, source)
    for row in range(3):
        one = slice(row, row + 1)
        assert_same(say(model, tokens[one], source[one])[0], together[row])


def padded(rows: list[Tensor], *, left: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, positions and segments [B, T] of rows of different lengths."""
    longest = max(map(len, rows)) + 1
    out = [torch.full((len(rows), longest), 5), *torch.zeros(2, len(rows), longest).long()]
    for row, own in enumerate(rows):
        place = slice(longest - len(own), None) if left else slice(0, len(own))
        for table, value in zip(out, (own, torch.arange(len(own)), 1), strict=True):
            table[row, place] = value
    return out[0], out[1], out[2]


def padding_is_invisible(model: Transformer, dice: random.Random) -> None:
    """On the left in a decoder, on the right in an encoder, while decoding too."""
    left, both = model.config.kind != "encoder", model.encoder is not None
    texts = [text(1, dice.randrange(1, 10), row)[0] for row in range(3)]
    sources = [text(1, dice.randrange(1, 8), 9 + row)[0] for row in range(3)]
    tokens, positions, segments = padded(texts, left=left)
    source, _, source_segments = padded(sources, left=False)
    more: dict[str, Any] = {"cache": KVCache()} if left else {}
    more |= {"source": source, "source_segments": source_segments} if both else {}
    with torch.no_grad():
        got = say(model, tokens, positions=positions, segments=segments, **more)
        for row, own in enumerate(texts):
            alone = say(model, own[None], sources[row][None])
            place = slice(-len(own), None) if left else slice(0, len(own))
            assert_same(got[row, place], alone[0])
        if not left:
            return
        segments = torch.cat([segments, torch.ones(3, 1).long()], 1)
        last = text(3, 1, 40)
        got = say(model, last, positions=positions[:, -1:] + 1, segments=segments, **more)
        for row, own in enumerate(texts):
            alone = say(model, torch.cat([own, last[row]])[None], sources[row][None])
            assert_same(got[row, -1], alone[0, -1])


def packed(lengths: list[int]) -> tuple[Tensor, Tensor]:
    """Positions and segments [1, T] of documents that share a row."""
    positions = torch.cat([torch.arange(n) for n in lengths])
    segments = torch.cat([torch.full((n,), number) for number, n in enumerate(lengths)])
    return positions[None], segments[None]


def packed_documents_are_as_if_apart(model: Transformer, dice: random.Random) -> None:
    """Losses and gradients, of pairs of source and target too."""
    lengths = [dice.randrange(1, 8) for _ in range(dice.randrange(2, 4))]
    of_sources = [dice.randrange(1, 6) for _ in lengths]
    tokens, targets = text(1, sum(lengths), 1), text(1, sum(lengths), 2)
    targets[0, 0] = IGNORE
    source = text(1, sum(of_sources), 3)
    weigh = torch.linspace(0.5, 2, sum(lengths), dtype=torch.float64)
    more = {}
    if model.encoder is not None:
        more["source_positions"], more["source_segments"] = packed(of_sources)
    positions, segments = packed(lengths)
    asked = {"targets": targets, "positions": positions, "segments": segments}
    together = say(model, tokens, source, **asked, **more)
    apart = [
        say(model, t, s, targets=g)
        for t, s, g in zip(
            tokens.split(lengths, 1),
            source.split(of_sources, 1),
            targets.split(lengths, 1),
            strict=True,
        )
    ]
    assert_same(together, torch.cat(apart, 1))
    weights = parameters(model)
    one, other = (
        torch.autograd.grad((nll * weigh).sum(), list(weights.values()), allow_unused=True)
        for nll in (together, torch.cat(apart, 1))
    )
    for name, a, b in zip(weights, one, other, strict=True):
        assert a is not None and b is not None, name
        assert_same(a, b, name)


def learns_nothing(name: str, c: ModelConfig) -> bool:
    """Whether a weight's gradient is or may be zero by the nature of things."""
    if name.endswith(("k.bias", "k_norm.bias")):
        return True  # softmax forgets what all keys share, rotations excepted
    if ".experts." in name:
        return True  # it may have been nobody's choice
    if "router" in name:
        return c.n_experts == 1
    alone = c.window == 1  # then softmax has one number to choose from
    return alone and any(part in name for part in ("attn.q", "attn.k", "distance"))


def every_weight_learns(model: Transformer, dice: random.Random) -> None:
    loss = say(model, text(3, 12, 1), targets=text(3, 12, 2)).sum()
    spread = balance(model)
    assert (spread is None) == (not any("router" in name for name in parameters(model)))
    (loss if spread is None else loss + spread).backward()
    for name, weight in parameters(model).items():
        assert weight.grad is not None and torch.isfinite(weight.grad).all(), name
        assert (weight.grad != 0).any() or learns_nothing(name, model.config), name


def it_is_as_large_as_counted(model: Transformer, dice: random.Random) -> None:
    assert count.parameters(model.config) == sum(p.numel() for p in parameters(model).values())


def dropout_is_for_training(model: Transformer, dice: random.Random) -> None:
    tokens, knobs = text(2, 9, 1), model.config.model_dump()
    with torch.no_grad():
        other = built(knobs, dropout=0.5)
        assert torch.equal(say(other, tokens), say(model, tokens))
        assert not torch.equal(say(other.train(), tokens), say(other, tokens))


def bfloat16_is_close(model: Transformer, dice: random.Random) -> None:
    """Under autocast, and as a whole: about as close as with weights that are off by 2^-8.

    Of experts the choice may change, so that nothing is near.
    """
    knobs, tokens, targets = model.config.model_dump(), text(3, 12, 1), text(3, 12, 2)
    exact, off = say(model, tokens).flatten(), built(knobs)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in off.parameters():
            weight.mul_(1 + 2**-8 * (2 * torch.rand(weight.shape, generator=generator) - 1))
        shaken = F.cosine_similarity(exact, say(off, tokens).flatten(), dim=0)
        whole = say(built(knobs, torch.float32).bfloat16(), tokens)
    mixed = built(knobs, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        logits, nll = say(mixed, tokens), say(mixed, tokens, targets=targets)
    nll.sum().backward()
    assert nll.dtype == torch.float32 and whole.dtype == torch.bfloat16
    assert all(torch.isfinite(p.grad).all() for p in mixed.parameters())
    for rough in (whole, logits):
        near = F.cosine_similarity(exact, rough.flatten().double(), dim=0)
        assert model.config.n_experts or 1 - near < 0.02 + 4 * (1 - shaken), near


PROMISES: list[Callable[[Transformer, random.Random], None]] = [
    losses_are_those_of_its_logits,
    it_sees_what_it_should_and_no_more,
    cached_decoding_is_the_full_pass,
    a_row_of_a_batch_is_the_row_alone,
    padding_is_invisible,
    packed_documents_are_as_if_apart,
    every_weight_learns,
    it_is_as_large_as_counted,
    dropout_is_for_training,
    bfloat16_is_close,
]

slow_to_draw = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@settings(max_examples=20, suppress_health_check=slow_to_draw)
@given(knobs=sensible(), seed=seeds)
def test_every_combination(promise, knobs, seed):
    promise(built(knobs), random.Random(seed))


@settings(max_examples=100, suppress_health_check=slow_to_draw)
@given(anything)
def test_what_cannot_be_is_refused_and_what_is_not_works(knobs):
    works_or_says_why(knobs)


def works_or_says_why(knobs: dict[str, Any]) -> bool:
    knobs = {"vocab_size": VOCAB, "max_len": LONGEST, "d_ff": 8} | knobs
    try:
        config = ModelConfig(**knobs)
    except ValidationError as error:
        (problem,) = error.errors()
        assert any(name in problem["msg"] for name in knobs), problem["msg"]
        return False
    with torch.no_grad():
        logits = say(randomise(Transformer(config)).eval(), text(2, 9, 1))
    assert logits.shape == (2, 9, VOCAB) and torch.isfinite(logits).all()
    return True


# ---- the long run


def signature(knobs: dict[str, Any]) -> tuple[Any, ...]:
    """Which combination it is: all but the factors of longrope, which are any numbers."""
    return tuple(sorted((k, v) for k, v in knobs.items() if k not in ("rope_short", "rope_long")))


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_thousands_of_combinations(capsys):
    found: set[tuple[Any, ...]] = set()
    answers = {True: 0, False: 0}

    @settings(max_examples=4000, derandomize=False, suppress_health_check=slow_to_draw)
    @given(sensible(), seeds)
    def keep_all_promises(knobs, seed):
        if signature(knobs) in found:
            return
        model = built(knobs)
        for promise in PROMISES:
            promise(model, random.Random(seed))
            model.zero_grad()
        found.add(signature(knobs))

    @settings(max_examples=5000, derandomize=False, suppress_health_check=slow_to_draw)
    @given(anything)
    def keep_or_refuse(knobs):
        answers[works_or_says_why(knobs)] += 1

    keep_all_promises()
    keep_or_refuse()
    with capsys.disabled():
        print(f"\n{len(found)} different combinations kept all {len(PROMISES)} promises;")
        print(f"of {sum(answers.values())} random ones {answers[False]} were refused with a reason")
