"""Streaming text: whole characters, stop texts, and the same for every cut into tokens."""

import json
from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from danlu.errors import DataError
from danlu.generate.settings import Sampling
from danlu.generate.text import TextStream, generate_text, overlap, stream_text
from danlu.tokenizer import Tokenizer, train
from danlu.tokenizer.spelling import Spelling

BOS, END, TURN_END, V = 256, 257, 258, 264


class Bytes:
    """A tokenizer of bytes."""

    vocab_size, bos_id, eos_ids = 259, BOS, (END, TURN_END)
    spelling = Spelling("byte-level")

    def begins(self, before):
        return not before

    def encode(self, text):
        return list(text.encode())

    def token_bytes(self, token):
        return bytes([token]) if token < 256 else b""


class Parrot(nn.Module):
    """Says a script, byte by byte, chosen by the first byte of the prompt; then the end."""

    def __init__(self, scripts, end=END, max_len=2000, vocab_size=V):
        super().__init__()
        self.config = SimpleNamespace(max_len=max_len, vocab_size=vocab_size)
        self.unused = nn.Parameter(torch.zeros(1))
        self.scripts = {ord(k): [*v, end] for k, v in scripts.items()}

    def forward(self, tokens, *, positions, segments, cache):
        if cache.length == 0:
            self.says = [
                self.scripts[next((t for t in row if 0 < t < 256), 0)] for row in tokens.tolist()
            ]
            self.prompt = [int(p[-1]) for p in positions]
            cache.keep_rows = self.keep_rows
        cache.length += tokens.shape[1]
        logits = torch.full((*tokens.shape, self.config.vocab_size), -50.0)
        for row, (said, begin) in enumerate(zip(self.says, self.prompt, strict=True)):
            at = min(int(positions[row, -1]) - begin, len(said) - 1)
            logits[row, -1, said[at]] = 50.0
        return logits

    def keep_rows(self, rows):
        self.says = [self.says[row] for row in rows]
        self.prompt = [self.prompt[row] for row in rows]


def cut(data, places):
    """Bytes in pieces, some of them empty."""
    ends = [*sorted(min(p, len(data)) for p in places), len(data)]
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def pieces(parts, stop=()):
    stream = TextStream(stop)
    out = [stream.push(part) for part in parts]
    return [*out, stream.close()], stream.stopped


texts = st.text(
    st.sampled_from("ab春眠\n🏳️‍🌈👩‍👩‍👧𠮷é̀") | st.characters(exclude_categories=["Cs"]), max_size=30
)
places = st.lists(st.integers(0, 100), max_size=40)


@given(texts, places)
def test_pieces_of_valid_text(text, places):
    out, stopped = pieces(cut(text.encode(), places))
    assert "".join(out) == text
    assert not stopped
    assert sum(p.count("\ufffd") for p in out) == text.count("\ufffd")


@given(texts)
def test_byte_by_byte_each_character_comes_with_its_last_byte(text):
    stream = TextStream()
    for character in text:
        *first, last = (bytes([b]) for b in character.encode())
        assert [stream.push(b) for b in first] == [""] * len(first)
        assert stream.push(last) == character


@given(st.binary(max_size=40), places)
def test_any_bytes_are_as_decoded_at_once(data, places):
    assert "".join(pieces(cut(data, places))[0]) == data.decode("utf-8", errors="replace")


@given(st.binary(max_size=10).map(lambda b: b + "春".encode()[:2]))
def test_half_a_character_is_only_given_up_at_the_end(data):
    stream = TextStream()
    shown = stream.push(data)
    assert shown + stream.close() == data.decode("utf-8", errors="replace")
    assert shown == data[:-2].decode("utf-8", errors="replace")


@pytest.fixture(scope="module")
def trained():
    poem = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。🏳️‍🌈" * 9
    return train([poem] * 4, vocab=290, strict=False)


@given(text=texts)
def test_tokens_of_a_trained_tokenizer(trained, text):
    ids = trained.encode(text)
    out, _ = pieces([trained.token_bytes(i) for i in [trained.bos_id, *ids, *trained.eos_ids]])
    assert "".join(out) == trained.decode(ids) == text


def until_stop(text, stops):
    """The text before the stop text that is complete first; character by character."""
    for end in range(len(text) + 1):
        found = [end - len(s) for s in stops if text[:end].endswith(s)]
        if found:
            return text[: min(found)], True
    return text, False


stops = st.lists(st.text(st.sampled_from("ab春\n"), min_size=1, max_size=4), max_size=3)


@given(st.text(st.sampled_from("ab春\n"), max_size=25), stops, places)
def test_stop_texts_for_every_cut(text, stops, places):
    out, stopped = pieces(cut(text.encode(), places), stops)
    assert ("".join(out), stopped) == until_stop(text, stops)


@given(st.text(st.sampled_from("ab春\n"), max_size=25), stops, places)
def test_nothing_is_held_back_without_need(text, stops, places):
    """What is not shown yet is the beginning of a stop text, or half a character."""
    stream, shown, data = TextStream(stops), "", b""
    for part in cut(text.encode(), places):
        shown, data = shown + stream.push(part), data + part
        if stream.stopped:
            return
        held = data.decode(errors="ignore")[len(shown) :]
        assert held == "" or any(s.startswith(held) and s != held for s in stops)


def test_overlap():
    assert overlap("abc", "cd") == 1
    assert overlap("aab", "abab") == 2
    assert overlap("x", "cd") == overlap("", "cd") == 0
    assert overlap("ab", "ab") == 0  # the whole stop text is a match, not a beginning


def test_the_stop_text_that_is_complete_first_wins():
    for parts in ([b"abb"], [b"a", b"b", b"b"]):
        assert "".join(pieces(parts, ["abb", "b"])[0]) == "a"
    assert pieces([b"xabb"], ["bb", "abb"])[0] == ["x", ""]  # both at once: the longer one


def test_nothing_comes_after_the_stop():
    stream = TextStream(["."])
    assert [stream.push(b"a.b"), stream.push(b"c"), stream.close()] == ["a", "", ""]


def test_completions():
    model = Parrot({"a": "春眠不觉晓🏳️‍🌈".encode(), "b": b"one\nUser: two", "c": b"x" * 50})
    sampling = Sampling(temperature=0, stop=["\nUser:"], max_tokens=40)
    first, second, third = generate_text(model, Bytes(), ["a long one", "b", "c"], sampling)
    assert (first.text, first.finish_reason) == ("春眠不觉晓🏳️‍🌈", "stop")
    assert first.tokens == list("春眠不觉晓🏳️‍🌈".encode())
    assert (second.text, second.finish_reason) == ("one", "stop")
    assert bytes(second.tokens) == b"one\nUser:"
    assert (third.text, third.finish_reason, len(third.tokens)) == ("x" * 40, "length", 40)


def test_the_end_of_a_turn_ends_and_is_not_shown():
    (found,) = generate_text(Parrot({"a": b"hi"}, end=TURN_END), Bytes(), ["a"])
    assert (found.text, found.finish_reason, found.tokens) == ("hi", "stop", [104, 105])


def test_a_beginning_of_a_stop_text_is_shown_at_the_end():
    sampling = Sampling(temperature=0, stop=["\nUser:"])
    (found,) = generate_text(Parrot({"a": b"one\nUs"}), Bytes(), ["a"], sampling)
    assert (found.text, found.finish_reason) == ("one\nUs", "stop")


def test_half_a_character_at_the_end_is_replaced():
    sampling = Sampling(temperature=0, max_tokens=5)
    (found,) = generate_text(Parrot({"a": "春眠".encode()}), Bytes(), ["a"], sampling)
    assert (found.text, found.finish_reason) == ("春\ufffd", "length")


def test_a_stop_text_in_the_last_token_is_a_stop():
    sampling = Sampling(temperature=0, max_tokens=3, stop=["c"])
    (found,) = generate_text(Parrot({"a": b"abcdef"}), Bytes(), ["a"], sampling)
    assert (found.text, found.finish_reason) == ("ab", "stop")


def test_streaming_is_the_same_text():
    model = Parrot({"a": "春眠\n不觉晓🏳️‍🌈 ok".encode()})
    sampling = Sampling(temperature=0, stop=["\n\n"])
    parts = list(stream_text(model, Bytes(), "a", sampling))
    assert parts == [*"春眠", "\n不", *"觉晓🏳️‍🌈 ok"]
    assert "".join(parts) == generate_text(model, Bytes(), ["a"], sampling)[0].text


def test_a_prompt_of_ids_is_taken_as_it_is():
    model = Parrot({"a": b"hi"})
    assert generate_text(model, Bytes(), [[BOS, 97]])[0].text == "hi"
    assert "".join(stream_text(model, Bytes(), [97])) == "hi"


def test_a_prompt_that_is_too_long():
    with pytest.raises(DataError, match="too long"):
        generate_text(Parrot({"a": b""}, max_len=4), Bytes(), ["a" * 4])


# ---- where a space is put before every text


def llama(scheme):
    """Metaspace pieces with a space before every text, as Llama 2's ("always") and newer files."""
    made = train(["the moon, 明月 and the sea "] * 20, vocab=384, kind="metaspace", strict=False)
    core = json.loads(made.contents["tokenizer.json"])
    if scheme == "always":
        core["normalizer"] = {
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": "▁"}, core["normalizer"]],
        }
    else:
        core["normalizer"] = None
        cut = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
        core["pre_tokenizer"] = cut
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    core["decoder"]["decoders"].append(strip)
    return Tokenizer({**made.contents, "tokenizer.json": json.dumps(core).encode()})


@pytest.mark.parametrize("scheme", ["always", "first"])
def test_text_begins_without_the_space_that_was_put_there_and_goes_on_with_its_own(scheme):
    tokenizer = llama(scheme)
    turn = tokenizer.special["<|im_start|>"]
    said = tokenizer.encode("the moon 龘 明月", inside=False)
    inside = tokenizer.encode("the moon 龘 明月", inside=True)
    assert tokenizer.decode(said) == "the moon 龘 明月" and said != inside
    bos, end = tokenizer.bos_id, tokenizer.eos_ids[0]
    mark = 7  # some token by which the model knows what to say
    cases = {  # what the model writes behind a prompt, and how it reads
        "behind a document's beginning": ([bos], said, "the moon 龘 明月"),
        "behind text": ([bos, mark], said, " the moon 龘 明月"),
        "inside a word": ([bos, mark], inside, "the moon 龘 明月"),
        "behind a turn's beginning": (
            [bos, mark, turn],
            said if scheme == "always" else inside,
            "the moon 龘 明月",
        ),
    }
    for name, (prompt, ids, text) in cases.items():
        model = Parrot({}, vocab_size=tokenizer.vocab_size)
        model.scripts = defaultdict(lambda ids=ids: [*ids, end])
        assert "".join(stream_text(model, tokenizer, prompt)) == text, name
        assert generate_text(model, tokenizer, [prompt])[0].text == text, name
