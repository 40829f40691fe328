"""``reconcile import --into``: new positions at the end, the rest as it stands, and nothing where that is unsafe."""

import shutil
from pathlib import Path

import pytest

from tests.kit.cli import ROOT, run

FILE = "states/demo.toml"
HEAD = """\
# ours
version = 1

[account]
name = "main"  # the desk
exchange = "{exchange}"
position_mode = "hedge"
endpoint = "sandbox"
[defaults]
tolerance = "1%"

"""


def without(tmp_path: Path, exchange: str = "binance") -> Path:
    """A state file of one position, under comments."""
    symbol = "BTC-USDT-SWAP" if exchange == "okx" else "BTCUSDT"
    place = tmp_path / "main.toml"
    position = f"[positions.{symbol}.long]  # keep\nisolated_margin = 3000\n"
    place.write_text(HEAD.format(exchange=exchange) + position, encoding="utf-8")
    return place


@pytest.mark.parametrize("exchange", ["binance", "okx", "bitget"])
def test_what_the_file_lacks_is_added_and_plans_to_no_change(exchange: str, tmp_path: Path) -> None:
    place = without(tmp_path, exchange)
    before = place.read_text(encoding="utf-8")
    ended = run(tmp_path, "import", "--into", str(place))
    assert ended.code == 0, ended.err
    after = place.read_text(encoding="utf-8")
    assert after.startswith(before)
    assert "# Added by 'reconcile import --into' at " in after
    plan = run(tmp_path, "plan", str(place), "--format", "json").json
    first, *added = plan["accounts"][0]["entries"]
    assert first["address"].startswith("BTC")
    assert {entry["status"] for entry in added if entry["desired"]} == {"in_sync"}
    again = run(tmp_path, "import", "--into", str(place))
    assert again.out == f"{place}: 0 positions added\n"
    assert place.read_text(encoding="utf-8") == after


def test_bands_are_added_to_a_file_that_rounds(tmp_path: Path) -> None:
    place = without(tmp_path)
    place.write_text(place.read_text(encoding="utf-8").replace("[defaults]\n", "[defaults]\nrounding = 5\n"))
    ended = run(tmp_path, "import", "--into", str(place), "--as", "equity_share")
    assert ended.code == 0, ended.err
    entries = run(tmp_path, "plan", str(place), "--format", "json").json["accounts"][0]["entries"]
    assert [entry["desired"]["measure"]["rounding"] for entry in entries[1:] if entry["desired"]] == ["5"] * 5
    assert {entry["status"] for entry in entries} == {"in_sync"}


def test_what_a_template_declares_is_not_added_and_what_it_cannot_is(tmp_path: Path) -> None:
    place = without(tmp_path)
    with place.open("a", encoding="utf-8") as file:
        file.write('[positions."*.long"]\nmargin_type = "isolated"\n')
    ended = run(tmp_path, "import", "--into", str(place), "--crossed")
    assert ended.code == 0, ended.err
    added = place.read_text(encoding="utf-8").partition("# Added by")[2]
    assert [line for line in added.splitlines() if line.startswith("[positions")] == [
        "[positions.ADAUSDT.long]",  # crossed
        "[positions.BTCUSDT.short]",
    ]
    entries = run(tmp_path, "plan", str(place), "--format", "json").json["accounts"][0]["entries"]
    assert {entry["status"] for entry in entries} == {"in_sync"}


def test_lines_end_as_they_did(tmp_path: Path) -> None:
    place = without(tmp_path)
    place.write_bytes(place.read_bytes().replace(b"\n", b"\r\n"))
    assert run(tmp_path, "import", "--into", str(place)).code == 0
    content = place.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") > 20


def test_a_form_that_takes_no_more_tables_is_refused_and_left_alone(tmp_path: Path) -> None:
    place = without(tmp_path)
    text = place.read_text(encoding="utf-8").replace(
        "version = 1\n", "version = 1\npositions = { BTCUSDT = { long = { isolated_margin = 3000 } } }\n"
    )
    place.write_text(text.partition("[positions.")[0], encoding="utf-8")
    before = place.read_bytes()
    ended = run(tmp_path, "import", "--into", str(place))
    assert ended.code == 1
    assert "tables cannot stand at its end" in ended.err
    assert place.read_bytes() == before


def test_options_of_another_account_are_a_wrong_command_line(tmp_path: Path) -> None:
    place = shutil.copy(ROOT / FILE, tmp_path / "x.toml")
    assert run(tmp_path, "import", "--into", str(place), "--exchange", "okx").code == 64
    assert run(tmp_path, "import").code == 64
