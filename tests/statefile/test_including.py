"""Included files: what they may say, where they may lie, and what an account file may still change."""

import json
import os
import tomllib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # no stubs among the test tools
import pytest

from reconcile import statefile
from reconcile.errors import StateFileErrors
from reconcile.model.account import Percent, Unmanaged
from reconcile.model.included import SettingOrigin
from reconcile.planning import looser
from reconcile.statefile.shared_tables import LimitsTable
from tests.kit import cli

HEAD = 'version = 1\ninclude = ["../desk-policy.toml"]\n[account]\nname = "main"\nexchange = "binance"\n'
HEAD += 'position_mode = "hedge"\nendpoint = "sandbox"\n'
DESK = """[defaults]
tolerance = "1%"
rounding = 5
[policy]
max_add = 5000
min_available = {USDT = 500}
unmanaged = "report"
when_short = "nearest-first"
"""
Write = Callable[[str, str], Path]


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Write:
    (tmp_path / ".git").mkdir()

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    write("desk-policy.toml", DESK)
    return write


def _problems(*paths: Path) -> list[str]:
    with pytest.raises(StateFileErrors) as caught:
        statefile.load(paths)
    return [str(problem) for problem in caught.value.problems]


def _problem(path: Path) -> str:
    (found,) = _problems(path)
    return found


def test_limits_and_defaults_are_inherited_and_the_account_file_wins(write: Write) -> None:
    path = write("states/main.toml", HEAD + "[defaults]\ntolerance = 2\n[policy]\nmax_add = 100\n[positions.X.long]\n")
    path.write_text(path.read_text() + 'liquidation_distance = {floor = "8%", target = "12%"}\nat_most = 10\n')
    (account,) = statefile.load([path])
    assert account.policy.max_add == 100
    assert account.policy.min_available == {"USDT": Decimal(500)}
    (target,) = account.targets
    assert target.tolerance.value == 2
    assert not target.tolerance.percent
    assert target.band is not None
    assert target.band.rounding == 5
    desk = str(path.parent.parent / "desk-policy.toml")
    assert [file.path for file in account.includes] == [desk]
    assert SettingOrigin(key="policy.max_add", value="100", file=str(path), line=11) in account.settings
    assert SettingOrigin(key="policy.min_available", value="{USDT = 500}", file=desk, line=6) in account.settings


@pytest.mark.parametrize(
    ("key", "shared", "tighter", "loose"),
    [
        ("allow_reduce", "false", "false", "true"),
        ("min_liquidation_distance", '"8%"', '"9%"', '"7%"'),
        ("max_margin", '"50%"', '"40%"', '"60%"'),
        ("max_margin", "5000", "4000", '"1%"'),
        ("max_add", "5000", "4999", "5001"),
        ("max_total_add", "{USDT = 10, BTC = 1}", "{USDT = 10, BTC = 1}", "{USDT = 9}"),
        ("max_total_reduce", "10", '"9.5"', "{USDT = 1}"),
        ("max_changes", "10", "10", "11"),
        ("min_available", "500", "501", "499"),
        ("unmanaged", '"report"', '"refuse"', '"ignore"'),
        ("when_short", '"refuse"', '"refuse"', '"priority"'),
        ("when_short", '"nearest-first"', '"pro-rata"', None),
        ("max_day_add", "{USDT = 10}", "{USDT = 10, BTC = 3}", "{USDT = 11}"),
        ("max_day_changes", "10", "0", "11"),
    ],
)
def test_an_account_file_may_only_tighten(write: Write, key: str, shared: str, tighter: str, loose: str | None) -> None:
    desk = write("desk-policy.toml", f"# ours\n[policy]\n{key} = {shared}\n")
    statefile.load([write("states/main.toml", f"{HEAD}[policy]\n{key} = {tighter}\n")])
    if loose is not None:
        path = write("states/main.toml", f"{HEAD}[policy]\n{key} = {loose}\n")
        found = _problem(path)
        assert found.startswith(f"{path}:9: policy.{key}: ")
        assert f"in {desk}:3" in found


def test_every_limit_is_compared() -> None:
    assert set(LimitsTable.model_fields) <= {*looser._CEILINGS, *looser._FLOORS, *looser._ORDERS}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[account]\nname = "secret-word"\n', "holds something else in its line 1; expected [policy] and [defaults]"),
        ("[policy]\n[positions.X.long]\n", "holds something else in its line 2"),
        ('include = ["x.toml"]\n', "includes other files itself"),
        ("token = secret-word\n", "not valid TOML"),
        ("[policy]\nx = " + "[" * 2000 + "]" * 2000, "not valid TOML"),
        ("a.b.c.d.e.f.g.h.i.j = 1\n", "its keys are too long or too deep"),
        ("# " + "x" * 65536, "longer than 65536 bytes"),
    ],
)
def test_what_is_not_a_shared_file_is_refused_without_its_content(write: Write, text: str, said: str) -> None:
    write("desk-policy.toml", text)
    path = write("states/main.toml", HEAD)
    found = _problem(path)
    assert found.startswith(f'{path}:2: include.0: "../desk-policy.toml": {said}')
    assert "secret-word" not in found


def test_a_mistake_in_a_shared_file_is_told_once_in_its_own_line(write: Write) -> None:
    desk = write("desk-policy.toml", "[policy]\nmax_ad = 5\nallow_reduce = 1\n")
    first = write("states/main.toml", HEAD)
    second = write("states/two.toml", HEAD.replace('"main"', '"two"'))
    found = _problems(first, second)
    assert [text.split(":", 3)[:3] for text in found] == [
        [str(desk), "2", " policy.max_ad"],
        [str(desk), "3", " policy.allow_reduce"],
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/etc/policy.toml", "not a path to include"),
        ("../../outside.toml", "leads out of"),
        ("../link.toml", "leads out of"),
        ("../linked/outside.toml", "leads out of"),
        ("../.hidden/x.toml", "hidden"),
        ("../.git/x.toml", "hidden"),
        ("../inner.toml", "leads into .git"),
        ("..\\\\desk-policy.toml", "not a path to include"),
        ("../desk-policy.txt", "not a path to include"),
        ("main.toml", "names this file itself"),
        ("../states/main.toml", "names this file itself"),
        ("../missing.toml", "cannot be read (No such file"),
        ("../pipe.toml", "cannot be read (not a regular file"),
        ("../folder.toml", "cannot be read ("),
    ],
)
def test_an_include_stays_in_the_repository(tmp_path: Path, name: str, said: str) -> None:
    top = tmp_path / "repository"
    (top / ".git").mkdir(parents=True)
    (top / "folder.toml").mkdir()
    (top / "states").mkdir()
    (tmp_path / "outside.toml").write_text("[policy]\nmax_add = 1\n")
    (top / "link.toml").symlink_to(tmp_path / "outside.toml")
    (top / "linked").symlink_to(tmp_path)
    (top / ".git" / "x.toml").write_text("[policy]\n")
    (top / "inner.toml").symlink_to(top / ".git" / "x.toml")
    os.mkfifo(top / "pipe.toml")
    path = top / "states" / "main.toml"
    path.write_text(HEAD.replace("../desk-policy.toml", name))
    assert said in _problem(path)


def test_without_a_repository_the_named_folder_is_the_root(tmp_path: Path) -> None:
    path = tmp_path / "states" / "desk" / "main.toml"
    path.parent.mkdir(parents=True)
    path.write_text(HEAD)
    (tmp_path / "states" / "desk-policy.toml").write_text(DESK)
    (account,) = statefile.load([tmp_path / "states"])  # where the shared file is no state file of its own
    assert account.policy.max_add == 5000
    assert f"leads out of {path.parent}" in _problem(path)


def test_a_link_inside_the_root_is_followed(write: Write, tmp_path: Path) -> None:
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "desk.toml").symlink_to(tmp_path / "desk-policy.toml")
    (account,) = statefile.load([write("states/main.toml", HEAD.replace("../desk-policy", "desk"))])
    assert account.policy.max_add == 5000


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"../desk-policy.toml"', "is not a list of paths"),
        ("[1]", "is not a list of paths"),
        (json.dumps(["../desk-policy.toml"] * 9), "9 files; expected at most 8"),
        ('["../desk-policy.toml", "../states/../desk-policy.toml"]', "names the same file as ../desk-policy.toml"),
    ],
)
def test_a_list_of_includes_is_short_and_names_each_file_once(write: Write, value: str, said: str) -> None:
    assert said in _problem(write("states/main.toml", HEAD.replace('["../desk-policy.toml"]', value)))


def test_two_shared_files_may_not_say_the_same_key(write: Write) -> None:
    write("other.toml", "[policy]\n\nmax_add = 4000\n")
    path = write("states/main.toml", HEAD.replace('toml"]', 'toml", "../other.toml"]'))
    found = _problem(path)
    assert "other.toml:3 says policy.max_add" in found
    assert "desk-policy.toml:5 does" in found


def test_validate_lists_what_is_in_force_and_where_it_stands(write: Write, tmp_path: Path) -> None:
    path = write("states/main.toml", HEAD + '[policy]\nunmanaged = "refuse"\n')
    text = cli.run(tmp_path / "home", "validate", str(path)).out
    assert "main: limits and defaults in force\n" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["policy.max_add", "5000", f"{tmp_path}/desk-policy.toml:5"] in lines
    assert ["policy.unmanaged", '"refuse"', f"{path}:9"] in lines
    (account,) = cli.run(tmp_path / "home", "validate", str(path), "--format", "json").json["accounts"]
    assert list(account["includes"]) == [f"{tmp_path}/desk-policy.toml"]
    assert {"key": "policy.max_add", "value": "5000", "file": f"{tmp_path}/desk-policy.toml", "line": 5} in account[
        "settings"
    ]


def test_a_changed_or_missing_include_makes_a_saved_plan_stale(write: Write, tmp_path: Path) -> None:
    home, plan = tmp_path / "home", str(tmp_path / "plan.json")
    path = str(write("states/main.toml", HEAD + "[positions.BTCUSDT.long]\nisolated_margin = 3100\n"))
    assert cli.run(home, "plan", path, "--out", plan).code == 0
    desk = write("desk-policy.toml", DESK.replace("5000", "5001"))
    refused = cli.run(home, "apply", plan, "--auto-approve", "--format", "json")
    assert (refused.code, refused.json["accounts"][0]["errors"][0]["key"]) == (4, "stale")
    assert str(desk) in refused.json["accounts"][0]["errors"][0]["message"]
    desk.unlink()
    refused = cli.run(home, "apply", plan, "--auto-approve", "--format", "json")
    assert "is gone" in refused.json["accounts"][0]["errors"][0]["message"]
    desk.write_text(DESK)
    applied = cli.run(home, "apply", plan, "--auto-approve", "--format", "json")
    assert applied.code == 0
    run = applied.json["run_id"]
    told = cli.run(home, "audit", "show", run, "--format", "json").json["accounts"][0]
    assert list(told["includes"]) == [str(desk)]


def test_the_schemas_take_what_the_program_takes(write: Write) -> None:
    path = write("states/main.toml", HEAD)
    jsonschema.validate(tomllib.loads(path.read_text()), statefile.schema())
    jsonschema.validate(tomllib.loads(DESK), statefile.include_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"account": {}}, statefile.include_schema())


def test_defaults_are_taken_from_a_shared_file(write: Write) -> None:
    write("desk-policy.toml", '[policy]\nunmanaged = "refuse"\nmin_liquidation_distance = "9%"\n')
    (account,) = statefile.load([write("states/main.toml", HEAD)])
    assert account.policy.unmanaged is Unmanaged.REFUSE
    assert account.policy.min_liquidation_distance == Percent(value=Decimal(9))
