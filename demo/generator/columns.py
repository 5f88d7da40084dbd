"""Columns of the two national tables: code, Chinese header; and one department's own layout.

Source: data standard annexed to 发改办财金〔2018〕424号, as rebuilt from upload templates.
"""

from typing import Final, Literal

Table = Literal["licence", "penalty"]

LICENCE: Final = {
    "XK_XDR_MC": "行政相对人名称",
    "XK_XDR_LB": "行政相对人类别",
    "XK_XDR_SHXYM": "行政相对人代码_1(统一社会信用代码)",
    "XK_XDR_GSZC": "行政相对人代码_2(工商注册号)",
    "XK_XDR_ZZJG": "行政相对人代码_3(组织机构代码)",
    "XK_XDR_SWDJ": "行政相对人代码_4(税务登记号)",
    "XK_XDR_SYDW": "行政相对人代码_5(事业单位证书号)",
    "XK_XDR_SHZZ": "行政相对人代码_6(社会组织登记证号)",
    "XK_FRDB": "法定代表人",
    "XK_FR_ZJLX": "法定代表人证件类型",
    "XK_FR_ZJHM": "法定代表人证件号码",
    "XK_XKWS": "行政许可决定文书名称",
    "XK_WSH": "行政许可决定文书号",
    "XK_XKLB": "许可类别",
    "XK_XKZS": "许可证书名称",
    "XK_XKBH": "许可编号",
    "XK_NR": "许可内容",
    "XK_JDRQ": "许可决定日期",
    "XK_YXQZ": "有效期自",
    "XK_YXQZI": "有效期至",
    "XK_XKJG": "许可机关",
    "XK_XKJGDM": "许可机关统一社会信用代码",
    "XK_ZT": "当前状态",
    "XK_LYDW": "数据来源单位",
    "XK_LYDWDM": "数据来源单位统一社会信用代码",
    "BZ": "备注",
}

PENALTY: Final = {
    "CF_XDR_MC": "行政相对人名称",
    "CF_XDR_LB": "行政相对人类别",
    "CF_XDR_SHXYM": "行政相对人代码_1(统一社会信用代码)",
    "CF_XDR_GSZC": "行政相对人代码_2(工商注册号)",
    "CF_XDR_ZZJG": "行政相对人代码_3(组织机构代码)",
    "CF_XDR_SWDJ": "行政相对人代码_4(税务登记号)",
    "CF_XDR_SYDW": "行政相对人代码_5(事业单位证书号)",
    "CF_XDR_SHZZ": "行政相对人代码_6(社会组织登记证号)",
    "CF_FRDB": "法定代表人",
    "CF_FR_ZJLX": "法定代表人证件类型",
    "CF_FR_ZJHM": "法定代表人证件号码",
    "CF_WSH": "行政处罚决定书文号",
    "CF_WFXW": "违法行为类型",
    "CF_SY": "违法事实",
    "CF_YJ": "处罚依据",
    "CF_CFLB": "处罚类别",
    "CF_NR": "处罚内容",
    "CF_NR_FK": "罚款金额(万元)",
    "CF_NR_WFFF": "没收违法所得、没收非法财物的金额(万元)",
    "CF_NR_ZKDX": "暂扣或吊销证照名称及编号",
    "CF_JDRQ": "处罚决定日期",
    "CF_YXQ": "处罚有效期",
    "CF_GSJZQ": "公示截止期",
    "CF_CFJG": "处罚机关",
    "CF_CFJGDM": "处罚机关统一社会信用代码",
    "CF_SJLY": "数据来源单位",
    "CF_SJLYDM": "数据来源单位统一社会信用代码",
    "BZ": "备注",
    "CF_AJCXLB": "案件程序类别",
    "CF_YZCD": "严重程度",
}

TABLES: Final[dict[Table, dict[str, str]]] = {"licence": LICENCE, "penalty": PENALTY}

PERSON_LICENCE: Final = {
    "XK_XDR_MC": "行政相对人名称",
    "XK_XDR_ZJLX": "证件类型",
    "XK_XDR_ZJHM": "证件号码",
    **{code: LICENCE[code] for code in list(LICENCE)[11:]},
}
"""The 自然人 table has 18 columns: an identity card in place of codes and representative."""

REASON: Final = "原因"
PREVIOUS: Final = {
    "previous_document_number": "原文书号",
    "previous_subject_name": "原相对人名称",
    "previous_credit_code": "原统一社会信用代码",
}
"""What a correction names when it changes the identity of a record."""
DECIDED_BY: Final = "决定机关"
"""What a restoration names beside its reason."""
WITHDRAWAL: Final = {
    "document_number": "文书号",
    "subject_name": "相对人名称",
    "credit_code": "统一社会信用代码",
    "subject_kind": "类型",
    "authority_code": "机关代码",
    "reason": REASON,
}

OWN_VERSION: Final = "数据版本"
OWN_LAYOUT: Final = {
    "案号": "CF_WSH",
    "当事人": "CF_XDR_MC",
    "当事人类别": "CF_XDR_LB",
    "社会信用代码": "CF_XDR_SHXYM",
    "法人代表": "CF_FRDB",
    "案由": "CF_WFXW",
    "案情": "CF_SY",
    "法律依据": "CF_YJ",
    "处罚种类": "CF_CFLB",
    "处罚决定": "CF_NR",
    "罚款万元": "CF_NR_FK",
    "没收万元": "CF_NR_WFFF",
    "扣证": "CF_NR_ZKDX",
    "决定日期": "CF_JDRQ",
    "执行期限": "CF_YXQ",
    "公示截止": "CF_GSJZQ",
    "办案机关": "CF_CFJG",
    "办案机关代码": "CF_CFJGDM",
    "归集单位": "CF_SJLY",
    "归集单位代码": "CF_SJLYDM",
    "说明": "BZ",
    "程序": "CF_AJCXLB",
    "情节": "CF_YZCD",
}
"""Headers of the transport department's case system, which no standard knows."""
