"""Phone numbers, identity cards, bank cards and internet addresses in text: where each one is.

Digits alone prove nothing, so each kind has a check beyond its form: GB 11643-1999 (ISO 7064
MOD 11-2) and a real date for the Chinese identity card; ISO/IEC 7812 (Luhn) and an issuer's prefix
for bank cards; number blocks of China's mobile networks, calling codes of ITU-T E.164, or a word
such as "phone" before for telephones; allocation for IP. What is reserved for documentation or
fiction is nobody's and is left alone: 203.0.113.7 (RFC 5737), 2001:db8:: (RFC 3849), 555-0123.
Every function takes text with ASCII digits and gives (start, end) pairs in order.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
import re
from collections.abc import Iterator

Spans = Iterator[tuple[int, int]]

_BEFORE, _AFTER = r"(?<![A-Za-z0-9_.])(?<![0-9\s=][-/])(?<!\A-)", r"(?![A-Za-z0-9_]|[.\-/][0-9])"
"""Not within a longer number, a word, a decimal, a range or an identifier, nor negative."""

DIGITS = re.compile(r"[0-9](?:[ ().-]{0,3}+[0-9]){6,}+")
BEFORE, BEYOND = 28, 12
"""What is looked at before and after a run of digits: a word and a prefix, an extension."""

ID_CARD = re.compile(
    rf"{_BEFORE}[1-8][0-9]{{5}}[ -]?(?:18|19|20)[0-9]{{2}}[01][0-9][0-3][0-9][ -]?[0-9]{{3}}[0-9Xx]"
    rf"{_AFTER}"
)
_PROVINCES = """
    11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65
    71 81 82 83
"""
PROVINCES = frozenset(_PROVINCES.split())
"""First two digits: GB/T 2260 and the residence permits of Hong Kong, Macao and Taiwan."""

BANK_CARD = re.compile(
    rf"{_BEFORE}(?:[0-9]{{13,19}}|[0-9]{{4}}(?:[ -][0-9]{{4}}){{3}}(?:[ -]?[0-9]{{1,3}})?"
    rf"|[0-9]{{4}}[ -][0-9]{{6}}[ -][0-9]{{4,5}}|[0-9]{{6}}[ -][0-9]{{10,13}}"
    rf"|4[0-9]{{3}}(?:[ -][0-9]{{3}}){{3}}){_AFTER}"
)
ISSUERS = (
    (re.compile("62"), range(16, 20)),  # UnionPay
    (re.compile("9558"), range(19, 20)),  # ICBC, before UnionPay's numbers
    (re.compile("4"), (13, 16, 19)),  # Visa
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile("3[47]"), (15,)),  # American Express
    (re.compile("3(?:0[0-5]|[689])"), (14, 16)),  # Diners Club
    (re.compile("6011|64[4-9]|65"), range(16, 20)),  # Discover
    (re.compile("35(?:2[89]|[3-8])"), range(16, 20)),  # JCB
)
"""Prefixes and lengths of card numbers by issuer."""

CARD_WORD = re.compile(r"(?i)card|visa|卡")

_MOBILE = r"1(?:3\d|4[014-9]|5[0-35-9]|6[2567]|7[0-8]|8\d|9[0-35-9])"
_AREA = r"(?:10|2[0-57-9]|[3-9]\d{2})"
_CHINA = r"(?:\(?(?:\+|00)?86\)?[ -]{0,2})?"
CHINESE_PHONE = re.compile(
    rf"{_BEFORE}{_CHINA}{_MOBILE}(?:\d{{8}}|([ -])\d{{4}}\1\d{{4}}){_AFTER}"
    rf"|{_BEFORE}{_CHINA}(?:\(0?{_AREA}\)[ -]?|0{_AREA}[ -])[2-8]\d{{2,3}}[ -]?\d{{4}}"
    rf"(?:(?:-|转| ext\.? ?)\d{{1,5}})?{_AFTER}",
    re.ASCII,
)

INTERNATIONAL_PHONE = re.compile(
    rf"(?:(?<![A-Za-z0-9_.+])\+|{_BEFORE}00(?=[1-9]\d{{0,2}}[ -]))"
    r"(?:[1-9]\d{7,14}|[1-9]\d{0,2}[ .-]{0,2}(?:\(\d{1,5}\)[ .-]{0,2}|\d[ .-]|(?=\d))"
    rf"(?:\d{{2,10}}[ .-]){{0,5}}\d{{2,10}}){_AFTER}",
    re.ASCII,
)
AMERICAN_PHONE = re.compile(
    rf"{_BEFORE}(?:\([2-9]\d\d\) ?|[2-9]\d\d([-. ]))([2-9]\d\d)(?(1)\1|[-. ])(\d{{4}}){_AFTER}",
    re.ASCII,
)
CALLING_CODE = re.compile(
    "1|7|20|27|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-69]|3[578]|42|5[09]|6[789]|8[058]"
    "|9[679]"
)

PHONE_WORD = re.compile(
    r"(?:(?i:(?<![a-z])(?:tel|telephone|phone|mobile|cell|fax|whatsapp|call)(?![a-z]))|电话|手机|传真"
    r"|座机|热线|电話|電話|手機|傳真)[^\d\n]{0,12}?"
    r"((?<!\d)(?:\(\d{1,5}\) ?)?\d(?:[ .-]?\d){5,14})(?![\d%])(?![.\-/]\d)"
)
"""A number of 9 to 15 digits after a word for a telephone; of 7 or 8 if it is unbroken."""
DATE = re.compile(r"(?:19|20)\d\d[-./ ]")

IPV4 = re.compile(
    r"(?<![\w.])(?<!\w[-/])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w]|\.[0-9]|-[A-Za-z0-9])", re.ASCII
)
IPV6 = re.compile(
    r"(?<![\w:.])[23][0-9A-Fa-f]{3}(?::{1,2}[0-9A-Fa-f]{1,4}){2,7}(?:::)?(?![\w:])", re.ASCII
)
VERSION_WORD = re.compile(
    r"(?i)(?:\bv|version|ver\.?|release|build|firmware|driver|section|sec\.?|chapter|clause|rule|oid"
    r"|§|版本|固件|章|节|第)[ :=#(]{0,3}\Z"
)
SMALL = 20
"""With fewer than two numbers that large it is a version, a section or a public resolver."""


def _near_digits(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Matches around runs of many digits: these are quick to find, and there are few of them."""
    for start, end in _regions(text):
        yield from pattern.finditer(text, start, end)


@functools.lru_cache(maxsize=1)
def _regions(text: str) -> list[tuple[int, int]]:
    """Where there are runs of digits, with what is around them; regions that touch are one."""
    regions: list[tuple[int, int]] = []
    for run in DIGITS.finditer(text):
        start, end = max(0, run.start() - BEFORE), run.end() + BEYOND
        if regions and start <= regions[-1][1]:
            start = regions.pop()[0]
        regions.append((start, end))
    return regions


def id_cards(text: str) -> Spans:
    """Resident identity cards of 18 characters whose region, date and check character are right.

    >>> list(id_cards("身份证11010519491231002X。")), list(id_cards("110105194912310021"))
    ([(3, 21)], [])
    """
    for match in _near_digits(ID_CARD, text):
        if is_id_card(re.sub("[ -]", "", match[0])):
            yield match.span()


def is_id_card(number: str) -> bool:
    """Whether 18 characters are an identity card's number (GB 11643-1999).

    >>> is_id_card("11010519491231002X"), is_id_card("110105194902310026")
    (True, False)
    """
    try:
        datetime.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(d) * pow(2, 17 - n, 11) for n, d in enumerate(number[:17]))
    return number[:2] in PROVINCES and "10X98765432"[total % 11] == number[17].upper()


def bank_cards(text: str) -> Spans:
    """Card numbers with a known issuer, a length that it uses, and a right check digit.

    13 digits are only taken in groups or near a word for a card: a barcode has as many.

    >>> list(bank_cards("卡号 6222 0212 3456 7890 128,")), list(bank_cards("4111111111111112"))
    ([(3, 26)], [])
    """
    for match in _near_digits(BANK_CARD, text):
        number = re.sub("[ -]", "", match[0])
        known = any(p.match(number) and len(number) in lengths for p, lengths in ISSUERS)
        if not known or not is_luhn(number) or len(set(number)) < 3:
            continue
        before = text[max(0, match.start() - 20) : match.start()]
        if len(number) > 13 or len(match[0]) > 13 or CARD_WORD.search(before):
            yield match.span()


def is_luhn(number: str) -> bool:
    """Whether the last digit is the right check digit (ISO/IEC 7812-1, annex B).

    >>> is_luhn("79927398713"), is_luhn("79927398714")
    (True, False)
    """
    digits = [int(d) for d in reversed(number)]
    return (sum(digits[::2]) + sum(d * 2 - 9 * (d > 4) for d in digits[1::2])) % 10 == 0


def phones(text: str) -> Spans:
    """Chinese mobile and landline numbers, international ones, North American ones, and any after
    a word for a telephone; sorted, without overlaps.

    >>> text = "手机13812345678，电话(010) 6234-5678, +44 20 7123 4567, fax: 0171/123"
    >>> [text[a:b] for a, b in phones(text)]
    ['13812345678', '(010) 6234-5678', '+44 20 7123 4567']
    """
    found = [m.span() for m in _near_digits(CHINESE_PHONE, text)]
    international = _near_digits(INTERNATIONAL_PHONE, text)
    found += [m.span() for m in international if _has_calling_code(m[0])]
    american = _near_digits(AMERICAN_PHONE, text)
    found += [m.span() for m in american if not _is_fiction(m[2], m[3])]
    found += [m.span(1) for m in _near_digits(PHONE_WORD, text) if _is_number(m[1])]
    end = 0
    for start, stop in sorted(found, key=lambda span: (span[0], -span[1])):
        if start >= end:
            yield start, stop
            end = stop


def _has_calling_code(written: str) -> bool:
    number = re.sub(r"\D", "", written).removeprefix("00")
    return 8 <= len(number) <= 15 and CALLING_CODE.match(number) is not None


def _is_fiction(exchange: str, line: str) -> bool:
    """555-0100 to 555-0199 belong to films and examples (North American Numbering Plan)."""
    return exchange == "555" and line.startswith("01")


def _is_number(written: str) -> bool:
    digits = sum(map(str.isdigit, written))
    if digits == len(written) and digits < 9:
        return written[0] in "2345678" and not DATE.match(written + " ")
    return digits >= 9 and not DATE.match(written)


def ip_addresses(text: str) -> Spans:
    """Addresses of the public internet; not what looks like a version.

    >>> text = "from 93.184.215.14, 127.0.0.1, 10.0.0.8; version 93.184.215.14"
    >>> [text[a:b] for a, b in ip_addresses(text)]
    ['93.184.215.14']
    """
    for match in IPV4.finditer(text):
        if VERSION_WORD.search(text, max(0, match.start() - 14), match.start()):
            continue
        if _is_public(match[0]) and sum(int(part) >= SMALL for part in match[0].split(".")) > 1:
            yield match.span()
    for match in IPV6.finditer(text):
        if _is_public(match[0]):
            yield match.span()


def _is_public(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast
