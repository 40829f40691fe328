"""``reconcile audit`` as a person types it, over journals that real applies wrote."""

import re
from pathlib import Path

import pytest

from reconcile.cli.errors import redacted
from reconcile.cli.session import Invocation
from tests.kit.cli import Ended, run

STATE = """
version = 1
[account]
name = "demo"
exchange = "binance"
position_mode = "hedge"
endpoint = "sandbox"
grace = 0.3
[policy]
allow_reduce = true
[positions.BTCUSDT.long]
isolated_margin = {margin}
"""
ALICE = {"RECONCILE_ACTOR": "alice"}
SECOND_AMOUNT = re.compile(r"(?<![0-9a-f.])350(?![0-9a-fZ])")
"""What the second apply moves, as an amount: not three digits that happen to stand in a run's id or a millisecond."""


def declare(home: Path, margin: int) -> Path:
    state = home / "demo.toml"
    state.write_text(STATE.format(margin=margin))
    return state


def apply(home: Path, margin: int, *words: str) -> str:
    """One apply; its run id."""
    done = run(home, "apply", str(declare(home, margin)), "--auto-approve", "--format", "json", *words, env=ALICE)
    return str(done.json["run_id"])


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A home with two applies, a person's hand between them, and a frozen account; the ids of the runs."""
    home = tmp_path_factory.mktemp("home")
    ids = [apply(home, 3300, "--reason", "weekly review")]
    run(home, "sandbox", "set", "demo", "--margin", "BTCUSDT.long=-50")
    ids.append(apply(home, 3600))
    frozen = home / "home" / "frozen"
    frozen.mkdir()
    (frozen / "demo").write_text("incident 7")
    ids.append(apply(home, 3900))
    (frozen / "demo").unlink()
    return home, ids


def audit(applied: tuple[Path, list[str]], *words: str) -> Ended:
    return run(applied[0], "audit", *words)


def test_the_log_has_every_apply_and_the_refused_one(applied: tuple[Path, list[str]]) -> None:
    rows = audit(applied, "log", "--format", "json").json["rows"]

    assert [(row["run_id"], row["outcome"], row["amount"], row["actor"]) for row in rows] == [
        (applied[1][0], "applied", "+300", "alice"),
        (applied[1][1], "applied", "+350", "alice"),
        (applied[1][2], "refused:frozen", "", "alice"),
    ]
    assert rows[0]["reason"] == "weekly review"


def test_the_log_is_filtered_and_goes_to_several_places(applied: tuple[Path, list[str]], tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    words = ["--outcome", "applied", "--since", "1h", "--address", "BTC*", "--account", "demo"]

    done = audit(applied, "log", *words, "--format", f"csv={table}", "--format", "markdown")

    assert (done.code, table.read_text().count("\n")) == (0, 3)
    assert done.out.startswith("### Margin log: 2 rows")


def test_a_run_shows_the_state_file_it_was_made_from_and_the_plan(applied: tuple[Path, list[str]]) -> None:
    (account,) = audit(applied, "show", applied[1][0], "--format", "json").json["accounts"]

    assert (account["outcome"], account["command"], account["reason"]) == ("done", "apply", "weekly review")
    assert re.fullmatch("[0-9a-f]{64}", account["state_sha256"])
    planned = next(note for note in account["notes"] if note["what"] == "planned")
    assert planned["details"]["digest"].startswith("sha256:")
    assert planned["details"]["entries"][0]["address"] == "BTCUSDT.long"
    assert account["policy"]["allow_reduce"] is True
    assert account["steps"][0]["answer"] == "200 Successfully modify position margin."


def test_a_refused_run_says_by_what(applied: tuple[Path, list[str]]) -> None:
    done = audit(applied, "show", applied[1][2])

    assert "refused by frozen (exit 4)" in done.out
    assert "incident 7" in done.out


def test_two_runs_are_compared_from_the_journal(applied: tuple[Path, list[str]]) -> None:
    (account,) = audit(applied, "diff", *applied[1][:2], "--format", "json").json["accounts"]
    (address,) = (each for each in account["addresses"] if each["movements"])

    assert (address["address"], address["before"], address["after"]) == ("BTCUSDT.long", "3300", "3600")
    assert [(each["cause"], each["change"]) for each in address["movements"]] == [
        ("manual", "-50"),
        ("reconcile", "350"),
    ]


def test_a_run_is_compared_with_live_by_the_exchanges_ledger(applied: tuple[Path, list[str]]) -> None:
    (account,) = audit(applied, "diff", applied[1][0], "live", "--format", "json").json["accounts"]
    (address,) = (each for each in account["addresses"] if each["movements"])

    assert (account["to"], account["problem"], address["after"]) == ("live", "", "3600")
    assert [(each["cause"], each["change"]) for each in address["movements"]] == [
        ("manual", "-50"),
        ("reconcile", "350"),
    ]
    assert "3250 → 3600 seen after the exchange said yes" in address["movements"][1]["detail"]


def test_a_head_that_was_shown_can_be_verified(applied: tuple[Path, list[str]]) -> None:
    head, notes = audit(applied, "head").out.split()

    assert re.fullmatch("demo=[0-9a-f]{64}", head)
    assert re.fullmatch("binance-sandbox-demo_notes=[0-9a-f]{64}", notes)
    assert audit(applied, "verify", "--head", head, "--head", notes).code == 0
    assert audit(applied, "verify", "--head", f"demo={'0' * 63}1").code == 1
    assert audit(applied, "verify", "--head", f"nobody={'0' * 63}1", "--format", "json").json["good"] is False
    assert audit(applied, "head", "--account", "nobody").code == 1


@pytest.mark.parametrize("pin", ["demo", "demo=12", "=" + "0" * 64, "demo=" + "G" * 64])
def test_a_pin_that_is_none_is_a_wrong_command_line(pin: str, tmp_path: Path) -> None:
    assert run(tmp_path, "audit", "verify", "--head", pin).code == 64


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "2026-01-01T00:00:00", "5"])
def test_a_time_that_is_none_is_a_wrong_command_line(time: str, tmp_path: Path) -> None:
    assert run(tmp_path, "audit", "log", "--since", time).code == 64


@pytest.mark.parametrize(
    "words", [["log"], ["verify"], ["head"], ["show", "x"], ["diff", "x", "y"], ["report", "--html", "page.html"]]
)
def test_a_home_without_journals_proves_nothing(words: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, "audit", *words)

    assert (done.code, done.out) == (1, "")
    assert f"there is none in {tmp_path / 'home'}" in done.err
    assert not (tmp_path / "home").exists()


def test_a_pinned_head_of_an_empty_home_is_missing(tmp_path: Path) -> None:
    done = run(tmp_path, "audit", "verify", "--head", f"main={'0' * 64}", "--format", "json")

    assert (done.code, done.json["good"], done.json["journals"][0]["pinned"]) == (1, False, "0" * 64)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--outcome", "aplied"], 1, "did you mean applied?"),
        (["--outcome", "refused:frosen"], 1, "did you mean refused:frozen?"),
        (["--actor", "alcie"], 1, "did you mean alice?"),
        (["--address", "BTCUSD.long"], 1, "did you mean BTCUSDT.long?"),
        (["--account", "dmeo"], 1, "did you mean demo?"),
        (["--account", "demo", "--actor", "z*"], 1, "no run of demo has one like it; there are alice"),
        (["--since", "1h", "--until", "2h"], 64, "nothing can match"),
        (["--since", "2099-01-01"], 64, "in the future"),
    ],
)
def test_a_filter_that_no_run_can_match_is_an_error(
    applied: tuple[Path, list[str]], words: list[str], code: int, says: str
) -> None:
    done = audit(applied, "log", *words)

    assert (done.code, done.out) == (code, "")
    assert says in done.err


@pytest.mark.parametrize("words", [["--outcome", "unknown"], ["--until", "2020-01-01"], ["--actor", "al*"]])
def test_a_filter_that_could_have_matched_is_none(applied: tuple[Path, list[str]], words: list[str]) -> None:
    assert audit(applied, "log", *words).code == 0


def test_a_broken_journal_is_named_and_nothing_is_told_from_behind_the_break(
    applied: tuple[Path, list[str]], tmp_path: Path
) -> None:
    source = next((applied[0] / "home" / "journal").glob("*.jsonl"))
    folder = tmp_path / "home" / "journal"
    folder.mkdir(parents=True)
    (folder / source.name).write_bytes(source.read_bytes().replace(b'"amount":"350"', b'"amount":"3.5"'))
    page = tmp_path / "report.html"

    verified = run(tmp_path, "audit", "verify")
    reported = run(tmp_path, "audit", "report", "--html", str(page))

    assert verified.code == 1
    assert re.search(r"BROKEN .* line \d+: it was changed", verified.out)
    assert run(tmp_path, "audit", "log").code == 1
    assert run(tmp_path, "audit", "head").code == 1
    assert (reported.code, "✗ broken" in page.read_text()) == (1, True)


def test_a_broken_journal_hides_no_other_and_not_what_stands_before_the_break(
    applied: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """The notes stay good; in the journal the second apply's step is forged."""
    for source in (applied[0] / "home" / "journal").glob("*.jsonl"):
        copy = tmp_path / "home" / "journal" / source.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes().replace(b'"amount":"350"', b'"amount":"3.5"'))
    first, second, frozen = applied[1]

    logged = run(tmp_path, "audit", "log", "--format", "json")
    named = run(tmp_path, "audit", "log", "--account", "nobody")
    shown = [run(tmp_path, "audit", "show", run_id) for run_id in applied[1]]
    compared = run(tmp_path, "audit", "diff", first, second)

    rows = [(row["run_id"], row["outcome"]) for row in logged.json["rows"]]
    assert rows == [(first, "applied"), (second, "cut_off"), (frozen, "refused:frozen")]
    for done in (logged, named, *shown, compared):
        assert done.code == 1
        assert "it was changed" in done.err
    assert [run_id in done.out for run_id, done in zip(applied[1], shown, strict=True)] == [True] * 3
    assert "no journal here is of that name" in named.err
    assert not SECOND_AMOUNT.search(compared.out)


def test_the_page_is_written(applied: tuple[Path, list[str]], tmp_path: Path) -> None:
    page = tmp_path / "report.html"

    done = audit(applied, "report", "--html", str(page), "--since", "2d", "--format", "json")

    assert (done.code, done.json["accounts"]) == (0, ["demo", "demo (notes)"])
    assert "weekly review" in page.read_text()


def test_a_journal_url_of_another_kind_is_refused_without_showing_it(tmp_path: Path) -> None:
    done = run(tmp_path, "audit", "log", "--journal", "mysql://u:secret@h/db")

    assert (done.code, "secret" in done.err) == (1, False)


def test_a_journal_that_cannot_be_reached_is_an_error_without_its_password(tmp_path: Path) -> None:
    done = run(tmp_path, "audit", "log", "--journal", "postgresql://u:hunter2@127.0.0.1:1/db")

    assert done.code == 1
    assert "postgresql://127.0.0.1:1/db" in done.err
    assert "hunter2" not in done.err


def test_a_password_of_a_url_is_taken_out_of_everything(tmp_path: Path) -> None:
    session = Invocation()
    session.secrets.add("hunter2")

    assert redacted("at postgresql://u:other@h with hunter2", session) == "at postgresql://u:[secret]@h with [secret]"
