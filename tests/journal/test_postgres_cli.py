"""Two homes, one database: the whole program on a shared journal."""

from pathlib import Path

from tests.cli_kit import run
from tests.journal.postgres_server import PASSWORD, Server
from tests.test_audit_cli import ALICE, declare


def test_runners_with_homes_of_their_own_share_journal_plan_and_audit(server: Server, tmp_path: Path) -> None:
    server.clear()
    first, second = tmp_path / "first", tmp_path / "second"
    for home in (first, second):
        home.mkdir()
    shared = {**ALICE, "RECONCILE_JOURNAL": server.url}

    done = run(first, "apply", str(declare(first, 3300)), "--auto-approve", "--format", "json", env=shared)
    log = run(second, "audit", "log", "--format", "json", env=shared)
    head = run(second, "audit", "head", env=shared).out.strip()

    assert (done.code, [row["amount"] for row in log.json["rows"]]) == (0, ["+300"])
    assert head == f"demo={done.json['accounts'][0]['journal_head']}"
    assert run(second, "audit", "verify", "--head", head, env=shared).code == 0
    assert not list(tmp_path.rglob("*.jsonl"))


def test_no_word_of_the_program_holds_the_password(server: Server, tmp_path: Path) -> None:
    shared = {**ALICE, "RECONCILE_JOURNAL": server.plain_url}
    state = str(declare(tmp_path, 3300))

    said = [
        run(tmp_path, *words, "-v", env=shared)
        for words in (
            ("apply", state, "--auto-approve"),
            ("status", state),
            ("audit", "verify"),
            ("audit", "show", "x"),
        )
    ]

    words = "".join(ended.out + ended.err for ended in said)
    assert [ended.code for ended in said] == [0, 0, 0, 1]
    assert PASSWORD not in words
    assert "s3cret" not in words
