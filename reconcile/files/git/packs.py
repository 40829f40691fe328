"""Objects in a packfile, found through its index (gitformat-pack(5), index version 2). Reads are bounded.

Only the few objects that lead from a commit to a state file are read, so nothing is kept in memory. Each look-up reads
the index by binary search and inflates one chain of deltas.
"""

import os
import zlib
from pathlib import Path
from typing import NamedTuple, Self

from reconcile.errors import InputError
from reconcile.files.git.plain import open_plain

MOST_BYTES = 64 * 1024 * 1024
"""No object that is read here is larger: commits, tags, trees, and links."""
_MOST_DELTAS = 4096
"""Git makes no longer chain of deltas (pack.depth)."""
_CHUNK = 64 * 1024
_MAGIC = b"\xfftOc\x00\x00\x00\x02"
_FANOUT = 8
_NAMES = _FANOUT + 256 * 4
_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_OFFSET_DELTA, _NAME_DELTA = 6, 7
_BEYOND = 0x80000000
"""An offset with this bit is the place of a longer one."""


class GitObject(NamedTuple):
    """One object: ``kind`` is ``commit``, ``tree``, ``blob`` or ``tag``."""

    kind: str
    content: bytes


def damaged(path: Path, why: str) -> InputError:
    """The error for what git would not have written."""
    return InputError(f"reading {path}: {why}; check the repository with 'git fsck'")


class Pack:
    """One pack with its index; opened for each look-up, so that it may be replaced by git at any time."""

    def __init__(self, index: Path, *, width: int) -> None:
        """``width`` is the bytes of an object's name: 20 of SHA-1, 32 of SHA-256."""
        self._index = index
        self._pack = index.with_suffix(".pack")
        self._width = width

    def names(self, prefix: str) -> list[str]:
        """The objects whose name begins so; no more than two of them. ``prefix`` has two digits or more."""
        with _Bytes(self._index) as index:
            low, high = self._range(index, bytes.fromhex(prefix[:2])[0])
            place = self._first(index, bytes.fromhex(prefix.ljust(self._width * 2, "0")), low, high)
            found = [self._name(index, each).hex() for each in range(place, min(place + 2, high))]
        return [name for name in found if name.startswith(prefix)]

    def read(self, name: str) -> GitObject | None:
        """An object; None where it is not in this pack. Raises InputError where the pack is damaged."""
        with _Bytes(self._index) as index:
            offset = self._place(index, bytes.fromhex(name))
            if offset is None:
                return None
            with _Bytes(self._pack) as pack:
                return self._object(pack, offset, index)

    def _place(self, index: "_Bytes", wanted: bytes) -> int | None:
        """The offset of an object in the pack; None if the pack lacks it."""
        low, high = self._range(index, wanted[0])
        place = self._first(index, wanted, low, high)
        is_there = place < high and self._name(index, place) == wanted
        return self._offset(index, place) if is_there else None

    def _range(self, index: "_Bytes", first: int) -> tuple[int, int]:
        """Which places of the index have names with that first byte."""
        if index.at(0, _FANOUT) != _MAGIC:
            raise damaged(self._index, "not an index of version 2")
        low = index.number(_FANOUT + 4 * (first - 1)) if first else 0
        high = index.number(_FANOUT + 4 * first)
        if low > high:
            raise damaged(self._index, "its table is out of order")
        return low, high

    def _name(self, index: "_Bytes", place: int) -> bytes:
        return index.at(_NAMES + place * self._width, self._width)

    def _first(self, index: "_Bytes", wanted: bytes, low: int, high: int) -> int:
        """The first place whose name is not below ``wanted``."""
        while low < high:
            middle = (low + high) // 2
            if self._name(index, middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low

    def _offset(self, index: "_Bytes", place: int) -> int:
        count = index.number(_FANOUT + 4 * 255)
        offsets = _NAMES + count * (self._width + 4)
        short = index.number(offsets + 4 * place)
        if short < _BEYOND:
            return short
        return int.from_bytes(index.at(offsets + 4 * count + 8 * (short - _BEYOND), 8), "big")

    def _object(self, pack: "_Bytes", offset: int, index: "_Bytes") -> GitObject:
        """The object at an offset: its deltas are collected down to a whole object, and applied on the way back."""
        deltas: list[bytes] = []
        while len(deltas) <= _MOST_DELTAS:
            kind, size, data = self._head(pack, offset)
            if kind in _KINDS:
                content = pack.inflated(data, size)
                for delta in reversed(deltas):
                    content = self._applied(delta, content)
                return GitObject(_KINDS[kind], content)
            offset, data = self._base(pack, index, kind, offset, data)
            deltas.append(pack.inflated(data, size))
        raise damaged(self._pack, f"more than {_MOST_DELTAS} deltas in a row")

    def _base(self, pack: "_Bytes", index: "_Bytes", kind: int, offset: int, data: int) -> tuple[int, int]:
        """Where the base of a delta is, which a pack holds itself, and where the delta begins."""
        base: int | None = None
        if kind == _NAME_DELTA:
            base, data = self._place(index, pack.at(data, self._width)), data + self._width
        elif kind == _OFFSET_DELTA:
            distance, data = _distance(pack, data)
            base = offset - distance if 0 < distance < offset else None
        if base is None:
            raise damaged(self._pack, "a delta is based on nothing")
        return base, data

    def _head(self, pack: "_Bytes", offset: int) -> tuple[int, int, int]:
        """Kind, size, and where what follows begins."""
        byte = pack.at(offset, 1)[0]
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80 and size <= MOST_BYTES:
            offset += 1
            byte = pack.at(offset, 1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
        if size > MOST_BYTES:
            raise damaged(self._pack, f"an object of {size} bytes where a commit or a folder was expected")
        return kind, size, offset + 1

    def _applied(self, delta: bytes, base: bytes) -> bytes:
        """The object that a delta makes of its base."""
        try:
            return _patched(delta, base)
        except (IndexError, ValueError) as error:
            raise damaged(self._pack, "a delta that does not fit its base") from error


def _distance(pack: "_Bytes", place: int) -> tuple[int, int]:
    """How far before it the base of a delta is, and where the delta begins."""
    byte = pack.at(place, 1)[0]
    distance = byte & 0x7F
    while byte & 0x80:
        place += 1
        byte = pack.at(place, 1)[0]
        distance = (distance + 1 << 7) | (byte & 0x7F)
        if distance > 1 << 62:
            return 0, place
    return distance, place + 1


def _size(delta: bytes, place: int) -> tuple[int, int]:
    size = shift = 0
    while shift < 63:
        byte = delta[place]
        place += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return size, place
    raise ValueError("a size without an end")


def _patched(delta: bytes, base: bytes) -> bytes:
    """Copies from the base and insertions, in order. Raises IndexError and ValueError for a wrong delta."""
    base_size, place = _size(delta, 0)
    size, place = _size(delta, place)
    if base_size != len(base) or size > MOST_BYTES:
        raise ValueError("not for this base")
    made = bytearray()
    while place < len(delta):
        order = delta[place]
        place += 1
        if order & 0x80:
            numbers = [0, 0]
            for bit in range(7):
                if order >> bit & 1:
                    numbers[bit > 3] |= delta[place] << 8 * (bit if bit <= 3 else bit - 4)
                    place += 1
            start, length = numbers[0], numbers[1] or 0x10000
            piece = base[start : start + length]
        else:
            length = order
            piece = delta[place : place + length]
            place += length
        made += piece
        if not length or len(piece) != length or len(made) > size:
            raise ValueError("a piece that is not there")
    if len(made) != size:
        raise ValueError("too short")
    return bytes(made)


class _Bytes:
    """A file read at places. Raises InputError where it ends before."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        handle = open_plain(self._path)
        if handle is None:
            raise damaged(self._path, "not a readable file")
        self._handle = handle
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def at(self, place: int, length: int) -> bytes:
        """So many bytes from a place on."""
        found = self._read(place, length)
        if len(found) < length:
            raise damaged(self._path, "it ends too early")
        return found

    def number(self, place: int) -> int:
        """Four bytes as a number."""
        return int.from_bytes(self.at(place, 4), "big")

    def inflated(self, place: int, size: int) -> bytes:
        """The compressed bytes from a place on, which must be ``size`` long once inflated."""
        stream = zlib.decompressobj()
        made = bytearray()
        try:
            while not stream.eof and len(made) <= size:
                chunk = stream.unconsumed_tail or self._read(place, _CHUNK)
                if not chunk:
                    break
                place += 0 if stream.unconsumed_tail else len(chunk)
                made += stream.decompress(chunk, size + 1 - len(made))
        except zlib.error as error:
            raise damaged(self._path, f"its data cannot be inflated ({error})") from error
        if len(made) != size:
            raise damaged(self._path, "an object is not as long as it says")
        return bytes(made)

    def _read(self, place: int, length: int) -> bytes:
        try:
            return os.pread(self._handle, length, place)
        except (OSError, OverflowError) as error:
            raise damaged(self._path, f"cannot be read ({error})") from error
