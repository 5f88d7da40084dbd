"""The one catalogue of reason codes: what is told to a clerk, and what to do about it.

Every reason the hub gives to a person is here once, Chinese first. A message never holds the
offending value: it may be personal, and messages travel to receipts, logs and result files.
`{field}` stands for the name of the column. Append new reasons to the section they belong to.
"""

from typing import Final, NamedTuple


class ReasonText(NamedTuple):
    """A stable code with its message and remedy in two languages; `{field}` is a placeholder."""

    code: str
    zh: str
    en: str
    remedy_zh: str
    remedy_en: str
    warning: bool = False


class Message(NamedTuple):
    """A reason as shown to a person: Chinese, English, remedy (Chinese) and remedy in English."""

    zh: str
    en: str
    remedy: str
    remedy_en: str


_CREDIT_CODES: Final = (
    ReasonText(
        "CREDIT_CODE_MISSING",
        "{field}未填写",
        "{field} is empty",
        "填写18位统一社会信用代码；自然人请按自然人表报送",
        "Enter the 18-character unified social credit code; report persons in the persons' table",
    ),
    ReasonText(
        "CREDIT_CODE_LENGTH",
        "{field}不是18位",
        "{field} does not have 18 characters",
        "核对营业执照上的18位统一社会信用代码；15位注册号、组织机构代码等旧号码不能代替",
        "Copy the 18-character code from the licence; old 15-digit numbers cannot stand in for it",
    ),
    ReasonText(
        "CREDIT_CODE_CHARSET",
        "{field}含有不允许的字符（只能用数字和除I、O、S、V、Z以外的大写字母）",
        "{field} holds a character outside digits and A-Y without I, O, S, V (GB 32100)",
        "检查是否把数字1、0误录为字母I、O，或含有星号、汉字等符号，改正后重新报送",
        "Look for letters I or O in place of 1 or 0, stars or other signs; correct and resend",
    ),
    ReasonText(
        "CREDIT_CODE_CHECK_DIGIT",
        "{field}校验位不符，号码有误",
        "The check character of {field} is wrong (GB 32100-2015)",
        "与营业执照或登记证书逐位核对，改正后重新报送",
        "Compare with the certificate character by character, correct and resend",
    ),
    ReasonText(
        "CREDIT_CODE_IS_CITIZEN_ID",
        "{field}填的是居民身份证号",
        "{field} holds a citizen's identity number",
        "法人请填写统一社会信用代码；当事人是自然人的，请按自然人表报送，不要在此栏填写身份证号",
        "Enter the organisation's credit code; report a person in the persons' table instead",
    ),
    ReasonText(
        "ORGANISATION_CODE_CHECK",
        "{field}中第9至17位组织机构代码的校验位不符，请核对",
        "Characters 9 to 17 of {field} fail the organisation-code check (GB 11714)",
        "与登记证书核对；确认无误的可以不处理",
        "Compare with the certificate; nothing to do when it agrees",
        warning=True,
    ),
    ReasonText(
        "REGION_UNKNOWN",
        "{field}第3至8位不在现行行政区划表中",
        "Characters 3 to 8 of {field} are not in today's table of regions",
        "区划调整前登记的主体属正常情况，确认无误的可以不处理",
        "Normal for subjects registered before a region was changed; nothing to do when it agrees",
        warning=True,
    ),
    ReasonText(
        "REGISTRY_TYPE_UNKNOWN",
        "{field}前两位不是已知的登记部门和机构类别",
        "The first two characters of {field} are not a known registry and kind",
        "与登记证书核对；确认无误的可以不处理",
        "Compare with the certificate; nothing to do when it agrees",
        warning=True,
    ),
    ReasonText(
        "SUBJECT_CATEGORY_MISMATCH",
        "{field}与统一社会信用代码的登记类别不一致",
        "{field} does not agree with the kind of registry in the credit code",
        "92开头的代码应填“个体工商户”，其他代码应填“法人及非法人组织”，请核对",
        "Codes beginning 92 are individual businesses, others are organisations; please compare",
        warning=True,
    ),
)

_FIELDS: Final = (
    ReasonText(
        "FIELD_REQUIRED",
        "{field}为必填项，未填写",
        "{field} is required and empty",
        "补填{field}后重新报送",
        "Fill in {field} and resend",
    ),
    ReasonText(
        "DOCUMENT_NUMBER_PLACEHOLDER",
        "{field}填的是占位文字（如“无”“/”），以许可编号识别该记录，没有许可编号的以决定日期识别",
        "{field} is a placeholder: the licence number identifies the record, or its decision date",
        "有文书号的请报送更正；没有的无需处理，撤回、更正时在文书号处填许可编号，"
        "或决定日期（例如2026-01-02）",
        "Send a correction if there is a number; if not, a withdrawal or correction names the "
        "licence number, or the day of decision such as 2026-01-02, in its place",
        warning=True,
    ),
    ReasonText(
        "DOCUMENT_NUMBER_MISSING",
        "{field}未填写，或填的是占位文字（如“无”“/”），无法识别所指的记录",
        "{field} is empty or a placeholder: it does not say which record is meant",
        "填写原报送的文书号；原记录没有文书号的，填许可编号，没有许可编号的填决定日期，例如2026-01-02",
        "Enter the number first submitted; where there was none its licence number, else its day "
        "of decision, such as 2026-01-02",
    ),
    ReasonText(
        "FIELD_TOO_LONG",
        "{field}超过规定长度",
        "{field} is longer than the standard allows",
        "缩短{field}的内容后重新报送",
        "Shorten {field} and resend",
    ),
    ReasonText(
        "DATE_UNREADABLE",
        "{field}不是可识别的日期",
        "{field} is not a readable date",
        "按“年-月-日”填写，例如2026-01-02、2026/1/2或2026.1.2，并确认该日期存在",
        "Write year-month-day, such as 2026-01-02, 2026/1/2 or 2026.1.2, and a day that exists",
    ),
    ReasonText(
        "DATE_SENTINEL",
        "{field}填的是系统默认的空日期或占位文字，不是真实日期",
        "{field} holds a system's empty date or a placeholder, not a date",
        "填写文书上的真实日期；确实没有日期且该项非必填的，请留空",
        "Enter the date on the document, or leave an optional field empty",
    ),
    ReasonText(
        "DATE_IN_FUTURE",
        "{field}晚于报送日期",
        "{field} is later than the day of submission",
        "核对文书日期，改正后重新报送",
        "Compare with the document, correct and resend",
    ),
    ReasonText(
        "DATE_ORDER",
        "{field}早于决定日期",
        "{field} is before the decision date",
        "核对决定日期和{field}，改正后重新报送",
        "Compare the decision date and {field}, correct and resend",
    ),
    ReasonText(
        "DATE_PUBLICATION_TOO_LONG",
        "{field}超过规定的最长公示期，将按规定期限停止公示",
        "{field} is beyond the longest publication period; publication stops at the legal limit",
        "按信用修复管理办法规定的期限填写公示截止期",
        "State a publication end within the period of the rules on credit repair",
        warning=True,
    ),
    ReasonText(
        "AMOUNT_UNREADABLE",
        "{field}不是可识别的金额",
        "{field} is not a readable amount",
        "只填数字，单位为万元，例如12.5；不要填写单位、负数、区间或1e5一类写法",
        "Digits only, in units of 10,000 yuan, such as 12.5; no unit, sign, range or 1e5 notation",
    ),
    ReasonText(
        "AMOUNT_TOO_PRECISE",
        "{field}的小数超过6位",
        "{field} has more than six decimal places",
        "以万元为单位，最多保留6位小数（精确到分），不要由系统四舍五入",
        "State 10,000 yuan with at most six places; the hub does not round",
    ),
    ReasonText(
        "AMOUNT_TOO_LARGE",
        "{field}超过规定的数值范围",
        "{field} is larger than the standard allows",
        "核对金额和单位（应为万元，不是元），改正后重新报送",
        "Check the amount and its unit (10,000 yuan, not yuan), correct and resend",
    ),
    ReasonText(
        "AMOUNT_YUAN_UNREADABLE",
        "{field}不是可识别的金额",
        "{field} is not a readable amount",
        "只填数字，单位为元，例如125000.5；不要填写单位、负数、区间或1e5一类写法",
        "Digits only, in yuan, such as 125000.5; no unit, sign, range or 1e5 notation",
    ),
    ReasonText(
        "AMOUNT_YUAN_TOO_PRECISE",
        "{field}的小数超过2位",
        "{field} has more than two decimal places",
        "以元为单位，最多保留2位小数（精确到分）；如填的是万元，请先换算",
        "State yuan with at most two places; convert an amount given in 10,000 yuan",
    ),
    ReasonText(
        "AMOUNT_YUAN_TOO_LARGE",
        "{field}超过规定的数值范围",
        "{field} is larger than the standard allows",
        "核对金额和单位（应为元），改正后重新报送",
        "Check the amount and its unit (yuan), correct and resend",
    ),
    ReasonText(
        "FIELD_MUST_BE_EMPTY",
        "按履行状态，{field}不应填写",
        "By the state of performance, {field} must be empty",
        "全部履行的，不填未履行内容和责任追究；尚未认定履行状态的，有关履行的各项都不填",
        "Leave it empty when all is performed, or when performance has not been recognised yet",
    ),
    ReasonText(
        "COMMITMENT_CODE_INVALID",
        "{field}不是20位承诺编码",
        "{field} is not a commitment code of 20 digits",
        "承诺编码为行政区划6位、日期8位（年月日）、流水号6位，例如32010020230217000011",
        "Region (6 digits), day (8, year-month-day) and serial (6), such as 32010020230217000011",
    ),
    ReasonText(
        "DATE_FILED_AFTER_LISTED",
        "{field}晚于发布时间",
        "{field} is after the day of listing",
        "核对立案时间和发布时间，改正后重新报送",
        "Compare both days, correct and resend",
    ),
    ReasonText(
        "COUNT_UNREADABLE",
        "{field}不是整数",
        "{field} is not a whole number",
        "只填不带单位的整数，例如120；没有产生数据的填0",
        "Digits only, such as 120; state 0 when there was nothing",
    ),
    ReasonText(
        "MONTH_UNREADABLE",
        "{field}不是可识别的月份",
        "{field} is not a readable month",
        "按“年-月”填写，例如2026-10",
        "Write year-month, such as 2026-10",
    ),
    ReasonText(
        "NUMBER_NOT_DERIVED",
        "{field}应为“月份/信息类型”",
        "{field} must be <month>/<kind>",
        "由接入方改正，例如2026-10/penalty.imposed.v1",
        "For the sender's engineers: such as 2026-10/penalty.imposed.v1",
    ),
    ReasonText(
        "AMOUNT_REQUIRED",
        "处罚类别包含罚款或没收，{field}必须填写",
        "The penalty includes a fine or confiscation, so {field} is required",
        "按决定书填写{field}（单位：万元）",
        "Enter {field} from the decision, in 10,000 yuan",
    ),
    ReasonText(
        "LICENCE_DETAIL_REQUIRED",
        "处罚类别包含暂扣或吊销证照，{field}必须填写",
        "The penalty suspends or revokes a licence, so {field} is required",
        "填写被暂扣或吊销的证照名称及编号",
        "Enter name and number of the suspended or revoked licence",
    ),
    ReasonText(
        "CODE_UNKNOWN",
        "{field}不在规定的代码表中",
        "{field} is not a value of the code table",
        "按代码表填写名称或代码；多项用分号“;”分隔",
        "Use a label or code of the table; join several with a semicolon",
    ),
    ReasonText(
        "CATEGORY_NOTE_REQUIRED",
        "{field}为“其他”，但没有注明具体类别",
        "{field} is 'other' without saying which",
        "写成“其他-具体类别”，或在备注中注明具体类别",
        "Write 'other' with the kind after a hyphen, or name it in the remark",
    ),
    ReasonText(
        "STATUS_INVALID",
        "{field}只能是1（有效）或2（无效）",
        "{field} must be 1 (valid) or 2 (not valid)",
        "填写1或2；旧版的0、3等状态请先换算",
        "Enter 1 or 2; convert values of the older layout first",
    ),
    ReasonText(
        "VALUE_UNREADABLE",
        "{field}含有无法识别的字符或乱码",
        "{field} holds characters that cannot be read",
        "检查文件编码（UTF-8或GB18030），重新导出后报送",
        "Check the file's encoding (UTF-8 or GB18030), export again and resend",
    ),
    ReasonText(
        "OLD_NUMBER_DOUBTFUL",
        "{field}的位数或校验位不符，请核对",
        "{field} has an unusual length or a wrong check digit",
        "该号码已由统一社会信用代码代替，可以留空；填写的请与原证书核对",
        "The credit code has replaced this number: leave it empty or compare with the certificate",
        warning=True,
    ),
)

_PERSONS: Final = (
    ReasonText(
        "PERSON_NOT_ENABLED",
        "当事人是自然人，本系统暂未开通自然人信息，已加密留存，未公示",
        "The subject is a natural person; persons are not enabled: kept sealed, not published",
        "无需重新报送；开通自然人报送后将另行通知",
        "No need to resend; you will be told when persons are enabled",
    ),
    ReasonText(
        "PERSONAL_ID_IN_TEXT",
        "{field}的文字中含有身份证件号码",
        "The text of {field} holds the number of a person's identity document",
        "删去该号码后重新报送",
        "Remove the number and resend",
    ),
    ReasonText(
        "BANK_CARD_IN_TEXT",
        "{field}的文字中含有银行卡号",
        "The text of {field} holds the number of a bank card",
        "删去卡号后重新报送",
        "Remove the number and resend",
    ),
    ReasonText(
        "PERSONAL_NUMBER_POSSIBLE",
        "{field}的文字中疑似含有旧身份证号、遮盖的证件号码或银行账号，公示前请核对",
        "The text of {field} may hold an old or masked identity number, or a bank account",
        "确为个人号码或银行账号的，请删去后以更正方式重新报送",
        "If it is one, remove it and send a correction",
        warning=True,
    ),
    ReasonText(
        "NAME_NOT_SHOWABLE",
        "{field}含有自造字或叠加符号，各处显示不一",
        "{field} holds private characters or stacked marks, which each machine shows otherwise",
        "重新键入该项后报送；生僻字请用 GB 18030 编码中的正式字",
        "Type it anew and resend; take rare characters from GB 18030",
    ),
    ReasonText(
        "PHONE_IN_TEXT",
        "{field}的文字中疑似含有电话号码，公示前请核对",
        "The text of {field} seems to hold a telephone number",
        "如为个人电话，请删去后以更正方式重新报送",
        "If it is a person's number, remove it and send a correction",
        warning=True,
    ),
    ReasonText(
        "PERSONAL_FIELD_NOT_SEALED",
        "{field}属个人信息，未经加密送达",
        "{field} is personal and arrived unsealed",
        "联系平台运维检查前置机加密设置；法定代表人证件信息无需报送，可留空",
        "Ask the operators to check the connector's sealing; the field may be left empty",
    ),
)

_AUTHORITIES: Final = (
    ReasonText(
        "FOREIGN_AUTHORITY",
        "{field}不属于本部门可以报送的机关",
        "Your department may not submit for the authority in {field}",
        "核对机关的统一社会信用代码；确需代报的，请联系平台登记授权",
        "Check the authority's credit code; ask the operators to register a mandate if needed",
    ),
    ReasonText(
        "NOT_YOUR_RECORD",
        "该记录由其他部门报送，本部门无权更正或撤回",
        "The record belongs to another department; yours may not correct or withdraw it",
        "请联系原报送部门处理",
        "Ask the department that submitted it",
    ),
    ReasonText(
        "BASIS_DECIDER_UNKNOWN",
        "该依据要求另一版本的决定程序，登记进程没有，仍按原依据决定",
        "This basis wants a decider the registrar does not have; it goes on under the old one",
        "先更新并重启登记进程，再以 hub basis adopt --again 重新启用",
        "Bring the registrar up to date and restart it, then hub basis adopt --again",
    ),
    ReasonText(
        "PARTITIONS_CHANGED",
        "该依据的分区数与台账不同，未予采用，仍按原依据决定",
        "This basis has another number of partitions than the ledger; the old one stays in force",
        "把 site.yaml 的 partitions 改回原数，再以 hub basis adopt --again 重新启用",
        "Set partitions in site.yaml back, then hub basis adopt --again",
    ),
    ReasonText(
        "TARGET_LOST",
        "该依据去掉了尚未停用的目标，或改了目标的编号，未予采用，仍按原依据决定",
        "This basis leaves out a target that is not retired, or renumbers one; the old one stays",
        "保留该目标并写 retired: true，待其全部撤下后再去掉，编号不改",
        "Keep it with retired: true until all is withdrawn there, under its old number",
    ),
    ReasonText(
        "TARGET_NUMBER_TAKEN",
        "该依据把仍在用或尚在清除的编号给了另一目标，未予采用，仍按原依据决定",
        "This basis gives another target a number that is in use or still being cleared; the old "
        "one stays",
        "换一个编号，或待清除完成后再以 hub basis adopt --again 启用",
        "Take another number, or hub basis adopt --again once it has been cleared",
    ),
    ReasonText(
        "TARGET_UNKNOWN",
        "请求中的目标平台未在本站点登记",
        "The target named in the request is not one of this site",
        "核对 site.yaml 中 targets 的 id 后重新提出请求",
        "Compare with the ids under targets in site.yaml and ask again",
    ),
    ReasonText(
        "KIND_NOT_YOURS",
        "本站点未准许本部门报送此类记录，也不得更正或撤回此类记录",
        "The site does not allow your department to state this kind, nor to correct or withdraw it",
        "核对文件是否放错文件夹；确属本部门职责的，请平台运维在 site.yaml 本部门的 states 中"
        "加上该种类并启用（hub basis adopt），然后重新报送；法院名单只准法院报送",
        "See whether the file lies in the wrong folder; if the kind is yours, ask the operators to "
        "add it to states of your department in site.yaml (hub basis adopt), then resend; "
        "court lists come from courts only",
    ),
    ReasonText(
        "UNKNOWN_DEPARTMENT",
        "报送部门未登记",
        "The submitting department is not registered",
        "请联系平台运维登记部门",
        "Ask the operators to register the department",
    ),
    ReasonText(
        "DEPARTMENT_RETIRED",
        "报送部门已撤并，撤并之后的报送不再受理",
        "The submitting department is retired; what it sends since then is not accepted",
        "由承接部门 {field} 报送；撤并前的记录也由其更正或撤回",
        "Let its successor, {field}, submit it; that also corrects and withdraws older records",
    ),
)

_RECORDS: Final = (
    ReasonText(
        "SEVERAL_PREDECESSORS",
        "机构合并前的两个旧机关代码下各有一条同文号同名的记录，无法判断所指的是哪一条",
        "Two authorities that were merged each have a record of this number and name: which is "
        "meant cannot be told",
        "改用旧机关代码重新报送，写明所指记录原来的机关代码",
        "Submit it again under the old code of the authority whose record is meant",
    ),
    ReasonText(
        "RECORD_NOT_FOUND",
        "没有找到要更正或撤回的记录",
        "The record to correct or withdraw was not found",
        "核对文书号、相对人名称、统一社会信用代码和机关代码，须与原报送内容一致",
        "Document number, name, credit code and authority must be those first submitted",
    ),
    ReasonText(
        "RECORD_WITHDRAWN",
        "该记录已经撤回，不能更正或转移",
        "The record was withdrawn and can be neither corrected nor moved",
        "无需再次处理；确需重新公示的，请放入“restorations”（恢复公示）文件夹，写明原因和决定机关",
        "Nothing to do; to show it again send a restoration with a reason and who decided it",
    ),
    ReasonText(
        "UNDECLARED_CHANGE",
        "同一文书号和相对人已有记录，内容不同，但未按更正报送",
        "The document and subject are on record with other content; no correction was declared",
        "确需修改的，请放入“corrections”（更正）文件夹并填写原因；一份决定书有多个事项的，"
        "请在文书号后加事项序号（例如“-2”）分别报送；否则请核对是否重号",
        "Send it as a correction with a reason; for several items of one decision put the item's "
        "number behind the document number (such as -2); or check for a reused number",
    ),
    ReasonText(
        "ALREADY_WITHDRAWN",
        "该记录此前已撤回",
        "The record had been withdrawn before",
        "无需处理",
        "Nothing to do",
        warning=True,
    ),
    ReasonText(
        "CONTENT_READS_OTHERWISE",
        "按现行契约解读的内容与受理时不同",
        "Under today's contracts the content reads otherwise than when it was accepted",
        "核对契约的变更；内容以受理时的原文为准",
        "Look at what changed in the contracts; what was submitted stands as it is",
        warning=True,
    ),
    ReasonText(
        "WITHHELD_FROM_PUBLIC",
        "简易程序或轻微的处罚不向社会公示，只报送政务平台",
        "Simple-procedure or minor penalties are reported, not shown to the public",
        "无需处理；如类别填写有误，请报送更正",
        "Nothing to do; if the class is wrong, send a correction",
        warning=True,
    ),
    ReasonText(
        "SHOWN_IN_PART_BY_DECLARATION",
        "公开类型为特定范围内公开，不向社会公示",
        "Declared for a limited circle: not shown to the public",
        "无需处理；如公开类型填写有误，请报送更正",
        "Nothing to do; if the declaration is wrong, send a correction",
        warning=True,
    ),
    ReasonText(
        "NOT_SHOWN_BY_DECLARATION",
        "公开类型为不可公开，已登记，不向任何平台报送",
        "Declared not to be disclosed: registered, sent to no platform",
        "无需处理；如公开类型填写有误，请报送更正",
        "Nothing to do; if the declaration is wrong, send a correction",
        warning=True,
    ),
    ReasonText(
        "PERFORMED_WITHOUT_MADE",
        "没有找到该承诺的作出记录，已按完整记录登记",
        "The commitment itself is not on record; the whole row was registered all the same",
        "无需处理；请核对承诺编码，并今后在承诺作出时先行报送",
        "Nothing to do; check the code, and report commitments when they are made",
        warning=True,
    ),
    ReasonText(
        "PERFORMED_SINCE",
        "该承诺已登记履行情况，本次内容不含履行情况，未予采用",
        "The commitment is on record as performed; this content leaves that out and was not taken",
        "请以含履行情况的完整一行（履行认定）报送更正、迁入或恢复公示",
        "Send the whole row with its performance as the correction, arrival or restoration",
    ),
    ReasonText(
        "COMMITMENT_NOT_OPEN",
        "该承诺不在台账中，或已履行、已撤回、已变更，不能登记为未履行",
        "The commitment is not on record, or was performed, withdrawn or moved: its performance is "
        "not missing",
        "无需处理：以台账中的承诺记录为准",
        "Nothing to do: the commitment on record stands",
    ),
    ReasonText(
        "DISCLOSURE_PERIOD_OVER",
        "公示期已满，不再向社会公示",
        "The publication period is over; the record is not shown to the public",
        "核对公示截止期；如有误，请报送更正",
        "Check the end of publication; if it is wrong, send a correction",
        warning=True,
    ),
    ReasonText(
        "BASIS_UNFIT",
        "该依据不能启用：会丢失公示或期限，或按它试判样例失败",
        "The basis must not be adopted: something would be lost, or a sample row fails under it",
        "运行 hub basis plan 查看原因，改正规则集或 site.yaml 后重新启用",
        "Run hub basis plan to see why; correct the rulebook or site.yaml and adopt again",
    ),
    ReasonText(
        "BASIS_CHANGED",
        "启用新的规则、站点或契约后，本记录在目标平台的公示或期限随之改变",
        "A rulebook, site or contract was adopted under which targets show or owe otherwise",
        "无需处理；详见 hub basis plan 与启用记录",
        "Nothing to do; hub basis plan and the adoption's ledger record say what changed",
        warning=True,
    ),
    ReasonText(
        "REDECIDED",
        "原规则有误，已按改正后的规则重新判定（规则：{field}）",
        "A rule was wrong; decided again by the rule as it stands now (rule: {field})",
        "无需处理；对结果有异议的，请联系平台运维",
        "Nothing to do; if the result seems wrong, ask the operators",
        warning=True,
    ),
    ReasonText(
        "RESTORED_OTHERWISE",
        "来源以更新的版本表示该记录恢复有效，内容与撤下前不同，已按新内容恢复公示",
        "The source says valid again under a newer version, with other content than was taken "
        "down; that is shown",
        "请核对内容；不应恢复公示的，请报送撤回",
        "Check the content; if it should not be shown, withdraw it",
        warning=True,
    ),
    ReasonText(
        "SHOWN_NOWHERE",
        "记录已受理，但现行站点没有任何目标平台公示此类记录",
        "The record was accepted, but no target of the site shows its kind",
        "请平台运维核对 site.yaml 中各目标平台的 kinds",
        "Ask the operators to compare kinds of the targets in site.yaml",
        warning=True,
    ),
    ReasonText(
        "REFUSED_BY_TARGET",
        "接收平台拒收（平台代码：{field}）",
        "The platform refused the record (its code: {field})",
        "按平台代码的说明更正后报送更正",
        "Correct it as the platform's code says and send a correction",
    ),
    ReasonText(
        "WITHDRAWAL_REFUSED_BY_TARGET",
        "接收平台拒绝撤下，仍在公示（平台代码：{field}）",
        "The platform refused to take the record down; it is shown still (its code: {field})",
        "由信用中心联系平台方人工撤下；枢纽每 24 小时重试一次，撤下后自动了结",
        "The credit centre has the platform take it down by hand; the hub tries once in 24 hours",
    ),
    ReasonText(
        "DELIVERY_PARKED",
        "投送屡次不成，已单独停靠，不影响其他记录（代码：{field}）",
        "The delivery failed again and again; it stands apart, holds up no other (code: {field})",
        "由平台工程师查明为何单单这一条不成（防火墙、字段格式等）；排除后自动续投，无需重新报送",
        "The platform's engineer finds out why this one alone fails (a firewall, the form of a "
        "field); it is tried now and then and goes on by itself",
    ),
    ReasonText(
        "OLDER_THAN_LIVE",
        "已有更新的版本，本次报送的是旧版本",
        "A newer version is on record; this one is older",
        "无需处理；如本次内容才是正确的，请以更新的来源版本，或不带来源版本，按更正报送并填写原因",
        "Nothing to do; if this one is right, send it as a correction with a reason, under a newer "
        "version or without one",
    ),
    ReasonText(
        "SAME_AS_LIVE",
        "与已有记录内容相同，未重复登记",
        "Equal to the record already accepted; not registered twice",
        "无需处理",
        "Nothing to do",
    ),
    ReasonText(
        "REPEATED_SUBMISSION",
        "同一次报送重复到达，沿用第一次的结果",
        "The same submission arrived again; the first answer stands",
        "无需处理；第一次未受理而现在仍要申报的，请作为新的报送提交",
        "Nothing to do; what was refused and is still meant is sent as a submission of its own",
    ),
    ReasonText(
        "WAITING_FOR_MOVE",
        "更正涉及代码、文书号或名称变更，正在等待原记录办结",
        "The correction changes the identity and waits until the old record has been closed",
        "无需处理；办结后自动生效",
        "Nothing to do; it takes effect by itself",
    ),
    ReasonText(
        "MOVE_REFUSED",
        "更正涉及的原记录未能办结，本次更正未生效",
        "The old record could not be closed, so the correction did not take effect",
        "查看原记录的处理结果，改正后重新报送更正",
        "See the answer for the old record, correct and send the correction again",
    ),
    ReasonText(
        "CORRECTION_WITHOUT_REASON",
        "更正或撤回没有填写原因",
        "The correction or withdrawal gives no reason",
        "填写原因后重新报送",
        "Give the reason and resend",
    ),
    ReasonText(
        "RESTORATION_WITHOUT_REASON",
        "恢复公示没有填写原因",
        "The restoration gives no reason",
        "填写恢复原因和决定机关后重新报送",
        "Give the reason and who decided it, and resend",
    ),
    ReasonText(
        "SAME_AS_WITHDRAWN",
        "与已撤回的记录内容相同，未重新公示",
        "Equal to the record that was withdrawn; not shown again",
        "无需处理；确需重新公示的，请放入“restorations”（恢复公示）文件夹，写明原因和决定机关",
        "Nothing to do; to show it again send a restoration with a reason and who decided it",
        warning=True,
    ),
    ReasonText(
        "CHANGED_AFTER_WITHDRAWAL",
        "该记录已撤回，本次内容不同，未重新公示",
        "The record was withdrawn and this row has other content; not shown again",
        "确需按新内容公示的，请放入“restorations”（恢复公示）文件夹，写明原因和决定机关；否则请核对是否重号",
        "To show the new content send a restoration with a reason and who decided it, or check for "
        "a reused document number",
    ),
    ReasonText(
        "SAME_AS_MOVED",
        "该记录已转移到新的代码、文书号或名称，本次报送的是原来的内容",
        "The record has moved to another code, number or name; this row is the old one",
        "无需处理；请在来源系统中改用新的代码、文书号或名称",
        "Nothing to do; use the new code, number or name in the source system",
        warning=True,
    ),
    ReasonText(
        "CHANGED_AFTER_MOVE",
        "该记录已转移到新的代码、文书号或名称，本次以原标识报送了不同的内容",
        "The record has moved to another code, number or name; this row has other content under "
        "the old one",
        "请以新的代码、文书号或名称报送更正；确为另一项决定的，请核对是否重号",
        "Send a correction under the new identity; for another decision check for a reused number",
    ),
    ReasonText(
        "MOVED_NOT_ARRIVED",
        "该记录已按更正迁出，新标识下的迁入还没有被接受，目前在哪里都没有公示",
        "The record has left for another identity and has not arrived: it is shown nowhere",
        "补报迁入，须写明迁出的原代码、文书号和名称；已报的迁入被拒的，按其原因改正；迁移编号已被占用的，"
        "迁出和迁入换用新的编号成对重新报送",
        "Send the arrival, naming the identity that was left; mend one that was refused; where the "
        "move id is taken, send both halves again under another",
        warning=True,
    ),
    ReasonText(
        "RECORD_MOVED",
        "该记录已转移到新的代码、文书号或名称",
        "The record has moved to another code, number or name",
        "请以新的代码、文书号或名称重新报送",
        "Send it again naming the new code, number or name",
    ),
    ReasonText(
        "TAKE_DOWN_OF_MOVED",
        "该记录已转移到新的代码、文书号或名称，可能仍在那里公示；本次撤下所写的是原标识，未生效",
        "The record has moved to another code, number or name and may still be shown there: this "
        "names the old one and took nothing down",
        "应撤下的，以新的代码、文书号或名称报送撤回；办妥或不应撤下的，把原转移再报一次即了结",
        "Send the withdrawal under the new code, number or name; the move once more settles it",
    ),
    ReasonText(
        "WAITING_FOR_RECORD",
        "没有找到所指的记录，先行等待；记录到达后自动生效，等待期满未到达的另行告知",
        "The record it names was not found: it waits and takes effect when the record comes, and "
        "you will hear when the wait is over",
        "请核对文书号、相对人名称、统一社会信用代码和机关代码；结果文件列有相近记录的，请对照后重新报送",
        "Compare number, name, credit code and authority with the nearest records named in the "
        "result file, if any, and send it again when one is misspelt",
        warning=True,
    ),
    ReasonText(
        "SAME_AS_HELD",
        "相同的报送已在等待所指的记录，未重复登记",
        "An equal statement is waiting for the record already; not registered twice",
        "无需处理；请核对所指记录的文书号、名称和代码",
        "Nothing to do; compare number, name and code of the record it names",
        warning=True,
    ),
    ReasonText(
        "WITHDRAWAL_OLDER_THAN_LIVE",
        "现有记录的来源版本比本次撤回（或转移）更新，本次未生效，记录仍在公示",
        "The record's version is newer than this withdrawal or move: it did not take effect and "
        "the record is still shown",
        "确需撤下的，请以更新的来源版本，或不带来源版本，重新报送撤回",
        "To take it down all the same send it again with a newer version, or without one",
    ),
    ReasonText(
        "EXIT_BEFORE_LISTING",
        "退出日期早于列入日期，本次退出未生效；已公示的记录仍在公示",
        "The exit is dated before the listing: it did not take effect; what is shown stays shown",
        "核对退出日期，或是否为此前一次列入的退出；确需撤下的，更正日期后重新报送",
        "Check the day of exit, and whether it ends an earlier listing; correct it and resend",
    ),
    ReasonText(
        "ALREADY_MOVED",
        "该记录此前已按同一更正转移",
        "The record had left by the same correction before",
        "无需处理",
        "Nothing to do",
        warning=True,
    ),
    ReasonText(
        "IDENTITY_UNCHANGED",
        "更正前后的代码、文书号和名称相同，无需转移，已按更正处理",
        "Code, number and name are the same before and after: nothing moves, it is a correction",
        "无需处理",
        "Nothing to do",
        warning=True,
    ),
    ReasonText(
        "MOVE_TAKEN",
        "这次转移已由另一条记录接收",
        "The move has arrived at another record",
        "核对更正中的新代码、文书号和名称；已接收的记录有误的，请对该记录报送更正",
        "Compare the new code, number and name; correct the record where it arrived if it is wrong",
    ),
    ReasonText(
        "NOT_WHAT_LEFT",
        "按这个迁移编号迁出的是另一条记录，与本次迁入所写的原标识不符",
        "By this move another record left than the one that this arrival says it was",
        "核对更正前的代码、文书号和名称，须与迁出的记录一致；两条记录更正的，各用一个迁移编号",
        "Name the previous code, number and name as they left; two records need two move ids",
    ),
    ReasonText(
        "MOVE_ID_REUSED",
        "这个迁移编号已用于另一条记录的迁出，本次迁出未生效",
        "Another record has left under this move id: this departure has not been made",
        "迁出和迁入换用新的迁移编号，成对重新报送",
        "Send both halves again under a move id of their own",
    ),
    ReasonText(
        "RECORD_NOT_WITHDRAWN",
        "该记录没有撤回，内容不同，不能按恢复公示处理",
        "The record is not withdrawn and has other content: there is nothing to restore",
        "内容需修改的，请放入“corrections”（更正）文件夹并填写原因",
        "To change what is shown send a correction with a reason",
    ),
    ReasonText(
        "RESTORATION_OLDER_THAN_WITHDRAWAL",
        "撤回的来源版本比本次恢复更新，本次未生效",
        "The withdrawal has a newer version than this restoration: it did not take effect",
        "确需恢复的，请以更新的来源版本，或不带来源版本，重新报送恢复公示",
        "To restore it all the same send it again with a newer version, or without one",
    ),
    ReasonText(
        "ARRIVAL_OLDER_THAN_RECORD",
        "本次转移所带的内容早于该记录已有的来源版本，未生效，转移后的记录没有公示",
        "The content that this move brings is older than the record, by the source's version: it "
        "did not take effect and the record is not shown under its new identity",
        "请以更新的来源版本，或不带来源版本，用同一更正号重新报送当前内容",
        "Send what holds now under the same move, with a newer version or without one",
    ),
    ReasonText(
        "TOO_MANY_HELD",
        "等待所指记录的报送过多，本条未受理",
        "Too many statements wait for records that were not found; this one was not accepted",
        "先核对并报送所指的记录（或改正已在等待的报送），再重新报送本条",
        "Send the records they name, or correct what waits, and then send this one again",
    ),
    ReasonText(
        "WAITED_TOO_LONG",
        "等待期满，所指的记录没有到达，本条未生效",
        "The wait is over and the record it names did not come: it did not take effect",
        "核对文书号、相对人名称、统一社会信用代码和机关代码，改正后重新报送",
        "Compare number, name, credit code and authority, correct and send it again",
    ),
    ReasonText(
        "DUTY_NOT_OPEN",
        "所指的记录没有未了的期限，无需解除",
        "The record it names owes nothing: there is no duty to lift",
        "无需处理：以台账中的记录为准",
        "Nothing to do: the record in the ledger stands",
    ),
    ReasonText(
        "PLATFORM_TIME_DISBELIEVED",
        "平台回报的时间早于送达或晚于当前，已改用本系统记录的时间",
        "The platform's time lies before the delivery or after now: the hub's own time was used",
        "请平台核对其时钟；无需重新报送",
        "Ask the platform to check its clock; nothing to resend",
        warning=True,
    ),
    ReasonText(
        "IDENTITY_CHANGED",
        "更正改变了统一社会信用代码、文书号或相对人名称，但没有写明原来的值",
        "The correction changes code, document number or name without naming the old one",
        "在更正文件中填写原统一社会信用代码、原文书号或原相对人名称",
        "Name the previous code, document number or name in the correction",
    ),
)

_FORMS: Final = (
    ReasonText(
        "ROW_UNREADABLE",
        "本行无法读取，原始内容已加密留存",
        "The row cannot be read; its raw content is kept sealed",
        "检查列数、编码和单元格内容，改正后重新报送",
        "Check columns, encoding and cells, correct and resend",
    ),
    ReasonText(
        "RECORD_TOO_LARGE",
        "本条记录超过允许的大小",
        "The record is larger than allowed",
        "缩短文字内容，不要粘贴整份文书或图片",
        "Shorten the texts; do not paste whole documents or pictures",
    ),
    ReasonText(
        "KEY_MISMATCH",
        "消息键与记录中的统一社会信用代码不一致",
        "The message key is not the credit code of the record",
        "由接入方改正：消息键须为大写的统一社会信用代码",
        "For the sender's engineers: the key must be the canonical credit code",
    ),
    ReasonText(
        "WRONG_PARTITION",
        "消息写入了错误的分区",
        "The message is in the wrong partition for its key",
        "由接入方改正：使用murmur2分区算法",
        "For the sender's engineers: use the murmur2 partitioner",
    ),
    ReasonText(
        "UNKNOWN_KIND",
        "不认识的记录类型",
        "The kind of record is unknown",
        "由接入方核对ce_type，须为已登记的类型",
        "For the sender's engineers: ce_type must be a registered kind",
    ),
    ReasonText(
        "UNKNOWN_SCHEMA",
        "不认识的模式编号",
        "The schema id is unknown or belongs to another kind",
        "由接入方核对模式编号与记录类型是否对应",
        "For the sender's engineers: the schema id must be that of the kind",
    ),
    ReasonText(
        "PAYLOAD_UNREADABLE",
        "消息内容残缺或无法解码",
        "The payload is truncated or cannot be decoded",
        "由接入方重新编码后再次报送",
        "For the sender's engineers: encode and send it again",
    ),
    ReasonText(
        "BATCH_UNREADABLE",
        "主题中这一位置的记录无法读取（解压失败、校验不符或超出大小），未能受理；以主题、分区、位移标识",
        "The record at this place of the topic cannot be read (it does not unpack, fails its "
        "checksum or is too large) and was not accepted; its topic, partition and offset name it",
        "由接入方改小批次、不压缩后重新报送；校验不符的由运维检查broker的磁盘，由副本或备份恢复",
        "For the sender's engineers: send it again in smaller batches, uncompressed. A failed "
        "checksum is the operator's: look at the broker's disk, restore from a replica or backup",
    ),
    ReasonText(
        "LOSS_UNFIT",
        "声明丢失的区间不是该主题接下来要处理的记录，未予采纳",
        "The range declared lost is not what is to be decided next in that topic; nothing was done",
        "由运维重新执行 hub submissions accept-loss：区间按现状重新计算",
        "The operator runs hub submissions accept-loss again: the range is worked out anew",
    ),
    ReasonText(
        "SUBMISSION_NUMBER_REUSED",
        "报送序号已用于另一条内容，本条未受理（第一条的结果不变）",
        "The submission's number was used for other content; this one was not accepted and the "
        "first answer stands",
        "由接入方核查：前置机游标可能被重置，或客户端被还原；停用该来源，换用新的来源名称后重新报送",
        "For the sender's engineers: a cursor was reset or a client restored; stop this source and "
        "send again under a new source name",
    ),
    ReasonText(
        "SOURCES_TOO_MANY",
        "已有太多来源（数据流）报送过本记录，本来源的版本号未用于判断先后，按到达先后处理",
        "Too many sources (streams) have spoken of this record; this one's version was not used, "
        "the order of arrival decides",
        "请用固定的少数几个来源名称报送，不要为每个文件或每次运行另起名称",
        "Send under a few lasting stream names, not under one for each file or run",
        warning=True,
    ),
    ReasonText(
        "SOURCE_VERSION_IN_FUTURE",
        "来源版本（更新时间）晚于到达时间一天以上，未用于判断先后",
        "The source's version is a time more than a day after arrival: not used to order versions",
        "核对来源系统的时钟和更新时间列；本条按到达先后处理",
        "Check the source's clock and its column of updates; this one is ordered by its arrival",
        warning=True,
    ),
    ReasonText(
        "HEADER_MISSING",
        "消息缺少必需的头部{field}，或其格式不对",
        "The header {field} is missing or malformed",
        "由接入方补全CloudEvents头部后再次报送",
        "For the sender's engineers: complete the CloudEvents headers",
    ),
)

_FILES: Final = (
    ReasonText(
        "HEADER_NOT_FOUND",
        "没有找到表头（文件为空，或没有一行是列名），整个工作表未能读取，原件已加密留存",
        "No header row was found (an empty file?); the whole sheet was not read and is kept sealed",
        "第一行应为国家标准的中文列名或列代码；其他格式请联系平台配置映射；说明页可以不处理",
        "Head the table with the national column names or codes, or ask for a mapping file",
    ),
    ReasonText(
        "ENCODING_UNKNOWN",
        "文件编码无法识别，整个文件未能读取",
        "The file's encoding is unknown; nothing of it was read",
        "另存为“CSV UTF-8”或直接报送XLSX后重新放入",
        "Save as CSV UTF-8 or send the XLSX",
    ),
    ReasonText(
        "FILE_NOT_PLAIN",
        "{field}是链接、管道或设备，不是普通文件或文件夹，未读取",
        "{field} is a link, a pipe or a device, no ordinary file or folder, and is not read",
        "删除后把文件本身复制进来",
        "Remove it and copy the file itself there",
    ),
    ReasonText(
        "FILE_HAS_TWO_NAMES",
        "{field}在别处另有名称（硬链接），未读取",
        "{field} has another name elsewhere (a hard link) and is not read",
        "删除后把文件复制进来，不要用硬链接",
        "Remove it and copy the file there instead of linking it",
    ),
    ReasonText(
        "FILE_CLOSED",
        "{field}无法打开（权限或磁盘错误），未读取",
        "{field} cannot be opened (permissions, or the disk) and is not read",
        "让接入进程的账号能读取该文件；恢复后自动读取",
        "Let the connector's account read it; it is read by itself then",
    ),
    ReasonText(
        "FILE_BROKEN",
        "文件已损坏，从此处起无法读取",
        "The file is damaged and cannot be read from here on",
        "用表格软件打开原件，另存后以新文件名重新放入；已读取的行不会重复登记",
        "Open and save it again under a new name; rows already read are not registered twice",
    ),
    ReasonText(
        "FILE_ENCRYPTED",
        "文件设有打开密码，无法读取",
        "The file is protected by a password",
        "取消密码后以新文件名重新放入",
        "Remove the password and send it under a new name",
    ),
    ReasonText(
        "FILE_NOT_A_TABLE",
        "文件不是表格（网页、PDF或图片），无法读取",
        "The file is no table (a web page, PDF or picture)",
        "用表格软件打开后另存为XLSX，以新文件名重新放入",
        "Open it in a spreadsheet program, save as XLSX and send it under a new name",
    ),
    ReasonText(
        "FILE_TOO_LARGE",
        "文件过大（超过64MB，或解压后过大），未读取",
        "The file is too large (over 64 MB, or unpacks to too much)",
        "删去图片和多余的格式，或拆分成几个文件",
        "Remove pictures and formatting, or split the file",
    ),
    ReasonText(
        "FILE_TOO_MANY_ROWS",
        "文件超过20万行（连同空行超过209万行），整个文件未读取",
        "The file has more than 200,000 rows (or 2,097,152 with the blank ones); none was read",
        "拆分成几个文件，每个不超过20万行，并删去表格下方的空行，以新文件名重新放入",
        "Split it into files of 200,000 rows at most, delete blank rows, use new names",
    ),
    ReasonText(
        "FILE_TOO_MANY_CELLS",
        "文件的单元格过多（有内容的行超过500万格，连同空白超过4,000万格），整个文件未读取",
        "The file has more than 5,000,000 cells (or 40,000,000 with the blank ones); none was read",
        "只保留国家标准规定的列，删去表格右侧的空列，或拆分成几个文件，以新文件名重新放入",
        "Keep the standard's columns only, delete blank ones, or split the file, under a new name",
    ),
    ReasonText(
        "FILE_TOO_MANY_SHEETS",
        "工作簿超过100张工作表，整个文件未读取",
        "The workbook has more than 100 sheets; none was read",
        "拆分成几个文件，每个不超过100张工作表，以新文件名重新放入",
        "Split it into workbooks of 100 sheets at most, under new names",
    ),
    ReasonText(
        "FILE_TOO_MANY_BROKEN_ROWS",
        "文件中无法读取的行超过1万行，不是按表格写成的，整个文件未读取",
        "More than 10,000 rows of the file cannot be read; it was not written as a table",
        "检查引号、分隔符和公式，用表格软件另存为XLSX，以新文件名重新放入",
        "Check quotation marks, delimiters and formulas; save as XLSX under a new name",
    ),
    ReasonText(
        "FILE_TOO_COSTLY",
        "读取该文件所需的时间或内存远超一张表格（180秒、768MB），整个文件未读取",
        "Reading the file takes more than any table needs (180 s, 768 MB); none of it was read",
        "用表格软件打开原件，只复制有内容的单元格到新表，另存为XLSX，以新文件名重新放入",
        "Copy the cells with content into a new workbook and send that under a new name",
    ),
    ReasonText(
        "HEADER_TOO_LONG",
        "表头超过16,384字，整个工作表未读取",
        "The header row has more than 16,384 characters; the sheet was not read",
        "表头只写国家标准的列名或列代码，说明文字写在表外",
        "Head the columns with their names or codes only; put explanations elsewhere",
    ),
    ReasonText(
        "STAMP_NOT_A_TIME",
        "本行的更新时间不是真实的日期时间（如infinity、0000-00-00），本行未读取",
        "The row's stamp is no date and time (infinity, 0000-00-00); the row was not read",
        "请部门把该行的更新时间改为真实时间或空值（NULL），改后将自动读取",
        "Set a real time there, or NULL; the row is then read by itself",
    ),
    ReasonText(
        "SNAPSHOT_WITHOUT_DAY",
        "全量名单的文件名中没有（或不止一个）日期，无法确定是哪一天的名单",
        "The full list's file name has no day, or more than one",
        "在文件名中写明名单日期，例如20261120.xlsx，另存后重新放入",
        "Put the day of the list into the name, such as 20261120.xlsx, and send it again",
    ),
    ReasonText(
        "TOO_MANY_COLUMNS",
        "表格超过128列，不是一张行政决定表",
        "The table has more than 128 columns",
        "只保留国家标准规定的列",
        "Keep only the columns of the national standard",
    ),
    ReasonText(
        "ROW_SHIFTED",
        "本行的单元格比表头多，内容可能错位，未读取",
        "The row has more cells than the header; its values may be shifted",
        "检查是否有未加引号的逗号，或改用XLSX报送",
        "Look for an unquoted comma, or send an XLSX",
    ),
    ReasonText(
        "CELL_TOO_LARGE",
        "有单元格超过6万字，本行未读取",
        "A cell has more than 65,536 characters",
        "缩短文字内容，不要粘贴整份文书或图片",
        "Shorten the text; do not paste whole documents or pictures",
    ),
    ReasonText(
        "ROW_TOO_LARGE",
        "本行文字过多，未读取",
        "The row has too much text",
        "缩短文字内容，不要粘贴整份文书",
        "Shorten the texts; do not paste whole documents",
    ),
    ReasonText(
        "BYTES_NOT_TEXT",
        "本行含有无法解码的字节（乱码），未读取",
        "The row holds bytes that are no text in the file's encoding",
        "在来源系统中核对本行，重新导出后以新文件名放入",
        "Check the row in the source system, export again and send under a new name",
    ),
    ReasonText(
        "QUOTES_BROKEN",
        "本行的引号不成对，未读取",
        "The quotation marks of the row do not match",
        "单元格内的引号应写成两个引号，或改用XLSX报送",
        "Double a quotation mark within a cell, or send an XLSX",
    ),
    ReasonText(
        "CELL_ERROR",
        "本行有公式错误值（如#N/A），未读取",
        "A cell of the row holds a formula error such as #N/A",
        "改正公式或填写实际内容后重新报送",
        "Mend the formula or enter the value, and resend",
    ),
    ReasonText(
        "COLUMN_TWICE",
        "同一项有两列且内容不同，无法判断以哪一列为准",
        "Two columns of one field disagree",
        "删去重复的列后重新报送",
        "Remove one of the two columns and resend",
    ),
)

_AUDIT: Final = (
    ReasonText(
        "RECORD_UNREADABLE",
        "台账记录无法解码",
        "The ledger record cannot be decoded",
        "保留现场，与备份或其他副本的同一序号逐字节比较",
        "Keep everything as it is; compare with the same sequence in a backup or replica",
    ),
    ReasonText(
        "SEQUENCE_NOT_NEXT",
        "此处应有的记录不在，台账有缺失、插入或调换",
        "The record expected here is another: one was removed, inserted or swapped",
        "保留现场，与备份或其他副本比较；不要在此台账上继续登记",
        "Keep everything as it is; compare with a backup; do not go on writing this ledger",
    ),
    ReasonText(
        "CHAIN_BROKEN",
        "本条内容与下一条所链接的哈希不符，本条（或下一条的链接）被改动",
        "The next record was chained to other bytes: this record, or that link, was altered",
        "保留现场，与备份或其他副本的同一序号逐字节比较",
        "Keep everything as it is; compare with the same sequence in a backup or replica",
    ),
    ReasonText(
        "TIME_WENT_BACK",
        "决定时间早于前一条",
        "The time of decision is before that of the record in front",
        "检查业务时钟与登记进程的版本",
        "Check the business clock and the registrar's version",
    ),
    ReasonText(
        "CAUSE_UNFIT",
        "原因坐标与记录内容不符",
        "The cause's coordinates do not fit the record",
        "与备份或其他副本的同一序号逐字节比较",
        "Compare with the same sequence in a backup or replica",
    ),
    ReasonText(
        "CAUSE_OUT_OF_ORDER",
        "原因的位置倒退",
        "The cause lies before one already decided",
        "检查是否有两个登记进程同时写台账",
        "Find out whether two registrars wrote this ledger",
    ),
    ReasonText(
        "CAUSE_TWICE",
        "同一原因登记了两次",
        "One cause has two ledger records",
        "检查是否有两个登记进程同时写台账",
        "Find out whether two registrars wrote this ledger",
    ),
    ReasonText(
        "OUTCOME_UNFIT",
        "这类原因不会有这种结果",
        "A cause of this kind cannot have this outcome",
        "与备份或其他副本的同一序号逐字节比较",
        "Compare with the same sequence in a backup or replica",
    ),
    ReasonText(
        "BASIS_ID_WRONG",
        "采用的依据文档与其编号（内容哈希）不符，规则、日历或站点配置被改动",
        "The adopted basis is not the document its id stands for: a rule or calendar was altered",
        "以该编号向备份或其他分区取回原文档并比较",
        "Fetch the document of this id from a backup or another partition and compare",
    ),
    ReasonText(
        "LEDGER_END_LOST",
        "台账的末尾缺失或不是此前所见的",
        "The ledger's end is missing, or is not the one that was seen",
        "保留现场与各状态目录，运行 hub audit verify 查明缺失范围；先试从更新的备份恢复；"
        "确已无法找回的，由运维运行 hub audit accept-loss 登记缺失后继续",
        "Keep every state folder as it is; hub audit verify says what is missing. Restore a newer "
        "backup if there is one; what cannot be found again an operator gives up with "
        "hub audit accept-loss, and all go on",
    ),
    ReasonText(
        "ANCHOR_ALTERED",
        "台账锚点文件被改动或无法读取",
        "A file of ledger anchors was altered or cannot be read",
        "与该文件的其他副本比较；另存一份新的锚点",
        "Compare it with another copy of the file; anchor the ledger anew",
    ),
    ReasonText(
        "ANCHOR_CUT",
        "台账锚点文件缺行：同一轮的其他文件比它新",
        "A file of ledger anchors lacks lines: others of the same rounds have them",
        "与该文件的其他副本比较；写到一半断电时，下一轮锚点写完即消失",
        "Compare it with another copy of the file; if a power cut ended a round half way, the next "
        "anchors set it right",
    ),
    ReasonText(
        "BASIS_NOT_IN_FORCE",
        "所记依据不是当时采用的依据",
        "The record names a basis that was not in force",
        "重放台账以查明首处差异",
        "Replay the ledger to find the first difference",
    ),
    ReasonText(
        "BASIS_UNREADABLE",
        "采用的依据文档无法编译",
        "The adopted basis cannot be compiled",
        "以该编号向备份或其他分区取回原文档并比较",
        "Fetch the document of this id from a backup or another partition and compare",
    ),
    ReasonText(
        "INPUT_WITHOUT_RECORD",
        "输入主题中的一条记录在台账中没有结果",
        "A record of an input topic has no outcome in the ledger",
        "保留现场；查明该位置之后是否有登记进程被更换或台账被截断",
        "Keep everything as it is; find out whether the ledger was cut or rewritten here",
    ),
    ReasonText(
        "CAUSE_NOT_IN_TOPIC",
        "台账所记的原因不在输入主题中",
        "The cause the ledger names is not in its topic",
        "检查输入主题是否被重建，或台账是否被插入记录",
        "Find out whether the topic was rebuilt or a record was forged",
    ),
    ReasonText(
        "CAUSE_DIFFERS",
        "台账所记的原因与输入主题的内容不同",
        "The cause in the ledger is not what its topic holds",
        "两处逐字节比较，查明哪一处被改动",
        "Compare both byte by byte to find which was altered",
    ),
    ReasonText(
        "STREAM_HAS_GAP",
        "报送流的序号有缺口，中间的记录没有到达",
        "The sequence of a stream has a gap: a submission never arrived",
        "由接入方检查前置机游标，补送缺失的记录",
        "For the sender's engineers: check the connector's cursor and send what is missing",
    ),
    ReasonText(
        "TWO_PRIMARY_OUTCOMES",
        "同一报送有两个主结果",
        "One submission has two primary outcomes",
        "检查接入端是否把同一序号报送到两个分区",
        "Find out whether the connector sent one number to two partitions",
    ),
    ReasonText(
        "REPEAT_WITHOUT_FIRST",
        "记为重复报送，但此前没有首次结果",
        "Called a repeat, but nothing was decided before it",
        "重放台账以查明首处差异",
        "Replay the ledger to find the first difference",
    ),
    ReasonText(
        "NOT_CONSERVED",
        "读入数不等于各结果之和",
        "What was read is not the sum of the outcomes",
        "查看同时列出的其他差异",
        "See the other differences listed with this one",
    ),
    ReasonText(
        "REPLAY_DIFFERS",
        "重新决定的结果与台账不同，差异在：{field}",
        "Decided again, the record differs in: {field}",
        "查明本条是被改动，还是由另一版本的规则或程序写成",
        "Find out whether it was altered, or written by other rules or another version",
    ),
    ReasonText(
        "REPLAY_IS_SILENT",
        "重新决定时此处没有可写的内容，台账却有一条记录",
        "Decided again, there is nothing to write here, yet the ledger has a record",
        "查明本条是否被插入，或由另一版本的规则或程序写成",
        "Find out whether it was forged, or written by other rules or another version",
    ),
    ReasonText(
        "VALUE_NOT_RETAINED",
        "台账只存摘要，输入主题已不再保留原文，此条未能重放",
        "The ledger holds a digest only and the topic no longer has the value: not replayed",
        "无需处理；如需全部重放，请延长输入主题的保留时间",
        "Nothing to do; to replay everything keep the input topics longer",
        warning=True,
    ),
    ReasonText(
        "DECIDER_UNKNOWN",
        "依据所记的决定程序版本不在本程序中，其下的记录未能重放",
        "The basis names a decider this program does not have: its records were not replayed",
        "用写成这些记录的版本重放",
        "Replay with the release that wrote these records",
        warning=True,
    ),
)

#: Every reason by its code. Codes are stable: never reuse one for another meaning.
REASONS: Final[dict[str, ReasonText]] = {
    reason.code: reason
    for section in (
        _CREDIT_CODES,
        _FIELDS,
        _PERSONS,
        _AUTHORITIES,
        _RECORDS,
        _FORMS,
        _FILES,
        _AUDIT,
    )
    for reason in section
}

#: Codes that do not stop a record; all others are errors.
WARNINGS: Final = frozenset(reason.code for reason in REASONS.values() if reason.warning)


def message(code: str, field: str = "") -> Message:
    """The message of `code` for a person, with the name of a column put in for `{field}`.

    `field` is a column's name, never its content. Raises `KeyError` for a code that is not in the
    catalogue: that is a programming error.
    """
    reason = REASONS[code]
    return Message(
        reason.zh.replace("{field}", field or "该栏"),
        reason.en.replace("{field}", field or "the field"),
        reason.remedy_zh.replace("{field}", field or "该栏"),
        reason.remedy_en.replace("{field}", field or "the field"),
    )
