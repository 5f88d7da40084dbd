"""Synthetic identities of an invented city: valid on every check digit, belonging to nobody.

The region part is Zhoushan's 330900 family with subject bodies `MA0…`, which Zhejiang never issued;
city, companies and representatives are invented. Check digits: GB 32100-2015 and GB 11714.
"""

from dataclasses import dataclass
from typing import Final

from demo.generator.dice import Dice

CITY: Final = "云屿市"
_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))
_ORGANISATION_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_REGIONS: Final = (("330902", 44), ("330903", 30), ("330921", 14), ("330922", 8), ("330900", 4))
# Retired 市辖区 code, and the shape of a development zone that never was a statistical region.
UNKNOWN_REGIONS: Final = ("330901", "330991")
# 7.89 % of 60,093 real codes have a region that the table in force does not hold.
UNKNOWN_REGION_SHARE: Final = 0.0789
LEGAL: Final = "法人及非法人组织"
INDIVIDUAL: Final = "个体工商户"
PERSON: Final = "自然人"

SYNTHETIC_CITIZEN_IDS: Final = (
    "330900198001010019",
    "330900198001010027",
    "330900200811210012",
    "330900201012310011",
)
"""Valid on the GB 11643 check digit, on a prefecture code that persons are not given."""
CITIZEN_ID_LIKE_CODE: Final = "330900198001010908"
"""Passes GB 32100 and GB 11643, fails GB 11714: the confusion of one id for another."""

_FIRST: Final = "岚澄沧渺泠溟汀砚霁苇鲸珊瑚潮帆舷锚桅礁澜"
_SECOND: Final = "舟汐屿浦鸥汛湾矶渚漪沅滃泊棹樯艋霭氲沚洄"
_TRADES: Final = (
    "贸易",
    "食品",
    "水产",
    "物流",
    "建设工程",
    "装饰工程",
    "环保科技",
    "船舶修造",
    "化工",
    "石化仓储",
    "新材料",
    "餐饮管理",
    "医药",
    "电子科技",
    "机械制造",
    "矿业",
    "运输",
    "冷链",
    "房地产开发",
    "能源",
)
_SHOPS: Final = ("小吃店", "便利店", "五金店", "水果店", "海鲜摊", "理发店")
_OTHERS: Final = (
    ("93", "{}水产养殖专业合作社"),
    ("51", CITY + "{}行业协会"),
    ("52", CITY + "{}职业培训学校"),
    ("12", CITY + "{}检测中心"),
    ("N2", CITY + "{}村股份经济合作社"),
)
_STEMS: Final = "甲乙丙丁戊己庚辛壬癸"
_BRANCHES: Final = "子丑寅卯辰巳午未申酉戌亥"


@dataclass(frozen=True, slots=True)
class Subject:
    """A party decisions are about; `category` is 行政相对人类别."""

    name: str
    credit_code: str
    category: str
    representative: str


def is_credit_code(text: str) -> bool:
    """Whether the text passes GB 32100."""
    try:
        return credit_code(text[:2], text[2:8], text[8:17]) == text
    except ValueError:
        return False


def organisation_code(body: str) -> str:
    """The 9-character organisation code of an 8-character body (GB 11714)."""
    total = sum(
        _ORGANISATION_ALPHABET.index(sign) * weight
        for sign, weight in zip(body, _ORGANISATION_WEIGHTS, strict=True)
    )
    return body + "0123456789X0"[11 - total % 11]


def credit_code(prefix: str, region: str, organisation: str) -> str:
    """The 18-character code of a 2-character prefix, a region and an organisation code."""
    first = prefix + region + organisation
    total = sum(
        _ALPHABET.index(sign) * weight for sign, weight in zip(first, _WEIGHTS, strict=True)
    )
    return first + _ALPHABET[-total % 31]


def broken_inside(code: str) -> str:
    """The same code with a wrong GB 11714 character inside and a right GB 32100 character."""
    inner = code[8:17]
    wrong = next(sign for sign in "123456789" if sign != inner[8] and inner[8] != "X")
    return credit_code(code[:2], code[2:8], inner[:8] + wrong)


def registration_number(serial: int) -> str:
    """A valid 15-digit business registration number (ISO 7064 MOD 11,10) of 330900."""
    first = f"330900{serial:08d}"
    product = 10
    for digit in first:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return first + str((11 - product) % 10)


def authority_code(serial: int) -> str:
    """The credit code of an invented authority (prefix 11, 机关)."""
    return credit_code("11", "330900", organisation_code(f"MA{serial:06d}"))


def representative(dice: Dice) -> str:
    """An obviously invented person: one of the sixty 干支 followed by 某."""
    place = dice.below(60)
    return _STEMS[place % 10] + _BRANCHES[place % 12] + "某"


def subjects(count: int) -> list[Subject]:
    """`count` different subjects; shares of kinds, brackets and regions as in the real table."""
    dice = Dice("subjects")
    found: dict[str, Subject] = {}
    codes: set[str] = set()
    while len(found) < count:
        prefix, name, category = _kind_and_name(dice, len(found))
        body = "MA0" + "".join(dice.pick(_ALPHABET) for _ in range(5))
        unknown = dice.happens(UNKNOWN_REGION_SHARE)
        region = dice.pick(UNKNOWN_REGIONS) if unknown else dice.weighted(_REGIONS)
        code = credit_code(prefix, region, organisation_code(body))
        if name not in found and code not in codes:
            codes.add(code)
            found[name] = Subject(name, code, category, representative(dice))
    return list(found.values())


def _kind_and_name(dice: Dice, serial: int) -> tuple[str, str, str]:
    """Prefix, name and category. 1.35 % of real codes begin with 92; other kinds are rarer."""
    trade_name = dice.pick(_FIRST) + dice.pick(_SECOND)
    if dice.happens(0.0135):
        return "92", f"{CITY}东屿区{trade_name}{dice.pick(_SHOPS)}", INDIVIDUAL
    if dice.happens(0.01):
        prefix, pattern = dice.pick(_OTHERS)
        return prefix, pattern.format(trade_name), LEGAL
    return "91", _company_name(dice, serial, trade_name), LEGAL


def _company_name(dice: Dice, serial: int, trade_name: str) -> str:
    """A company's name; 2.03 % with half-width and 0.06 % with full-width brackets."""
    trade = dice.pick(_TRADES)
    end = dice.weighted((("有限公司", 88), ("股份有限公司", 6), ("有限责任公司", 6)))
    style = {40: "former", 140: "spaced", 240: "full", 340: "former", 440: "spaced", 540: "full"}
    if (forced := style.get(serial)) == "former":
        return f"云屿{trade_name}{trade}{end} (原名云屿{trade_name}{trade}公司)"
    if forced == "spaced":
        return f"{trade_name}( 云屿 ){trade}{end}"
    if forced == "full":
        return f"{trade_name}（云屿）{trade}{end}"
    if dice.happens(0.0203):
        return f"{trade_name}(云屿){trade}{end}"
    place = dice.weighted((("云屿", 60), (CITY, 25), (f"{CITY}东屿区", 15)))
    return f"{place}{trade_name}{trade}{end}"
