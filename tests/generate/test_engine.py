"""Generation with a cache, in batches and alone, against full forward passes."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from danlu.errors import DataError
from danlu.generate.engine import Engine, Request, left_padded
from danlu.generate.settings import Sampling
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer

V, MAX_LEN = 40, 24
PROMPTS = [[1, 5, 9, 3], [2], [7, 7, 7, 7, 7, 7, 7, 7, 7], [4, 30], [1, 5, 9, 8]]
GREEDY = Sampling(temperature=0, max_tokens=10)


def build(**parts):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = {"d_model": 16, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "head_dim": 8}
    config = ModelConfig(
        **shape | {"vocab_size": V, "d_ff": 32, "max_len": MAX_LEN, "tied": False} | parts
    )
    model = Transformer(config).double()
    for parameter in model.parameters():  # far from uniform: logits that differ
        nn.init.normal_(parameter, std=0.5)
    return model


@pytest.fixture(scope="module", params=["rope", "learned", "sinusoidal"])
def model(request):
    return build(position=request.param)


def full_forward(model, prompt, n):
    """Greedy tokens, each from the whole text again, without cache or padding."""
    model.eval()
    tokens = list(prompt)
    for _ in range(n):
        with torch.no_grad():
            tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


def test_greedy_is_the_argmax_of_full_forward_passes(model):
    answers = Engine(model).generate(PROMPTS, GREEDY)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        assert answer == full_forward(model, prompt, 10)


@pytest.mark.parametrize("max_rows", [1, 2, 32])
def test_a_batch_says_what_its_rows_say_alone(model, max_rows):
    sampling = Sampling(temperature=1.5, top_p=0.9, repetition_penalty=1.1, max_tokens=9, seed=3)
    ends = range(0, V, 7)  # rows leave at different times
    together = Engine(model, max_rows=max_rows, eos_ids=ends).generate(PROMPTS, sampling)
    assert len({len(a) for a in together}) > 1
    for row, prompt in enumerate(PROMPTS):
        alone = list(Engine(model, eos_ids=ends).stream([Request(prompt, sampling, row)]))
        assert [t.id for t in alone if t.id not in ends] == together[row]


def test_the_row_and_the_seed_choose_the_random_stream(model):
    def say(row, seed):
        sampling = Sampling(temperature=2, top_p=1, max_tokens=8, seed=seed)
        return [t.id for t in Engine(model).stream([Request([3], sampling, row)])]

    assert say(0, 0) == say(0, 0)
    assert len({tuple(say(row, seed)) for row in (0, 1) for seed in (0, 1)}) == 4


def test_each_row_has_its_own_settings_and_length(model):
    requests = [
        Request(prompt, Sampling(temperature=0, max_tokens=n), row)
        for row, (prompt, n) in enumerate(zip(PROMPTS, (3, 12, 1, 7, 5), strict=True))
    ]
    answers = {r.row: [] for r in requests}
    reasons = {}
    for token in Engine(model).stream(requests):
        assert token.row not in reasons
        answers[token.row].append(token.id)
        if token.finish_reason:
            reasons[token.row] = token.finish_reason
    assert reasons == dict.fromkeys(range(5), "length")
    for request in requests:
        expected = full_forward(model, request.prompt, request.sampling.max_tokens)
        assert answers[request.row] == expected


def test_end_tokens_end_a_row(model):
    plain = Engine(model).generate(PROMPTS, GREEDY)
    end = plain[0][2]
    stopped = Engine(model, eos_ids=[end]).generate(PROMPTS, GREEDY)
    for before, after in zip(plain, stopped, strict=True):
        assert after == (before[: before.index(end)] if end in before else before)
    tokens = list(Engine(model, eos_ids=[end]).stream([Request(PROMPTS[0], GREEDY)]))
    assert (tokens[-1].id, tokens[-1].finish_reason) == (end, "stop")


def test_the_context_is_never_exceeded(model):
    """Also where a short row beside a long one makes the cache longer than the context."""
    prompts = [[1], list(range(20)), list(range(23))]
    answers = Engine(model).generate(prompts, Sampling(temperature=0, max_tokens=1000))
    assert [len(a) for a in answers] == [23, 4, 1]
    assert answers[0] == full_forward(model, prompts[0], 23)


def test_a_cancelled_row_stops(model):
    requests = [Request(p, GREEDY, row) for row, p in enumerate(PROMPTS[:2])]
    seen = []
    for token in Engine(model).stream(requests):
        seen.append(token.row)
        if seen.count(1) == 2:
            requests[1].cancelled = True
        if seen.count(0) == 4:  # cancelled from outside its own turn
            requests[0].cancelled = True
    assert (seen.count(0), seen.count(1)) == (4, 2)


def test_nothing_is_computed_for_a_cancelled_row():
    model, calls = build(), []
    model.register_forward_pre_hook(lambda _, args: calls.append(len(args[0])))
    requests = [Request([1], GREEDY), Request([2], GREEDY, row=1)]
    for token in Engine(model).stream(requests):
        requests[token.row].cancelled = True
    assert calls == [2]


def test_a_row_cancelled_by_an_earlier_row_of_the_same_step(model):
    requests = [Request(p, GREEDY, row) for row, p in enumerate(([1], [2]))]
    rows = []
    for token in Engine(model).stream(requests):
        rows.append(token.row)
        requests[1].cancelled = True
    assert rows == [0] * 10


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], "empty"),
        ([1] * MAX_LEN, "too long"),
        ([1, V], "does not know"),
        ([-1], "does not know"),
    ],
)
def test_bad_prompts_are_found_before_the_first_token(model, prompt, message):
    stream = Engine(model).stream([Request([1]), Request(prompt)])
    with pytest.raises(DataError, match=message):
        next(stream)


def test_leaves_the_model_as_it_was(model):
    model.train()
    state = torch.get_rng_state()
    stream = Engine(model).stream([Request([1])])
    next(stream)
    assert not model.training
    stream.close()
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert Engine(model).generate([], GREEDY) == []


def test_dropout_is_off():
    model = build(dropout=0.5).train()
    assert Engine(model).generate(PROMPTS, GREEDY) == Engine(model).generate(PROMPTS, GREEDY)


def test_repetition_penalty_counts_prompt_and_answer(model):
    sampling = Sampling(temperature=0, repetition_penalty=100, max_tokens=15)
    (answer,) = Engine(model).generate([PROMPTS[2]], sampling)
    assert len(set(answer) | {7}) == 16


def test_padding_of_the_vocabulary_is_never_said(model):
    sampling = Sampling(temperature=5, top_p=1, max_tokens=20)
    answers = Engine(model, n_tokens=5).generate([[1], [2, 3]], sampling)
    assert max(max(a) for a in answers) < 5
    assert Engine(model, n_tokens=999).n_tokens == V


def test_the_prompt_is_read_once():
    """Later steps read one token a row: what the cache is for."""
    model, lengths = build(), []
    model.register_forward_pre_hook(lambda _, args: lengths.append(tuple(args[0].shape)))
    Engine(model).generate([[1, 2, 3], [4]], Sampling(temperature=0, max_tokens=4))
    assert lengths == [(2, 3), (2, 1), (2, 1), (2, 1)]


def test_left_padding():
    tokens, positions, segments = left_padded([[8], [1, 2, 3]])
    assert tokens.tolist() == [[0, 0, 8], [1, 2, 3]]
    assert positions.tolist() == [[0, 0, 0], [0, 1, 2]]
    assert segments.tolist() == [[0, 0, 1], [1, 1, 1]]


def test_any_model_that_is_called_like_ours():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.config = SimpleNamespace(max_len=8, vocab_size=8)
            self.one = nn.Parameter(torch.ones(1))

        def forward(self, tokens, *, positions, segments, cache):
            return torch.eye(8)[(tokens + 1) % 8] * 9

    assert Engine(Counts()).generate([[2]], GREEDY) == [[3, 4, 5, 6, 7, 0, 1]]
