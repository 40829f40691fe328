"""An imported state file plans to no change at once, on every exchange and in every mode, and never overwrites one."""

import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from reconcile import statefile
from reconcile.errors import ReadFailed
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import DesiredAccount, Policy, PositionMode
from reconcile.model.plan import Plan, Status
from reconcile.sandbox.books import Books
from reconcile.sandbox.demo import new_books
from reconcile.sandbox.faults import Ending, Fault, FaultPlan, FaultRule, Scripted
from reconcile.sandbox.http import Lag
from reconcile.sandbox.registry import SIMULATED, simulated
from reconcile.sandbox.values import CROSSED, HUMAN, ISOLATED
from reconcile.statefile.writing import state_file
from reconcile.usecases.import_ import TOLERANCE, ImportResult, import_account
from tests.kit import cli as cli_kit
from tests.kit.scene import Scene, desired, finish, play
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import EPOCH_MS
from tests.simulation.world import NAME, Place

GRACE_MS = 5_000
HOUR_MS = 3_600_000


def asked(exchange: str) -> DesiredAccount:
    """What the command knows before it looked."""
    products = TRAITS[exchange].products
    return DesiredAccount(
        name=NAME,
        exchange=exchange,
        position_mode=PositionMode.HEDGE,
        endpoint="live",
        product=products[0] if products else None,
        credentials="MAIN",
        targets=(),
        policy=Policy(),
        amount_step=None,
        grace_ms=None,
        path="",
        sha256="",
    )


def hedged(exchange: str) -> Books:
    """The exchange's demo account."""
    kind = simulated(exchange)
    return new_books(NAME, kind.rules, kind.seed, now_ms=EPOCH_MS - HOUR_MS, keep_ms=120_000)


def emptied(exchange: str, mode: str) -> Books:
    """The same account with nothing open, in a mode."""
    books = hedged(exchange)
    for position in list(books.positions.values()):
        books.close_position(position.symbol, position.side, now_ms=EPOCH_MS - HOUR_MS)
    for symbol in books.settings:
        books.set_orders(symbol, now_ms=EPOCH_MS - HOUR_MS, open_orders=0, algo_orders=0)
    books.set_position_mode(mode, now_ms=EPOCH_MS - HOUR_MS)
    return books


def one_way(exchange: str) -> Books:
    """A long, a short and a crossed position of one-way mode, opened in a symbol that allows each."""
    books = emptied(exchange, "one-way")
    stable = [symbol for symbol, market in books.markets.items() if market.asset == "USDT"][:3]
    for symbol, size, kind in zip(stable, ("2", "-3", "2"), (ISOLATED, ISOLATED, CROSSED), strict=True):
        if books.settings[symbol].margin_type != kind:
            books.set_margin_type(symbol, kind, now_ms=EPOCH_MS - HOUR_MS, by=HUMAN)
        books.deposit("USDT", Decimal(10**6), now_ms=EPOCH_MS - HOUR_MS)
        books.open_position(symbol, "net", Decimal(size), now_ms=EPOCH_MS - HOUR_MS, margin_type=kind)
    return books


def imported(exchange: str, books: Books, path: Path, *, crossed: bool = False) -> tuple[ImportResult, Plan]:
    """Import the account into a file, and plan that file right away."""
    loop = VirtualLoop()
    place = Place(exchange=exchange, books=books, loop=loop, seed=1, cold_fence=False)

    async def both() -> tuple[ImportResult, Plan]:
        found = await import_account(place.process("i").world(), asked(exchange), crossed=crossed)
        return found, await place.process("p").plan(read_back(found, path))

    return finish(both(), loop)


def read_back(found: ImportResult, path: Path) -> DesiredAccount:
    """The file written and read like any other."""
    path.write_text(
        state_file(
            found.desired, tolerance=TOLERANCE, title="it", observed_wall_ms=found.observed_wall_ms, notes=found.notes
        )
    )
    (declared,) = statefile.load([path])
    return declared


@pytest.mark.parametrize("crossed", [False, True], ids=["isolated", "with crossed"])
@pytest.mark.parametrize("mode", ["hedge", "one-way"])
@pytest.mark.parametrize("exchange", list(SIMULATED))
def test_an_imported_account_plans_to_no_change(tmp_path: Path, exchange: str, mode: str, crossed: bool) -> None:  # noqa: FBT001
    books = hedged(exchange) if mode == "hedge" else one_way(exchange)
    found, plan = imported(exchange, books, tmp_path / "main.toml", crossed=crossed)
    (account,) = plan.accounts
    assert account.errors == ()
    assert found.desired.position_mode.value == mode
    assert {entry.status for entry in account.entries} == {Status.IN_SYNC}
    assert len(found.desired.targets) >= 2


@pytest.mark.parametrize("exchange", list(SIMULATED))
def test_every_open_position_is_declared_with_what_stands_behind_it(tmp_path: Path, exchange: str) -> None:
    books = hedged(exchange)
    found, _ = imported(exchange, books, tmp_path / "main.toml", crossed=True)
    product = TRAITS[exchange].products
    expected = {
        f"{p.symbol}.{p.side}": p.margin if p.margin_type == ISOLATED else None
        for p in sorted(
            books.positions.values(), key=lambda p: p.margin_type == ISOLATED
        )  # where it has both, isolated
        if not product or books.markets[p.symbol].asset == "USDT"
    }
    assert {str(target.address): target.isolated_margin for target in found.desired.targets} == expected


@pytest.mark.parametrize("exchange", list(SIMULATED))
def test_crossed_positions_are_left_out_unless_asked_for_and_that_is_said(tmp_path: Path, exchange: str) -> None:
    path = tmp_path / "main.toml"
    found, _ = imported(exchange, hedged(exchange), path)
    crossed = [p for p in hedged(exchange).positions.values() if p.margin_type == CROSSED]
    assert all(target.isolated_margin is not None for target in found.desired.targets)
    assert bool(crossed) == any("left out as crossed" in note for note in found.notes)
    assert all(f"# {note}\n" in path.read_text() for note in found.notes)


@pytest.mark.parametrize("exchange", list(SIMULATED))
def test_an_empty_account_is_a_valid_file_too(tmp_path: Path, exchange: str) -> None:
    found, plan = imported(exchange, emptied(exchange, "hedge"), tmp_path / "main.toml")
    assert found.desired.targets == ()
    assert plan.accounts[0].entries == ()


def test_positions_are_in_the_order_of_symbol_and_side(tmp_path: Path) -> None:
    path = tmp_path / "main.toml"
    imported("binance", hedged("binance"), path)
    positions = tomllib.loads(path.read_text())["positions"]
    places = [(symbol, side) for symbol, sides in positions.items() for side in sides]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "margin", ["1500", "900.5", "0.00000001", "123456789.12345678", "1234.567890123456789", "1E+3", "0"]
)
def test_a_margin_comes_back_to_the_last_digit(tmp_path: Path, margin: str) -> None:
    found, _ = imported("binance", hedged("binance"), tmp_path / "x.toml")
    target = replace(found.desired.targets[0], isolated_margin=Decimal(margin))
    desired = replace(found.desired, targets=(target,))
    path = tmp_path / "main.toml"
    path.write_text(state_file(desired, tolerance=TOLERANCE, title="it", observed_wall_ms=0, notes=()))
    (read,) = statefile.load([path])
    assert read.targets[0].isolated_margin == Decimal(margin)


@pytest.mark.parametrize("late_ms", [3_000, 45_000])
def test_an_amount_that_may_predate_our_own_step_is_not_written(late_ms: int) -> None:
    async def late(scene: Scene) -> ImportResult:
        await scene.apply(desired({"BTCUSDT.long": "4500"}))
        scene.place.venue.faults = FaultPlan([FaultRule(fault=Fault(lag=Lag(positions_ms=late_ms)), method="GET")])
        return await import_account(scene.world(), asked("binance"), crossed=False)

    if late_ms < GRACE_MS:
        found, _ = play(late)
        assert {str(each.address): each.isolated_margin for each in found.desired.targets}["BTCUSDT.long"] == 4500
    else:
        with pytest.raises(
            ReadFailed, match=r"BTCUSDT.long: the margin reads 3000 after our last step .* nothing was written"
        ):
            play(late)


def test_an_amount_that_an_open_step_may_still_move_is_not_written() -> None:
    async def unknown(scene: Scene) -> ImportResult:
        scene.place.venue.faults = Scripted([Fault(arrives_ms=(0, 500), ending=Ending.LOST)], method="POST")
        result = await scene.apply(desired({"BTCUSDT.long": "3500"}))
        assert result.exit_code == 5
        return await import_account(scene.world(), asked("binance"), crossed=False)

    with pytest.raises(ReadFailed, match=r"an earlier step .* is unknown.* nothing was written"):
        play(unknown)


def test_a_note_cannot_break_out_of_its_comment(tmp_path: Path) -> None:
    found, _ = imported("binance", hedged("binance"), tmp_path / "x.toml")
    text = state_file(found.desired, tolerance=TOLERANCE, title="a\nb", observed_wall_ms=0, notes=("x\nversion = 2",))
    assert tomllib.loads(text)["version"] == 1


# The command.

SANDBOX = ("import", "--exchange", "binance", "--endpoint", "sandbox", "--name", "demo")


def test_without_a_file_the_toml_goes_to_stdout(tmp_path: Path) -> None:
    ended = cli_kit.run(tmp_path, *SANDBOX)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("# ")
    assert tomllib.loads(ended.out)["account"]["name"] == "demo"


def test_the_written_file_plans_to_no_change(tmp_path: Path) -> None:
    file = tmp_path / "demo.toml"
    assert cli_kit.run(tmp_path, *SANDBOX, "--crossed", "--out", str(file)).code == 0
    assert cli_kit.run(tmp_path, "plan", str(file), "--detailed-exitcode").code == 0


def test_the_written_file_pins_the_account(tmp_path: Path) -> None:
    ended = cli_kit.run(tmp_path, *SANDBOX)
    pinned = tomllib.loads(ended.out)["account"]["uid"]
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(ended.out.replace(f'uid = "{pinned}"', 'uid = "another"'))
    refused = cli_kit.run(tmp_path, "plan", str(wrong), "--format", "json")
    assert refused.code == 4
    (error,) = refused.json["accounts"][0]["errors"]
    assert error["key"] == "account"
    assert (
        f"pins [account] uid another, but Binance USD-M says that the key of DEMO belongs to account {pinned}"
        in (error["message"])
    )


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "demo.toml"
    file.write_text("mine")
    ended = cli_kit.run(tmp_path, *SANDBOX, "--out", str(file))
    assert (ended.code, file.read_text()) == (1, "mine")
    assert "it is there already" in ended.err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--name", "Not A Name"), id="name"),
        pytest.param(("--product", "USDT-FUTURES"), id="a product where there is none"),
        pytest.param(("--endpoint", "http://example.com"), id="endpoint"),
        pytest.param(("--credentials", "a-b"), id="credentials"),
        pytest.param(("--exchange", "kraken"), id="exchange"),
    ],
)
def test_a_wrong_option_is_64(tmp_path: Path, words: tuple[str, str]) -> None:
    assert cli_kit.run(tmp_path, *SANDBOX, *words).code == 64


def test_missing_credentials_are_an_error(tmp_path: Path) -> None:
    ended = cli_kit.run(tmp_path, "import", "--exchange", "okx", "--name", "desk-7")
    assert ended.code == 1
    assert "DESK_7_API_KEY" in ended.err


def test_automatic_margin_is_declared_where_it_is_on_and_a_call_switches_it(tmp_path: Path) -> None:
    for exchange, switch in (("bitget", True), ("binance", None)):
        books = hedged(exchange)
        books.set_auto_add("BTCUSDT", ("long",), now_ms=EPOCH_MS - HOUR_MS)
        found, plan = imported(exchange, books, tmp_path / f"{exchange}.toml")
        declared = {str(target.address): target.auto_add for target in found.desired.targets}
        assert declared["BTCUSDT.long"] is switch
        assert declared["ETHUSDT.long"] is None
        assert plan.accounts[0].steps == ()
        assert {entry.status for entry in plan.accounts[0].entries if entry.target} == {Status.IN_SYNC}
