"""A ``requests`` transport adapter whose answers end: bounded in bytes, in headers and in time.

Every byte of an answer comes off the socket through ``_BoundedSocket``: status line, interim answers, headers, chunk
sizes and body. So a gateway cannot hold a thread with a trickle. Nor can it fill the memory with endless headers, a
length it only claims, or a few bytes that unpack into gigabytes. ``http.client`` itself refuses more than 100 headers.
"""

import io
import socket
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from reconcile.clock import SystemClock

_CLOCK = SystemClock()
_PIECE = 1 << 16
_MIB = 1 << 20
_FINAL = 200
"""The least status of an answer that is no interim one (RFC 9110, 15.2)."""
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class OutOfBounds(Exception):
    """An answer that is longer, or takes longer, than any real one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of one answer in bytes and time.

    ``head_bytes`` is everything before the body, ``body_bytes`` the body as sent and as unpacked. ``silence_ms`` is the
    longest wait for the next byte, ``answer_ms`` the longest wait for the last one.
    """

    head_bytes: int = 64 * 1024
    body_bytes: int = 32 * _MIB
    silence_ms: int = 10_000
    answer_ms: int = 30_000


class BoundedAdapter(HTTPAdapter):
    """A pooled adapter that never repeats anything and reads no more than its ``bounds``."""

    def __init__(self, connections: int, bounds: Bounds) -> None:
        self.bounds = bounds
        super().__init__(pool_connections=connections, pool_maxsize=connections, max_retries=0, pool_block=False)

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        """The pools of direct connections."""
        super().init_poolmanager(*args, **settings)
        _bound(self.poolmanager, self.bounds)

    def proxy_manager_for(self, proxy: str, **settings: Any) -> Any:
        """The pools of connections through a proxy."""
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **settings)
        if not known:
            _bound(manager, self.bounds)
        return manager


def body_of(response: requests.Response, bounds: Bounds) -> bytes:
    """The whole body, unpacked. Raises OutOfBounds, and what reading the socket raises."""
    if response.raw is None:  # an adapter without a socket
        return response.content
    body = b"".join(iter(lambda: response.raw.read(_PIECE, decode_content=False), b""))
    return _unpacked(body, response.headers, bounds.body_bytes)


def _unpacked(body: bytes, headers: Mapping[str, str], most: int) -> bytes:
    """We ask for no compression; a proxy on the way may compress all the same, once."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"} or not body:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise OutOfBounds("the answer is compressed in a way that was not asked for")
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        unpacked = unpacking.decompress(body, most + 1)
    except zlib.error as error:
        raise OutOfBounds("the answer is compressed and cannot be unpacked") from error
    if len(unpacked) > most:
        raise _too_long(most)
    if not unpacking.eof or unpacking.unused_data:
        raise OutOfBounds("the answer is compressed and does not end where it should")
    return unpacked


def _bound(manager: Any, bounds: Bounds) -> None:
    """Make every connection of a pool manager read its answers within the bounds."""

    class BoundedResponse(_BoundedResponse):
        limits = bounds

    pools = {}
    for scheme, pool in manager.pool_classes_by_scheme.items():
        connection = type(pool.ConnectionCls.__name__, (pool.ConnectionCls,), {"response_class": BoundedResponse})
        pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
    manager.pool_classes_by_scheme = pools


class _BoundedResponse(HTTPResponse):
    """An answer as the standard library reads it, from a socket that keeps count."""

    limits: Bounds

    def __init__(self, sock: socket.socket, *args: Any, **settings: Any) -> None:
        super().__init__(sock, *args, **settings)
        self._counted = _BoundedSocket(self.fp.detach(), sock, self.limits)
        self.fp: Any = io.BufferedReader(self._counted)

    def begin(self) -> None:
        """Read all that comes before the body. Raises OutOfBounds for an interim answer other than 100.

        ``http.client`` takes it for the whole answer. The real one would then answer the next request.
        """
        super().begin()
        if self.status < _FINAL:
            raise OutOfBounds(f"an interim answer (HTTP {self.status}) came where the answer should be")
        self._counted.begin_body()
        if self.length is not None and self.length > self.limits.body_bytes:
            raise _too_long(self.limits.body_bytes)


class _BoundedSocket(io.RawIOBase):
    """The bytes that come from a socket, until there are too many of them or they took too long."""

    def __init__(self, raw: Any, sock: socket.socket, bounds: Bounds) -> None:
        self._raw = raw
        self._sock = sock
        self._bounds = bounds
        self._most = bounds.head_bytes
        self._count = 0
        self._ends_ms = _CLOCK.monotonic_ms() + bounds.answer_ms
        self._in_body = False

    def begin_body(self) -> None:
        """Count the body from now on."""
        self._count, self._most, self._in_body = 0, self._bounds.body_bytes, True

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """One read from the socket. Raises OutOfBounds, OSError."""
        left_ms = self._left_ms()
        self._sock.settimeout(min(left_ms, self._bounds.silence_ms) / 1000)
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            if left_ms <= self._bounds.silence_ms:
                raise self._too_slow() from None
            raise
        self._count += count or 0
        if self._count > self._most:
            raise _too_long(self._most) if self._in_body else OutOfBounds("the answer's headers do not end")
        return count

    def _left_ms(self) -> int:
        left_ms = self._ends_ms - _CLOCK.monotonic_ms()
        if left_ms <= 0:
            raise self._too_slow()
        return left_ms

    def _too_slow(self) -> OutOfBounds:
        return OutOfBounds(f"the answer did not end within {self._bounds.answer_ms / 1000:g} s")

    def close(self) -> None:
        """Give the socket back."""
        if not self.closed:
            self._raw.close()
        super().close()


def _too_long(most: int) -> OutOfBounds:
    return OutOfBounds(f"the answer is longer than {most} bytes")
