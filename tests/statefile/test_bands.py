"""Bands in a state file: what they become in the model, and every error that they can have."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from reconcile import statefile
from reconcile.errors import StateFileErrors
from reconcile.model.account import DesiredAccount, MarginType, WhenShort
from reconcile.model.measures import Band, Measure, Thresholds

HEAD = 'version = 1\n[account]\nname = "main"\nexchange = "binance"\nposition_mode = "hedge"\n'
DISTANCE = 'liquidation_distance = {floor = "8%", target = "12%"}\n'
D = Decimal
Load = Callable[[str], DesiredAccount]


@pytest.fixture(name="load")
def _load(tmp_path: Path) -> Load:
    def load(text: str) -> DesiredAccount:
        path = tmp_path / "main.toml"
        path.write_text(HEAD + text)
        (account,) = statefile.load([path])
        return account

    return load


@pytest.fixture(name="problems")
def _problems(tmp_path: Path, load: Load) -> Callable[[str], list[str]]:
    def problems(text: str) -> list[str]:
        with pytest.raises(StateFileErrors) as caught:
            load(text)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return problems


def test_the_example_of_the_contract_becomes_the_model(load: Load) -> None:
    account = load("""[defaults]
rounding = 5
[policy]
when_short = "priority"
max_day_add = {USDT = 20000}
max_day_changes = 200
[positions.BTCUSDT.long]
liquidation_distance = {floor = "8%", target = "12%", ceiling = "25%"}
at_most = 4000
at_least = 500
priority = 1
[positions.ETHUSDT.short]
maintenance_cover = {floor = 3, target = "5"}
at_most = 2500
[positions.SOLUSDT.long.equity_share]
floor = "10%"
target = "15%"
[positions.SOLUSDT.long]
at_most = 900
""")
    assert [target.band for target in account.targets] == [
        Band(
            measure=Measure.LIQUIDATION_DISTANCE,
            bounds=Thresholds(floor=D("0.08"), target=D("0.12"), ceiling=D("0.25")),
            at_most=D(4000),
            at_least=D(500),
            rounding=D(5),
        ),
        Band(
            measure=Measure.MAINTENANCE_COVER,
            bounds=Thresholds(floor=D(3), target=D(5)),
            at_most=D(2500),
            rounding=D(5),
        ),
        Band(
            measure=Measure.EQUITY_SHARE,
            bounds=Thresholds(floor=D("0.1"), target=D("0.15")),
            at_most=D(900),
            rounding=D(5),
        ),
    ]
    assert {target.margin_type for target in account.targets} == {MarginType.ISOLATED}
    assert [target.priority for target in account.targets] == [1, None, None]
    policy = account.policy
    assert (policy.when_short, policy.max_day_add, policy.max_day_changes) == (
        WhenShort.PRIORITY,
        {"USDT": D(20000)},
        200,
    )
