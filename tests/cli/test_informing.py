"""What informs a person never breaks off a run: streams that fail or were closed, and callbacks that raise."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from reconcile.usecases import apply as applying
from reconcile.usecases.informing import Notifier, inform
from tests.kit.cli import ROOT, SECONDS, environment, run
from tests.kit.scene import Scene, desired, play

LONG = "BTCUSDT.long"


def state(home: Path) -> str:
    file = home / "main.toml"
    file.write_text(
        'version = 1\n[account]\nname = "main"\nexchange = "binance"\nposition_mode = "hedge"\nendpoint = "sandbox"\n'
        "[positions.BTCUSDT.long]\nisolated_margin = 4500\n"
    )
    return str(file)


@pytest.mark.parametrize(
    ("streams", "code", "words"),
    [
        ("2>/dev/full", 0, '"exit_code": 0'),
        ("2>&-", 0, '"exit_code": 0'),
        ("<&- 2>&-", 0, '"exit_code": 0'),
        (">&- 2>&-", 0, ""),
        (">/dev/full 2>&1", 0, ""),
        (">/dev/full 2>$ERR", 0, "writing to stdout: No space left on device; the output is lost"),
    ],
)
def test_a_stream_that_fails_stops_no_step(tmp_path: Path, streams: str, code: int, words: str) -> None:
    command = f'"{sys.executable}" -m reconcile apply "{state(tmp_path)}" --auto-approve -v --format json {streams}'
    error = tmp_path / "error.txt"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**environment(tmp_path), "ERR": str(error)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == code
    assert words in done.stdout + (error.read_text() if error.exists() else "")
    positions = run(tmp_path, "sandbox", "show", "main", "--format", "json").out
    assert "4500" in positions
    assert run(tmp_path, "audit", "verify").code == 0


def test_a_reader_of_stderr_that_stopped_reading_does_not_hold_a_run(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    try:
        while True:
            os.write(theirs, bytes(4096))
    except BlockingIOError:
        os.set_blocking(theirs, True)
    words = [sys.executable, "-m", "reconcile", "apply", state(tmp_path), "--auto-approve", "-v"]
    try:
        done = subprocess.run(
            words, env=environment(tmp_path), stderr=theirs, stdout=subprocess.PIPE, timeout=30, check=False, cwd=ROOT
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert b"DONE" in done.stdout


def test_a_callback_that_raises_stops_no_step() -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError

    async def act(scene: Scene) -> int:
        process = scene.process()
        world = replace(scene.world(process), progress=broken, warn=broken)
        result = await applying.apply(world, [desired({LONG: "4500"})], reason=None, git_commit=None, confirm=None)
        return result.exit_code

    code, scene = play(act)
    assert (code, scene.margin(LONG)) == (0, Decimal(4500))


def test_a_failure_to_tell_is_said_once_elsewhere() -> None:
    def broken(_: str) -> None:
        raise OSError(28, "No space left on device")

    said: list[str] = []
    tell = Notifier(broken, doing="showing progress", otherwise=said.append)
    tell("a")
    tell("b")
    assert said == [
        "showing progress: unexpected OSError: [Errno 28] No space left on device; the run goes on",
    ]
    assert inform(Notifier(broken, doing="x", otherwise=broken), "a") is None


def test_the_process_ends_right_after_its_verdict_while_a_socket_still_trickles(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        file = Path(state(tmp_path))
        file.write_text(file.read_text().replace('"sandbox"', f'"http://127.0.0.1:{port}"'))
        env = environment(
            tmp_path,
            {
                "RECONCILE_ENDPOINT_HOSTS": f"127.0.0.1,127.0.0.1:{port}",
                "MAIN_API_KEY": "key-of-a-test",
                "MAIN_API_SECRET": "secret-of-a-test",
            },
        )
        words = [sys.executable, "-m", "reconcile", "plan", str(file)]
        with subprocess.Popen(words, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
            server.settimeout(SECONDS)
            trickling, _ = server.accept()
            with trickling:
                trickling.recv(65_536)
                trickling.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{")
                process.send_signal(signal.SIGINT)
                began = time.monotonic()
                while process.poll() is None and time.monotonic() - began < 20:
                    with suppress(ConnectionError):  # it may have ended just now
                        trickling.sendall(b" ")
                    time.sleep(0.05)
            took = time.monotonic() - began
            assert (process.returncode, took < 5) == (130, True)
