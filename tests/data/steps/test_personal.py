from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any

import planted
import pytest
from data_examples import FABLE, POEM
from hypothesis import given
from hypothesis import strategies as st

from danlu import config
from danlu.data import credentials
from danlu.data.personal_numbers import is_id_card, is_luhn
from danlu.data.settings import PERSONAL_KINDS, PersonalSettings, PrepareSettings
from danlu.data.steps import personal
from danlu.errors import ConfigError

Run = Callable[..., list[dict[str, Any]]]

MADE = {name: getattr(planted, name) for name in PERSONAL_KINDS}
RECALL, PLANTED = 0.99, 600


@pytest.mark.parametrize("kind", MADE)
def test_recall_of_planted_items(kind: str, run_step: Run) -> None:
    pairs = planted.plant(MADE[kind], PLANTED, seed=11)
    step = personal.Personal()
    result = run_step(step, *(sentence for _, sentence in pairs))
    mask = personal.KINDS[kind].mask
    missed = [
        sentence
        for (item, sentence), row in zip(pairs, result, strict=True)
        if mask not in row["text"] or core(item) in row["text"]
    ]
    assert len(missed) <= (1 - RECALL) * PLANTED, missed
    assert step.stats()[kind] >= RECALL * PLANTED


def core(item: str) -> str:
    """The last part of an item: no mask may leave it."""
    return item[-8:]


NEGATIVE = {
    "email": """
        user@example.com, a@b.example, root@localhost, git@github.com:a/b.git, x @ y
        @danlu,, 3 @-@ year @-@ old, icon@2x.png, a@@b.com, me@host, @app.route
        pkg@1.2.3, f@g.T
        """,
    "phone": """
        2026-11-25 10:20:30, 2019-2020-2021, ISBN 978-7-302-51234-5, 1764062400
        3.13812345678, 1764062400123, 20261125102030, 555-0123, (212) 555-0187
        order 2026112500012345, -13812345678, 12,345,678,901, x = +1.5e10
        0.13912345678, 12345678901, id_13812345678, 13812345678px, 100-200
        10.1016/0021-9991(79)90025-1, 5+12345678, 2008 – 2010, 1 000 000 000
        13812345678.5, 7-3-2011
        """,
    "id_card": """
        110105194912310021, 11010519491331002X, 990105194912310026, 11010519490229002X
        1101051949123100, A11010519491231002X, 11010519491231002X5, 110105194912310020
        """,
    "bank_card": """
        4111111111111112, 6222021234567890129, 9780306406157, 4006381333931
        1234567812345670, 0000 0000 0000 0000, 4444444444444444444, 20261125102030123
        4111-1111-1111-11111, 7732-18-5, d41d8cd98f00b204e9800998ecf8427e
        411111111111111, 4111111111111111.5
        """,
    "ip": """
        127.0.0.1, 10.1.2.3, 192.168.0.1, 172.16.5.4, 0.0.0.0, 255.255.255.255
        203.0.113.7, ::1, 198.51.100.4, 192.0.2.1, 224.0.0.251, version 93.184.215.14
        v93.184.215.14, release 81.2.69.160, 1.2.3.4, 8.8.8.8, 2.10.0.1
        93.184.215.14.5, 93.184.215.999, 93.184.215.14-beta, 2001:db8::1
        fe80::1ff:fe23, 12:30:45, std::vector, add::bad, 00:1a:2b:3c:4d:5e, 2024:10:05
        §93.184.215.14, 版本 93.184.215.14
        """,
    "secret": """
        AKIAIOSFODNN7EXAMPLE, sk-estimator-doc-link-and-more
        sk-toggleable__label-arrow-2, api_key = "your_api_key_here_1"
        password = "correct horse battery", token: "aaaaaaaaaaaaaaaa1"
        d41d8cd98f00b204e9800998ecf8427e, the key: 0123456789
        SECRET_KEY = os.environ["SECRET_KEY1"], password: "********"
        token = get_token_from_the_header_v2, api_key=${API_KEY_PRODUCTION_1}
        -----BEGIN PUBLIC KEY-----, "-----BEGIN PRIVATE KEY-----" starts it
        token = "<your token 1>", commit 9fceb02d0ae598e95dc970b74767f19372d61af8
        7732-18-5, key = lambda x: x[1], eyJ.eyJ.x, tokens = tokenizer.encode(text_1)
        KeyError: 'abcdefghijk1', pad_token="<|endoftext|>"
        """,
}
"""What looks like an item of a kind and is none: reserved, malformed, or something else."""


@pytest.mark.parametrize("kind", NEGATIVE)
def test_negative_controls(kind: str) -> None:
    for text in [*re.split(r", |\n", NEGATIVE[kind].strip()), NEGATIVE[kind]]:
        assert personal.mask(text.strip()) == (text.strip(), {})


def test_ordinary_text_is_not_touched(run_step: Run) -> None:
    step = personal.Personal()
    texts = [FABLE, POEM, "Room 101, 3 apples at $1,299.99 each on 2026-11-25 at 10:20:30.", ""]
    assert [row["text"] for row in run_step(step, *texts)] == texts
    assert not any(step.stats().values())


def test_masks_stand_where_the_data_was(run_step: Run) -> None:
    text = (
        "姓名：王芳，身份证11010519491231002X，手机：１３８１２３４５６７８；wang.fang＠qq.com，"
        "卡号6222 0212 3456 7890 128，IP 93.184.215.14；ghp_0123456789abcdefghijABCDEFGHIJ012345。"
    )
    step = personal.Personal()
    assert run_step(step, text, FABLE)[0]["text"] == (
        "姓名：王芳，身份证<ID_CARD>，手机：<PHONE>；<EMAIL>，卡号<BANK_CARD>，IP <IP>；<SECRET>。"
    )
    assert step.stats() == {"changed": 1, **dict.fromkeys(PERSONAL_KINDS, 1)}


def test_only_the_value_of_an_assignment_is_masked() -> None:
    text = 'client_secret: "Zx81kq0Wv7Lm2P"  # from the vault'
    assert personal.mask(text)[0] == 'client_secret: "<SECRET>"  # from the vault'


def test_only_the_kinds_of_the_settings(run_step: Run) -> None:
    text = "a.b@qq.com 13812345678"
    settings = PrepareSettings(personal=PersonalSettings(kinds=("phone",)))
    assert run_step(personal.build(settings), text)[0]["text"] == "a.b@qq.com <PHONE>"
    assert run_step(personal.Personal(()), text)[0]["text"] == text
    with pytest.raises(ConfigError, match="email"):
        config.parse_yaml(PrepareSettings, "personal: {kinds: [e-mail]}")


def test_masking_twice_is_masking_once() -> None:
    made = [sentence for make in MADE.values() for _, sentence in planted.plant(make, 40, seed=3)]
    once, counts = personal.mask(" ".join(made))
    assert counts
    assert personal.mask(once) == (once, {})


@pytest.mark.parametrize("kind", MADE)
def test_the_look_at_a_batch_misses_nothing(kind: str, run_step: Run) -> None:
    texts = [sentence for _, sentence in planted.plant(MADE[kind], 300, seed=5)]
    result = run_step(personal.Personal(), *texts)
    assert [row["text"] for row in result] == [personal.mask(text)[0] for text in texts]


@given(st.text())
def test_any_text_keeps_what_is_outside_the_masks(text: str) -> None:
    places, end, rest = personal.found(text), 0, ""
    for start, stop, _ in places:
        assert end <= start < stop <= len(text)
        rest += text[end:start]
        end = stop
    masked = personal.mask(text)[0]
    for name, kind in personal.KINDS.items():
        assert masked.count(kind.mask) == text.count(kind.mask) + sum(n == name for *_, n in places)


def test_check_digits_catch_every_wrong_digit() -> None:
    r = random.Random(1)
    for make, check in ((planted.id_card, is_id_card), (planted.bank_card, is_luhn)):
        for _ in range(50):
            item = re.sub("[^0-9Xx]", "", make(r).translate(personal.FULL_WIDTH))
            assert check(item)
            at = r.randrange(len(item) - 1)
            other = str((int(item[at]) + r.randrange(1, 10)) % 10)
            assert not check(item[:at] + other + item[at + 1 :])


def test_entropy_of_what_is_drawn_and_what_is_written() -> None:
    assert credentials.entropy("") == 0
    assert credentials.entropy("0123456789abcdef") == 4


HOSTILE = """a a. a@ a@a. a@a- a- + +1 +1( +1(1) (1 1( 1- 1 1. 138 138- 11010519 6222 4111- 0( (0 86
eyJ eyJ. eyJa.eyJa. sk- sk-a gh xoxb- AKIA api_ api_key= api_key=" a_ key= token:"a -----BEGIN
-----BEGIN|PRIVATE|KEY----- 1.1.1. 2001: :: 2001:a: 电话 tel tel1 phone|1 call( % @ @@ １ ＠ \\n =
-----BEGIN|PRIVATE|KEY-----\\nAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAAAA+/ 0086 00861 version"""


@pytest.mark.parametrize("piece", HOSTILE.split())
def test_hostile_texts_take_linear_time(piece: str) -> None:
    piece = piece.replace("|", " ")
    seconds = []
    for size in (25_000, 100_000):
        hostile = piece * (size // len(piece)) + "\n!"
        began = time.process_time()
        personal.found(hostile)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 8 * max(seconds[0], 0.02), (
        "four times the text, at most eight times the time"
    )
