"""The command line as people and pipelines meet it: options, formats, exit codes, what goes where."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import pytest

from reconcile.cli.errors import redacted, report
from reconcile.cli.session import Invocation
from reconcile.errors import ChainBroken, Declined, InDoubt, InputError, Interrupted, ReadFailed, UsageError
from reconcile.render.schema import documents
from tests.kit.cli import ROOT, environment, process, run

DEMO, BLOCKED = "states/demo.toml", "states/demo-blocked.toml"

USAGE: dict[str, list[str]] = {
    "nothing": [],
    "an unknown command": ["bogus"],
    "an unknown option": ["plan", "--bogus", DEMO],
    "no path": ["plan"],
    "an unknown format": ["plan", DEMO, "--format", "yaml"],
    "a format this command has not": ["plan", DEMO, "--format", "csv"],
    "two formats on stdout": ["plan", DEMO, "--format", "json", "--format", "text"],
    "two formats in one file": ["plan", DEMO, "--format", "json=x", "--format", "text=./x"],
    "a format into no file": ["plan", DEMO, "--format", "json="],
    "a bare number as duration": ["plan", DEMO, "--expires", "60"],
    "no duration at all": ["plan", DEMO, "--expires", "0s"],
    "a target that matches nothing": ["plan", DEMO, "--target", "NOPE*"],
    "a target of another account": ["plan", DEMO, "--target", "other:*"],
    "a number in other digits": ["plan", DEMO, "--parallelism", "\uff11\uff12"],
    "a number with underscores": ["plan", DEMO, "--parallelism", "1_0"],
    "a number as long as a page": ["plan", DEMO, "--parallelism", "9" * 5000],
    "no parallelism": ["plan", DEMO, "--parallelism", "0"],
    "an override without a value": ["plan", DEMO, "--override", "max_add"],
    "an override of an unknown limit": ["plan", DEMO, "--override", "max_ad=1"],
    "an override with a bad value": ["plan", DEMO, "--override", "max_add=lots"],
    "an override given twice": ["plan", DEMO, "--override", "max_add=1", "--override", "max_add=2"],
    "an override for one of several accounts": ["plan", DEMO, BLOCKED, "--override", "max_add=1"],
    "an override of an unknown account": ["plan", DEMO, "--override", "other:max_add=1"],
    "an apply with nobody to ask": ["apply", DEMO],
    "an override without a reason": ["apply", DEMO, "--auto-approve", "--override", "max_add=1"],
    "an override with an empty reason": ["apply", DEMO, "--auto-approve", "--override", "max_add=1", "--reason", " "],
    "a digest without a plan": ["apply", DEMO, "--auto-approve", "--digest", "sha256:00"],
    "a negative lock timeout": ["apply", DEMO, "--auto-approve", "--lock-timeout", "-1"],
    "an unknown way to wait": ["apply", DEMO, "--auto-approve", "--if-locked", "break"],
    "a resolve without outcome": ["resolve", "demo:BTCUSDT.long", "--reason", "r"],
    "a resolve without reason": ["resolve", "demo:BTCUSDT.long", "--as", "applied"],
    "a resolve with an empty reason": ["resolve", "demo:BTCUSDT.long", "--as", "applied", "--reason", ""],
    "a resolve of no address": ["resolve", "demo", "--as", "applied", "--reason", "r"],
    "a schema of nothing": ["schema", "--of", "nothing"],
    "a sandbox with nothing to do": ["sandbox"],
    "a sandbox change of nothing": ["sandbox", "set"],
    "a sandbox change without a value": ["sandbox", "set", "--margin", "BTCUSDT.long"],
}


@pytest.mark.parametrize("case", USAGE)
def test_a_wrong_command_line_is_64_says_why_and_does_nothing(case: str, tmp_path: Path) -> None:
    ended = run(tmp_path, *USAGE[case])
    assert (ended.code, ended.out) == (64, "")
    assert "reconcile: " in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("words", [["bogus"], ["plan"], ["apply", DEMO], ["plan", DEMO, "--expires", "x"]])
def test_a_real_process_exits_64_too(words: list[str], tmp_path: Path) -> None:
    assert process(tmp_path, *words).code == 64


TYPED_ONLY: dict[str, tuple[list[str], dict[str, str]]] = {
    "--auto-approve": (["apply", DEMO], {"RECONCILE_APPLY_AUTO_APPROVE": "1", "RECONCILE_AUTO_APPROVE": "1"}),
    "--as": (
        ["resolve", "demo:BTCUSDT.long", "--reason", "r"],
        {"RECONCILE_RESOLVE_AS": "applied", "RECONCILE_RESOLVE_OUTCOME": "applied", "RECONCILE_AS": "applied"},
    ),
}


@pytest.mark.parametrize("option", TYPED_ONLY)
def test_what_must_be_typed_is_not_taken_from_the_environment(option: str, tmp_path: Path) -> None:
    words, env = TYPED_ONLY[option]
    assert run(tmp_path, *words, env=env).code == 64


def test_an_override_is_not_taken_from_the_environment(tmp_path: Path) -> None:
    env = {"RECONCILE_PLAN_OVERRIDE": "max_changes=0", "RECONCILE_OVERRIDE": "max_changes=0"}
    assert run(tmp_path, "plan", DEMO, "--format", "json", env=env).json["overrides"] == {}


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["apply", DEMO, "--auto-approve"], {"RECONCILE_APPLY_LOCK_TIMEOUT": "never"}),
        (["apply", DEMO, "--auto-approve"], {"RECONCILE_APPLY_IF_LOCKED": "never"}),
        (["plan", DEMO], {"RECONCILE_PLAN_TARGET": "NOPE*"}),
        (["plan", DEMO], {"RECONCILE_PLAN_EXPIRES": "never"}),
        (["plan", DEMO], {"RECONCILE_FORMAT": "never"}),
        (["sandbox", "serve"], {"RECONCILE_SANDBOX_SERVE_PORT": "never"}),
    ],
)
def test_options_have_environment_variables(words: list[str], env: Mapping[str, str], tmp_path: Path) -> None:
    assert run(tmp_path, *words, env=env).code == 64


def test_a_variable_named_like_help_or_version_means_nothing(tmp_path: Path) -> None:
    ended = run(tmp_path, "validate", DEMO, env={"RECONCILE_VERSION": "0.1.0", "RECONCILE_HELP": "1"})
    assert (ended.code, ended.out) == (0, "1 state file, 5 declared: all valid\n")


def test_a_typed_format_wins_over_the_environment(tmp_path: Path) -> None:
    env = {"RECONCILE_FORMAT": "json"}
    assert run(tmp_path, "validate", DEMO, env=env).json["exit_code"] == 0
    assert run(tmp_path, "validate", DEMO, "--format", "text", env=env).out.startswith("1 state file")
    assert run(tmp_path, "--format", "text", "validate", DEMO, env=env).out.startswith("1 state file")


@pytest.mark.parametrize(
    "words",
    [
        ["--format", "json", "sandbox", "show"],
        ["sandbox", "--format", "json", "show"],
        ["sandbox", "show", "--format", "json"],
    ],
)
def test_common_options_stand_before_or_after_the_command(words: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, *words).json["account"] == "demo"


def test_home_is_where_it_is_said_to_be_and_private(tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    assert run(tmp_path, "apply", DEMO, "--auto-approve", "--home", str(chosen)).code == 0
    assert not (tmp_path / "home").exists()
    for path in [chosen, *chosen.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("env", "place"),
    [({"XDG_STATE_HOME": "{home}/state"}, "state/reconcile"), ({}, ".local/state/reconcile")],
)
def test_home_is_in_the_users_state_folder_by_default(env: Mapping[str, str], place: str, tmp_path: Path) -> None:
    given = {name: value.format(home=tmp_path) for name, value in env.items()}
    assert run(tmp_path, "sandbox", "show", env={"RECONCILE_HOME": "", **given}).code == 0
    assert (tmp_path / place / "sandbox" / "demo.json").exists()


@pytest.mark.parametrize("words", [["--version"], ["plan", "--version"]])
def test_the_version_is_said_anywhere(words: list[str], tmp_path: Path) -> None:
    assert re.fullmatch(r"reconcile \d+\.\d+\.\d+\n", run(tmp_path, *words).out)


# Formats.


def test_several_formats_come_from_one_read_and_agree(tmp_path: Path) -> None:
    files = {name: tmp_path / f"plan.{name}" for name in ("json", "markdown", "github")}
    ended = run(tmp_path, "plan", DEMO, *(f"--format={name}={path}" for name, path in files.items()))
    document = json.loads(files["json"].read_text())
    assert ended.out.startswith("demo: Binance USD-M, sandbox, hedge")
    assert document["digest"] in files["markdown"].read_text()
    assert "+1500 USDT" in ended.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["validate", DEMO], 0),
        (["validate", "nowhere"], 1),
        (["plan", DEMO], 0),
        (["plan", DEMO, "--detailed-exitcode"], 2),
        (["plan", BLOCKED, "--detailed-exitcode"], 3),
        (["plan", DEMO, "--override", "max_changes=0", "--detailed-exitcode"], 4),
        (["plan", "nowhere"], 1),
        (["apply", DEMO, "--auto-approve"], 0),
        (["apply", BLOCKED, "--auto-approve"], 3),
        (["apply", DEMO, "--auto-approve", "--override", "max_changes=0", "--reason", "r"], 4),
        (["apply", "nowhere", "--auto-approve"], 1),
        (["status", DEMO], 0),
        (["resolve", "demo:BTCUSDT.long", "--as", "applied", "--reason", "r"], 1),
        (["schema"], 0),
        (["sandbox", "show"], 0),
        (["sandbox", "set", "--margin", "BTCUSDT.long=99999999"], 1),
    ],
)
def test_json_is_one_document_whatever_the_exit_code(words: list[str], code: int, tmp_path: Path) -> None:
    ended = run(tmp_path, *words, "--format", "json")
    assert ended.code == code
    assert isinstance(ended.json, dict)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plan", ["plan"]),
        ("result", ["apply", "--auto-approve"]),
        ("status", ["status"]),
    ],
)
def test_what_the_program_writes_is_valid_by_what_it_publishes(name: str, words: list[str], tmp_path: Path) -> None:
    schema = run(tmp_path, "schema", "--of", name).json
    assert schema == documents.schema(name)
    states = shutil.copytree(ROOT / "states", tmp_path / "states")
    for state in states.glob("*.toml"):
        state.write_text(state.read_text().replace('"sandbox"', '"sandbox"\ngrace = 0.3'))
    document = run(tmp_path, *words, str(states), "--format", "json").json
    jsonschema.Draft202012Validator(schema).validate(document)
    assert len(document["accounts"]) > 1


def test_every_account_is_listed_with_its_own_fate(tmp_path: Path) -> None:
    away = tmp_path / "away.toml"
    away.write_text((ROOT / DEMO).read_text().replace('"demo"', '"away"').replace('"sandbox"', '"http://127.0.0.1:1"'))
    env = {"AWAY_API_KEY": "k" * 20, "AWAY_API_SECRET": "s" * 20, "RECONCILE_ENDPOINT_HOSTS": "127.0.0.1:1"}
    ended = run(tmp_path, "apply", DEMO, str(away), "--auto-approve", "--format", "json", env=env)
    fates = {account["account"]: account["exit_code"] for account in ended.json["accounts"]}
    assert fates == {"demo": 0, "away": 1}
    assert ended.code == 1


def test_an_error_in_a_state_file_is_annotated_on_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text((ROOT / DEMO).read_text().replace("[account]", "[account]\nnmae = 1"))
    ended = run(tmp_path, "validate", str(bad), "--format", "github")
    line = (bad.read_text().splitlines()).index("nmae = 1") + 1
    assert ended.code == 1
    assert f"::error file={bad},line={line},title=account.nmae::" in ended.out
    assert "did you mean" in ended.err


def test_two_keys_that_may_be_of_one_account_are_warned_of_and_pins_end_the_warning(tmp_path: Path) -> None:
    head = 'version = 1\n[account]\nexchange = "okx"\nposition_mode = "hedge"\n'
    states = tmp_path / "states"
    states.mkdir()
    (states / "a.toml").write_text(head + 'name = "a"\nuid = "7"\n')
    (states / "b.toml").write_text(head + 'name = "b"\n')
    as_json, as_github, as_page = (
        run(tmp_path, "validate", str(states), "--format", name) for name in ("json", "github", "markdown")
    )
    assert (as_json.code, as_json.json["exit_code"], as_json.json["errors"]) == (0, 0, [])
    (warning,) = as_json.json["warnings"]
    assert (warning["key"], warning["file"], warning["line"]) == ("account.uid", str(states / "b.toml"), 2)
    assert "2 files for OKX v5 live use the keys A, B, and 1 of them pin no account" in warning["message"]
    assert f"::warning file={states / 'b.toml'},line=2,title=account.uid::" in as_github.out
    assert "- Warning: " in as_page.out
    assert "warning: " in as_json.err

    (states / "b.toml").write_text(head + 'name = "b"\nuid = "8"\n')
    ended = run(tmp_path, "validate", str(states), "--format", "json")
    assert (ended.code, ended.json["warnings"], ended.err) == (0, [], "")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    kept = tmp_path / "plan.json"
    kept.write_text("before")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert run(tmp_path, "plan", DEMO, "--out", str(kept)).code == 0
    assert json.loads(kept.read_text())["format"] == "reconcile.plan/1"
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize(
    ("place", "advice"),
    [("nowhere/plan.md", "does not exist; make it first: mkdir -p "), (".", "name a file in an existing folder")],
)
def test_an_output_that_cannot_be_written_is_known_before_anything_is_sent(
    place: str, advice: str, tmp_path: Path
) -> None:
    ended = run(tmp_path, "apply", DEMO, "--auto-approve", "--format", f"markdown={tmp_path / place}")
    assert ended.code == 1
    assert advice in ended.err
    assert not (tmp_path / "home" / "journal").exists()


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    assert run(tmp_path, "plan", DEMO, "--out", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()


def test_a_reader_that_goes_away_changes_neither_the_exit_code_nor_what_is_done(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "reconcile", "apply", DEMO, "--auto-approve"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    error = child.stderr.read()
    child.stderr.close()
    assert (child.wait(60), error) == (0, b"")
    assert run(tmp_path, "plan", DEMO, "--detailed-exitcode").code == 0


@pytest.mark.parametrize("words", [["plan", "states"], ["status", "states"], ["validate", "nowhere"], ["--help"]])
def test_without_a_terminal_there_is_no_colour(words: list[str], tmp_path: Path) -> None:
    ended = process(tmp_path, *words)
    assert "\x1b" not in ended.out + ended.err


# Errors.


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("x"), 1),
        (ReadFailed("x", again=True), 1),
        (ChainBroken("x", line=3), 1),
        (Declined("frozen", "x"), 4),
        (InDoubt("x"), 5),
        (UsageError("x"), 64),
        (Interrupted("x"), 130),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
        (SystemExit(7), 7),
    ],
)
def test_every_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert report(error, Invocation()) == code


def raised(message: str) -> RuntimeError:
    """An error with a traceback, from a function whose local variables hold a secret."""
    try:
        _fail(message)
    except RuntimeError as error:
        return error
    raise AssertionError("nothing was raised")


def _fail(message: str) -> None:
    local_secret = "hunter2" * 2
    raise RuntimeError(f"{message} with {local_secret}")


def test_an_unexpected_error_shows_its_type_and_place_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    session = Invocation()
    session.secrets.add("hunter2hunter2")
    assert report(raised("signing\x1b[31m"), session) == 1
    shown = capsys.readouterr().err
    assert "reconcile: unexpected RuntimeError at test_cli.py:" in shown
    assert "[secret]" in shown
    assert not re.search(r"hunter2|Traceback|\x1b", shown)


def test_the_traceback_of_an_unexpected_error_has_no_secret_and_no_locals(capsys: pytest.CaptureFixture[str]) -> None:
    session = Invocation()
    session.verbose = True
    session.secrets.add("hunter2hunter2")
    report(raised("https://x/y?symbol=A&signature=deadbeef"), session)
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "signature=[secret]" in shown
    assert not re.search(r"hunter2hunter2|deadbeef with", shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host/db", "postgresql://me:[secret]@host/db"),
        (
            "-1022 (the signature is wrong): Signature for this request is not valid.",
            "-1022 (the signature is wrong): Signature for this request is not valid.",
        ),
        ("50105 (the passphrase is wrong): api key: check it", "50105 (the passphrase is wrong): api key: check it"),
        ("a=1&signature=ff00&b=2", "a=1&signature=[secret]&b=2"),
        ("account.api_key: unknown key; expected name", "account.api_key: unknown key; expected name"),
        ("nothing here", "nothing here"),
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str, shown: str) -> None:
    assert redacted(text, Invocation()) == shown


def test_missing_credentials_are_named(tmp_path: Path) -> None:
    live = tmp_path / "live.toml"
    live.write_text((ROOT / DEMO).read_text().replace('endpoint = "sandbox"', 'endpoint = "live"'))
    ended = run(tmp_path, "plan", str(live))
    assert ended.code == 1
    assert "DEMO_API_KEY, DEMO_API_SECRET missing" in ended.out


def test_an_unknown_kind_of_journal_is_an_error_without_its_password(tmp_path: Path) -> None:
    ended = run(tmp_path, "plan", DEMO, "--journal", "carrier-pigeon://me:pw@host/db")
    assert ended.code == 1
    assert "pw" not in ended.err + ended.out


# Cold start.


def loaded(words: Sequence[str], tmp_path: Path) -> set[str]:
    """The top-level modules that a command has loaded when it ends."""
    script = (
        "import sys\nfrom reconcile.cli import main\n"
        f"try: main({list(words)!r})\nexcept SystemExit: pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(tmp_path), capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stderr.split())


def test_help_loads_nothing_but_click(tmp_path: Path) -> None:
    assert loaded(["--help"], tmp_path).isdisjoint(
        {"pydantic", "requests", "urllib3", "tenacity", "tomli_w", "asyncio", "decimal", "dataclasses", "json"}
    )


def test_validate_loads_no_network(tmp_path: Path) -> None:
    assert loaded(["validate", DEMO], tmp_path).isdisjoint({"requests", "urllib3", "tenacity", "asyncio", "ssl"})


@pytest.mark.parametrize("command", ["validate", "plan", "apply", "drift"])
def test_a_path_that_no_system_takes_is_an_error_of_its_own(command: str, tmp_path: Path) -> None:
    ended = run(tmp_path, command, "x" * 3000)
    assert ended.code == 1
    assert "File name too long" in ended.err
