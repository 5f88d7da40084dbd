"""`hub validate`: what the hub would say to each row of a file, before a department connects."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import click

from connectors.files.reader import READER
from connectors.layout import ENVELOPE_OF, FOLDER_OF, Layouts, field_names
from connectors.mapping import Mapping as SourceMapping
from connectors.mapping import read_mapping
from connectors.submission import OutgoingSubmission, RowSubmitter
from connectors.tables import MAX_FILE_BYTES
from hub.adapters.sealing import KEY_BYTES, Sealer
from hub.config.repository import load_repository_contracts
from hub.config.site import Department, LoadedSite, load_site
from hub.contracts import Checked, Contracts, Fault, Finding, Row
from hub.domain import kinds
from hub.domain.reasons import message

_BEIJING: Final = timezone(timedelta(hours=8))
_MOST_HEADERS, _LONGEST_HEADER = 8, 30
_EXIT_ALL_ACCEPTED, _EXIT_SOME_NOT, _EXIT_UNREADABLE = 0, 1, 2
_GOOD: Final = {
    kinds.CORRECTED: "corrected",
    kinds.MOVED_IN: "corrected",
    kinds.WITHDRAWN: "withdrawn",
    kinds.DELISTED: "withdrawn",
}
_ZH: Final = {
    "accepted": "可受理",
    "corrected": "可更正",
    "withdrawn": "可撤回",
    "duplicate": "重复",
    "conflicting": "冲突",
    "quarantined": "不能受理",
}


class RowCheck(NamedTuple):
    """The hub's answer to one row; row 0 is the whole sheet or file."""

    row: int
    outcome: str
    findings: tuple[Finding, ...]
    labels: Mapping[str, str]
    """Column code -> Chinese name, for the messages."""

    def as_json(self) -> dict[str, object]:
        """Return the line as documented: row, outcome, reasons."""
        return {
            "row": self.row,
            "outcome": self.outcome,
            "reasons": [*map(self._reason, self.findings)],
        }

    def _reason(self, finding: Finding) -> dict[str, str]:
        said = message(finding.code, self.labels.get(finding.field, finding.field))
        return {
            "code": finding.code,
            "field": finding.field,
            "zh": said.zh,
            "en": said.en,
            "remedy": said.remedy,
        }


class RowValidator:
    """Answers the rows of one file as the registrar would, as far as that can be known offline.

    Rows are compared with the rows before them in the file; whether a record is already on the
    ledger is not known.
    """

    def __init__(
        self, contracts: Contracts, received_on: date, senders: Sequence[Department] | None = None
    ) -> None:
        """Take the day the file would arrive, and who may have sent it (None: any department)."""
        self._contracts = contracts
        self._received_on = received_on
        self._authorities: frozenset[str] | None = None
        self._statable: frozenset[str] | None = None
        if senders is not None:
            self._authorities = frozenset(code for each in senders for code in each.authorities)
            self._statable = frozenset(
                kind
                for each in senders
                for kind in contracts.statable_kinds(each.kind, each.states)
            )
        self._seen: dict[tuple[str, ...], bytes] = {}

    def answer(self, number: int, submission: OutgoingSubmission) -> RowCheck:
        """Return the answer to one submitted row."""
        kind, row = self._decoded(submission.value)
        if kind == kinds.UNREADABLE:
            reason = Finding(str(row["reason_code"]), "", "error")
            return RowCheck(number, "quarantined", (reason,), {})
        findings: tuple[Finding, ...] = ()
        subject, checked = kind, self._contracts.by_kind[kind].check(row, self._received_on)
        inner = row.get("row")
        if isinstance(inner, bytes):
            # The earlier name of a record may be wrong: that is why it is corrected.
            findings += tuple(f for f in checked.findings if not f.field.startswith("previous_"))
            subject, inner_row = self._decoded(inner)
            checked = self._contracts.by_kind[subject].check(inner_row, self._received_on)
        findings += checked.findings
        if checked.authority_code and not self._may_name(checked.authority_code):
            findings += (Finding("FOREIGN_AUTHORITY", "", "error"),)
        if self._statable is not None and self._about(subject, row) not in self._statable:
            findings += (Finding("KIND_NOT_YOURS", "", "error"),)
        outcome = _GOOD.get(submission.kind, "accepted")
        if any(finding.severity == "error" for finding in findings):
            outcome = "quarantined"
        elif outcome == "accepted":
            outcome, more = self._compared(subject, checked)
            findings += more
        labels = {
            field.national_code or field.name: field.zh
            for each in (kind, subject)
            for field in self._contracts.by_kind[each].schema.fields
        }
        return RowCheck(number, outcome, findings, labels)

    def _may_name(self, authority_code: str) -> bool:
        return self._authorities is None or authority_code in self._authorities

    def _about(self, kind: str, row: Row) -> str:
        """The kind of row that a row, a withdrawal or an exit is about."""
        contract = self._contracts.by_kind[kind]
        return kind if contract.is_row else contract.schema.takes_down or str(row["subject_kind"])

    def _compared(self, kind: str, checked: Checked) -> tuple[str, tuple[Finding, ...]]:
        """Return what the row is beside the earlier ones of the file."""
        identity = (
            kind,
            checked.authority_code,
            checked.document_key,
            checked.credit_code or checked.name_key,  # as `hub.domain.identity` has it
        )
        if identity not in self._seen:
            self._seen[identity] = checked.content
            return "accepted", ()
        if self._seen[identity] == checked.content:
            return "duplicate", (Finding("SAME_AS_LIVE", "", "warning"),)
        return "conflicting", (Finding("UNDECLARED_CHANGE", "", "error"),)

    def _decoded(self, value: bytes) -> tuple[str, dict[str, str | bytes]]:
        read = self._contracts.decode_framed(value)
        if isinstance(read, Fault):  # what this process has just encoded can be read
            raise TypeError(read.detail)
        contract, row = read
        return contract.kind, row


def answers(
    content: bytes, layouts: Layouts, submitter: RowSubmitter, validator: RowValidator
) -> Iterator[RowCheck]:
    """Yield one answer per row of the file, in order."""
    fingerprint = sha256(content).hexdigest()
    for row in READER.rows(content, layouts.words):
        if not row.row_number:
            made: tuple[OutgoingSubmission, ...] = (
                submitter.unreadable_file(row, layouts.kind, fingerprint, b""),
            )
        else:
            made = submitter.submissions(row, layouts, fingerprint, 1)
        # Of a move's two halves the arriving one carries the row.
        yield validator.answer(row.row_number, made[-1])


@click.command("validate")
@click.option("--kind", type=click.Choice(sorted(FOLDER_OF)), required=True, help="记录类型 / kind")
@click.option(
    "--site",
    "site_folder",
    type=click.Path(path_type=Path),
    help="站点目录：同时核对机关、种类与映射 / also apply this site's rights and mappings",
)
@click.option(
    "--department", default="", help="只按该部门的机关与种类核对 / as this department's alone"
)
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(path_type=Path),
    help="映射文件，用于非国标格式 / a mapping file",
)
@click.option("--json", "as_json", is_flag=True, help="每行输出一个 JSON / one JSON object per row")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def command(
    context: click.Context,
    *,
    kind: str,
    file: Path,
    site_folder: Path | None,
    department: str,
    mapping_file: Path | None,
    as_json: bool,
) -> None:
    """接入前离线校验，逐行给出结果、原因和处理办法 / Check a file offline, row by row.

    退出码：全部可受理为 0，否则为 1，无法读取为 2 / exit 0 when every row would be accepted, 1 when
    not, 2 when the file cannot be read.
    """
    contracts = load_repository_contracts()
    site = None if site_folder is None else load_site(site_folder)
    validator = RowValidator(
        contracts,
        datetime.now(UTC).astimezone(_BEIJING).date(),
        None if site is None else _senders(site, department),
    )
    submitter = RowSubmitter(
        department or "validate", "validate", contracts, Sealer(bytes(KEY_BYTES))
    )
    mappings = _mappings(contracts, site, mapping_file)
    layouts = Layouts(FOLDER_OF[kind], contracts, mappings)
    with file.open("rb") as opened:  # of a larger one no more is needed to say so
        content = opened.read(MAX_FILE_BYTES + 1)
    status = _print(answers(content, layouts, submitter, validator), as_json=as_json)
    for remark in remarks(layouts, kind):
        click.echo(remark, err=True)
    context.exit(status)


def remarks(layouts: Layouts, kind: str) -> Iterator[str]:
    """Yield findings that no row shows: a table of another kind than asked for, unread columns."""
    for headers, layout in layouts.met():
        if (
            kind not in ENVELOPE_OF.values()
            and layout.kind.partition(".")[0] != kind.partition(".")[0]
        ):
            yield (
                f"注意：按表头识别为 {layout.kind}，不是 {kind}\n"
                f"note: by its header this is a table of {layout.kind}, not {kind}"
            )
        if unread := layout.unread(headers):
            shown = "、".join(header[:_LONGEST_HEADER] for header in unread[:_MOST_HEADERS])
            shown += f" 等 {len(unread)} 列" if len(unread) > _MOST_HEADERS else ""
            yield (
                f"注意：这些列不在国家标准中，未读取，请核对列名：{shown}\n"
                f"note: {len(unread)} columns of no known name were not read; check their spelling"
            )


def _senders(site: LoadedSite, department: str) -> list[Department]:
    return [each for each in site.site.departments if department in {"", each.id}]


def _mappings(
    contracts: Contracts, site: LoadedSite | None, mapping_file: Path | None
) -> list[SourceMapping]:
    """Read the mapping named and those of the site's file sources."""
    paths = [] if mapping_file is None else [mapping_file]
    if site is not None:
        paths += [
            site.path(source.mapping)
            for each in site.site.departments
            for source in each.files
            if source.mapping is not None
        ]
    known = field_names(contracts)
    return [read_mapping(path, known) for path in paths]


def _print(found: Iterator[RowCheck], *, as_json: bool) -> int:
    """Print each answer; return the exit status."""
    status = _EXIT_ALL_ACCEPTED
    counts: dict[str, int] = {}
    for answer in found:
        counts[answer.outcome] = counts.get(answer.outcome, 0) + 1
        if not answer.row:
            status = _EXIT_UNREADABLE
        elif answer.outcome not in {"accepted", "corrected", "withdrawn"}:
            status = max(status, _EXIT_SOME_NOT)
        if as_json:
            click.echo(json.dumps(answer.as_json(), ensure_ascii=False))
        else:
            tell(answer)
    if not as_json:
        total = "，".join(f"{_ZH[outcome]} {count}" for outcome, count in sorted(counts.items()))
        click.echo(f"共 {sum(counts.values())} 行：{total or '没有数据行 / no rows'}")
    return status


def tell(answer: RowCheck) -> None:
    """Say on the terminal what the hub would say to a row, and why."""
    place = f"第{answer.row}行" if answer.row else "整个文件或工作表 / the whole sheet"
    click.echo(f"{place}  {_ZH[answer.outcome]} ({answer.outcome})")
    for finding in answer.findings:
        said = message(finding.code, answer.labels.get(finding.field, finding.field))
        click.echo(
            f"    {finding.code} {finding.field}  {said.zh}\n      {said.en}\n      → {said.remedy}"
        )
