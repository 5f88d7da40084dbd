"""Headers as people write them -> one spelling, so that columns are found in any order."""

import unicodedata

_MARKS = str.maketrans("", "", "*★☆:　")


def plain_header(text: str) -> str:
    """Return a header without blanks, required marks and width variants; codes in upper case.

    Seen in use: `行政处罚决定书文号 `, `*行政相对人代码_1 （统一社会信用代码）`, `xk_wsh`.
    """
    folded = unicodedata.normalize("NFKC", text).translate(_MARKS)
    return "".join(folded.split()).upper()
