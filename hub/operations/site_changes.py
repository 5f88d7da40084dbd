"""Whether a site may follow the one that was adopted last: what must stay, what may go, and when.

Refused before anything is sent. Faults that show in the two bases alone are refused by the
registrar, too (`hub.core.numbers`); what needs the whole ledger is counted here.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hub.adapters.rocksdb import RocksStore
from hub.audit.history import read_partition
from hub.audit.target_uses import Uses, uses_of
from hub.core.partition import BasisLibrary, PartitionCore
from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hub.adapters.kafka.client import KafkaInputs
    from hub.config.site import Site


def refuse_other_partitions(before: dict[str, Any], after: dict[str, Any]) -> None:
    """A company's partition holds its whole history: their number never changes.

    Raises `ConfigurationError`.
    """
    count, wanted = before["site"]["partitions"], after["site"]["partitions"]
    if count != wanted:
        raise ConfigurationError(
            f"现行依据有 {count} 个分区，site.yaml 写有 {wanted} 个：分区数不可更改",
            f"the basis in force has {count} partitions, site.yaml has {wanted}: the count is "
            "fixed for life",
            remedy_zh=f"把 site.yaml 的 partitions 改回 {count}",
            remedy_en=f"set partitions in site.yaml back to {count}",
            file="site.yaml",
        )


def refuse_lost_departments(before: dict[str, Any], after: dict[str, Any]) -> None:
    """A department once adopted stays in the site, and what an authority code replaced stays so.

    Records waiting on its topic are read to the end, and need an owner; a record under an
    older code would not be found any more. Raises `ConfigurationError`.
    """
    known, now = before["site"]["departments"], after["site"]["departments"]
    for name in known:
        if name not in now:
            raise ConfigurationError(
                f"部门 {name} 已启用过，不能删除或改名",
                f"department {name} has been in use: it cannot be dropped or renamed",
                remedy_zh="保留该部门并写 retired: true 和 successor：已报送的读完并答复，"
                "其记录归承接部门",
                remedy_en="keep its entry and write retired: true and successor: what it sent is "
                "read and answered, its records go to the successor",
                file="site.yaml",
            )
    follows = _replaced(now)
    for code, older in _replaced(known).items():
        if follows.get(code, [])[: len(older)] != older:
            raise ConfigurationError(
                f"机关代码 {code} 所取代的旧代码已启用过，不能删除、换序或插入",
                f"what authority code {code} replaces has been in use: no old code can be taken "
                "out, moved, or put in between",
                remedy_zh=f"恢复为 {'、'.join(older)}，新的只加在最后；在案的记录按最旧的代码查找",
                remedy_en=f"put it back as {', '.join(older)} and add others at the end: records "
                "are found by their oldest code",
                file="site.yaml",
            )


def _replaced(departments: dict[str, Any]) -> dict[str, list[str]]:
    return {
        code: list(older)
        for each in departments.values()
        for code, older in each.get("replaces", {}).items()
    }


def close_retired(
    document: dict[str, Any],
    befores: Iterable[dict[str, Any]],
    ends_of: Callable[[str], list[int]],
) -> None:
    """Note for each retired department where its topic ended when it was retired.

    Records sent until then are decided as ever, later ones are refused by name. Adopted once,
    the end stays: another adoption moves it no further.
    """
    known = [before["site"]["departments"] for before in befores]
    for name, department in document["site"]["departments"].items():
        if "successor" not in department:
            continue
        noted = [each[name]["ends"] for each in known if "ends" in each.get(name, {})]
        department["ends"] = noted[0] if noted else ends_of(name)


def refuse_numbers_in_use(
    adopted: Mapping[int, Sequence[bytes]],
    after: dict[str, Any],
    uses: Callable[..., Uses],
) -> None:
    """A target is left out once nothing is shown there or owed, its number given on once cleared.

    `adopted`: every basis message of each partition; `uses` counts over the ledger, and is asked
    only where a target left, or a number had another name. Raises `ConfigurationError`.
    """
    bases = [json.loads(each)["basis"] for each in next(iter(adopted.values()), ())]
    if not bases:
        return
    now = {t["number"]: t["id"] for t in after["site"]["targets"]}
    left = {t["number"]: t["id"] for t in bases[-1]["site"]["targets"] if t["number"] not in now}
    had = {(t["number"], t["id"]) for basis in bases for t in basis["site"]["targets"]}
    known = {t["id"] for t in bases[-1]["site"]["targets"]}
    given = {n: name for n, name in now.items() if name not in known}
    given = {n: name for n, name in given.items() if any(n == number for number, _id in had)}
    for number, name in (left | given).items():
        found = uses(1 << number, is_given=number in given)
        if any(found):
            raise ConfigurationError(
                f"目标编号 {number}（{name}）仍在用：{found.shown} 条尚未撤下，"
                f"{found.owed} 条义务未了，{found.uncleared} 条尚未清除",
                f"target number {number} ({name}) is in use: {found.shown} records not withdrawn, "
                f"{found.owed} with something owed, {found.uncleared} not cleared yet",
                remedy_zh="待该目标的投送进程撤完（hub status、hub due），登记进程清除完后再启用",
                remedy_en="wait until its courier has withdrawn all (hub status, hub due) and the "
                "registrar has cleared the number, then adopt again",
                file="site.yaml",
            )


def uses_in_ledger(inputs: KafkaInputs, site: Site, mask: int, *, is_given: bool) -> Uses:
    """Fold every partition of the ledger and count what names these numbers."""
    library, found = BasisLibrary(), Uses()
    for partition in range(site.partitions):
        core = PartitionCore(partition, site.prefix, library)
        with (
            TemporaryDirectory(prefix="hub-adopt-") as folder,
            closing(RocksStore(Path(folder))) as state,
        ):
            ledger = read_partition(inputs, site.topic("ledger"), partition)
            found = found.plus(uses_of(core, ledger, state, mask, is_given=is_given))
    return found
