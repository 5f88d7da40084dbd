"""Coded values of the national layout: label or digit in, one canonical code and text out.

Sources: the column rules of the data standard annexed to 发改办财金〔2018〕424号 as implemented by
reporting platforms; 行政处罚法 (2021) Art 9 for the kinds of penalty. Where a list has no digits of
its own the codes are the hub's (English words) and only labels are accepted from departments, next
to the hub's own code. Digits of *older* lists that mean something else today are refused, because
a wrong meaning is worse than a question: 当前状态 0/3 (older 正常/其他), 严重程度 0-3.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from hub.domain.remembering import LONGEST

#: A cell longer than this is not a coded value; bounds the work and what the cache keeps.
_LONGEST: Final = 512

#: Letters, digits and the signs that have a meaning here; a note keeps its own punctuation.
_HALF_WIDTH: Final = {
    0xFEE0 + ord(sign): sign
    for sign in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_;|():-"
}
_SPLIT_ALWAYS: Final = re.compile(r"[;|]")
#: These may also be part of a label (没收违法所得、没收非法财物), so labels are tried first.
_SPLIT_UNLESS_LABEL: Final = re.compile(r"[、,，/+]|以及|并处|和|及")
#: 其他 with its note: in brackets, behind a dash or colon, or directly; not a list going on.
_OTHER_IN_BRACKETS: Final = re.compile(r"其[他它][-—–:]*\(([^()]*)\)")
_OTHER: Final = re.compile(r"其[他它](?![、,，/+])(.*)", re.DOTALL)
_AROUND_NOTE: Final = "-—–:"


class Code(NamedTuple):
    """One value of a list: canonical code, label as the national list writes it, other inputs."""

    code: str
    label: str
    also: tuple[str, ...] = ()


class CodeList(NamedTuple):
    """A list of values; `other` is the code of 其他 ("" without), `multiple`: several may apply.

    `writes_label`: whether the canonical text for platforms is the label (else the code).
    """

    name: str
    codes: tuple[Code, ...]
    other: str = ""
    multiple: bool = False
    writes_label: bool = True
    reason: str = "CODE_UNKNOWN"


class CodeReading(NamedTuple):
    """Canonical `codes` and `labels` in the order of the list, the `note` of 其他, the `text`.

    `text` is what is stored and shown: labels (or codes) joined by ";", 其他 with its note as
    `其他-注明`. `needs_note`: 其他 is without a note. `reason` is "" when fine.
    """

    codes: tuple[str, ...]
    labels: tuple[str, ...]
    note: str
    text: str
    needs_note: bool
    reason: str

    @property
    def code(self) -> str:
        """The first canonical code, "" when absent or refused."""
        return self.codes[0] if self.codes else ""


LICENCE_CATEGORY: Final = CodeList(
    "许可类别",
    (
        Code("0", "普通", ("普通许可",)),
        Code("1", "特许", ("特许许可",)),
        Code("2", "认可"),
        Code("3", "核准"),
        Code("4", "登记"),
        Code("5", "其他", ("其它",)),
    ),
    other="5",
)

PENALTY_CATEGORY: Final = CodeList(
    "处罚类别",
    (
        Code("WARNING", "警告"),
        Code("CRITICISM", "通报批评"),
        Code("FINE", "罚款"),
        Code("CONFISCATION", "没收违法所得、没收非法财物", ("没收违法所得和非法财物",)),
        Code("CONFISCATION_OF_GAINS", "没收违法所得"),
        Code("CONFISCATION_OF_GOODS", "没收非法财物", ("没收非法财产",)),
        Code(
            "LICENCE_SUSPENDED_OR_REVOKED",
            "暂扣或者吊销许可证、暂扣或者吊销执照",
            ("暂扣或者吊销许可证", "暂扣或者吊销执照", "暂扣或吊销许可证、暂扣或吊销执照"),
        ),
        Code("LICENCE_SUSPENDED", "暂扣许可证件", ("暂扣许可证", "暂扣执照", "暂扣证照")),
        Code("GRADE_LOWERED", "降低资质等级"),
        Code(
            "LICENCE_REVOKED",
            "吊销许可证件",
            ("吊销许可证", "吊销执照", "吊销营业执照", "吊销证照"),
        ),
        Code("BUSINESS_RESTRICTED", "限制开展生产经营活动"),
        Code("BUSINESS_STOPPED", "责令停产停业", ("责令停产停业整顿",)),
        Code("CLOSED", "责令关闭"),
        Code("EMPLOYMENT_RESTRICTED", "限制从业"),
        Code("DETENTION", "行政拘留"),
        Code("OTHER", "其他", ("其它",)),
    ),
    other="OTHER",
    multiple=True,
)

#: 处罚类别 that oblige to state 罚款金额, 没收金额, 暂扣或吊销证照名称及编号.
FINE_CATEGORIES: Final = frozenset({"FINE"})
CONFISCATION_CATEGORIES: Final = frozenset(
    {"CONFISCATION", "CONFISCATION_OF_GAINS", "CONFISCATION_OF_GOODS"}
)
LICENCE_CATEGORIES: Final = frozenset(
    {"LICENCE_SUSPENDED_OR_REVOKED", "LICENCE_SUSPENDED", "LICENCE_REVOKED"}
)

CURRENT_STATUS: Final = CodeList(
    "当前状态",
    (Code("1", "有效", ("正常",)), Code("2", "无效", ("撤销", "注销", "失效"))),
    writes_label=False,
    reason="STATUS_INVALID",
)
#: 当前状态 "valid".
STATUS_VALID: Final = "1"
#: 当前状态 "not valid": the record is to be withdrawn.
STATUS_NOT_VALID: Final = "2"

SUBJECT_CATEGORY: Final = CodeList(
    "行政相对人类别",
    (
        Code(
            "ORGANISATION",
            "法人及非法人组织",
            ("法人和非法人组织", "法人", "非法人组织", "法人和其他组织", "法人及其他组织"),
        ),
        Code("PERSON", "自然人", ("个人", "公民")),
        Code("INDIVIDUAL_BUSINESS", "个体工商户", ("个体户", "个体")),
    ),
)
#: 相对人类别 whose rows are sealed as a whole and answered PERSON_NOT_ENABLED.
SUBJECT_PERSON: Final = "PERSON"

IDENTITY_DOCUMENT: Final = CodeList(
    "证件类型",
    (
        Code("10", "身份证", ("居民身份证", "二代身份证")),
        Code("20", "军官证", ("军人证件", "军人", "士兵证")),
        Code("30", "港澳居民来往内地通行证", ("港澳通行证", "回乡证")),
        Code("40", "台湾居民来往大陆通行证", ("台胞证",)),
        Code("50", "护照号", ("护照",)),
        Code("60", "外国人永久居留身份证", ("外国人永久居留证",)),
        Code("90", "其他", ("其它",)),
    ),
    other="90",
)

CASE_PROCEDURE: Final = CodeList(
    "案件程序类别",
    (
        Code("01", "简易", ("1", "简易程序")),
        Code("02", "一般", ("2", "一般程序", "普通", "普通程序")),
    ),
    writes_label=False,
)
#: 案件程序类别 withheld from public targets.
PROCEDURE_SIMPLE: Final = "01"

SERIOUSNESS: Final = CodeList(
    "严重程度",
    (
        Code("MINOR", "轻微", ("轻微失信",)),
        Code("ORDINARY", "一般", ("一般失信",)),
        Code("SERIOUS", "严重", ("严重失信",)),
    ),
)
SERIOUSNESS_MINOR: Final = "MINOR"

#: 失信被执行人: the court's site writes 0 and 1 (partyTypeName), its tables the words.
DEBTOR_CATEGORY: Final = CodeList(
    "被执行人类型",
    (
        Code("PERSON", "自然人", ("0", "个人", "公民")),
        Code(
            "ORGANISATION",
            "法人或者其他组织",
            ("1", "法人及非法人组织", "法人和非法人组织", "法人或其他组织", "法人", "企业", "单位"),
        ),
    ),
)

COURT_PERFORMANCE: Final = CodeList(
    "被执行人履行情况",
    (
        Code("NONE", "全部未履行", ("未履行",)),
        Code("PART", "部分履行", ("部分未履行", "部分已履行")),
        Code("ALL", "全部履行", ("全部已履行", "已履行")),
    ),
)

#: Why a debtor leaves the list: 2013年最高人民法院规定 Art 7 and the reasons courts state.
COURT_EXIT_REASON: Final = CodeList(
    "退出失信名单原因",
    (
        Code("FULFILLED", "履行完毕", ("全部履行完毕", "已履行完毕", "履行义务完毕")),
        Code("SETTLED", "和解履行完毕", ("达成和解并履行完毕", "和解协议履行完毕")),
        Code("APPLICANT", "申请执行人申请删除", ("申请执行人书面申请删除",)),
        Code("ENDED", "终结执行", ("裁定终结执行",)),
        Code("RETRIAL", "再审改判", ("经再审改判", "再审撤销")),
        Code("TERM_OVER", "期满", ("期限届满", "失信期限届满", "公布期限届满")),
        Code("OTHER", "其他", ("其它",)),
    ),
    other="OTHER",
)

COMMITMENT_TYPE: Final = CodeList(
    "承诺类型",
    (
        Code("IN_PLACE_OF_APPROVAL", "审批替代型", ("审批替代",)),
        Code("DOCUMENTS_LATER", "容缺受理型", ("容缺受理",)),
        Code("IN_PLACE_OF_PROOF", "证明事项型", ("证明事项",)),
        Code("CREDIT_REPAIR", "信用修复型", ("信用修复",)),
        Code("TRADE_SELF_DISCIPLINE", "行业自律型", ("行业自律",)),
        Code("OWN_INITIATIVE", "主动型", ("主动承诺型", "主动公示型", "主动承诺")),
        Code("OTHER", "其他", ("其它",)),
    ),
    other="OTHER",
)

PERFORMANCE_STATUS: Final = CodeList(
    "承诺履行状态",
    (
        Code("ALL", "全部履行", ("已全部履行", "履行完毕")),
        Code("PART", "部分履行", ("已部分履行",)),
        Code("NONE", "全部未履行", ("未履行",)),
    ),
)

#: 公开类型 of a commitment: who may see it, for every sharing class of a field.
OPENNESS: Final = CodeList(
    "公开类型",
    (
        Code("PUBLIC", "可向社会公开", ("向社会公开", "社会公开")),
        Code("RESTRICTED", "特定范围内公开", ("特定范围公开", "在特定范围内公开")),
        Code("CLOSED", "不可公开", ("不公开", "不予公开")),
    ),
)

#: Every list by its Chinese name, as contracts refer to them.
CODE_LISTS: Final[dict[str, CodeList]] = {
    listed.name: listed
    for listed in (
        LICENCE_CATEGORY,
        PENALTY_CATEGORY,
        CURRENT_STATUS,
        SUBJECT_CATEGORY,
        IDENTITY_DOCUMENT,
        CASE_PROCEDURE,
        SERIOUSNESS,
        DEBTOR_CATEGORY,
        COURT_PERFORMANCE,
        COURT_EXIT_REASON,
        COMMITMENT_TYPE,
        PERFORMANCE_STATUS,
        OPENNESS,
    )
}

_LOOKUP: Final[dict[str, dict[str, Code]]] = {
    name: {
        spelling: code for code in listed.codes for spelling in (code.code, code.label, *code.also)
    }
    for name, listed in CODE_LISTS.items()
}
_ABSENT: Final = CodeReading((), (), "", "", needs_note=False, reason="")


def read_code(name: str, text: str) -> CodeReading:
    """Read a value of the list called `name` (a key of CODE_LISTS, else `KeyError`).

    An empty text is an absent value, not an error. The reason is the list's (CODE_UNKNOWN or
    STATUS_INVALID) when a part is unknown, or when several are given where one is allowed.
    """
    return _remembered(name, text) if len(text) <= LONGEST else _read_code(name, text)


def _read_code(name: str, text: str) -> CodeReading:
    listed, known = CODE_LISTS[name], _LOOKUP[name]
    folded = "".join(text.translate(_HALF_WIDTH).split())
    if not folded:
        return _ABSENT
    refused = CodeReading((), (), "", "", needs_note=False, reason=listed.reason)
    if len(folded) > _LONGEST:
        return refused
    found: dict[str, str] = {}
    for part in _SPLIT_ALWAYS.split(folded) if listed.multiple else [folded]:
        if part and not _read_part(listed, known, part, found):
            return refused
    return _reading(listed, found) if found else refused


_remembered: Final = lru_cache(maxsize=20_000)(_read_code)


def _read_part(listed: CodeList, known: dict[str, Code], part: str, found: dict[str, str]) -> bool:
    """Put the codes of one part into `found` (code → note); False when it is not understood."""
    if _read_one(listed, known, part, found):
        return True
    if not listed.multiple:
        return False
    pieces = [piece for piece in _SPLIT_UNLESS_LABEL.split(part) if piece]
    return bool(pieces) and all(_read_one(listed, known, piece, found) for piece in pieces)


def _read_one(listed: CodeList, known: dict[str, Code], text: str, found: dict[str, str]) -> bool:
    """As `_read_part` for a text that holds one value."""
    code = known.get(text)
    if code is not None:
        found.setdefault(code.code, "")
        return True
    noted = _OTHER_IN_BRACKETS.fullmatch(text) or _OTHER.fullmatch(text)
    if not listed.other or noted is None:
        return False
    note, earlier = noted[1].strip(_AROUND_NOTE), found.get(listed.other)
    found[listed.other] = f"{earlier}、{note}" if earlier and note else earlier or note
    return True


def _reading(listed: CodeList, found: dict[str, str]) -> CodeReading:
    """The reading of the found codes in the order of the list, so that order says nothing."""
    chosen = [code for code in listed.codes if code.code in found]
    note = found.get(listed.other, "") if listed.other else ""
    written = [code.label if listed.writes_label else code.code for code in chosen]
    if note:
        written = [
            f"{text}-{note}" if code.code == listed.other else text
            for text, code in zip(written, chosen, strict=True)
        ]
    return CodeReading(
        codes=tuple(code.code for code in chosen),
        labels=tuple(code.label for code in chosen),
        note=note,
        text=";".join(written),
        needs_note=listed.other in found and not note,
        reason="",
    )
