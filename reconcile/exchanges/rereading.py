"""A long list that is read every few seconds, and of which few rows have changed since: only those are parsed again.

An account's positions are read for as long as margin is being moved, so that nothing is sent on an old look. Of
thousands of rows most are the same bytes as before. What comes out is exactly what parsing everything would give; where
that is not certain, everything is parsed.
"""

from reconcile.exchanges.http.answers import parsed

_OPEN, _BETWEEN, _CLOSE = b"[{", b"},{", b"}]"


class Rereading:
    """The rows of one list as they last were. Nothing is remembered of the first read: most lists are read once.

    The text is cut between its rows. One opening brace for each row says that no row holds another object and that no
    string holds a brace, so that every piece is one row, and a row alone says the same as a row in its list.
    """

    def __init__(self) -> None:
        self._is_first = True
        self._pieces: list[bytes] = []
        self._rows: list[object] = []

    def parse(self, body: bytes) -> object | None:
        """As ``answers.parsed``; rows that have not changed are the same objects as before, and must be left alone."""
        pieces = _pieces(body)
        if pieces is None or len(pieces) != len(self._pieces):
            return self._whole(body, pieces)
        changed = [place for place, (now, before) in enumerate(zip(pieces, self._pieces, strict=True)) if now != before]
        rows = self._rows
        if changed:
            text = _OPEN + _BETWEEN.join([pieces[place] for place in changed]) + _CLOSE
            fresh = _rows(text, parsed(text), len(changed))
            if fresh is None:
                return self._whole(body, pieces)
            rows = rows.copy()
            for place, row in zip(changed, fresh, strict=True):
                rows[place] = row
        self._pieces, self._rows = pieces, rows
        return rows

    def _whole(self, body: bytes, pieces: list[bytes] | None) -> object | None:
        value = parsed(body)
        rows = None if pieces is None or self._is_first else _rows(body, value, len(pieces))
        self._pieces, self._rows = ([], []) if rows is None or pieces is None else (pieces, rows)
        self._is_first = False
        return value


def _pieces(body: bytes) -> list[bytes] | None:
    """The text of each row without its braces; None where this is no list of objects as exchanges print it."""
    if not body.startswith(_OPEN) or not body.endswith(_CLOSE):
        return None
    return body[len(_OPEN) : -len(_CLOSE)].split(_BETWEEN)


def _rows(text: bytes, value: object, count: int) -> list[object] | None:
    """The parsed rows where each piece of the text is one of them, else None."""
    if not isinstance(value, list) or len(value) != count or text.count(b"{") != count:
        return None
    return value if all(isinstance(row, dict) for row in value) else None
