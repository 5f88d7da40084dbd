"""The invented city's six departments: how each writes its files, and what it decides about.

All names and texts are invented. Laws are real and cited by name and article only.
"""

from dataclasses import dataclass
from typing import Final, Literal

from demo.generator.identities import CITY, authority_code

Header = Literal["zh", "code"]
DateStyle = Literal["-", "/", "/short", "."]


@dataclass(frozen=True, slots=True)
class Authority:
    """Who decides: full name and credit code."""

    name: str
    code: str


@dataclass(frozen=True, slots=True)
class LicenceText:
    """One kind of licence; `number` is the pattern of the number: {n} serial, {code} subject."""

    title: str
    category: str
    certificate: str
    content: str
    number: str
    years: int


@dataclass(frozen=True, slots=True)
class PenaltyText:
    """One kind of offence; `{place}` and `{n}` stand for an invented place and number."""

    offence: str
    facts: str
    basis: str


@dataclass(frozen=True, slots=True)
class FileStyle:
    """How a department's software writes files."""

    form: Literal["csv", "xlsx"]
    header: Header
    encoding: Literal["utf-8", "utf-8-sig", "gb18030"] = "utf-8"
    shuffled: bool = False
    digits: bool = False
    """Whether coded values are written as digits instead of labels."""
    dates: DateStyle = "-"
    blank_rows: int = 0
    """Formatted blank rows below the table."""
    padded_header: bool = False
    """A blank after each header, as in the upload template corp_cf.xls."""
    empty_sheet: bool = False
    own_penalties: bool = False
    """Penalties come from a case system with a layout and an inbox of its own."""


@dataclass(frozen=True, slots=True)
class DepartmentPlan:
    """One department: rates are rows per working day."""

    id: str
    name: str
    authorities: tuple[Authority, ...]
    style: FileStyle
    licences_a_day: int
    penalties_a_day: int
    penalty_number: str
    licences: tuple[LicenceText, ...]
    penalties: tuple[PenaltyText, ...]


def _authority(name: str, serial: int) -> Authority:
    return Authority(f"{CITY}{name}", authority_code(serial))


MARKET: Final = DepartmentPlan(
    "market-supervision",
    "市场监督管理局",
    (_authority("市场监督管理局", 101), _authority("市场监督管理局东屿分局", 102)),
    FileStyle("csv", "zh", encoding="utf-8-sig"),
    95,
    30,
    "屿市监罚〔2026〕{n}号",
    (
        LicenceText(
            "准予设立登记通知书", "登记", "营业执照", "准予设立登记", "(屿)登字〔2026〕第{n}号", 0
        ),
        LicenceText(
            "准予变更登记通知书",
            "登记",
            "营业执照",
            "准予变更登记：经营范围",
            "(屿)登变字〔2026〕第{n}号",
            0,
        ),
        LicenceText(
            "食品经营许可决定书",
            "普通",
            "食品经营许可证",
            "热食类食品制售；预包装食品销售",
            "JY1330900{n:07d}",
            5,
        ),
        LicenceText(
            "特种设备使用登记决定书",
            "登记",
            "特种设备使用登记证",
            "叉车使用登记",
            "车11屿F{n:05d}",
            0,
        ),
        LicenceText(
            "食品生产许可决定书", "普通", "食品生产许可证", "水产制品生产", "SC1113309{n:07d}", 5
        ),
    ),
    (
        PenaltyText(
            "经营超过保质期的食品",
            "当事人在{place}的经营场所货架上陈列超过保质期的预包装食品{n}袋",
            "《中华人民共和国食品安全法》第一百二十四条第一款第五项",
        ),
        PenaltyText(
            "未按规定明码标价",
            "当事人在{place}销售水产品，{n}种商品未标明价格",
            "《中华人民共和国价格法》第四十二条",
        ),
        PenaltyText(
            "发布虚假广告",
            "当事人在其网店页面发布含有绝对化用语的广告，浏览量{n}次",
            "《中华人民共和国广告法》第五十七条第一项",
        ),
        PenaltyText(
            "使用未经检定的计量器具",
            "当事人在{place}使用未经检定的电子秤{n}台用于贸易结算",
            "《中华人民共和国计量法实施细则》第四十三条",
        ),
    ),
)

HOUSING: Final = DepartmentPlan(
    "housing-construction",
    "住房和城乡建设局",
    (_authority("住房和城乡建设局", 201),),
    FileStyle("csv", "zh", shuffled=True, dates="/", blank_rows=40, padded_header=True),
    40,
    14,
    "屿建罚〔2026〕第{n}号",
    (
        LicenceText(
            "建筑工程施工许可决定书",
            "普通",
            "建筑工程施工许可证",
            "{place}厂房项目施工许可",
            "屿建许〔2026〕{n}号",
            3,
        ),
        LicenceText(
            "商品房预售许可决定书",
            "普通",
            "商品房预售许可证",
            "{place}住宅项目{n}幢预售",
            "屿售许字〔2026〕第{n}号",
            2,
        ),
        LicenceText(
            "城镇污水排入排水管网许可决定书",
            "普通",
            "排水许可证",
            "{place}排水户污水排入市政管网",
            "屿排许〔2026〕{n}号",
            5,
        ),
    ),
    (
        PenaltyText(
            "未取得施工许可证擅自施工",
            "当事人未取得施工许可证，于{place}擅自开工建设，已浇筑基础{n}立方米",
            "《建筑工程施工许可管理办法》第十二条",
        ),
        PenaltyText(
            "未按设计图纸施工",
            "当事人在{place}项目中未按审查合格的设计图纸施工，涉及构件{n}处",
            "《建设工程质量管理条例》第六十四条",
        ),
        PenaltyText(
            "现场搅拌砂浆",
            "当事人在{place}项目现场搅拌砂浆{n}吨，未使用预拌砂浆",
            "《散装水泥管理办法》第二十条",
        ),
    ),
)

ECOLOGY: Final = DepartmentPlan(
    "ecology-environment",
    "生态环境局",
    (_authority("生态环境局", 301),),
    FileStyle("csv", "code", digits=True),
    22,
    18,
    "屿环罚字[2026]{n}号",
    (
        LicenceText(
            "排污许可证核发决定书",
            "普通",
            "排污许可证",
            "废水、废气污染物排放许可",
            "{code}001P",
            5,
        ),
        LicenceText(
            "建设项目环境影响报告表批复",
            "核准",
            "环评批复",
            "{place}技改项目环境影响报告表批复",
            "屿环审〔2026〕{n}号",
            0,
        ),
        LicenceText(
            "危险废物经营许可决定书",
            "特许",
            "危险废物经营许可证",
            "收集、贮存废矿物油",
            "屿危废证〔2026〕{n}号",
            3,
        ),
    ),
    (
        PenaltyText(
            "超标排放水污染物",
            "当事人位于{place}的总排口化学需氧量浓度为{n}毫克每升，超过排放标准",
            "《中华人民共和国水污染防治法》第八十三条第二项",
        ),
        PenaltyText(
            "未批先建",
            "当事人在{place}的喷涂生产线未报批环评文件即开工建设，总投资{n}万元",
            "《中华人民共和国环境影响评价法》第三十一条第一款",
        ),
        PenaltyText(
            "未按规定贮存危险废物",
            "当事人在{place}露天堆放废机油桶{n}只，未设置识别标志",
            "《中华人民共和国固体废物污染环境防治法》第一百一十二条第一款第六项",
        ),
    ),
)

TRANSPORT: Final = DepartmentPlan(
    "transport",
    "交通运输局",
    (_authority("交通运输局", 401),),
    FileStyle("csv", "zh", encoding="gb18030", dates="/short", own_penalties=True),
    35,
    22,
    "屿交罚决第ZD02{n:04d}号",
    (
        LicenceText(
            "道路货物运输经营许可决定书",
            "普通",
            "道路运输经营许可证",
            "道路普通货物运输",
            "屿交运管许可货字3309{n:08d}号",
            4,
        ),
        LicenceText(
            "国内水路运输业务经营许可决定书",
            "普通",
            "国内水路运输经营许可证",
            "国内沿海普通货船运输",
            "屿交SJ(浙)XK{n:04d}",
            5,
        ),
        LicenceText(
            "超限运输车辆通行许可决定书",
            "普通",
            "超限运输车辆通行证",
            "{place}至云屿港区超限运输一次",
            "屿交超限〔2026〕{n}号",
            1,
        ),
    ),
    (
        PenaltyText(
            "超限运输",
            "当事人车辆在{place}治超站检测，车货总质量超限{n}千克",
            "《公路安全保护条例》第六十四条",
        ),
        PenaltyText(
            "未取得道路运输经营许可从事经营",
            "当事人未取得许可，在{place}从事货运经营{n}趟次",
            "《中华人民共和国道路运输条例》第六十三条",
        ),
        PenaltyText(
            "未按规定维护营运车辆",
            "当事人{n}辆营运货车未按周期维护",
            "《道路货物运输及站场管理规定》第六十五条",
        ),
    ),
)

NATURAL: Final = DepartmentPlan(
    "natural-resources",
    "自然资源和规划局",
    (_authority("自然资源和规划局", 501),),
    FileStyle("xlsx", "zh", blank_rows=60, empty_sheet=True),
    22,
    8,
    "屿自然资执罚【2026】{n}号",
    (
        LicenceText(
            "建设工程规划许可决定书",
            "普通",
            "建设工程规划许可证",
            "{place}厂房项目规划许可",
            "建字第3309{n:07d}号",
            2,
        ),
        LicenceText(
            "采矿权延续登记决定书",
            "特许",
            "采矿许可证",
            "{place}建筑石料矿延续",
            "C33090020260971{n:08d}",
            3,
        ),
        LicenceText(
            "建设用地规划许可决定书",
            "普通",
            "建设用地规划许可证",
            "{place}工业用地规划许可",
            "屿自然资许（2026）{n}号",
            2,
        ),
    ),
    (
        PenaltyText(
            "非法占用土地",
            "当事人未经批准占用{place}国有土地{n}平方米堆放建材",
            "《中华人民共和国土地管理法》第七十七条",
        ),
        PenaltyText(
            "未按规划许可进行建设",
            "当事人在{place}超出规划许可加建{n}平方米",
            "《中华人民共和国城乡规划法》第六十四条",
        ),
    ),
)

EMERGENCY: Final = DepartmentPlan(
    "emergency-management",
    "应急管理局",
    (_authority("应急管理局", 601),),
    FileStyle("csv", "zh", encoding="gb18030", dates="."),
    20,
    12,
    "(屿)应急罚(2026){n}号",
    (
        LicenceText(
            "危险化学品经营许可决定书",
            "普通",
            "危险化学品经营许可证",
            "汽油、柴油零售",
            "屿危化经字﹝2026﹞{n}号",
            3,
        ),
        LicenceText(
            "安全生产许可决定书",
            "普通",
            "安全生产许可证",
            "危险化学品生产",
            "(屿)WH安许证字〔2026〕{n}",
            3,
        ),
        LicenceText(
            "烟花爆竹零售许可决定书",
            "普通",
            "烟花爆竹经营（零售）许可证",
            "{place}烟花爆竹零售点",
            "屿YHLS〔2026〕{n}号",
            2,
        ),
    ),
    (
        PenaltyText(
            "未进行安全生产教育培训",
            "当事人未对{n}名新上岗从业人员进行安全生产教育培训",
            "《中华人民共和国安全生产法》第九十七条第三项",
        ),
        PenaltyText(
            "未设置安全警示标志",
            "当事人在{place}有限空间作业场所未设置明显的安全警示标志，共{n}处",
            "《中华人民共和国安全生产法》第九十九条第一项",
        ),
    ),
)

DEPARTMENTS: Final = (MARKET, HOUSING, ECOLOGY, TRANSPORT, NATURAL, EMERGENCY)
PLACES: Final = (
    "东屿街道",
    "西屿街道",
    "望潮镇",
    "听涛镇",
    "云锚路",
    "潮生路",
    "鲸湾工业园",
    "岚港物流园",
)
