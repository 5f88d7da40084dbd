"""Marks that people and spreadsheets write around a value, or in place of a missing one.

Excel writes `="00123"` and `'00123` so that a number stays a text; forms that refuse an empty cell
are filled with 无, / or ***. Neither is part of what is meant.
"""

import re
from typing import Final

ABSENT: Final = "\\N"
"""Hive's null in text exports, seen in real tables; no document says it."""
_APOSTROPHES: Final = "'‘’＇"
_EQUALS: Final = "=＝"
_QUOTES: Final = '"“”＂'
_MARKS: Final = frozenset(_APOSTROPHES + _EQUALS)
_SHORTEST: Final = 3
"""Characters of `=""`."""

_SIGNS: Final = re.compile(r"[\W_]+")
_WORDS: Final = frozenset(
    (
        *(
            "无",
            "空",
            "暂无",
            "没有",
            "未知",
            "不详",
            "不明",
            "未编号",
            "无号",
            "无编号",
            "暂无编号",
        ),
        *("无文号", "无文书号", "暂无文号", "无证号", "无字号"),
        *("NULL", "NONE", "NIL", "NAN", "NAT", "NA"),
    )
)
_HALF_WIDTH: Final = {0xFEE0 + byte: chr(byte) for byte in range(0x21, 0x7F)}


def unwrapped(text: str) -> str:
    """Text without the `=" "` around it and the apostrophe before it that keep a cell a text.

    Idempotent, and in one pass however many there are.
    """
    if text[:1] not in _MARKS:
        return text
    start, end = 0, len(text)
    while start < end:
        if text[start] in _APOSTROPHES:
            start += 1
        elif (
            end - start >= _SHORTEST
            and text[start] in _EQUALS
            and text[start + 1] in _QUOTES
            and text[end - 1] in _QUOTES
        ):
            start, end = start + 2, end - 1
        else:
            break
    return text[start:end]


def is_placeholder(text: str) -> bool:
    """Whether a text says that there is no value: 无, 暂无, NULL, N/A, 0, `/`, `——`, `***`.

    Signs and noughts alone are one, however many. An empty text, and one of blanks and invisible
    characters alone, is absent and says nothing.
    """
    plain = unwrapped(text.strip())
    letters = _SIGNS.sub("", plain).translate(_HALF_WIDTH).upper()
    if letters.strip("0"):
        return letters in _WORDS or plain == ABSENT
    return letters != "" or _has_sign(text)


def _has_sign(text: str) -> bool:
    """Whether anything of a text without letters can be seen."""
    return any(character.isprintable() and not character.isspace() for character in text)
