"""The stand-in province, as a process of its own: what its clients may rely on."""

import ast
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

import pytest

from standins.platform_book import ClockFile, digest_of, has_check_digit

HERE = Path(__file__).parents[2] / "standins"
TOKEN = "province-test-token"
CODE = "91330900MA00000156"


def body(version: int = 1, *, record: str = "ab" * 16, **changes: object) -> dict[str, object]:
    """Return a well-formed publication with a delivery id that follows from its content."""
    fields = {
        "XK_XDR_MC": "舟山市海风测试有限公司",
        "XK_XDR_SHXYM": CODE,
        "XK_WSH": f"浙舟许准〔2026〕{version}号",
        "XK_JDRQ": "2026-11-02",
    }
    told: dict[str, object] = {
        "record": record,
        "version": version,
        "action": "publish",
        "kind": "licence.granted.v1",
        "fields": fields,
        "digest": digest_of(fields),
        "reason": "",
    } | changes
    return {"delivery": digest_of([told["record"], version, told["action"]])[:32]} | told


def withdrawal(version: int) -> dict[str, object]:
    """Return the request that takes the record down."""
    return body(version, action="withdraw", fields={}, digest=digest_of({}))


class RunningProvince:
    """A running province and a client for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set_clock(origin=1_793_000_000_000, factor=0)
        (folder / "token").write_text(TOKEN + "\n", encoding="utf-8")
        self.start()

    def set_clock(self, origin: int, factor: int) -> None:
        """Write the business clock file."""
        clock = {"origin_real_ms": 0, "origin_business_ms": origin, "factor": factor}
        (self.folder / "business-clock.json").write_text(json.dumps(clock), encoding="utf-8")

    def start(self) -> None:
        """Start the process and wait for its port."""
        portfile = self.folder / "port"
        portfile.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [
                *(sys.executable, str(HERE / "province.py"), "--port", "0"),
                *("--book", str(self.folder / "book.sqlite")),
                *("--clock", str(self.folder / "business-clock.json")),
                *("--token-file", str(self.folder / "token"), "--portfile", str(portfile)),
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while not portfile.exists():
            assert time.monotonic() < deadline
            assert self.process.poll() is None
            time.sleep(0.02)
        self.port = int(portfile.read_text(encoding="utf-8"))

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(sign)
        self.process.wait(20)

    def ask(
        self, verb: str, path: str, told: object = None, **headers: str
    ) -> tuple[int, dict[str, object], dict[str, str]]:
        """Send one request; return status, JSON body and headers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            payload = None if told is None else json.dumps(told)
            sent = {"Authorization": f"Bearer {TOKEN}"} | headers
            connection.request(verb, path, payload, sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}"), dict(answer.headers)
        finally:
            connection.close()

    def send(self, told: dict[str, object]) -> tuple[int, dict[str, object]]:
        """Post a record under its own delivery id."""
        answer = self.ask("POST", "/v1/records", told, **{"Idempotency-Key": str(told["delivery"])})
        return answer[0], answer[1]

    def control(self, **orders: object) -> None:
        """Tell the platform how to behave."""
        assert self.ask("POST", "/control", orders)[0] == 200

    def book(self) -> dict[str, dict[str, object]]:
        """Return the live book over HTTP."""
        return self.ask("GET", "/book")[1]  # type: ignore[return-value] # the book's own shape


@pytest.fixture
def province(tmp_path: Path) -> Iterator[RunningProvince]:
    """Give a running province with an empty book."""
    platform = RunningProvince(tmp_path)
    yield platform
    platform.stop()


def test_a_publication_is_in_the_book_with_its_receipt(province: RunningProvince) -> None:
    """200 means published: the book shows version, digest and fields, and the receipt is ours."""
    told = body()
    status, answer = province.send(told)
    assert (status, answer["stage"], answer["digest"]) == (200, "published", told["digest"])
    assert answer["delivery"] == told["delivery"]
    assert answer["at"] == "2026-10-26T07:33:20.000+00:00"
    shown = {"version": 1, "stage": "published", "digest": told["digest"], "fields": told["fields"]}
    assert province.book() == {str(told["record"]): shown}


def test_the_same_key_gives_the_same_receipt_and_no_second_effect(
    province: RunningProvince,
) -> None:
    """Idempotency: one key, one payload, one effect, one answer."""
    first, second = province.send(body()), province.send(body())
    assert first == second
    province.send(body(2))
    assert province.send(body()) == first
    assert province.book()["ab" * 16]["version"] == 2


def test_the_same_key_with_another_payload_is_refused(province: RunningProvince) -> None:
    """A reused key is the client's bug and must not change the book."""
    told = body()
    province.send(told)
    status, answer = province.send(told | {"reason": "other"})
    assert (status, answer["code"]) == (422, "KEY_REUSED")


def test_an_older_version_never_replaces_a_newer_one(province: RunningProvince) -> None:
    """After version 2, version 1 is old, published or withdrawn."""
    province.send(withdrawal(2))
    status, answer = province.send(body(1))
    assert (status, answer["code"]) == (422, "VERSION_OLD")
    assert province.book()["ab" * 16]["stage"] == "withdrawn"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"digest": "00" * 32}, "DIGEST_MISMATCH"),
        ({"fields": {}, "digest": digest_of({})}, "FIELD_MISSING"),
        ({"action": "withdraw"}, "FIELDS_UNEXPECTED"),
    ],
)
def test_content_that_breaks_a_rule_is_refused(
    province: RunningProvince, changes: dict[str, object], code: str
) -> None:
    """Refusals are final: 422 with the platform's own code, and the status call agrees."""
    told = body() | changes
    status, answer = province.send(told)
    assert (status, answer["code"]) == (422, code)
    status, answer, _ = province.ask("GET", f"/v1/deliveries/{told['delivery']}")
    assert (status, answer["stage"], answer["code"]) == (200, "refused", code)


def test_a_wrong_check_digit_is_refused(province: RunningProvince) -> None:
    """The platform checks GB 32100 by itself."""
    told = body()
    fields = dict(told["fields"], XK_XDR_SHXYM=CODE[:-1] + "7")  # type: ignore[call-overload] # a dict
    status, answer = province.send(told | {"fields": fields, "digest": digest_of(fields)})
    assert (status, answer["code"]) == (422, "CREDIT_CODE_INVALID")
    assert has_check_digit(CODE)
    assert has_check_digit("91350100M000100Y43")


def test_a_wrong_token_and_a_broken_body_are_turned_away(province: RunningProvince) -> None:
    """401 and 400 leave no trace in the book."""
    key = {"Idempotency-Key": "x"}
    assert province.ask("POST", "/v1/records", {}, Authorization="Bearer no", **key)[0] == 401
    assert province.ask("POST", "/v1/records", {"delivery": "x"}, **key)[0] == 400
    assert province.ask("POST", "/v1/records", body(), **key)[0] == 400
    assert province.book() == {}


def test_busy_answers_name_the_time_to_wait_and_have_no_effect(province: RunningProvince) -> None:
    """429, 503 with Retry-After, 500 without: nothing was taken in."""
    orders = [["429", 1], ["503", 1], ["500", 1]]
    province.control(following=orders, retry_after_seconds=0.5)
    told = body()
    for expected in (429, 503, 500):
        status, _, headers = province.ask(
            "POST", "/v1/records", told, **{"Idempotency-Key": str(told["delivery"])}
        )
        assert status == expected
        assert headers.get("Retry-After") == (None if expected == 500 else "0.5")
    assert province.book() == {}
    assert province.send(told)[0] == 200


@pytest.mark.parametrize(
    ("manner", "status"),
    [("reset_applied", 200), ("never_applied", 200), ("reset_lost", 404), ("never_lost", 404)],
)
def test_no_answer_says_nothing_about_the_effect(
    province: RunningProvince, manner: str, status: int
) -> None:
    """The line goes dead with or without an effect; only the status call knows which."""
    province.control(following=[[manner, 1]], hold_seconds=0.2)
    told = body()
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        province.send(told)
    assert province.ask("GET", f"/v1/deliveries/{told['delivery']}")[0] == status
    assert province.send(told)[0] == 200


def test_a_late_answer_comes_after_its_effect(province: RunningProvince) -> None:
    """While the answer is late the effect is there, and the same key is told IN_PROGRESS."""
    province.control(following=[["late", 1]], late_seconds=1)
    told = body()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(province.send, told)
        deadline = time.monotonic() + 5
        while not province.book() and time.monotonic() < deadline:
            time.sleep(0.02)
        status, answer = province.send(told)
        assert (status, answer["code"]) == (409, "IN_PROGRESS")
        assert late.result()[0] == 200


@pytest.mark.parametrize("manner", ["wrong_delivery", "wrong_digest", "wrong_receipt"])
def test_a_wrong_answer_is_put_right_by_the_status_call(
    province: RunningProvince, manner: str
) -> None:
    """The falsified receipt differs from the true one that a status call gives."""
    province.control(following=[[manner, 1]])
    told = body()
    _, wrong = province.send(told)
    _, right, _ = province.ask("GET", f"/v1/deliveries/{told['delivery']}")
    assert wrong != right
    assert right["digest"] == told["digest"]


def test_publication_follows_the_acknowledgement_on_the_business_clock(
    province: RunningProvince,
) -> None:
    """202 now; published at its own business time, whenever somebody asks."""
    province.control(publish_after_seconds=3600)
    told = body()
    assert province.send(told)[0] == 202
    status, answer, _ = province.ask("GET", f"/v1/deliveries/{told['delivery']}")
    assert (status, answer["stage"]) == (200, "acknowledged")
    province.set_clock(origin=1_793_000_000_000 + 7_200_000, factor=0)
    deadline = time.monotonic() + 5
    while province.book()["ab" * 16]["stage"] != "published":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    _, answer, _ = province.ask("GET", f"/v1/deliveries/{told['delivery']}")
    assert answer["at"] == "2026-10-26T08:33:20.000+00:00"


def test_given_records_are_refused_by_rule_code(province: RunningProvince) -> None:
    """An order refuses by record or by any field's value, until it is taken back."""
    province.control(refuse=[{"code": "NAME_UNKNOWN", "value": "浙舟许准〔2026〕3号"}])
    assert province.send(body(3))[1]["code"] == "NAME_UNKNOWN"
    assert province.send(body(4))[0] == 200


def test_the_mix_depends_on_the_seed_and_the_delivery_only(province: RunningProvince) -> None:
    """Half of the first requests fail, the same half in any order; the rest of them succeed."""
    province.control(seed=3, mix={"500": 0.5}, only_first=1)
    told = [body(record=f"{number:032x}") for number in range(40)]
    first = {str(one["record"]): province.send(one)[0] for one in reversed(told)}
    assert 8 < sum(status == 500 for status in first.values()) < 32
    assert all(province.send(one)[0] == 200 for one in told)


def test_an_unknown_order_is_refused_by_name(province: RunningProvince) -> None:
    """A typo in an order must not be a platform that behaves."""
    status, answer, _ = province.ask("POST", "/control", {"mix": {"404": 1}})
    assert (status, answer["code"]) == (400, "CONTROL_INVALID")
    assert "404" in str(answer["message"])


def test_an_acknowledged_effect_survives_a_kill(province: RunningProvince) -> None:
    """Whatever was answered before SIGKILL is in the book afterwards, with the same receipt."""
    told = [body(record=f"{number:032x}") for number in range(30)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(province.send, told))
    province.stop(signal.SIGKILL)
    province.start()
    assert set(province.book()) == {str(one["record"]) for one in told}
    assert [province.send(one) for one in told] == answers
    printed = subprocess.run(
        [sys.executable, HERE / "province.py", "dump", "--book", province.folder / "book.sqlite"],
        capture_output=True,
        check=True,
    )
    assert json.loads(printed.stdout) == province.book()


def test_the_clock_follows_its_file(tmp_path: Path) -> None:
    """Business time = origin + elapsed real time x factor, by the platform's own reading."""
    path = tmp_path / "clock.json"
    past = int(time.time() * 1000) - 1000
    told = {"origin_real_ms": past, "origin_business_ms": 5_000_000, "factor": 1000}
    path.write_text(json.dumps(told), encoding="utf-8")
    assert 6_000_000 <= ClockFile(path).now() < 7_000_000


def test_the_platforms_import_nothing_from_the_hub() -> None:
    """Shared code would make them agree with the hub's mistakes."""
    for path in HERE.glob("*.py"):
        if path.name.startswith("test_"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in {"hub", "connectors"}]
