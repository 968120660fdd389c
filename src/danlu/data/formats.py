"""What a file is, by its first bytes and its name: a format with a reader, an archive, or neither.

Content that is not text (parquet, zip, gzip …) decides, whatever the name says: names of downloads
are often wrong. Among formats that are text the suffix decides, as a Markdown file may start with
HTML and stay Markdown; the suffixes in LOOSE say so little that a reader which recognises its
format wins. A reader module may have `recognises(head: bytes, name: str) -> bool` for that, where
`head` is the first 4 kB, unpacked, and `name` has no suffix of a compression.
"""

from __future__ import annotations

import functools
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from danlu import discover
from danlu.data import compression, encoding
from danlu.data.compression import Readable
from danlu.errors import DataError

HEAD = 4096

LICENCES = ("license", "licence", "copying", "notice")
"""Files of these names are skipped in folders: the same legal text lies in every one of them."""

BINARY = (
    " png jpg jpeg gif bmp tif tiff webp ico svgz heic mp3 wav ogg flac m4a mp4 mkv avi mov webm "
    " pdf doc docx xls xlsx ppt pptx odt epub mobi 7z rar exe dll so dylib "
    " o a class jar pyc pyd whl woff woff2 ttf otf eot db sqlite npy npz pt pth bin onnx gguf pkl "
    " safetensors parquet pq arrow feather ipc h5 msgpack "
)
"""Suffixes of files that are no plain text: where it is such text, its suffix is wrong. In folders
they are skipped, unless a reader has the suffix or recognises the bytes."""

LOOSE = (".txt", ".text", ".csv", ".tsv")
"""Suffixes that files of other formats often have, too."""

ZIPPED = (".docx", ".epub", ".odt", ".pptx", ".xlsx")
"""Documents that are zip archives: a reader of such a suffix gets the file as it is."""

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_DOCUMENT = (
    *(b"[Content_Types]", b"_rels/", b"docProps/", b"customXml/", b"word/", b"xl/", b"ppt/"),
    *(b"mimetype", b"META-INF/"),
)
"""First names in a zip archive that is an Office, OpenDocument or EPUB file, or a Java program."""

Recogniser = Callable[[bytes, str], bool]


@dataclass(frozen=True, slots=True)
class Format:
    """How to read a file: by a module in `danlu.data.sources`, or as an archive (zip, tar)."""

    reader: str = ""
    compression: str = ""
    archive: str = ""


@functools.cache
def readers() -> dict[str, str]:
    """Which module in `danlu.data.sources` reads which suffix."""
    names = discover.names("danlu.data.sources")
    modules = {name: discover.find("danlu.data.sources", name, "source") for name in names}
    return {suffix: name for name, module in modules.items() for suffix in module.SUFFIXES}


@functools.cache
def recognisers() -> dict[str, Recogniser]:
    """The readers that can say whether a file is theirs, by name."""
    names = discover.names("danlu.data.sources")
    modules = {name: discover.find("danlu.data.sources", name, "source") for name in names}
    return {n: m.recognises for n, m in modules.items() if hasattr(m, "recognises")}


def tell(handle: Readable, name: str, *, in_folder: bool = False) -> Format | str:
    """The format of the file that starts where `handle` is, or in words what it is instead of text.

    `in_folder`: nobody named this file, so suffixes in BINARY need bytes that a reader recognises.
    """
    head = read_up_to(handle, HEAD)
    if not head:
        return "an empty file"
    inner, codec = name, compression.recognised(head, name)
    if codec:
        inner = compression.inner_name(name)
        head = _unpacked_head(Rejoined(head, handle), codec)
    found = _tell(head, inner)
    suffix = PurePosixPath(name.lower()).suffix
    if in_folder and skipped_by_suffix(suffix) and not _recognised(head, inner):
        return "a binary file"
    if isinstance(found, str) or not codec:
        return found
    if found.archive == "zip":
        return f"a zip archive packed again with {codec}"
    return Format(found.reader, codec, found.archive)


def skipped_by_suffix(suffix: str) -> bool:
    """Whether files of a suffix (with its dot) are no text by their name.

    >>> skipped_by_suffix(".png"), skipped_by_suffix(".txt"), skipped_by_suffix("")
    (True, False, False)
    """
    return bool(suffix) and f" {suffix[1:]} " in BINARY and suffix not in readers()


def is_licence(name: str) -> bool:
    """Whether a file is a licence text by its name.

    >>> is_licence("a/COPYING.txt"), is_licence("licence_to_kill.txt")
    (True, False)
    """
    path = PurePosixPath(name.lower())
    return path.stem in LICENCES and path.suffix in ("", ".txt", ".md", ".rst")


def read_up_to(handle: Readable, size: int) -> bytes:
    """The next `size` bytes, fewer only at the end: streams may give them bit by bit."""
    data = b""
    while len(data) < size and (part := handle.read(size - len(data))):
        data += part
    return data


class Rejoined:
    """A stream with what was already read from it put back in front."""

    def __init__(self, head: bytes, handle: Readable) -> None:
        self._head, self._handle = head, handle

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self._head:
            return self._handle.read(size)
        part, self._head = self._head[:size], self._head[size:]
        return part


def _tell(head: bytes, name: str) -> Format | str:
    """The format of unpacked bytes."""
    suffix = PurePosixPath(name.lower()).suffix
    own, binary = readers().get(suffix, ""), encoding.binary_kind(head)
    if head.startswith(_ZIP):
        is_document = head[30:].startswith(_DOCUMENT)
        reader = own if suffix in ZIPPED else _recognised(head, name) if is_document else ""
        if is_document and not reader:
            return "a zipped document or program (such as .docx, .epub, .jar)"
        return Format(reader) if reader else Format(archive="zip")
    if _is_tar(head, name):
        return Format(archive="tar")
    is_text = not binary and (b"\x00" not in head or _is_utf16(head))
    if own and is_text and suffix not in LOOSE and f" {suffix[1:]} " not in BINARY:
        return Format(own)
    if reader := _recognised(head, name, first=own) or own:
        return Format(reader)
    return Format("text") if is_text else binary or "a binary file"


def _recognised(head: bytes, name: str, first: str = "") -> str:
    """The reader that says that the file is its own, or an empty string; `first` is asked first."""
    known = recognisers()
    order = sorted(known, key=lambda reader: reader != first)
    return next((reader for reader in order if known[reader](head, name)), "")


def _is_tar(head: bytes, name: str) -> bool:
    """Whether a tar header with a right checksum comes first, or the zeros of an empty archive."""
    block = head[: tarfile.BLOCKSIZE]
    if not block.strip(b"\x00"):
        return name.lower().endswith(".tar") and len(block) == tarfile.BLOCKSIZE
    if not block[148:156].strip(b" \x00").isdigit():  # the checksum; parsing a header is slow
        return False
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


def _unpacked_head(handle: Readable, codec: str) -> bytes:
    """The beginning of what is packed; what there is of it where the file is broken: its reader
    will say so.
    """
    return b"".join(_until(HEAD, compression.unpacked(handle, codec, "", piece=HEAD)))[:HEAD]


def _until(size: int, parts: Iterator[bytes]) -> Iterator[bytes]:
    try:
        for part in parts:
            yield part
            size -= len(part)
            if size <= 0:
                return
    except DataError:
        return


def _is_utf16(head: bytes) -> bool:
    try:
        return encoding.detect(head, name="", whole=False).startswith(("utf-16", "utf-32"))
    except DataError:
        return False
