"""What tells one running machine from another that has its name."""

import socket
from pathlib import Path

import pytest

from reconcile import __main__ as program
from reconcile.cli.machine import BOOT, machine_of


def machine(root: Path, **changes: str) -> str:
    """The machine with these files, which are those of one host unless they are changed."""
    facts = {"host": "runner", "boot": "b1", "id": "m1", "namespace": "pid:[1]", "start": "20", **changes}
    files = {
        BOOT: f"{facts['boot']}\n",
        "etc/machine-id": f"{facts['id']}\n",
        "proc/1/stat": f"1 (in) it) S {' '.join('0' for _ in range(18))} {facts['start']} 0 0\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    link = root / "proc/self/ns/pid"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(facts["namespace"])
    return machine_of(facts["host"], root)


def test_each_fact_tells_machines_apart(tmp_path: Path) -> None:
    usual = machine(tmp_path)
    changed = {
        "another name": machine(tmp_path, host="other"),
        "a reboot": machine(tmp_path, boot="b2"),
        "another machine": machine(tmp_path, id="m2"),
        "a container beside it": machine(tmp_path, namespace="pid:[2]"),
        "a container after it": machine(tmp_path, start="21"),
    }
    assert len({usual, *changed.values()}) == len(changed) + 1
    assert machine(tmp_path) == usual


def test_a_machine_without_a_machine_id_or_a_visible_first_process_is_known_still(tmp_path: Path) -> None:
    (tmp_path / BOOT).parent.mkdir(parents=True)
    (tmp_path / BOOT).write_text("b1\n")
    assert machine_of("runner", tmp_path) == machine_of("runner", tmp_path)


def test_without_a_boot_id_only_this_process_knows_itself(tmp_path: Path) -> None:
    unknown = machine_of("runner", tmp_path)
    assert unknown == machine_of("runner", tmp_path)
    assert unknown != machine(tmp_path)


def test_this_machine_is_the_same_from_call_to_call() -> None:
    assert machine_of(socket.gethostname()) == machine_of(socket.gethostname())


def test_a_system_without_file_locks_is_told_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "find_spec", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no POSIX file locks" in line
    assert "WSL" in line
