from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from danlu.data import encoding
from danlu.errors import DataError, UnknownName

SIMPLIFIED = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。\n白日依山尽，黄河入海流。"
TRADITIONAL = "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。空山不見人，但聞人語響。"
JAPANESE = "吾輩は猫である。名前はまだ無い。\nどこで生れたかとんと見当がつかぬ。" * 2
KOREAN = "동해 물과 백두산이 마르고 닳도록 하느님이 보우하사 우리나라 만세.\n" * 2
FRENCH = "Le café était fermé.\nLes élèves étudient le français à la même école.\n"
RUSSIAN = "Все счастливые семьи похожи друг на друга.\nКаждая несчастлива по-своему.\n"
ENGLISH = "Call me Ishmael.\nSome years ago I thought I would sail about a little.\n"


@pytest.mark.parametrize(
    ("text", "codec", "found"),
    [
        (ENGLISH, "ascii", "utf-8"),
        (SIMPLIFIED, "utf-8", "utf-8"),
        (SIMPLIFIED, "utf-8-sig", "utf-8-sig"),
        (SIMPLIFIED, "utf-16", "utf-16"),
        (SIMPLIFIED, "utf-16-le", "utf-16-le"),
        (SIMPLIFIED, "utf-16-be", "utf-16-be"),
        (ENGLISH, "utf-16-le", "utf-16-le"),
        (ENGLISH, "utf-16-be", "utf-16-be"),
        (ENGLISH, "utf-32", "utf-32"),
        (SIMPLIFIED, "gb18030", "gb18030"),
        (TRADITIONAL, "gb18030", "gb18030"),
        (TRADITIONAL, "big5", "big5"),
        (JAPANESE, "shift_jis", "cp932"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (JAPANESE, "iso2022_jp", "iso2022_jp"),
        ("\x1b[31m" + ENGLISH, "ascii", "utf-8"),
        (KOREAN, "euc_kr", "euc_kr"),
        (FRENCH, "latin-1", "cp1252"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8_r", "koi8_r"),
    ],
)
def test_found_and_read(text: str, codec: str, found: str) -> None:
    assert encoding.decode(text.encode(codec), name="a.txt") == (text, found)
    assert found in encoding.NAMES


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
@example("")
def test_any_utf8_is_utf8(text: str) -> None:
    data = text.encode()
    if encoding.binary_kind(data) is None and not text.startswith("\ufeff"):
        assert encoding.decode(data, name="a") == (text, "utf-8")


def test_a_bad_byte_in_utf8_is_named_by_offset_and_line() -> None:
    before = (SIMPLIFIED + "\n").encode() * 3
    with pytest.raises(DataError) as error:
        encoding.decode(before + b"\xff" + SIMPLIFIED.encode(), name="poems.txt")
    assert f"byte {len(before)} (line 7)" in str(error.value)
    assert "poems.txt is UTF-8" in str(error.value)


def test_utf8_cut_within_a_character_is_damaged_unless_more_follows() -> None:
    data = SIMPLIFIED.encode()[:-1]
    with pytest.raises(DataError, match="is UTF-8, but byte"):
        encoding.detect(data, name="a")
    assert encoding.detect(data, name="a", whole=False) == "utf-8"


@pytest.mark.parametrize(
    "data",
    [
        "naïve ".encode() + "café".encode("latin-1"),  # one good, one bad character
        b"An essay by " + "杨".encode("gb18030") + b" and others, translated.",
        b"caf\x82 and na\x8bve",  # DOS code page 850
        "Árvíztűrő tükörfúrógép".encode("cp1250"),
    ],
)
def test_unsure_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="cannot tell the encoding of a") as error:
        encoding.decode(data, name="a")
    assert "is not UTF-8" in str(error.value)
    assert "--encoding" in error.value.fix


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "a JPEG image"),
        (b"%PDF-1.7\n%\xe2", "a PDF file"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive"),
        (b"\x7fELF\x02\x01", "a program"),
        (b"some text\x00\x01\x02 and more of it\x00", "NUL bytes"),
        (bytes(1000), "NUL bytes"),
    ],
)
def test_binary_is_refused_by_its_kind(data: bytes, kind: str) -> None:
    with pytest.raises(DataError, match=r"a\.bin is not text") as error:
        encoding.decode(data, name="a.bin")
    assert kind in str(error.value)


def test_noise_is_never_text() -> None:
    rng = random.Random(0)
    for _ in range(30):
        with pytest.raises(DataError):
            encoding.decode(rng.randbytes(400), name="noise")


def test_wrong_bytes_late_in_a_legacy_file_are_an_error() -> None:
    with pytest.raises(DataError, match="is GB18030, but byte"):
        encoding.decode((SIMPLIFIED * 2000).encode("gb18030") + b"\n\xff\xff", name="a")


def test_lines_are_counted_in_characters_of_utf16() -> None:
    data = "上\nĊ\nx".encode("utf-16-le")  # Ċ holds the byte of a line feed
    assert encoding.line_at(data, len(data), "utf-16-le") == 3


def test_named_encodings() -> None:
    assert encoding.codec("utf-8") == "utf-8-sig"  # takes a byte order mark away
    assert encoding.codec("Latin-1") == "iso8859-1"
    for name in ("gb18031", "zip", "hex", ""):
        with pytest.raises(UnknownName):
            encoding.codec(name)
