"""A seeded generator of valid personal data in all its formats, inside sentences: for recall."""

from __future__ import annotations

import base64
import datetime
import random
import string
from collections.abc import Callable

from danlu.data.steps.personal import FULL_WIDTH

ENGLISH = (
    "Please write to {} before Friday.",
    "It is {}.",
    "({})",
    "My details: {}, thank you!",
    "See «{}»; it was wrong.",
    "{}\nis what she gave us",
    "Ask for {}",
)
CHINESE = (
    "请记下{}，谢谢。",
    "资料：{}。",
    "他留下的是{}，请核对",
    "（{}）",
    "信息如下\n{}\n以上",
    "【{}】",
    "原来是{}呀！",
)
WORDS = "li wang zhang chen anna john maria kim support no1 x9 dev tom2000".split()  # noqa: SIM905
TO_FULL_WIDTH = {narrow: wide for wide, narrow in FULL_WIDTH.items()}


def plant(make: Callable[[random.Random], str], count: int, seed: int) -> list[tuple[str, str]]:
    """Pairs of an item and a sentence that holds it, half of them Chinese."""
    generator = random.Random(seed)
    pairs = []
    for number in range(count):
        item = make(generator)
        sentence = generator.choice(CHINESE if number % 2 else ENGLISH)
        pairs.append((item, sentence.format(item)))
    return pairs


def digits(r: random.Random, count: int) -> str:
    return "".join(r.choices(string.digits, k=count))


def email(r: random.Random) -> str:
    joint = r.choice([".", "_", "-", "+", ""])
    local = joint.join(r.sample(WORDS, r.choice([1, 2])))
    host = r.choice(["gmail.com", "qq.com", "163.com", "mail.uni-koeln.de", "a.co.uk", "a.edu.cn"])
    address = f"{local}@{host}"
    if r.random() < 0.1:
        return address.replace("@", "＠")
    return address.upper() if r.random() < 0.1 else address


def phone(r: random.Random) -> str:
    mobile = r.choice(["138", "139", "147", "150", "159", "166", "177", "186", "191", "199"])
    rest, line = digits(r, 8), r.choice("2345678") + digits(r, 7)
    area, city = r.choice(["010", "021", "0755", "0571"]), str(r.randrange(2, 10))
    exchange = city + digits(r, 1) + r.choice("2346789")
    forms = [
        mobile + rest,
        f"{mobile}-{rest[:4]}-{rest[4:]}",
        f"{mobile} {rest[:4]} {rest[4:]}",
        f"+86 {mobile} {rest[:4]} {rest[4:]}",
        f"+86{mobile}{rest}",
        f"+86-{mobile}{rest}",
        f"0086 {mobile}{rest}",
        (mobile + rest).translate(TO_FULL_WIDTH | {ord(d): ord(d) + 0xFEE0 for d in string.digits}),
        f"{area}-{line}",
        f"({area}) {line[:4]}-{line[4:]}",
        f"（{area}）{line}",
        f"{area} {line[:4]} {line[4:]}",
        f"{area}-{line}-{r.randrange(100, 9999)}",
        f"+86 {area[1:]} {line[:4]} {line[4:]}",
        f"+44 20 {line[:4]} {line[4:]}",
        f"+44 (0)20 {line[:4]} {line[4:]}",
        f"+1 ({exchange}) {exchange}-{rest[:4]}",
        f"+1-{exchange}-{exchange}-{rest[:4]}",
        f"({exchange}) {exchange}-{rest[:4]}",
        f"{exchange}-{exchange}-{rest[:4]}",
        f"{exchange}.{exchange}.{rest[:4]}",
        f"+49 30 {line}",
        f"+33 1 {rest[:2]} {rest[2:4]} {rest[4:6]} {rest[6:]}",
        f"+81-3-{line[:4]}-{line[4:]}",
        f"+852 {line[:4]} {line[4:]}",
        f"+91 {line[:5]} {line[3:]}",
        f"phone: 0{line[:3]} {rest[:3]} {rest[3:6]}",
        f"电话：{line}",
    ]
    return r.choice(forms)


def id_card(r: random.Random) -> str:
    born = datetime.date(1930, 1, 1) + datetime.timedelta(days=r.randrange(32_000))
    region = r.choice(["110105", "310104", "440305", "510107", "622301", "820000", "350583"])
    body = f"{region}{born:%Y%m%d}{digits(r, 3)}"
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]  # as the standard prints them
    last = "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]
    whole = body + (last.lower() if r.random() < 0.3 else last)
    if r.random() < 0.2:
        return f"{whole[:6]} {whole[6:14]} {whole[14:]}"
    wide = {ord(c): ord(c) + 0xFEE0 for c in string.digits + "X"}
    return whole.translate(wide) if r.random() < 0.1 else whole


def bank_card(r: random.Random) -> str:
    prefix, length = r.choice(
        [
            *(("622202", 19), ("621700", 19), ("6225", 16), ("4", 16), ("51", 16), ("2221", 16)),
            *(("37", 15), ("34", 15), ("36", 14), ("6011", 16), ("3530", 16), ("62284", 19)),
        ]
    )
    body = prefix + digits(r, length - len(prefix) - 1)
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    number = body + str(-total % 10)
    if length == 15:
        forms = [number, f"{number[:4]} {number[4:10]} {number[10:]}"]
    elif length == 14:
        forms = [number, f"{number[:4]}-{number[4:10]}-{number[10:]}"]
    else:
        groups = [number[at : at + 4] for at in range(0, length, 4)]
        forms = [number, " ".join(groups), "-".join(groups)]
    return r.choice(forms)


def ip(r: random.Random) -> str:
    if r.random() < 0.3:
        groups = [f"{r.randrange(1, 0x10000):x}" for _ in range(4)]
        return r.choice([f"2400:3200:{':'.join(groups)}::1", f"2a02:{':'.join(groups)}:1:2:3"])
    first = r.choice([n for n in range(20, 220) if n not in (100, 127, 169, 172, 192, 198, 203)])
    return f"{first}.{r.randrange(20, 256)}.{r.randrange(256)}.{r.randrange(1, 255)}"


def secret(r: random.Random) -> str:
    letters = string.ascii_letters + string.digits

    def some(count: int, alphabet: str = letters) -> str:
        return "".join(r.choices(alphabet, k=count))

    body = base64.b64encode(r.randbytes(600)).decode()
    pem = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    name = r.choice(["RSA PRIVATE", "PRIVATE", "EC PRIVATE", "OPENSSH PRIVATE"])
    upper = string.ascii_uppercase + "234567"
    payload = base64.urlsafe_b64encode(b'{"sub": "' + r.randbytes(20)).decode().rstrip("=")
    forms = [
        "AKIA" + some(16, upper),
        f"ghp_{some(36)}",
        f"github_pat_{some(22)}_{some(59)}",
        f"xoxb-{digits(r, 12)}-{digits(r, 12)}-{some(24)}",
        f"sk-{some(48)}",
        f"sk-proj-{some(40)}_{some(20)}",
        f"AIza{some(35)}",
        f"glpat-{some(20)}",
        f"hf_{some(34)}",
        f"eyJhbGciOiJIUzI1NiJ9.{payload}.{some(43)}",
        f"-----BEGIN {name} KEY-----\n{pem}\n-----END {name} KEY-----",
        f"-----BEGIN {name} KEY-----\n{pem}",
        f'api_key = "{some(24)}"',
        f"API_KEY={some(32)}",
        f'"secret": "{some(40)}"',
        f"password: '{some(16, letters + '!#%&')}1a'",
        f"aws_secret_access_key = {some(40, letters + '+/')}",
        f"token={some(40, string.hexdigits.lower()[:16])}",
    ]
    return r.choice(forms)
