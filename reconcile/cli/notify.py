"""``watch --notify``: each piece of news as one JSON document, to a URL or to a command, beside the loop.

A thread of its own delivers; the loop only puts a document into a bounded queue. A delivery has a timeout and a few
tries; what cannot be delivered is counted, said once, and stops nothing. The same state of the same address is not
sent twice in a row. A command that the operator names here is the only program that reconcile ever starts.
"""

import hashlib
import hmac
import json
import queue
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests

from reconcile.connect.endpoints import is_loopback
from reconcile.errors import UsageError
from reconcile.usecases.watch.news import News

FORMAT = "reconcile.news/1"
SECRET_VARIABLE = "RECONCILE_NOTIFY_SECRET"  # noqa: S105 - its name
SIGNATURE = "X-Reconcile-Signature"
MOST_WAITING = 1_000
"""Documents that wait for delivery at most; a newer one is dropped then, which is said."""
TIMEOUT_S = 10.0
"""The longest duration of one try."""
WAITS_S = (0.0, 2.0, 10.0)
"""The wait before each try."""
DRAIN_S = 15.0
"""The longest wait of a watch that ends, for news that is not delivered yet."""

_SUCCESS = 2  # hundred

Deliver = Callable[[bytes], str | None]
"""Delivers one document once; what went wrong, None where nothing did."""


def document(news: News, *, host: str, actor: str) -> dict[str, Any]:
    """``reconcile.news/1``. ``id`` is the same in every try, so that a receiver can tell a repetition."""
    told = {**news.document(FORMAT), "host": host, "actor": actor}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return {"id": hashlib.sha256(text.encode()).hexdigest()[:32], **told}


def signature(secret: str, body: bytes) -> str:
    """``sha256=`` and the HMAC-SHA256 of the body, in hexadecimal digits."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def deliverer(target: str, env: Mapping[str, str]) -> Deliver:
    """The way to a URL or a command; raises UsageError for what is neither."""
    secret = env.get(SECRET_VARIABLE, "").strip() or None
    if "://" in target:
        return _poster(target, secret)
    try:
        words = shlex.split(target)
    except ValueError as error:
        raise UsageError(f"--notify: the command cannot be split into words ({error}); quote it for a shell") from error
    if not words:
        raise UsageError("--notify: it is empty; write a URL or a command")
    return lambda body: _run(words, body)


def _poster(url: str, secret: str | None) -> Deliver:
    """Posts to a URL, of which only the host is ever shown: its path is often the secret."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host or parts.scheme not in {"https", "http"} or (parts.scheme == "http" and not is_loopback(host)):
        raise UsageError(
            "--notify: not an https URL (http only to loopback); write one like https://hooks.example/path"
        )

    def post(body: bytes) -> str | None:
        headers = {"Content-Type": "application/json", "User-Agent": "reconcile"}
        if secret is not None:
            headers[SIGNATURE] = signature(secret, body)
        try:
            with requests.Session() as session:
                session.trust_env = not is_loopback(host)
                session.auth = _no_auth
                answer = session.post(
                    url, data=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, stream=True
                )
                answer.close()
        except requests.RequestException as error:
            return f"{host}: {type(error).__name__}"
        return None if answer.status_code // 100 == _SUCCESS else f"{host} answered {answer.status_code}"

    return post


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add nothing: without this, requests would look for a netrc file."""
    return request


def _run(words: list[str], body: bytes) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own words, split here and run without a shell
            words, input=body, timeout=TIMEOUT_S, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return f"{words[0]}: still running after {TIMEOUT_S:.0f} s"
    except OSError as error:
        return f"{words[0]}: {error.strerror or error}"
    return None if done.returncode == 0 else f"{words[0]} ended with {done.returncode}"


class Notifications:
    """Delivers in a thread of its own while it is entered. ``warn`` takes a line for a person."""

    def __init__(self, deliver: Deliver, warn: Callable[[str], object], *, host: str, actor: str) -> None:
        self._deliver = deliver
        self._warn = warn
        self._host = host
        self._actor = actor
        self._last: dict[tuple[str, str], tuple[str, str]] = {}
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self._ending = threading.Event()
        self._is_failing = False
        self._lost = 0
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)

    def tell(self, news: News) -> None:
        """Have it delivered, unless the same was told of that address last. Never waits."""
        place, state = (news.account, news.address), (news.kind, news.after or news.message)
        if self._last.get(place) == state:
            return
        self._last[place] = state
        try:
            body = json.dumps(document(news, host=self._host, actor=self._actor)) + "\n"
            self._waiting.put_nowait(body.encode())
        except queue.Full:
            self._lost += 1

    def _work(self) -> None:
        while (body := self._waiting.get()) is not None:
            trouble = self._try(body)
            if trouble is None:
                self._is_failing = False
                continue
            self._lost += 1
            if not self._is_failing:
                self._is_failing = True
                self._warn(f"--notify: not delivered after {len(WAITS_S)} tries: {trouble}; the watch goes on")

    def _try(self, body: bytes) -> str | None:
        trouble: str | None = None
        for wait_s in WAITS_S:
            if wait_s:
                self._ending.wait(wait_s)
            trouble = self._deliver(body)
            if trouble is None:
                return None
        return trouble

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.set()
        try:
            self._waiting.put_nowait(None)
            self._thread.join(DRAIN_S)
        except queue.Full:
            self._lost += 1
        left = self._lost + (self._waiting.qsize() if self._thread.is_alive() else 0)
        if left:
            self._warn(f"--notify: {left} piece{'' if left == 1 else 's'} of news not delivered")
