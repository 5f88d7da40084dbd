"""The site of the runs with kills: four families from files and a table, four kinds of target."""

from pathlib import Path

from hub.config.repository import DEPLOY
from standins import nation
from tests.driver.rows import AGENTS_CODE, AUTHORITY, COURT_CODE, OTHER_AUTHORITY
from tests.faults.decisions import MAPPING
from tests.faults.department_table import SOURCE_FILE, DepartmentTable
from tests.faults.promises import SERVICE

LEVELS = 2
"""Who is told of what is late: so many reminders for each department and day."""
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 3
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
business_clock: business-clock.json
departments:
  - {{id: market, name_zh: 市场监管局, authorities: [{authority}],
     states: [licence.granted.v1, penalty.imposed.v1],
     files: [{{name: files, inbox: inbox/market, results: results/market}}]}}
  - {{id: inspection, name_zh: 执法队, authorities: [{authority}],
     states: [penalty.imposed.v1],
     files: [{{name: files, inbox: inbox/cases, results: results/cases, mapping: cases.yaml}}]}}
  - {{id: housing, name_zh: 住建局, authorities: [{other}],
     states: [licence.granted.v1, penalty.imposed.v1],
     files: [{{name: files, inbox: inbox/housing, results: results/housing}}]}}
  - {{id: court, name_zh: 法院, authorities: [{court}],
     kind: court, states: [court_enforcement.listed.v1],
     files: [{{name: files, inbox: inbox/court, results: results/court}}]}}
  - {{id: service, name_zh: 政务服务中心, authorities: [{service}],
     states: [commitment.made.v1, commitment.performed.v1],
     files: [{{name: files, inbox: inbox/service, results: results/service}}]}}
  - {{id: registry, name_zh: 审批局, authorities: [{registry}],
     states: [licence.granted.v1],
     databases: [{{name: licences, file: licences.yaml}}]}}
  - {{id: cases, name_zh: 信用中心, kind: agent, authorities: [{agents}]}}
cases:
  department: cases
  remind_working_days: [5]
  hour: 20
  levels: [{{name_zh: 经办人}}, {{name_zh: 负责人, after_hours: 1}}]
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public, government], kinds: [licence.granted.v1, penalty.imposed.v1],
     url: "http://127.0.0.1:{port}", token_file: token, timeout_seconds: 1.0, attempts: 6}}
  - {{id: city, name_zh: 市网站, number: 1, kind: kafka, role: display, public: true,
     clearance: [public], kinds: [licence.granted.v1, penalty.imposed.v1], timeout_seconds: 1.0,
     attempts: 6, concurrency: 64}}
  - id: nation
    name_zh: 国家平台
    number: 2
    kind: database
    role: report
    public: false
    clearance: [public, government]
    kinds: [licence.granted.v1, commitment.made.v1, commitment.performed.v1]
    timeout_seconds: 5.0
    attempts: 6
    concurrency: 64
    database: {{url_file: nation.url, receipts: jh_receipt, poll_seconds: 0.1, tables: {tables}}}
  - id: drop
    name_zh: 文件平台
    number: 3
    kind: file
    role: report
    public: false
    clearance: [public, government]
    kinds: [penalty.imposed.v1, court_enforcement.listed.v1]
    timeout_seconds: 1.0
    attempts: 6
    concurrency: 128
    drop:
      folder: drop
      layout: csv
      sender: 试点信用中心
      receiver: 文件平台
      departments: {{market: "0015", inspection: "0016", housing: "0017", court: "0018",
        service: "0019", registry: "0020", cases: "0021"}}
      tables: {{penalty.imposed.v1: "02", court_enforcement.listed.v1: "03"}}
      rows_per_file: 40
      linger_seconds: 0.1
      patience_seconds: 2.0
"""


def write_site(folder: Path, prefix: str, province_port: int, table: DepartmentTable) -> None:
    """Write site.yaml and what it names, but for the platforms' own secrets."""
    kinds = ("licence.granted.v1", "commitment.made.v1", "commitment.performed.v1")
    text = SITE.format(
        prefix=prefix, deploy=DEPLOY, authority=AUTHORITY, other=OTHER_AUTHORITY, court=COURT_CODE,
        service=SERVICE, registry=table.authority, agents=AGENTS_CODE, port=province_port,
        tables="{" + ", ".join(f"{kind}: {nation.TABLES[kind]}" for kind in kinds) + "}",
    )  # fmt: skip
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    (folder / "cases.yaml").write_text(MAPPING, encoding="utf-8")
    (folder / "key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", "ascii")
    (folder / "licences.yaml").write_text(SOURCE_FILE.format(url=table.url), encoding="utf-8")
    (folder / "department.password").write_text(table.password, encoding="ascii")
    (folder / "department.password").chmod(0o600)
    for name in ("out", "ack"):
        (folder / "drop" / name).mkdir(parents=True)
