"""A secret in a state file is named as one, with what to do, and is never repeated."""

from pathlib import Path

import pytest

from reconcile import statefile
from reconcile.errors import StateFileErrors
from reconcile.statefile.secret_keys import secret_problem, value_problem

STATE = """version = 1
[account]
name = "main"
exchange = "binance"
position_mode = "hedge"
{line}
[positions.BTCUSDT.long]
isolated_margin = 5
"""
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


def problems(path: Path, line: str) -> list[str]:
    """What is wrong with a state file that has this line in its account."""
    path.write_text(STATE.format(line=line))
    with pytest.raises(StateFileErrors) as caught:
        statefile.load([path])
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("key", "variable"),
    [
        ("api_key", "PREFIX_API_KEY"),
        ("apiKey", "PREFIX_API_KEY"),
        ("api_secret", "PREFIX_API_SECRET"),
        ("secret", "PREFIX_API_SECRET"),
        ("secret_key", "PREFIX_API_SECRET"),
        ("passphrase", "PREFIX_PASSPHRASE"),
        ("password", "PREFIX_PASSPHRASE"),
    ],
)
def test_a_key_that_names_a_secret_says_where_it_goes_and_to_revoke_it(key: str, variable: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "main.toml", f'{key} = "{KEY}"')
    assert problem.startswith(f"{tmp_path / 'main.toml'}:6: account.{key}: secrets never go into a state file; set ")
    assert variable in problem
    assert problem.endswith("revoke this one at the exchange")
    assert KEY not in problem


def test_a_key_in_place_of_the_prefix_is_recognised_and_not_repeated(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "main.toml", f'credentials = "{KEY}"')
    assert "this looks like a secret: secrets never go into a state file" in problem
    assert KEY not in problem


@pytest.mark.parametrize("text", ["bg_0123456789abcdef0123456789abcdef", KEY, "8c7e1b9a-33a6-4b9c-9a1f-6f2e0f7f1234"])
def test_what_looks_like_a_key_is_one(text: str) -> None:
    assert value_problem(text) is not None or text.startswith("bg_")


@pytest.mark.parametrize("text", ["MAIN", "TRADING_DESK_SEVEN_ACCOUNT", "main", "DESK_7"])
def test_a_prefix_is_none(text: str) -> None:
    assert value_problem(text) is None


@pytest.mark.parametrize("key", ["name", "exchange", "nmae", "tolerance", "credential"])
def test_other_keys_are_none(key: str) -> None:
    assert secret_problem(key) is None
