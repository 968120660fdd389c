"""Conversations as ids: what is trained, what can never be a control token, what is refused."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spelling_examples import family
from tokenizer_examples import (
    FORGETFUL,
    GEMMA,
    GLUE,
    LLAMA3,
    MISTRAL,
    NASTY,
    PHI3,
    QWEN,
    foreign,
    spiteful,
    talk,
    trained,
    with_template,
)

from danlu.errors import DataError
from danlu.tokenizer import Tokenizer, encode_chat, template_process
from danlu.tokenizer.chat import NONCHARACTERS
from danlu.tokenizer.template import CHATML, compiled
from danlu.types import Message

KINDS = ["llama3", "gemma", "mistral"]

TEMPLATES = {
    "ChatML": ("qwen2", CHATML),
    "Qwen": ("qwen2", QWEN),
    "Llama 3": ("llama3", LLAMA3),
    "gemma": ("gemma", GEMMA),
    "Mistral": ("llama2", MISTRAL),
    "Mistral since 0.3": ("llama2_new", MISTRAL),
    "Phi 3": ("phi3", PHI3),
}
"""Templates in the style of a family, and the family whose tokenizer goes with it."""


def control(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    """The control tokens among ids, by name."""
    names = {number: name for name, number in tokenizer.special.items()}
    return [names[number] for number in ids if number in names]


def parts(tokenizer: Tokenizer, encoded) -> list[tuple[bool, str]]:
    """Runs of equal training mark, with control tokens spelled out."""
    names = {number: name for name, number in tokenizer.special.items()}
    runs: list[tuple[bool, bytes]] = []
    for number, flag in zip(encoded.ids, encoded.trained, strict=True):
        piece = names[number].encode() if number in names else tokenizer.token_bytes(number)
        if runs and runs[-1][0] == flag:
            runs[-1] = flag, runs[-1][1] + piece
        else:
            runs.append((flag, piece))
    return [(flag, piece.decode()) for flag, piece in runs]


# ---- what is trained


def test_answers_and_their_end_tokens_are_trained_and_nothing_else(tokenizer):
    encoded = encode_chat(tokenizer, talk("Hi", "Hello.", "More?", "No.", system="Be brief."))
    assert parts(tokenizer, encoded) == [
        (
            False,
            "<|endoftext|><|im_start|>system\nBe brief.<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
        ),
        (True, "Hello.<|im_end|>"),
        (False, "\n<|im_start|>user\nMore?<|im_end|>\n<|im_start|>assistant\n"),
        (True, "No.<|im_end|>"),
        (False, "\n"),
    ]


def test_other_families_end_their_turns_differently():
    assert parts(foreign("llama3"), encode_chat(foreign("llama3"), talk("Hi", "Hello. "))) == [
        (
            False,
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        (True, "Hello.<|eot_id|>"),
    ]
    assert parts(foreign("gemma"), encode_chat(foreign("gemma"), talk("Hi", "Hello.", "So?"))) == [
        (False, "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"),
        (True, "Hello.<end_of_turn>"),
        (False, "\n<start_of_turn>user\nSo?<end_of_turn>\n"),
    ]
    assert parts(foreign("mistral"), encode_chat(foreign("mistral"), talk("Hi", "Hello."))) == [
        (False, "<s>[INST] Hi [/INST]"),
        (True, " Hello.</s>"),
    ]


def test_an_answer_without_an_end_token_is_trained_whole(tokenizer):
    plain = with_template(
        tokenizer, "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    )
    assert parts(plain, encode_chat(plain, talk("Hi", "Hello."))) == [
        (False, "user: Hi\n"),
        (True, "assistant: Hello.\n"),
    ]


def test_two_answers_in_a_row_are_both_trained(tokenizer):
    messages = [Message("assistant", "a"), Message("assistant", "b")]
    trained_parts = [
        text for flag, text in parts(tokenizer, encode_chat(tokenizer, messages)) if flag
    ]
    assert trained_parts == ["a<|im_end|>", "b<|im_end|>"]


def test_an_empty_answer_is_its_end_token(tokenizer):
    encoded = encode_chat(tokenizer, talk("Hi", ""))
    assert [text for flag, text in parts(tokenizer, encoded) if flag] == ["<|im_end|>"]


def test_a_conversation_without_answers_trains_nothing(tokenizer):
    assert not any(encode_chat(tokenizer, talk("Hi")).trained)
    empty = encode_chat(tokenizer, [])
    assert control(tokenizer, empty.ids) == ["<|endoftext|>"]


@pytest.mark.parametrize("kind", ["own", *KINDS])
def test_a_document_begins_once(kind):
    tokenizer = trained() if kind == "own" else foreign(kind)
    for messages in (talk("Hi"), talk("Hi", "Hello."), talk("a", "b", "c", "d")):
        ids = encode_chat(tokenizer, messages).ids
        assert ids[0] == tokenizer.bos_id and ids.count(tokenizer.bos_id) == 1


# ---- training = serving


contents = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | spiteful


@given(st.lists(contents, min_size=1, max_size=5))
def test_the_prompt_that_is_served_is_the_one_that_was_trained(texts):
    tokenizer = trained()
    messages = talk(*texts)
    whole = encode_chat(tokenizer, messages)
    assert len(whole.ids) == len(whole.trained)
    for n in range(1, len(messages), 2):
        prompt = encode_chat(tokenizer, messages[:n], add_generation_prompt=True)
        assert whole.ids[: len(prompt.ids)] == prompt.ids
        answer = tokenizer.encode(messages[n].content)
        after = whole.ids[len(prompt.ids) :]
        assert after[: len(answer) + 1] == [*answer, 2], "the answer as it would be generated"
        assert all(whole.trained[len(prompt.ids) :][: len(answer) + 1])
        assert not prompt.trained[-1]


# ---- what people write is never a control token


@given(st.lists(contents, min_size=1, max_size=5))
def test_whatever_is_said_the_template_keeps_its_control_tokens_and_the_text_its_words(texts):
    tokenizer = trained()
    encoded = encode_chat(tokenizer, talk(*texts))
    benign = encode_chat(tokenizer, talk(*("x" * len(texts))))
    assert control(tokenizer, encoded.ids) == control(tokenizer, benign.ids)
    spelled = "".join(text for _, text in parts(tokenizer, encoded))
    roles = ("user", "assistant")
    assert spelled == "<|endoftext|>" + "".join(
        f"<|im_start|>{roles[n % 2]}\n{text}<|im_end|>\n" for n, text in enumerate(texts)
    )


@pytest.mark.parametrize("kind", ["own", "reserved", *KINDS])
def test_every_special_token_in_a_message_stays_text(kind):
    tokenizer = {"own": trained, "reserved": lambda: trained(9000)}.get(
        kind, lambda: foreign(kind)
    )()
    assert kind != "reserved" or len(tokenizer.special) == 68
    benign = control(tokenizer, encode_chat(tokenizer, talk("x", "x")).ids)
    for name in tokenizer.special:
        for texts in ((name, "x"), ("x", name), (f"a {name}b", f"{name}{name}")):
            encoded = encode_chat(tokenizer, talk(*texts))
            assert control(tokenizer, encoded.ids) == benign
            assert all(text.strip() in tokenizer.decode(encoded.ids) for text in texts)


@pytest.mark.parametrize("kind", ["own", "llama3", "gemma"])
def test_fragments_in_neighbouring_messages_never_join(kind):
    tokenizer = trained() if kind == "own" else foreign(kind)
    glued = with_template(tokenizer, GLUE)
    benign = control(tokenizer, encode_chat(tokenizer, talk("x", "x")).ids)
    for name in tokenizer.special:
        for cut in range(1, len(name)):
            texts = name[:cut], name[cut:]
            encoded = encode_chat(tokenizer, talk(*texts))
            assert control(tokenizer, encoded.ids) == benign
            for roles in (("user", "user"), ("user", "assistant"), ("assistant", "user")):
                messages = [Message(r, t) for r, t in zip(roles, texts, strict=True)]
                stuck = encode_chat(glued, messages)
                assert control(glued, stuck.ids) == []
                assert glued.decode(stuck.ids) == name


def test_a_template_that_completes_what_a_message_begins(tokenizer):
    """`<` + content + `>`: content alone is harmless, the rendered text is not."""
    wrapped = with_template(tokenizer, "{% for m in messages %}<{{ m.content }}>{% endfor %}")
    encoded = encode_chat(wrapped, talk("|im_end|"))
    assert control(wrapped, encoded.ids) == [] and wrapped.decode(encoded.ids) == "<|im_end|>"


def test_content_that_holds_the_mark_itself(tokenizer):
    text = "".join(NONCHARACTERS[:-1]) + "<|im_end|>"
    encoded = encode_chat(tokenizer, talk(text))
    assert text in tokenizer.decode(encoded.ids)
    with pytest.raises(DataError, match="noncharacters"):
        encode_chat(tokenizer, talk("".join(NONCHARACTERS)))


def test_a_role_cannot_smuggle_control_tokens(tokenizer):
    with pytest.raises(DataError, match="role") as caught:
        encode_chat(tokenizer, [Message("user<|im_end|>", "Hi")])  # type: ignore[arg-type]
    assert "system, user, assistant" in str(caught.value)


def test_nasty_content_is_kept(tokenizer):
    assert NASTY in tokenizer.decode(encode_chat(tokenizer, talk(NASTY, NASTY)).ids)


# ---- templates


def test_a_template_that_rewrites_history_is_refused(tokenizer):
    forgetful = with_template(tokenizer, FORGETFUL)
    encode_chat(forgetful, talk("a", "b"))
    with pytest.raises(DataError, match="rewrites earlier turns") as caught:
        encode_chat(forgetful, talk("a", "b", "c", "d"))
    assert "from left to right" in str(caught.value)


def test_a_tokenizer_without_a_template():
    files = dict(foreign("gemma").contents) | {"tokenizer_config.json": b"{}"}
    with pytest.raises(DataError, match="no chat template"):
        encode_chat(Tokenizer(files), talk("Hi"))


@pytest.mark.parametrize("template", ["{% for %}", "{{ x", "{% unknown %}", "{{ 1 | nofilter }}"])
def test_a_template_that_is_not_jinja(tokenizer, template):
    with pytest.raises(DataError, match="not valid Jinja"):
        encode_chat(with_template(tokenizer, template), talk("Hi"))


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ raise_exception.__globals__['json'] }}",
        "{{ '{0.__class__.__mro__}'.format(1) ~ namespace.__init__.__globals__ }}",
        "{{ range(1000000000) | list | length }}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
    ],
)
def test_a_template_cannot_leave_its_sandbox(tokenizer, template):
    with pytest.raises(DataError, match="refuses this conversation"):
        encode_chat(with_template(tokenizer, template), talk("Hi"))


def test_what_a_template_complains_about_is_passed_on():
    with pytest.raises(DataError, match="System role not supported"):
        encode_chat(foreign("gemma"), talk("Hi", "Hello.", system="Be brief."))
    with pytest.raises(DataError, match="must alternate"):
        encode_chat(foreign("gemma"), [Message("user", "a"), Message("user", "b")])


def test_templates_may_use_what_transformers_gives_them(tokenizer):
    """Newlines after blocks trimmed, loop controls, no tools, JSON without HTML escapes."""
    template = (
        "{% if tools is not none %}{{ raise_exception('tools?') }}{% endif %}\n"
        "   {% for m in messages %}\n"
        "{% if loop.index0 == 1 %}{% break %}{% endif %}\n"
        "{{ m.content | tojson }}\n"
        "   {% endfor %}"
    )
    rendered = with_template(tokenizer, template)
    ids = encode_chat(rendered, [Message("user", "é<b>'\n"), Message("user", "2")]).ids
    assert rendered.decode(ids) == '"é<b>\'\\n"\n'


# ---- time and memory


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{{ f(n - 1) if n }}{{ f(n - 1) if n }}{% endmacro %}{{ f(60) }}",
        "{% set n = namespace(x='ab') %}{% for a in range(60) %}{% set n.x = n.x ~ n.x %}"
        "{% endfor %}{{ n.x | length }}",
        "{{ (10 ** 10) ** (10 ** 10) }}",
        "{{ 'x' * 10 ** 11 }}",
        "{{ 'x' | center(10 ** 11) }}",
        "{{ '%999999999999d' % 1 }}",
        "{{ (['x' * 1000000] * 1000000) | join }}",
        "{{ lipsum(n=10 ** 9) }}",
        "{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}",
    ],
)
def test_a_template_has_little_time_and_memory(tokenizer, template, monkeypatch):
    """Nothing that it writes down makes this process slow or large, and the next one works."""
    monkeypatch.setattr(template_process, "SECONDS", 0.5)
    hostile = with_template(tokenizer, template)
    began = time.monotonic()
    for _ in range(2):  # its process is started again
        with pytest.raises(DataError, match=r"refuses this conversation|not valid Jinja"):
            encode_chat(hostile, talk("Hi"))
    assert time.monotonic() - began < 30
    assert encode_chat(foreign("gemma"), talk("Hi")).ids


def test_a_template_that_cannot_be_compiled(tokenizer):
    for template in ("{% if x %}" * 200 + "{% endif %}" * 200, "{{ " + "(" * 9999 + ")" * 9999):
        with pytest.raises(DataError, match="not valid Jinja"):
            encode_chat(with_template(tokenizer, template), talk("Hi"))


def test_a_template_knows_nothing_of_the_environment(tokenizer, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THIS_TEST", "x")
    process = compiled("{{ 1 }} nobody else has this one").process
    environ = Path(f"/proc/{process.pid}/environ")
    if environ.is_file():
        assert b"SECRET_OF_THIS_TEST" not in environ.read_bytes()


def test_many_threads_may_ask_one_template():
    tokenizer = foreign("llama3")
    want = [encode_chat(tokenizer, talk(str(n))).ids for n in range(20)]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: encode_chat(tokenizer, talk(str(n))).ids, range(20))
        assert list(found) == want


# ---- as transformers


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("prompt", [False, True])
def test_ids_are_those_of_transformers(name, prompt, tmp_path):
    """For tokenizers of the family, with what people write being harmless."""
    from transformers import AutoTokenizer

    family_name, template = TEMPLATES[name]
    own = with_template(Tokenizer(family(family_name)), template)
    own.save(tmp_path)
    other = AutoTokenizer.from_pretrained(tmp_path)
    talks = [
        talk("Hi"),
        talk("床前明月光?", "疑是地上霜。", "And  then?\n"),
        talk("a <b> & 'c'", " Hello.\n\nBye. ", "x"),
    ]
    if name != "gemma":
        talks.append(talk("Hi", "Hello.", "So?", system="Be brief."))
    for messages in talks:
        rows = [{"role": m.role, "content": m.content} for m in messages]
        asked = {"tokenize": True, "return_dict": False, "add_generation_prompt": prompt}
        want = other.apply_chat_template(rows, **asked)
        assert encode_chat(own, messages, add_generation_prompt=prompt).ids == want


def test_the_functions_are_those_of_transformers(tmp_path, tokenizer):
    from transformers import AutoTokenizer

    template = (
        "{{ strftime_now('%Y') }}{{ messages | tojson(indent=2) }}{{ dict(a=1) | tojson }}"
        "{% set n = namespace(x=1) %}{% for m in messages %}{% set n.x = n.x + 1 %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% continue %}{% endfor %}{{ n.x }}"
    )
    own = with_template(tokenizer, template)
    own.save(tmp_path)
    other = AutoTokenizer.from_pretrained(tmp_path)
    rows = [{"role": "user", "content": "<é>"}]
    want = other.apply_chat_template(rows, tokenize=False)
    assert own.decode(encode_chat(own, [Message("user", "<é>")]).ids) == want
    for bad in (
        "{% set n = namespace(__init__=1) %}",
        "{% set n = namespace() %}{% set n._a = 1 %}",
    ):
        with pytest.raises(DataError, match="cannot have the attribute"):
            encode_chat(with_template(tokenizer, bad), talk("Hi"))
