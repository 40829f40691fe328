"""One request is one request: nothing is followed, remembered or sent again, and every failure has its meaning."""

import asyncio
import inspect
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from reconcile.errors import InDoubt, NotSent
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse, ReadOnlyWire, RequestsWire, http_adapter


class Raising(BaseAdapter):
    """A transport adapter that fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def send(self, *_: object, **__: object) -> requests.Response:
        raise self.error

    def close(self) -> None:
        """Nothing is open."""


def send(request: HttpRequest, adapter: BaseAdapter) -> HttpResponse:
    return asyncio.run(RequestsWire(adapter, threads=None).send(request))


def fail(error: Exception) -> None:
    send(HttpRequest(method="POST", url="http://h/p?timestamp=1&signature=abcdef"), Raising(error))


def every_requests_error() -> list[type[Exception]]:
    found = [item for _, item in inspect.getmembers(requests.exceptions, inspect.isclass)]
    return [item for item in found if issubclass(item, requests.exceptions.RequestException)]


def made(kind: type[Exception]) -> Exception:
    """One of that class; JSONDecodeError wants more than a message."""
    if issubclass(kind, requests.exceptions.JSONDecodeError):
        return kind("odd", "text", 0)
    return kind("odd")


@pytest.mark.parametrize("kind", every_requests_error(), ids=lambda kind: kind.__name__)
def test_every_error_of_requests_is_doubt_but_for_the_connect_timeout(kind: type[Exception]) -> None:
    expected = NotSent if kind is requests.exceptions.ConnectTimeout else InDoubt
    with pytest.raises(expected) as caught:
        fail(made(kind))
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    "error",
    [
        urllib3.exceptions.HTTPError("x"),
        urllib3.exceptions.LocationParseError("x"),
        ConnectionResetError("x"),
        TimeoutError("x"),
        UnicodeError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_requests_does_not_wrap_is_doubt_too(error: Exception) -> None:
    with pytest.raises(InDoubt):
        fail(error)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (NewConnectionError(None, "refused"), "refused, or no route"),  # type: ignore[arg-type]
        (NameResolutionError("h", None, socket.gaierror()), "name is not known"),  # type: ignore[arg-type]
    ],
    ids=["refused", "name lookup"],
)
def test_no_connection_at_all_means_that_nothing_was_sent(reason: Exception, words: str) -> None:
    pool = urllib3.HTTPConnectionPool("h")
    with pytest.raises(NotSent, match=words):
        fail(requests.exceptions.ConnectionError(MaxRetryError(pool, "/p?signature=abcdef", reason)))


def test_neither_the_error_nor_its_cause_shows_the_signed_query() -> None:
    pool = urllib3.HTTPConnectionPool("h")
    reason = NewConnectionError(None, "refused")  # type: ignore[arg-type]
    with pytest.raises(NotSent) as caught:
        fail(requests.exceptions.ConnectionError(MaxRetryError(pool, "/p?timestamp=1&signature=abcdef", reason)))
    assert "abcdef" not in f"{caught.value} {caught.value.__cause__}"
    assert "/p?…" in str(caught.value.__cause__)


class Handler(BaseHTTPRequestHandler):
    """Answers as its server is told, and notes what came."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        server = self.server
        if not isinstance(server, Told):
            raise TypeError
        server.seen.append((self.command, self.path, dict(self.headers.items())))
        if server.status == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.send_response(server.status)
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = answer  # noqa: N815  (the names that http.server calls)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Told(HTTPServer):
    """A loopback server that gives one answer to everything; status 0 hangs up."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = status
        self.headers = headers
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(status: int, **headers: str) -> Iterator[Told]:
    with Told(status, {name.replace("_", "-"): value for name, value in headers.items()}) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    with serving(status, Location="https://elsewhere.invalid/") as server:
        adapter = http_adapter(1)
        response = send(HttpRequest(method="POST", url=f"{server.url}/p"), adapter)
        adapter.close()
    assert response.status == status
    assert len(server.seen) == 1


def test_a_hang_up_after_the_request_is_doubt_and_is_not_sent_again() -> None:
    with serving(0) as server:
        adapter = http_adapter(1)
        with pytest.raises(InDoubt):
            send(HttpRequest(method="POST", url=f"{server.url}/p"), adapter)
        adapter.close()
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_an_answer_with_retry_after_is_not_retried(status: int) -> None:
    with serving(status, Retry_After="0") as server:
        adapter = http_adapter(1)
        response = send(HttpRequest(method="GET", url=f"{server.url}/p"), adapter)
        adapter.close()
    assert (response.status, response.headers["retry-after"], len(server.seen)) == (status, "0", 1)


def test_cookies_and_credential_files_never_reach_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(200, Set_Cookie="session=1; Path=/") as server:
        adapter = http_adapter(1)
        for _ in range(2):
            send(HttpRequest(method="GET", url=f"{server.url}/p"), adapter)
        adapter.close()
    sent = {name.lower() for _, _, headers in server.seen for name in headers}
    assert len(server.seen) == 2
    assert sent.isdisjoint({"cookie", "authorization"})


def test_the_query_leaves_exactly_as_it_was_signed() -> None:
    path = "/p?symbol=%E5%B8%81%E5%AE%89USDT&amount=0.5&note=a%2Bb~c&signature=0f"
    with serving(200) as server:
        adapter = http_adapter(1)
        send(HttpRequest(method="POST", url=f"{server.url}{path}"), adapter)
        adapter.close()
    assert server.seen[0][:2] == ("POST", path)


def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    adapter = http_adapter(1)
    with pytest.raises(NotSent):
        send(HttpRequest(method="POST", url=f"http://127.0.0.1:{port}/p"), adapter)
    adapter.close()


def test_requests_run_on_the_threads_that_were_given() -> None:
    async def main(server: Told) -> int:
        with ThreadPoolExecutor(max_workers=1) as threads:
            adapter = http_adapter(1)
            wire = RequestsWire(adapter, threads=threads)
            response = await wire.send(HttpRequest(method="GET", url=f"{server.url}/p"))
            adapter.close()
            return response.status

    with serving(200) as server:
        assert asyncio.run(main(server)) == 200


def test_a_read_only_wire_lets_no_write_through() -> None:
    with serving(200) as server:
        adapter = http_adapter(1)
        wire = ReadOnlyWire(RequestsWire(adapter, threads=None))
        with pytest.raises(NotSent, match="only reads"):
            asyncio.run(wire.send(HttpRequest(method="POST", url=f"{server.url}/p")))
        read = asyncio.run(wire.send(HttpRequest(method="GET", url=f"{server.url}/p")))
        adapter.close()
    assert read.status == 200
    assert [method for method, _, _ in server.seen] == ["GET"]


def test_a_request_shows_no_header_when_it_is_printed() -> None:
    assert "very-secret" not in repr(HttpRequest(method="GET", url="http://h", headers={"X-KEY": "very-secret"}))


def test_a_write_does_not_wait_behind_reads() -> None:
    class Hanging(BaseAdapter):
        """Lets no read end before a write has come."""

        written = threading.Event()

        def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
            if request.method == "GET" and not self.written.wait(5):
                raise TimeoutError
            self.written.set()
            response = requests.Response()
            response.status_code = 200
            response._content = b"{}"
            return response

        def close(self) -> None:
            """Nothing is open."""

    async def main() -> list[HttpResponse]:
        with ThreadPoolExecutor(max_workers=1) as reads, ThreadPoolExecutor(max_workers=1) as writes:
            wire = RequestsWire(Hanging(), threads=reads, writers=writes)
            asked = [HttpRequest(method=method, url="http://h/p") for method in ("GET", "GET", "POST")]
            return await asyncio.gather(*map(wire.send, asked))

    assert [response.status for response in asyncio.run(main())] == [200, 200, 200]


def test_an_answer_that_does_not_end_is_doubt_in_the_end() -> None:
    class Trickling(BaseAdapter):
        """Answers when it is let go, and nobody waits for it then."""

        let_go = threading.Event()

        def send(self, *_: object, **__: object) -> requests.Response:
            self.let_go.wait(5)
            raise requests.exceptions.ReadTimeout

        def close(self) -> None:
            """Nothing is open."""

    async def main() -> None:
        with ThreadPoolExecutor(max_workers=1) as threads:
            wire = RequestsWire(Trickling(), threads=threads, longest_s=0.01)
            try:
                await wire.send(HttpRequest(method="POST", url="http://h/p"))
            finally:
                Trickling.let_go.set()

    with pytest.raises(InDoubt, match="no complete answer within"):
        asyncio.run(main())
