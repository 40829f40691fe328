"""``watch --notify``: one document per piece of news, signed, once per state, and never in the loop's way."""

import hashlib
import hmac
import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from reconcile.cli import notify
from reconcile.errors import UsageError
from reconcile.usecases.watch.news import News
from tests.cli.test_audit import declare
from tests.kit.cli import ROOT, run
from tests.kit.documents import check

WHEN = 1_767_225_600_000


def news(kind: str = "drift", after: str | None = "change", address: str = "BTCUSDT.long", message: str = "m") -> News:
    return News(at_ms=WHEN, account="main", address=address, before=None, after=after, message=message, kind=kind)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "WAITS_S", (0.0, 0.0, 0.0))


class Receiver:
    """A loopback server that keeps what it is sent; ``codes`` are its first answers, then 200."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.signatures: list[str | None] = []
        self.codes: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                outer.signatures.append(self.headers.get(notify.SIGNATURE))
                self.send_response(outer.codes.pop(0) if outer.codes else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """No words."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/secret-path"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


def sent(deliver: notify.Deliver, *several: News) -> list[str]:
    """Tell these to a deliverer; what was said of it."""
    said: list[str] = []
    with notify.Notifications(deliver, said.append, host="h", actor="alice") as notifications:
        for each in several:
            notifications.tell(each)
    return said


def test_a_url_gets_each_piece_of_news_as_a_document_that_is_signed(receiver: Receiver) -> None:
    said = sent(notify.deliverer(receiver.url, {notify.SECRET_VARIABLE: "s3cret"}), news())

    (body,), (signed,) = receiver.bodies, receiver.signatures
    assert said == []
    assert signed == f"sha256={hmac.new(b's3cret', body, hashlib.sha256).hexdigest()}"
    document = json.loads(body)
    check(document)
    assert (document["kind"], document["account"], document["to"]) == ("drift", "main", "change")


def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    sent(notify.deliverer(receiver.url, {}), news())
    assert receiver.signatures == [None]


def test_the_same_state_is_not_told_twice_in_a_row() -> None:
    bodies: list[bytes] = []
    same = [news(), news(message="another amount"), news("recovered", "in_sync"), news(), news(address="ETHUSDT.long")]

    sent(bodies.append, *same)

    told = [(json.loads(body)["address"], json.loads(body)["to"]) for body in bodies]
    assert told == [
        ("BTCUSDT.long", "change"), ("BTCUSDT.long", "in_sync"), ("BTCUSDT.long", "change"), ("ETHUSDT.long", "change"),
    ]  # fmt: skip


def test_a_delivery_is_tried_again_with_the_same_id_and_not_for_ever(receiver: Receiver) -> None:
    receiver.codes = [503, 302, 200, 500, 500, 500]

    said = sent(notify.deliverer(receiver.url, {}), news(), news(address="ETHUSDT.long"), news(address="C.net"))

    ids = [json.loads(body)["id"] for body in receiver.bodies]
    assert [ids[:3].count(ids[0]), ids[3:6].count(ids[3]), len(ids)] == [3, 3, 7]
    assert said == [
        "--notify: not delivered after 3 tries: 127.0.0.1 answered 500; the watch goes on",
        "--notify: 1 piece of news not delivered",
    ]
    assert not any("secret-path" in line for line in said)


def test_a_receiver_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "DRAIN_S", 0.05)
    monkeypatch.setattr(notify, "MOST_WAITING", 5)
    free = threading.Event()

    def hang(_: bytes) -> str | None:
        free.wait(10)
        return None

    said = sent(hang, *(news(address=f"S{number}.net") for number in range(20)))
    free.set()

    assert len(said) == 1
    assert "not delivered" in said[0]


def test_a_command_gets_the_document_on_its_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "told.json"
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"

    said = sent(notify.deliverer(f"{sys.executable} -c '{script}' {file}", {}), news())

    assert said == []
    check(json.loads(file.read_text()))


@pytest.mark.parametrize(
    ("command", "says"), [("false", "false ended with 1"), ("no-such-program-here", "No such file or directory")]
)
def test_a_command_that_fails_is_said(command: str, says: str) -> None:
    assert says in sent(notify.deliverer(command, {}), news())[0]


@pytest.mark.parametrize("target", ["", "   ", "a 'b", "http://example.com/x", "ftp://h/x", "https:///x", "://"])
def test_what_is_neither_a_url_nor_a_command_is_a_wrong_command_line(target: str) -> None:
    with pytest.raises(UsageError):
        notify.deliverer(target, {})


def test_the_watch_tells_a_url_what_it_did(receiver: Receiver, tmp_path: Path) -> None:
    words = ("watch", str(declare(tmp_path, 3300)), "--rounds", "1", "--debounce", "1/1", "--apply")

    done = run(tmp_path, *words, "--notify", receiver.url)

    assert done.code == 0, done.err
    kinds = [json.loads(body)["kind"] for body in receiver.bodies]
    assert kinds[-1] == "applied"
    assert "drift" in kinds


def test_the_bridge_of_the_docs_passes_the_news_on(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "notify.md").read_text(encoding="utf-8")
    script = tmp_path / "to_slack.py"
    script.write_text(
        next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "HOOK_URL" in block)
    )
    monkeypatch.setenv("HOOK_URL", receiver.url)

    said = sent(notify.deliverer(f"{sys.executable} {script}", {}), news(message="2900 → 3000"))

    assert said == []
    assert json.loads(receiver.bodies[0]) == {"text": "[drift] main BTCUSDT.long: new → change: 2900 → 3000"}
