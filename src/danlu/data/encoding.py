"""Bytes to text: which encoding a file is in, found by looking, said aloud, refused when unsure.

The order matters. A byte order mark decides; then strict UTF-8, which text in another encoding
practically never passes; then, where there are NUL bytes, UTF-16 without a mark; then
charset-normalizer among the encodings that plain text still comes in. A file that is UTF-8 but for
a few bytes is damaged, not "Latin-1": decoding it as such would be mojibake that nobody notices, so
it is an error with the place of the first bad byte.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

from danlu import discover
from danlu.errors import DataError

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_MARKS = "\u2010-\u2027\u3000-\u303f\uff00-\uffef"

CANDIDATES = {
    "gb18030": (f"[{_HAN}{_MARKS}]{{2,}}", 0.8),
    "big5": (f"[{_HAN}{_MARKS}]{{2,}}", 0.8),
    "big5hkscs": (f"[{_HAN}{_MARKS}]{{2,}}", 0.8),
    "cp932": ("[\u3040-\u30ff]", 0.1),
    "euc_jp": ("[\u3040-\u30ff]", 0.1),
    "euc_kr": ("[\uac00-\ud7a3]{2,}", 0.8),
    "cp1252": ("[\u00c0-\u00ff\u2013-\u2026£§©°«»](?![^\x00-\x7f])", 0.6),
    "cp1251": ("[\u0400-\u04ff]{3,}", 0.8),
    "koi8_r": ("[\u0400-\u04ff]{3,}", 0.8),
}
"""What charset-normalizer chooses from, and what such text looks like: at least this share of what
is not ASCII matches. Latin-1's accents stand alone; two in a row are one Chinese character.
A longer list would find more encodings and err more often."""

MIN_EVIDENCE = 8
"""Fewer bytes that are not ASCII say too little about which encoding with two-byte characters."""

NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 (BOM)",
    "utf-16": "UTF-16 (BOM)",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "utf-32": "UTF-32 (BOM)",
    "gb18030": "GB18030",
    "big5": "Big5",
    "big5hkscs": "Big5-HKSCS",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "euc_kr": "EUC-KR",
    "cp1252": "Latin-1",
    "cp1251": "Windows-1251",
    "koi8_r": "KOI8-R",
}
"""What people call them, by Python's codec name; cp932 and cp1252 hold Shift-JIS and Latin-1."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a ZIP archive (or .docx, .xlsx, .epub)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ\x90\x00", "a program (Windows)"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a parquet file"),
    (b"ID3", "an MP3 file"),
    (b"OggS", "an Ogg file"),
    (b"RIFF", "a sound or video file"),
)

SAMPLE = 1 << 16


def decode(data: bytes, *, name: str) -> tuple[str, str]:
    """The text of a whole file, without a byte order mark, and its codec name.

    >>> decode("春眠不觉晓，处处闻啼鸟。".encode("gb18030"), name="a.txt")[1]
    'gb18030'

    Raises:
        DataError: binary, damaged UTF-8, or an encoding that cannot be told for sure.
    """
    encoding = detect(data, name=name)
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise broken(name, encoding, error.start, line_at(data, error.start, encoding)) from None


def detect(data: bytes, *, name: str, whole: bool = True) -> str:
    """Python's codec name for the encoding of `data`; `whole=False`: it is only the beginning.

    Raises:
        DataError: as `decode`; the message names the file as `name`.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    if kind := binary_kind(data):
        raise binary(name, kind)
    if b"\x00" in data:
        if order := _utf16(data):
            return order
        raise binary(name, "a binary file (it has NUL bytes)")
    error = _utf8_error(data, whole=whole)
    if error is None:
        return "utf-8"
    line = line_at(data, error.start)
    good, long, bad = _utf8_counts(data)
    if good >= 2 * bad or long >= bad / 2:
        raise broken(name, "utf-8", error.start, line)
    return _legacy(data, name, f"byte {error.start:,} (line {line:,}) is not UTF-8", whole=whole)


def codec(name: str) -> str:
    """Python's codec name for an encoding that the user named.

    >>> codec("GBK"), codec("utf8")
    ('gbk', 'utf-8-sig')

    Raises:
        UnknownName: there is no such text encoding.
    """
    try:
        info = codecs.lookup(name)
        "".encode(name)  # not one of Python's codecs from bytes to bytes, such as zip
    except (LookupError, ValueError):
        raise discover.unknown("encoding", name, ["auto", *NAMES]) from None
    return "utf-8-sig" if info.name == "utf-8" else info.name


def binary_kind(data: bytes) -> str | None:
    """What kind of binary file this is by its first bytes, or None.

    >>> binary_kind(b"%PDF-1.7")
    'a PDF file'
    """
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def binary(name: str, kind: str) -> DataError:
    """The error for a file that is not text."""
    return DataError(
        f"{name} is not text",
        got=kind,
        expected="text: .txt, .md, .jsonl, .json, .csv, .tsv, .parquet, also .gz",
        fix="convert it to text, or leave it out",
    )


def broken(name: str, encoding: str, offset: int, line: int) -> DataError:
    """The error for bytes that an encoding does not allow."""
    label = NAMES.get(encoding, encoding)
    return DataError(
        f"{name} is {label}, but byte {offset:,} (line {line:,}) is not",
        expected=f"{label} to the end",
        fix=f"repair or re-save that file: it was cut or damaged near line {line:,}, "
        "or say its encoding with --encoding",
    )


def line_at(data: bytes, offset: int, encoding: str = "utf-8") -> int:
    """The line, from 1, that a byte is on."""
    if encoding.startswith(("utf-16", "utf-32")):
        return data[:offset].decode(encoding, errors="ignore").count("\n") + 1
    return data.count(b"\n", 0, offset) + 1


def _utf8_error(data: bytes, *, whole: bool) -> UnicodeDecodeError | None:
    """Why this is not UTF-8, or None; a character cut off at the end is fine unless `whole`."""
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(data, final=whole)
    except UnicodeDecodeError as error:
        return error
    return None


def _utf8_counts(data: bytes) -> tuple[int, int, int]:
    """How many characters beyond ASCII are good UTF-8, how many of these have 3 bytes or more, and
    how many are bad.

    Of GB18030, Big5 and EUC text up to two fifths are good by accident, but hardly any of 3 bytes;
    of Latin-1 almost none.
    """
    text = data.decode("utf-8", errors="replace").translate(_DROP_ASCII)
    bad = text.count("\ufffd")
    long = sum(char >= "\u0800" for char in text) - bad
    return len(text) - bad, long, bad


_DROP_ASCII = dict.fromkeys(range(128))


def _utf16(data: bytes) -> str | None:
    """The byte order, if this is UTF-16 without a mark: the order that gives plausible text.

    Only asked where there are NUL bytes: every line end and space has one, and no other text does.
    """
    sample = data[: min(SAMPLE, len(data) & ~1)]
    if len(sample) < 4:
        return None
    scores = {}
    for encoding in ("utf-16-le", "utf-16-be"):
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        try:
            scores[encoding] = _plausible(decoder.decode(sample, final=False))
        except UnicodeDecodeError:
            continue
    best = max(scores, key=lambda encoding: scores[encoding], default=None)
    return best if best and scores[best] >= 0.95 else None


def _plausible(text: str) -> float:
    """The share of characters that running text is made of; low for UTF-16 read the wrong way."""
    common = sum(
        char in "\t\n\r"
        or " " <= char <= "~"
        or "\u00a0" <= char <= "\u04ff"
        or "\u2010" <= char <= "\u2026"
        or "\u3000" <= char <= "\u30ff"
        or "\u4e00" <= char <= "\u9fa5"
        or "\uac00" <= char <= "\ud7a3"
        or "\uff01" <= char <= "\uff5e"
        for char in text
    )
    # CJK is most of the code space, so random bytes look like it: running text has line ends,
    # spaces or punctuation as well.
    marks = sum(char.isspace() or unicodedata.category(char)[0] == "P" for char in text)
    return common / len(text) if text and marks >= len(text) / 100 else 0.0


def _legacy(data: bytes, name: str, why: str, *, whole: bool) -> str:
    """One of CANDIDATES, chosen by charset-normalizer on the lines that are not ASCII.

    Raises:
        DataError: none fits, or two fit about as well and give different texts.
    """
    from charset_normalizer import from_bytes

    sample = b"\n".join(line for line in data.split(b"\n") if not line.isascii())
    if cut := not whole or len(sample) > SAMPLE:
        sample = sample[:SAMPLE]
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    matches = []
    for odd in range(4 if cut else 1):  # bytes of a character that was cut off
        found = from_bytes(sample[: len(sample) - odd], cp_isolation=list(CANDIDATES))
        matches = [match for match in found if _looks_right(str(match), match.encoding)]
        if matches:
            break
    else:
        raise _unsure(name, why, [])
    best = matches[0]
    for other in matches[1:]:
        close = other.chaos - best.chaos < 0.02 and best.coherence - other.coherence < 0.1
        if close and str(other) != str(best):
            raise _unsure(name, why, [best.encoding, other.encoding])
    return best.encoding


def _looks_right(text: str, encoding: str) -> bool:
    """Whether text read as `encoding` looks like the text that comes in it."""
    pattern, share = CANDIDATES[encoding]
    foreign = sum(not char.isascii() for char in text)
    needed = 1 if encoding == "cp1252" else MIN_EVIDENCE / 2
    fitting = sum(map(len, re.findall(pattern, text)))
    return foreign >= needed and fitting >= share * foreign


def _unsure(name: str, why: str, names: list[str]) -> DataError:
    labels = [NAMES.get(name, name) for name in names]
    return DataError(
        f"cannot tell the encoding of {name}",
        got=why + (f"; it may be {' or '.join(labels)}" if labels else ", nor clearly another"),
        expected="UTF-8; UTF-16, GB18030, Big5, Shift-JIS and Latin-1 are recognised when clear",
        fix="re-save it as UTF-8, or say its encoding with --encoding, e.g. --encoding gb18030",
    )
