"""State files: what a file may say, every error it can have, and exact numbers and lines on the way in."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import jsonschema  # type: ignore[import-untyped]  # no stubs among the test tools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile import statefile
from reconcile.errors import InputError, StateFileErrors, UsageError
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import (
    Address,
    DesiredAccount,
    MarginType,
    Percent,
    Policy,
    PositionMode,
    Side,
    Tolerance,
    Unmanaged,
)
from reconcile.statefile import bounds, compiled, lines, plain, resolve, scalars
from reconcile.statefile.problems import ProblemList
from reconcile.statefile.schema import StateFile
from reconcile.statefile.warnings import several_keys

STATES = Path(__file__).parents[2] / "states"
GOLDEN = Path(__file__).parent / "golden" / "statefile_errors.txt"
HEAD = 'version = 1\n[account]\nname = "main"\nexchange = "binance"\nposition_mode = "hedge"\n'
Write = Callable[..., Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Write:
    def write(text: str | bytes, name: str = "main.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def _load(path: Path) -> DesiredAccount:
    (account,) = statefile.load([path])
    return account


def _messages(*paths: Path) -> list[str]:
    """What is reported, with file names in place of their paths."""
    with pytest.raises(StateFileErrors) as caught:
        statefile.load(paths)
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


# ---- what a file says


def test_the_whole_contract_example_becomes_the_model(write: Write) -> None:
    path = write("""version = 1
[account]
name = "main-1"
exchange = "bitget"
position_mode = "hedge"
amount_step = "0.001"
grace = "7s"
[defaults]
margin_type = "isolated"
[policy]
allow_reduce = true
min_liquidation_distance = "0%"
max_margin = {USDT = 5000, BTC = "0.1"}
max_add = 5000
max_total_add = 20_000.5
max_total_reduce = "10000"
max_changes = 50
min_available = {USDT = 500}
unmanaged = "refuse"
[positions.BTCUSDT.short]
isolated_margin = "900.50"
tolerance = 1
[positions.ETHUSDT.long]
margin_type = "crossed"
[positions.BTCUSDT.long]
isolated_margin = 1500
[positions.SOLUSDT.short]
""")
    account = _load(path)
    assert (account.name, account.exchange, account.product, account.credentials) == (
        "main-1",
        "bitget",
        "USDT-FUTURES",
        "MAIN_1",
    )
    assert (account.endpoint, account.position_mode) == ("live", PositionMode.HEDGE)
    assert (account.amount_step, account.grace_ms) == (Decimal("0.001"), 7_000)
    assert account.policy == Policy(
        allow_reduce=True,
        min_liquidation_distance=Percent(value=Decimal(0)),
        max_margin={"USDT": Decimal(5000), "BTC": Decimal("0.1")},
        max_add=Decimal(5000),
        max_total_add=Decimal("20000.5"),
        max_total_reduce=Decimal(10000),
        max_changes=50,
        min_available={"USDT": Decimal(500)},
        unmanaged=Unmanaged.REFUSE,
    )
    default = Tolerance(value=Decimal("0.5"), percent=True)
    said = [(str(t.address), t.margin_type, t.isolated_margin, t.tolerance, t.line) for t in account.targets]
    assert said == [
        ("BTCUSDT.short", MarginType.ISOLATED, Decimal("900.50"), Tolerance(value=Decimal(1), percent=False), 20),
        ("ETHUSDT.long", MarginType.CROSSED, None, default, 23),
        ("BTCUSDT.long", MarginType.ISOLATED, Decimal(1500), default, 25),
        ("SOLUSDT.short", MarginType.ISOLATED, None, default, 27),
    ]


def test_a_file_that_says_little_gets_the_documented_defaults(write: Write) -> None:
    account = _load(write(HEAD))
    assert account.policy == Policy()
    assert account.targets == ()
    assert (account.endpoint, account.product, account.credentials) == ("live", None, "MAIN")
    assert (account.amount_step, account.grace_ms) == (None, None)


def test_an_amount_is_isolated_whatever_the_default_type_is(write: Write) -> None:
    account = _load(
        write(HEAD + '[defaults]\nmargin_type = "crossed"\n[positions.BTCUSDT.long]\nisolated_margin = 5\n')
    )
    assert account.targets[0].margin_type is MarginType.ISOLATED


@pytest.mark.parametrize(
    ("written", "tolerance"),
    [
        ('"2%"', Tolerance(value=Decimal(2), percent=True)),
        ("3", Tolerance(value=Decimal(3), percent=False, shared=Decimal(3))),
        (
            '{USDT = 5, BTC = "0.01"}',
            Tolerance(value=Decimal("0.01"), percent=False, shared={"USDT": Decimal(5), "BTC": Decimal("0.01")}),
        ),
    ],
)
def test_a_default_tolerance_keeps_where_it_came_from(write: Write, written: str, tolerance: Tolerance) -> None:
    account = _load(write(HEAD + f"[defaults]\ntolerance = {written}\n[positions.X.long]\nisolated_margin = 1000\n"))
    assert account.targets[0].tolerance == tolerance


def test_a_tolerance_table_is_read_by_asset() -> None:
    table = {"USDT": Decimal(5), "BTC": Decimal("0.01")}
    tolerance = Tolerance(value=Decimal("0.01"), percent=False, shared=table)
    assert tolerance.amount(Decimal(1000), "USDT") == Decimal(5)
    assert tolerance.amount(Decimal(1000), "ETH") == Decimal("0.01")


def test_one_way_positions_are_net(write: Write) -> None:
    text = HEAD.replace("hedge", "one-way") + "[positions.BTC-USDT-SWAP.net]\nisolated_margin = 5\n"
    assert _load(write(text)).targets[0].address == Address("BTC-USDT-SWAP", Side.NET)


def test_two_types_of_one_symbol_are_fine_where_the_position_has_the_type(write: Write) -> None:
    text = (HEAD + "[positions]\nX.long.margin_type = 'isolated'\nX.short.margin_type = 'crossed'\n").replace(
        "binance", "okx"
    )
    types = {str(target.address): target.margin_type.value for target in _load(write(text)).targets}
    assert types == {"X.long": "isolated", "X.short": "crossed"}


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [('"5s"', 5_000), ("2", 2_000), ("0.25", 250), ('"1.0001"', 1_001), ('"1h"', 3_600_000)],
)
def test_a_grace_is_a_duration_or_seconds(write: Write, written: str, milliseconds: int) -> None:
    assert _load(write(HEAD + f'endpoint = "testnet"\ngrace = {written}\n')).grace_ms == milliseconds


@pytest.mark.parametrize(
    ("endpoint", "said", "cold_start"),
    [
        ("live", "", "wait"),
        ("live", 'cold_start = "wait"', "wait"),
        ("http://127.0.0.1:8080", "", "wait"),
        ("http://127.0.0.1:8080", 'cold_start = "trust"', "trust"),
        ("http://LocalHost", 'cold_start = "trust"', "trust"),
        ("sandbox", "", "trust"),
        ("sandbox", 'cold_start = "trust"', "trust"),
        ("sandbox", 'cold_start = "wait"', "wait"),
    ],
)
def test_a_run_waits_first_unless_no_other_program_reaches_the_endpoint(
    write: Write, endpoint: str, said: str, cold_start: str
) -> None:
    text = HEAD + f'endpoint = "{endpoint}"\n{said}\n'
    assert _load(write(text)).cold_start == cold_start
    assert list(_validator().iter_errors(tomllib.loads(text))) == []


@pytest.mark.parametrize("endpoint", ["live", "testnet"])
def test_an_okx_account_may_name_its_region(write: Write, endpoint: str) -> None:
    head = HEAD.replace("binance", "okx") + f'endpoint = "{endpoint}"\nregion = "eea"\n'
    account = _load(write(head))
    assert (account.endpoint, account.region) == (endpoint, "eea")


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (HEAD + 'region = "eea"\n', "account.region: binance has no such region here; expected no region"),
        (HEAD.replace("binance", "okx") + 'region = "mars"\n', "account.region:"),
        (
            HEAD.replace("binance", "okx") + 'region = "us"\nendpoint = "sandbox"\n',
            "account.region: a region goes with",
        ),
    ],
)
def test_a_region_that_means_nothing_is_a_problem_of_its_line(write: Write, head: str, says: str) -> None:
    (message,) = _messages(write(head))
    assert message.startswith(f"main.toml:6: {says}")


def test_the_hash_is_that_of_the_bytes_of_the_file(write: Write) -> None:
    plain = _load(write(HEAD))
    marked = _load(write(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode()))
    assert plain.sha256 == "9fd95e6e94d8153e1de6a2f010282591cbf7b4756b0863e7e6bc387d5b2a6083"
    assert marked.sha256 != plain.sha256
    assert marked.lines == plain.lines


# ---- numbers


_MONEY = st.decimals(min_value=0, max_value=Decimal("1e18"), allow_nan=False, allow_infinity=False, places=12)


@given(value=_MONEY)
def test_a_decimal_round_trips_exactly_as_float_and_as_string(tmp_path_factory: Any, value: Decimal) -> None:
    path = tmp_path_factory.getbasetemp() / "numbers.toml"
    text = format(value, "f")
    path.write_text(
        HEAD + f'[positions.A.long]\nisolated_margin = {text}\n[positions.B.long]\nisolated_margin = "{text}"\n'
    )
    assert [target.isolated_margin for target in _load(path).targets] == [value, value]


@given(value=st.integers(min_value=0, max_value=10**30))
def test_an_integer_round_trips_exactly(tmp_path_factory: Any, value: int) -> None:
    path = tmp_path_factory.getbasetemp() / "integers.toml"
    path.write_text(HEAD + f"[positions.A.long]\nisolated_margin = {value}\n")
    assert _load(path).targets[0].isolated_margin == Decimal(value)


@pytest.mark.parametrize(
    ("written", "value"), [("0x10", "16"), ("1_000.50", "1000.50"), ("1e-8", "1E-8"), ('" 5 "', "5"), ("-0.0", "0")]
)
def test_every_notation_of_toml_is_read_as_it_is_written(write: Write, written: str, value: str) -> None:
    account = _load(write(HEAD + f"[positions.A.long]\nisolated_margin = {written}\n"))
    assert str(account.targets[0].isolated_margin) == value


# ---- errors


_SYMBOLS = ["A", "B-C", '"币USDT"', '"a b"', "D_1"]
_SAID = [
    *["isolated_margin = 1000", 'isolated_margin = "900.50"', "isolated_margin = 1e5", "isolated_margin = -0.0"],
    *["isolated_margin = -1", "isolated_margin = true", 'isolated_margin = "x"', "isolated_margin = nan"],
    *[f"isolated_margin = {'1' * 40}", "isolated_margin = {}", 'margin_type = "isolated"', "odd = 1", ""],
    *['isolated_margin = 5, margin_type = "crossed"', "isolated_margin = 5, tolerance = 1"],
    *[
        f'liquidation_distance = {{floor = "8%"; target = "12%"}}, at_most = {most}'
        for most in ("4000", "0", "3", '""')
    ],
    'liquidation_distance = {floor = "8%"; target = "8%"}, at_most = 5',
    'liquidation_distance = {floor = "8%"; target = "12%"; ceiling = "40%"}, at_most = "1e3"',
    "maintenance_cover = {floor = 3; target = 5.5}, at_most = 5",
    "maintenance_cover = {floor = 1; target = 5}, at_most = 5",
    'equity_share = {floor = "9%"; target = "12%"; roof = 1}, at_most = 5',
    'equity_share = {floor = "9%"; target = "12%"}, at_most = 5',
    *["equity_share = 5, at_most = 5", "at_most = 5, at_least = 4", "equity_share = {floor = [1]}, at_most = 5"],
    'equity_share = {floor = "9%"; target = "12%"}, isolated_margin = 5',
]


@given(
    positions=st.dictionaries(
        st.sampled_from(_SYMBOLS),
        st.dictionaries(st.sampled_from(["long", "short", "net", "odd"]), st.sampled_from(_SAID), max_size=2),
    ),
    tables=st.booleans(),
    mode=st.sampled_from(["hedge", "one-way", "odd"]),
    exchange=st.sampled_from(["binance", "okx"]),
    defaults=st.sampled_from(
        ["", 'margin_type = "crossed"', "tolerance = 5", "rounding = 5", "rounding = {USDT = 5}", "rounding = 0"]
    ),
)
def test_a_position_as_it_is_usually_written_is_judged_like_any_other(
    positions: dict[str, dict[str, str]], *, tables: bool, mode: str, exchange: str, defaults: str
) -> None:
    text = HEAD.replace("hedge", mode).replace("binance", exchange) + f"[defaults]\n{defaults}\n"
    if tables:
        for symbol, sides in positions.items():
            for side, said in sides.items():
                written = "".join(f"{line}\n" for line in said.split(", ")).replace(";", ",")
                text += f"[positions.{symbol}.{side}]\n{written}"
    else:
        inner = (
            f"{symbol} = {{{', '.join(f'{side} = {{{said}}}' for side, said in sides.items())}}}".replace(";", ",")
            for symbol, sides in positions.items()
        )
        text = f"positions = {{{', '.join(inner)}}}\n{text}"
    ways: list[Callable[[dict[str, Any]], Any]] = [plain.parted, lambda raw: ([], raw)]
    found = []
    for parted in ways:
        book = ProblemList("x", lines.outline(text), whole=lambda: lines.of(text))
        with patch.object(resolve, "parted", parted):
            found.append((resolve.account(tomllib.loads(text, parse_float=Decimal), book, sha256=""), book.found))
    assert found[0] == found[1]


def _golden() -> list[tuple[str, str]]:
    """The cases of the golden file: the text of a state file, and what is reported about it."""
    cases = (GOLDEN.read_text(encoding="utf-8")).split("----\n")[1:]
    pairs = [case.partition(">>> ") for case in cases]
    return [(text.replace("HEAD\n", HEAD).rstrip("\n"), message.rstrip("\n")) for text, _, message in pairs]


@pytest.mark.parametrize(("text", "message"), _golden())
def test_each_error_says_where_what_and_what_is_expected(write: Write, text: str, message: str) -> None:
    assert _messages(write(text)) == [f"main.toml:{message}"]


def test_no_error_repeats_what_may_be_a_secret(write: Write) -> None:
    said = _messages(write(HEAD + 'credentials = "hunter2!"\nendpoint = "https://a:hunter2@b.com/?hunter2"\n'))
    assert len(said) == 2
    assert "hunter2" not in str(said)


def test_all_errors_of_all_files_come_in_one_go_and_in_order(write: Write) -> None:
    write(
        HEAD + 'endpoint = "ftp://x"\n[policy]\nmax_changes = -1\n[positions.A.net]\nisolated_margin = 1\n', "b/1.toml"
    )
    write(HEAD + "[positions.A.long]\n[positions.A.short]\nisolated_margn = 1\n", "b/2.toml")
    write("= 1", "c.toml")
    write(b"# \n# \xff", "a.toml")
    said = _messages(write("", "d.toml").parent)
    assert [message.partition("; ")[0] for message in said] == [
        "a.toml:2: not UTF-8",
        "b/1.toml:6: account.endpoint: has a scheme that is not known here",
        "b/1.toml:8: policy.max_changes: -1 is negative",
        "b/1.toml:9: positions.A.net: a hedge account has no side net",
        "b/2.toml:6: positions.A.long: neither a type nor an amount",
        "b/2.toml:8: positions.A.short.isolated_margn: unknown key",
        "c.toml:1: not valid TOML at column 1 (invalid statement)",
        "d.toml:1: version: key missing",
        "d.toml:1: account: table missing",
        'b/2.toml:3: account.name: "main" is already the name in b/1.toml:3',
    ]


# ---- several files


def _file(name: str, **keys: str) -> str:
    said = {"name": name, "exchange": "binance", "position_mode": "hedge", "credentials": "SAME", **keys}
    return "version = 1\n[account]\n" + "".join(f'{key} = "{value}"\n' for key, value in said.items())


def test_two_files_cannot_have_one_name(write: Write) -> None:
    write(_file("a", credentials="ONE"), "1.toml")
    said = _messages(write(_file("a", credentials="TWO"), "2.toml").parent)
    assert said == ['2.toml:3: account.name: "a" is already the name in 1.toml:3; expected a name of its own']


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({}, {"endpoint": "https://FAPI.binance.com:443/"}),
        ({"endpoint": "https://proxy.example.com"}, {"endpoint": "https://proxy.example.com:443/x"}),
        ({"exchange": "bitget"}, {"exchange": "bitget", "product": "USDT-FUTURES"}),
        ({"credentials": "B"}, {"credentials": "B"}),
    ],
)
def test_two_files_cannot_be_one_exchange_account(write: Write, first: dict[str, str], second: dict[str, str]) -> None:
    write(_file("a", **first), "1.toml")
    said = _messages(write(_file("b", **second), "2.toml").parent)
    assert said == [
        (
            "2.toml:2: account: the same exchange account as in 1.toml:2 (exchange, endpoint, product and credentials "
            "agree); expected one file for each account"
        )
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"endpoint": "testnet"}),
        ({}, {"exchange": "okx"}),
        ({}, {"credentials": "OTHER"}),
        ({"endpoint": "sandbox"}, {"endpoint": "sandbox"}),
        ({"exchange": "bitget"}, {"exchange": "bitget", "product": "COIN-FUTURES"}),
        ({"endpoint": "http://localhost:1"}, {"endpoint": "http://localhost:2"}),
    ],
)
def test_files_of_different_accounts_go_together(write: Write, first: dict[str, str], second: dict[str, str]) -> None:
    write(_file("a", **first), "1.toml")
    assert [account.name for account in statefile.load([write(_file("b", **second), "2.toml").parent])] == ["a", "b"]


def test_two_files_cannot_pin_one_account(write: Write) -> None:
    write(_file("a", credentials="ONE", uid="xY"), "1.toml")
    second = _file("b", credentials="TWO", uid="xY", endpoint="https://proxy.example.com")
    assert _messages(write(second, "2.toml").parent) == [
        (
            "2.toml:2: account.uid: the same exchange account as in 1.toml:2 (exchange, product and uid agree); "
            "expected one file for each account"
        )
    ]


@pytest.mark.parametrize("changed", [{"uid": "xy"}, {"endpoint": "testnet"}, {"exchange": "okx"}])
def test_pins_of_different_accounts_go_together(write: Write, changed: dict[str, str]) -> None:
    write(_file("a", credentials="ONE", uid="xY"), "1.toml")
    found = statefile.load([write(_file("b", **{"credentials": "TWO", "uid": "xY", **changed}), "2.toml").parent])
    assert [account.uid for account in found] == ["xY", changed.get("uid", "xY")]


# ---- warnings


@pytest.mark.parametrize(
    ("first", "second", "warned"),
    [
        ({}, {"credentials": "B"}, True),
        ({"uid": "x"}, {"credentials": "B"}, True),
        ({}, {"credentials": "B", "endpoint": "https://proxy.example.com"}, True),
        ({"uid": "x"}, {"credentials": "B", "uid": "y"}, False),
        ({}, {"credentials": "B", "endpoint": "testnet"}, False),
        ({}, {"credentials": "B", "exchange": "okx"}, False),
        ({"endpoint": "sandbox"}, {"credentials": "B", "endpoint": "sandbox"}, False),
        ({"exchange": "bitget"}, {"exchange": "bitget", "credentials": "B", "product": "COIN-FUTURES"}, False),
    ],
)
def test_several_keys_of_one_exchange_are_warned_of(
    write: Write,
    first: dict[str, str],
    second: dict[str, str],
    warned: bool,  # noqa: FBT001
) -> None:
    write(_file("a", **first), "1.toml")
    found = list(several_keys(statefile.load([write(_file("b", **second), "2.toml").parent])))
    assert len(found) == warned
    if warned:
        assert "use the keys B, SAME, and" in str(found[0])
        assert f"{2 - ('uid' in first)} of them pin no account" in str(found[0])


# ---- which files


def _large(*positions: str) -> str:
    return HEAD + "# long\n" * 10_000 + "".join(f"[positions.{position}\n" for position in positions)


@pytest.mark.parametrize(
    "text",
    [
        _large("A.long]\nisolated_margin = 1.50", 'B-1."short"]\nisolated_margin = "2"'),
        _large("A.long]\nisolated_margin = -1", "B.odd]\n", "C.long]\nisolated_margin = 1"),
        _large("A.long]\nisolated_margin = 1\nisolated_margin = 2"),
        _large("A.long]\nisolated_margin = " + "9" * 5000),
        _large("A.long]\nisolated_margin = " + "[" * 700 + "]" * 700),
        _large("A.long]\nisolated_margin = " + "{a = " * 360 + "1" + "}" * 360),
        _large("A]\nlong = {\nisolated_margin = 1\n}"),
        _large("A.long]\nisolated_margin = 1\r"),
    ],
    ids=["good", "bad", "twice", "huge", "deep", "deep-tables", "not-1.0", "control"],
)
@pytest.mark.parametrize("parser", [tomllib, pytest.param(None, id="installed")])
def test_a_compiled_parser_changes_nothing_but_the_time(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, parser: object
) -> None:
    path = write(text)
    found: list[object] = []
    for module in (False, parser):
        with monkeypatch.context() as patched:
            if module is not None:
                patched.setitem(sys.modules, "tomli", module or None)  # None: as if it were not installed
            try:
                found.append(statefile.load([path]))
            except StateFileErrors as error:
                found.append(error.problems)
    assert found[0] == found[1]


def test_a_parser_of_a_later_toml_is_not_used(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def loads(text: str, *, parse_float: object) -> dict[str, object]:
        asked.append((text, parse_float))
        return {}

    monkeypatch.setitem(sys.modules, "tomli", SimpleNamespace(loads=loads))
    assert _load(write(_large("A.long]\nisolated_margin = 1"))).targets
    assert [text for text, _ in asked] == ["table = {\n}"]


def _has_no_parse_float(text: str) -> dict[str, object]:
    return {"text": text}


def _is_from_before_2_0(text: str, *, parse_float: object) -> dict[str, object]:
    if text.startswith("table"):
        raise ValueError("a line break in an inline table")
    return {"text": text}


@pytest.mark.parametrize(
    "parser",
    [SimpleNamespace(), SimpleNamespace(loads=_has_no_parse_float), SimpleNamespace(loads=_is_from_before_2_0)],
    ids=["half-removed", "without-exact-floats", "lenient"],
)
def test_an_unusable_parser_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, parser: object) -> None:
    monkeypatch.setitem(sys.modules, "tomli", parser)
    assert compiled.loads(_large("A.long]\nisolated_margin = 1"), Decimal) is None


def test_what_is_nested_too_deeply_is_refused(write: Write) -> None:
    deepest = bounds.MAX_DEPTH - 2  # the file itself and [account] are around it
    refused = {}
    for depth in (deepest, deepest + 1, 400, 500, 50_000):
        with pytest.raises(StateFileErrors) as caught:
            statefile.load([write(HEAD + "x = " + "[" * depth + "]" * depth)])
        refused[depth] = [problem.message.split(";")[0] for problem in caught.value.problems]
    assert refused.pop(deepest) == ["unknown key"]
    assert list(refused.values()) == [["nested too deeply"]] * 4


def test_a_folder_is_read_with_its_subfolders_and_without_hidden_ones(write: Write, tmp_path: Path) -> None:
    for number, name in enumerate(["z.toml", "sub/deep/a.toml", "sub/b.toml"]):
        write(_file(f"n{number}", credentials=f"C{number}"), name)
    for hidden in (".git/x.toml", "sub/.y.toml", "sub/notes.txt", "sub/.hid/a.toml"):
        write("nonsense", hidden)
    found = [Path(account.path).relative_to(tmp_path).as_posix() for account in statefile.load([tmp_path])]
    assert found == ["sub/b.toml", "sub/deep/a.toml", "z.toml"]


def test_a_file_named_twice_is_read_once(write: Write) -> None:
    path = write(HEAD)
    assert len(statefile.load([path.parent, path, path.parent / "." / path.name])) == 1


def test_a_hidden_folder_that_is_named_is_read(write: Write) -> None:
    assert len(statefile.load([write(HEAD, ".states/main.toml").parent])) == 1


def test_a_file_that_is_named_need_not_end_in_toml(write: Write) -> None:
    assert _load(write(HEAD, "main.state")).name == "main"


def test_a_folder_without_a_state_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no state file found; expected \*\.toml in it or below"):
        statefile.load([tmp_path])


def test_no_path_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="no path was given"):
        statefile.load([])


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert _messages(tmp_path / "gone.toml") == [
        "gone.toml: cannot be read (No such file or directory); expected a readable state file or folder"
    ]


def test_a_link_to_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dangling.toml").symlink_to(tmp_path / "nowhere")
    assert _messages(tmp_path) == [
        "dangling.toml: cannot be read (No such file or directory); expected a readable state file or folder"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("#" * (4 * 1024 * 1024 + 1), "main.toml: longer than 4194304 bytes; expected a state file"),
        ("x = " + "[" * 5000 + "]" * 5000, "main.toml: nested too deeply; expected the tables of a state file"),
    ],
)
def test_a_file_that_is_no_state_file_by_its_size_is_an_error(write: Write, content: str, message: str) -> None:
    assert _messages(write(content)) == [message]


def test_a_number_of_thousands_of_digits_is_an_error(write: Write) -> None:
    (said,) = _messages(write(HEAD + f"[positions.A.long]\nisolated_margin = {'9' * 5000}\n"))
    assert said.startswith("main.toml: not valid TOML (exceeds the limit")


# ---- lines


TRICKY = '''# [account]
title = """
[account] # not a header
name = "x" \\
"""   # still no header
literal = \'\'\'
[policy]
\'\'\'\'\'
empty = """"""
quotes = """"quoted" and ""twice"" and escaped \\""" here"""
"quoted key" . inner = 1
list = [ # one
  "]", # two
  { a = 1, "b" = { c = [
    2] } },
]
[ account . "na.me" ]
x = 1979-05-27 07:32:00
[[points]]
x = 1
[[points]]
y = \'#\'
[positions.BTC-USDT-SWAP.long]
isolated_margin = 5
[positions."币安人生USDT".long]
isolated_margin = 5
'''
TRICKY_LINES = {
    "title": 2,
    "literal": 6,
    "empty": 9,
    "quotes": 10,
    "'quoted key'": 11,
    "'quoted key'.inner": 11,
    "list": 12,
    "list.0": 13,
    "list.1": 14,
    "list.1.a": 14,
    "list.1.b": 14,
    "list.1.b.c": 14,
    "list.1.b.c.0": 15,
    "account": 17,
    "account.na.me": 17,
    "account.na.me.x": 18,
    "points": 19,
    "points.0": 19,
    "points.0.x": 20,
    "points.1": 21,
    "points.1.y": 22,
    "positions": 23,
    "positions.BTC-USDT-SWAP": 23,
    "positions.BTC-USDT-SWAP.long": 23,
    "positions.BTC-USDT-SWAP.long.isolated_margin": 24,
    "positions.币安人生USDT": 25,
    "positions.币安人生USDT.long": 25,
    "positions.币安人生USDT.long.isolated_margin": 26,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_key_has_its_line_whatever_surrounds_it(newline: str) -> None:
    text = TRICKY.replace("\n", newline)
    tomllib.loads(text)
    assert {lines.dotted(key): line for key, line in lines.of(text).items()} == TRICKY_LINES


_FILLERS = [
    "# [policy]",
    "",
    'a{n} = """\nx = 1\n"""',
    "b{n} = '''\n[[x]]\n'''",
    "c{n} = [\n  1, # ]\n  'x',\n]",
    'd{n} = {{ e = "}}", f = [1, 2] }}',
    '"e.{n}" = "\\"#"',
    "f{n}.g.h = 1",
    "[t{n}]",
    "[[u{n}]]",
]


@given(fillers=st.lists(st.sampled_from(_FILLERS), max_size=12))
def test_a_key_after_anything_has_the_line_it_stands_on(fillers: list[str]) -> None:
    before = "".join(filler.format(n=number) + "\n" for number, filler in enumerate(fillers))
    text = before + "[here]\nkey = 1"
    tomllib.loads(text)
    found = lines.of(text)
    assert found["here",] == before.count("\n") + 1
    assert found["here", "key"] == before.count("\n") + 2


def _keys(value: object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    inner: list[tuple[str, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = [(str(number), item) for number, item in enumerate(value)]
    return {path}.union(*(_keys(item, (*path, key)) for key, item in inner)) - {()}


@given(fillers=st.lists(st.sampled_from(_FILLERS), max_size=12))
def test_the_scanner_finds_exactly_the_keys_that_the_parser_does(fillers: list[str]) -> None:
    text = "".join(filler.format(n=number) + "\n" for number, filler in enumerate(fillers))
    assert set(lines.of(text)) == _keys(tomllib.loads(text))


_USUAL = [
    "[positions.P{n}.long]\nisolated_margin = {n}",
    '[positions.P{n}.short]\nisolated_margin = "1.5"\ntolerance = "1%"\n',
    "[positions.P{n}.net] # why\nisolated_margin = 2",
    "[positions.P{n}]\nlong.isolated_margin = 3",
    "[positions.P{n}.long]\n\nisolated_margin = 4",
]


@given(fillers=st.lists(st.sampled_from([*_USUAL, *_USUAL, *_FILLERS]), max_size=12), end=st.sampled_from(["", "\n"]))
def test_an_outline_has_the_line_of_every_table_and_of_every_key_elsewhere(fillers: list[str], end: str) -> None:
    text = "\n".join(filler.format(n=number) for number, filler in enumerate(fillers)) + end
    whole, outline = lines.of(text), lines.outline(text)
    assert outline == {key: line for key, line in whole.items() if key in outline}
    assert all(key[0] == "positions" and len(key) == 4 for key in whole.keys() - outline.keys())


# ---- schema


def _validator() -> jsonschema.Draft202012Validator:
    made = statefile.schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("path", sorted(STATES.glob("*.toml")), ids=lambda path: path.name)
def test_the_examples_fit_the_schema_and_load(path: Path) -> None:
    assert list(_validator().iter_errors(tomllib.loads(path.read_text()))) == []
    assert _load(path).endpoint == "sandbox"


# what only the program can see: keys that must be read together, details of URLs and durations, TOML that JSON has no
# word for (and Python's "$", which lets a newline pass where that of JSON Schema does not)
_BEYOND_SCHEMA = (
    "expected one type", "in the clear", "finite", "date or time", "not valid TOML", "30 digits", "more than the whole",
    "neither a type", "name of an asset", "may reach the live",
    "more than at_most", "less than the rounding", "has no meaning here", "is not above", "is too close to",
    '"100%" is out of range', "well-formed URL", '"2h"', '"1.5h"', "main\\n",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"), [case for case in _golden() if not any(word in case[1] for word in _BEYOND_SCHEMA)]
)
def test_the_schema_refuses_what_the_program_refuses(text: str, message: str) -> None:
    assert list(_validator().iter_errors(tomllib.loads(text))), message


def test_every_key_of_the_schema_is_described() -> None:
    made = json.loads(json.dumps(statefile.schema()))
    shapes = [made, *made["$defs"].values()]
    undescribed = [
        name
        for shape in shapes
        for name, inner in shape["properties"].items()
        if not (inner.get("description") or made["$defs"][inner["$ref"].rpartition("/")[2]].get("description"))
    ]
    assert undescribed == []
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["$id"] == "urn:reconcile:state-file:1"
    assert all(shape["additionalProperties"] is False for shape in shapes)


def test_the_defaults_of_the_schema_are_those_of_the_model() -> None:
    limits = statefile.schema()["$defs"]["LimitsTable"]["properties"]
    shown = {name: inner["default"] for name, inner in limits.items() if "default" in inner}
    assert shown == {
        "allow_reduce": False,
        "min_liquidation_distance": "5%",
        "max_margin": "100%",
        "unmanaged": "report",
        "when_short": "refuse",
    }


def test_every_exchange_of_the_traits_can_be_named() -> None:
    assert tuple(statefile.schema()["$defs"]["AccountTable"]["properties"]["exchange"]["enum"]) == tuple(TRAITS)
    assert set(StateFile.model_fields) == set(statefile.schema()["properties"])


# ---- overrides


@pytest.fixture(name="account")
def _account(write: Write) -> DesiredAccount:
    return _load(write(HEAD + "[policy]\nmax_changes = 3\n"))


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("max_add=5000.5", "max_add", Decimal("5000.5")),
        ("max_total_add = {USDT = 5, BTC = 0.1}", "max_total_add", {"USDT": Decimal(5), "BTC": Decimal("0.1")}),
        ("allow_reduce=true", "allow_reduce", True),
        ("min_liquidation_distance=2.5%", "min_liquidation_distance", Percent(value=Decimal("2.5"))),
        ('max_margin="150%"', "max_margin", Percent(value=Decimal(150))),
        ("max_changes=10", "max_changes", 10),
        ("unmanaged=refuse", "unmanaged", Unmanaged.REFUSE),
        ("min_available=0", "min_available", Decimal(0)),
        ("max_total_reduce=1", "max_total_reduce", Decimal(1)),
    ],
)
def test_an_override_changes_its_limit_and_nothing_else(
    account: DesiredAccount, text: str, key: str, value: object
) -> None:
    changed = statefile.override(account, text).policy
    same = [name for name in Policy.__slots__ if getattr(changed, name) == getattr(account.policy, name)]
    assert getattr(changed, key) == value
    assert set(Policy.__slots__) - set(same) <= {key}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_ad=5", "--override max_ad: unknown key of [policy]; did you mean max_add? expected"),
        ("max_add", "--override max_add: not a limit with a value; expected [ACCOUNT:]LIMIT=VALUE such as"),
        ("max_add=", "--override max_add=: not a limit with a value"),
        ("=5", "--override =5: not a limit with a value"),
        ("max_add=-5", '--override max_add: "-5" is negative; expected an amount'),
        ("max_add=nan", '--override max_add: "nan" is not a finite number'),
        ("max_add={USDT=x}", '--override max_add: "{USDT=x}" is not valid TOML'),
        ("max_add={USDT=-1}", "--override max_add.USDT: -1 is negative"),
        ('max_margin="5"\nx=1', "--override max_margin: '\"5\"\\nx=1' is more than one value"),
        ("allow_reduce=yes", '--override allow_reduce: "yes" is not true or false'),
        ("allow_reduce=1", '--override allow_reduce: "1" is not true or false'),
    ],
)
def test_a_wrong_override_is_a_usage_error(account: DesiredAccount, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        statefile.override(account, text)
    assert str(caught.value).startswith(message)


def test_overrides_are_split_by_account_and_limit() -> None:
    texts = ["a:max_add=5", "b:max_add={USDT = 5}", "a:unmanaged=refuse"]
    assert statefile.split_overrides(texts, ["a", "b", "c"]) == {
        "a": {"max_add": "5", "unmanaged": "refuse"},
        "b": {"max_add": "{USDT = 5}"},
    }


def test_with_one_account_its_name_may_be_left_out() -> None:
    assert statefile.split_overrides(["max_add=5", "a:max_changes=1"], ["a"]) == {
        "a": {"max_add": "5", "max_changes": "1"}
    }


@pytest.mark.parametrize(
    ("texts", "names", "message"),
    [
        (
            ["max_add=5"],
            ["a", "b"],
            "--override max_add: several accounts (a, b) and none named; expected ACCOUNT:max_add",
        ),
        (["main2:max_add=5"], ["main", "hedge"], '--override max_add: no account "main2" here; did you mean main?'),
        (["max_add=5", "a:max_add=6"], ["a"], "--override max_add: given twice for account a; expected each key once"),
        (["a:maxadd=5"], ["a"], "--override maxadd: unknown key of [policy]; did you mean max_add?"),
        (["a:b"], ["a"], "--override a:b: not a limit with a value"),
    ],
)
def test_overrides_that_cannot_be_split_are_usage_errors(texts: list[str], names: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        statefile.split_overrides(texts, names)
    assert str(caught.value).startswith(message)


# ---- durations, and what reading a file costs


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("90s", 90_000), ("15m", 900_000), ("1h", 3_600_000), ("2d", 172_800_000), ("0s", 0), ("3650d", 315_360_000_000)],
)
def test_a_duration_is_a_whole_number_with_a_unit(text: str, milliseconds: int) -> None:
    assert statefile.duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "1.5h", "1h30m", "5S", "5w", "٥s", "5s\n", "3651d", "9" * 50 + "s"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        statefile.duration_ms(text)


def test_importing_it_imports_nothing_that_a_request_needs() -> None:
    code = (
        "import sys, reconcile.statefile, reconcile.connect.secrets, reconcile.connect.endpoints; "
        "print([m for m in ('requests', 'tenacity', 'asyncio', 'tomli_w', 'click', 'urllib3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_long_value_is_cut_short_in_a_message() -> None:
    assert scalars.shown("x" * 100) == '"' + "x" * 38 + "…"


@pytest.mark.parametrize(
    "value",
    [
        "1e99999999999999999999",
        "{ USDT = 1e99999999999999999999 }",
        "{ USDT = 0x" + "f" * 20_000 + " }",
        "{ a = " * 5_000,
        "{ " + ".".join("a" * 50) + " = 1 }",
        "\uff11\uff12",
    ],
    ids=lambda value: value[:12],
)
def test_an_override_with_a_bomb_is_refused(account: DesiredAccount, value: str) -> None:
    with pytest.raises(UsageError, match="--override max_add"):
        statefile.override(account, f"max_add={value}")


# ---- templates


def test_templates_stand_beside_the_positions_that_are_named(write: Write) -> None:
    account = _load(
        write(
            HEAD + '[positions."*.long"]\nisolated_margin = 5\n[positions."BTC*.short"]\nat_most = 3\n'
            'equity_share = {floor = "8%", target = "12%"}\n[positions.BTCUSDT.long]\nisolated_margin = 7\n'
        )
    )
    assert [str(target.address) for target in account.targets] == ["BTCUSDT.long"]
    assert [(str(each.address), each.line) for each in account.templates] == [("*.long", 6), ("BTC*.short", 8)]
    assert account.templates[1].band is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[positions."BTC*"]\n', "6: positions.BTC*: not a template, and no symbol has *; expected a template such as"),
        ('[positions."BTC*".long]\nisolated_margin = 1\n', "6: positions.BTC*: not a template"),
        ('[positions."**.long"]\nisolated_margin = 1\n', "6: positions.**.long: not a template"),
        ('[positions."B?C*.long"]\nisolated_margin = 1\n', "6: positions.B?C*.long: not a template"),
        ('[positions."*.net"]\nisolated_margin = 1\n', "6: positions.*.net: a hedge account has no side net"),
        ('[positions."*.long"]\n', "6: positions.*.long: neither a type nor an amount"),
        ('[positions."*.long"]\nmargin_type = "crossed"\n', "6: positions.*.long: crossed; expected isolated"),
        ('[positions."*.long"]\nisolated_margn = 1\n', "7: positions.*.long.isolated_margn: unknown key"),
        (
            '[positions."BTC*.long"]\nisolated_margin = 1\n\n[positions."*USD.long"]\nisolated_margin = 2\n',
            "9: positions.*USD.long: as exact as positions.BTC*.long (line 6), and one symbol can match both",
        ),
    ],
)
def test_a_template_that_means_nothing_or_two_things_is_an_error(write: Write, text: str, said: str) -> None:
    (found,) = [message for message in _messages(write(HEAD + text)) if "neither" in said or "neither" not in message]
    assert found.startswith(f"main.toml:{said}")


def test_templates_are_bounded(write: Write) -> None:
    text = "".join(f'[positions."A{number:03}*.long"]\nisolated_margin = 1\n' for number in range(201))
    assert _messages(write(HEAD + text)) == ["main.toml:6: positions: 201 templates; expected at most 200"]


@pytest.mark.parametrize(
    ("key", "mode", "fits"),
    [
        ("*.long", "hedge", True),
        ("BTC*USDT.short", "hedge", True),
        ("*.net", "one-way", True),
        ("*.net", "hedge", False),
        ("*.long", "one-way", False),
        ("**.long", "hedge", False),
        ("BTC*", "hedge", False),
    ],
)
def test_the_schema_takes_templates(key: str, mode: str, *, fits: bool) -> None:
    account = {"name": "main", "exchange": "okx", "position_mode": mode}
    document = {"version": 1, "account": account, "positions": {key: {"isolated_margin": 1}}}
    assert jsonschema.Draft202012Validator(statefile.schema()).is_valid(document) is fits
