"""``reconcile rehearse`` as a person types it: live, saved, and from what was saved."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.kit.cli import ROOT, run

DEMOS = ("demo-bands", "demo-okx-bands", "demo-bitget-bands")
SHOCK = ("--shock", "-15%", "--paths", "50")


def demo(name: str) -> str:
    return str(ROOT / "states" / f"{name}.toml")


@pytest.mark.parametrize("name", DEMOS)
def test_what_was_saved_is_rehearsed_as_what_was_read_without_home_or_exchange(name: str, tmp_path: Path) -> None:
    made, saved = tmp_path / "made", tmp_path / "saved.json"
    made.mkdir()

    live = run(made, "rehearse", demo(name), *SHOCK, "--save", str(saved), "--format", "json")
    shutil.rmtree(made)
    again = run(tmp_path, "rehearse", demo(name), *SHOCK, "--from", str(saved), "--format", "json")

    assert (live.code, again.code, again.err) == (0, 0, "")
    assert again.json == live.json
    assert again.json["accounts"][0]["positions"]
    assert list(tmp_path.iterdir()) == [saved]


@pytest.fixture(scope="module")
def observation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The Binance demo account as it was read."""
    folder = tmp_path_factory.mktemp("observation")
    done = run(folder, "rehearse", demo("demo-bands"), *SHOCK, "--save", str(folder / "saved.json"))
    assert done.code == 0
    value: dict[str, Any] = json.loads((folder / "saved.json").read_text())
    return value


def edited(observation: dict[str, Any], **changes: object) -> dict[str, Any]:
    """Another account in the observation."""
    return {**observation, "accounts": [{**observation["accounts"][0], **changes}]}


def position(observation: dict[str, Any], **risk: object) -> dict[str, Any]:
    """Another formula behind the first position that has one."""
    (found, *_) = (each for each in observation["accounts"][0]["positions"] if each["risk"])
    return edited(observation, positions=[{**found, "risk": {**found["risk"], **risk}}])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: {**made, "format": "reconcile.plan/1"}, "its format is 'reconcile.plan/1'"),
        (lambda made: {"format": made["format"]}, "accounts: Field required"),
        (lambda made: {**made, "accounts": made["accounts"] * 2}, "an account is in it twice"),
        (lambda made: edited(made, account="other"), "the saved observation has no account of that name"),
        (lambda made: edited(made, exchange="okx"), "is no formula of OKX"),
        (lambda made: edited(made, exchange="okx", positions=[]), "has exchange okx, the state file binance"),
        (lambda made: edited(made, exchange="elsewhere"), "'elsewhere' is not an exchange"),
        (lambda made: edited(made, position_mode="one-way"), "has position_mode one-way, the state file hedge"),
        (lambda made: edited(made, product="COIN-FUTURES"), "has product COIN-FUTURES, the state file None"),
        (lambda made: edited(made, unusable={"nonsense": "x"}), "nonsense"),
        (lambda made: position(made, formula="inverse"), "'inverse' is no formula of Binance USD-M"),
        (lambda made: position(made, entry="cheap"), "'cheap'"),
        (lambda made: position(made, entry="NaN"), "'NaN'"),
        (lambda made: position(made, size="0"), "the numbers of its formula contradict each other"),
        (lambda made: position(made, entry=True), "entry"),
        (lambda made: position(made, entry="9" * 60), "999"),
        (lambda made: position(made, tiers=[]), "the numbers of its formula contradict each other"),
    ],
)
def test_what_is_no_observation_of_the_account_is_said(
    change: Any, words: str, observation: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "saved.json").write_text(json.dumps(change(observation)))

    done = run(tmp_path, "rehearse", demo("demo-bands"), *SHOCK, "--from", str(tmp_path / "saved.json"))

    assert done.code == 1
    assert words in done.out + done.err
    assert "bug" not in done.err


def test_a_file_that_is_no_document_and_two_sources_are_refused(tmp_path: Path) -> None:
    wrong = run(tmp_path, "rehearse", demo("demo-bands"), *SHOCK, "--from", demo("demo-bands"))
    both = run(tmp_path, "rehearse", demo("demo-bands"), *SHOCK, "--from", "a.json", "--save", "b.json")
    assert (wrong.code, "no saved observation is there" in wrong.err) == (1, True)
    assert (both.code, "give one of the two" in both.err) == (64, True)


@pytest.mark.parametrize("shock", ["+-25%", "--25%", "-+25%"])
def test_a_shock_with_two_signs_is_a_wrong_command_line(shock: str, tmp_path: Path) -> None:
    done = run(tmp_path, "rehearse", demo("demo-bands"), f"--shock={shock}")
    assert (done.code, "has two signs" in done.err) == (64, True)
