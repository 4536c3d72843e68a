"""Decodes a text file in UTF-8, UTF-16, UTF-32 or an older code page, which is guessed.

A code page leaves no mark in the file. charset-normalizer detects Chinese, Japanese and Korean. For code pages with one
byte per letter it is mostly wrong on a few names, so there the frequencies of letters decide. A warning names the
guessed encoding.
"""

from __future__ import annotations

import codecs
import functools
import math
import re
import unicodedata
from pathlib import Path

from meeting_agent.common.files import InputError

MARKS = (  # UTF-32 comes before UTF-16, because its mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
EAST_ASIAN = ["cp932", "gb18030", "big5", "cp949"]
# The non-ASCII letters of each code page's languages, most frequent first. If several pages fit equally well, the first
# one is used.
WESTERN = "éüöäáíóèñçåøãêúàôßëâîõæœïûòìùýšžð"
LETTERS = {
    "cp1252": WESTERN,
    "cp1250": "áíéłóřěčšžąęýżśćńůúőöüňźťďűäăâţşđîßĺľŕ",
    "cp1251": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэіїєфъёґў",
    "cp1253": "αοιετσνηυρπκμλωςγθδφχάίόέήύώβξζψϊΐϋΰ",
    "cp1254": "ıüöşçğiİéâîû",
    "cp1255": "יוהלאתרבשמנכםדקעחפגסטןצזףךץ",
    "cp1256": "اليمنرتبةعدسفهكقحجشصطخذضزغثءىئؤآأإظپچژگ",
    "cp1257": "āšžēčīėųūņķļįģąęõäöü",
    "mac_roman": WESTERN,
    "cp850": WESTERN,
}
SELDOM = {"mac_roman", "cp850"}  # encodings of old systems
LATIN = {"cp1252", "cp1250", "cp1254", "cp1257", *SELDOM}
TYPOGRAPHIC = "‘’“”„–—…€"
SAMPLE = 50_000  # bytes that the guess is based on
SHOWN_WORDS = 3


def decoded(data: bytes, path: Path) -> str:
    """The text in `data`. Prints a warning if the encoding was guessed. Raises InputError if `data` is not text."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            data = data.removeprefix(mark)
            if encoding != "utf-8":
                return _text_in(data, encoding, path)
    zeros = data.count(0)
    if 4 * zeros < len(data):  # in UTF-16 about half of a table's bytes are zero
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            pass
    if zeros:
        high_byte_first = data[::2].count(0) > data[1::2].count(0)
        return _text_in(data, "utf-16-be" if high_byte_first else "utf-16-le", path)
    return _in_a_code_page(data, path)


def _text_in(data: bytes, encoding: str, path: Path) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise no_text(path) from None
    if any(character == "\0" or unicodedata.category(character) == "Cn" for character in set(text)):
        raise no_text(path)
    return text


def no_text(path: Path) -> InputError:
    return InputError(f"{path} is not text: give a CSV in UTF-8, or an Excel workbook (.xlsx)")


def looks_garbled(text: str) -> bool:
    """Whether a program lost letters of a text ("Jos�") or read its UTF-8 as cp1252 ("JosÃ©")."""
    if text.isascii():
        return False
    try:
        return "\ufffd" in text or not text.encode("cp1252").decode("utf-8").isascii()
    except UnicodeError:
        return False


# ----------------------------------------------------------------------------- older code pages


def _in_a_code_page(data: bytes, path: Path) -> str:
    controls = sum(data.count(byte) for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")
    if 200 * controls > len(data):
        raise no_text(path)
    page = code_page(data)
    if page is None:
        raise InputError(f"{path} is in no encoding that can be told: save it as UTF-8")
    if page not in EAST_ASIAN:
        _refuse_two_encodings(data, path)
    text = data.decode(page)
    words = list(dict.fromkeys(word for word in re.findall(r"\w+", text) if not word.isascii()))[:SHOWN_WORDS]
    print(
        f"warning: {path} is not UTF-8, it was read as {page} ({', '.join(words)}): check accented names, or save it "
        "as UTF-8",
        flush=True,
    )
    return text


def _refuse_two_encodings(data: bytes, path: Path) -> None:
    """Raises InputError if some lines are UTF-8. In a code page their letters would become two characters each."""
    whole, broken = 0, 0
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", data), start=1):
        if not line.isascii():
            try:
                line.decode("utf-8")
                whole = whole or number
            except UnicodeDecodeError:
                broken = broken or number
    if whole:
        raise InputError(f"{path} has two encodings: line {whole} is UTF-8, line {broken} is not; save it as UTF-8")


def code_page(data: bytes) -> str | None:
    """Python's name of the code page of `data`. None if no code page fits."""
    from charset_normalizer import from_bytes

    # Do not split at pipes: their byte is also the second byte of some Chinese and Japanese characters.
    fields = (field for field in re.split(rb"[\r\n,;\t]+", data) if not field.isascii())
    sample = b""
    for field in fields:
        sample += field + b" "
        if len(sample) > SAMPLE:
            break
    found = from_bytes(sample, cp_isolation=EAST_ASIAN).best()
    if found is not None and _decodes(data, found.encoding) and not _mixes_scripts(sample.decode(found.encoding)):
        return found.encoding
    pages = [page for page in LETTERS if _decodes(data, page)]
    return max(pages, key=lambda page: _likelihood(sample.decode(page), page), default=None)


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _mixes_scripts(text: str) -> bool:
    """Whether most words with non-ASCII letters also hold ASCII letters: "H駘鈩e" is Hélène decoded as Japanese."""
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    return 2 * sum(bool(re.search("[A-Za-z]", word)) for word in words) > len(words)


@functools.cache
def _log_shares(page: str) -> dict[str, float]:
    """Letter -> log frequency in the languages of a page, estimated from its rank by Zipf's law (Zipf, 1949)."""
    letters = LETTERS[page]
    shares = {letter: 1 / (rank + 3) / math.log(len(letters)) for rank, letter in enumerate(letters)}
    either_case = {form: share for letter, share in shares.items() for form in (letter.upper(), letter)}
    return {c: math.log(p) for c, p in (either_case | dict.fromkeys(TYPOGRAPHIC, 0.1) | {"\u00a0": 0.1}).items()}


def _likelihood(text: str, page: str) -> float:
    """Log-likelihood of a text's letters in the languages of a page, minus penalties for unlikely combinations."""
    shares = _log_shares(page)
    total = -4.0 if page in SELDOM else 0.0 if page == "cp1252" else -1.0
    for before, letter in zip(" " + text, text, strict=False):
        if letter.isascii():
            continue
        total += shares.get(letter, -7.5 if letter.isalpha() else -9.0)
        if before.isalpha() and letter.isalpha():
            if before.islower() and letter.isupper():
                total -= 3.0
            if before.isascii() and page not in LATIN:  # two alphabets in one word
                total -= 4.0
            if not before.isascii() and page in LATIN:  # two accented letters in a row are rare
                total -= 2.0
    return total
