"""Workflow commands that put messages on the lines of the state file in a pull request.

The properties and messages are escaped as the runner unescapes them: ``%``, CR and LF everywhere, ``:`` and ``,`` in
properties. Nothing that others wrote can end a command or begin another.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reconcile.errors import Problem
from reconcile.render.common.values import clean

_LEVELS = ("error", "warning", "notice")
MOST_SHOWN = 10
"""GitHub takes this many annotations of one level from one step of a job (docs.github.com, workflow commands)."""
Place = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One annotation; ``level`` is ``error``, ``warning`` or ``notice``. ``file`` None is for what has no place."""

    message: str
    title: str
    file: str | None = None
    line: int | None = None
    level: str = "error"


def shown(listed: Iterable[Annotation], *, place: Place = str) -> str:
    """Annotations as the runner's commands, errors first: GitHub shows ``MOST_SHOWN`` of a level and drops the rest.

    ``place`` makes a path relative to the root of the repository, where the runner looks for it.
    """
    found = sorted(listed, key=lambda each: _LEVELS.index(each.level))
    counts = Counter(each.level for each in found)
    dropped = [f"{count} {level}s" for level, count in counts.items() if count > MOST_SHOWN]
    if dropped:
        words = f"there are {' and '.join(dropped)}; GitHub shows {MOST_SHOWN} of each, the log has them all"
        found.insert(0, Annotation(title="reconcile", message=words, level="notice"))
    return "".join(_command(each, place) for each in found)


def problems(listed: Iterable[Problem], *, level: str = "error", place: Place = str) -> str:
    """The problems in state files; ``level`` and ``place`` as for ``shown``."""
    return shown(
        (
            Annotation(
                file=each.file, line=each.line, title=each.key or "state file", message=each.message, level=level
            )
            for each in listed
        ),
        place=place,
    )


def _command(each: Annotation, place: Place) -> str:
    properties = [] if each.file is None else [f"file={_property(place(each.file))}"]
    if each.line is not None:
        properties.append(f"line={each.line}")
    properties.append(f"title={_property(clean(each.title))}")
    return f"::{each.level} {','.join(properties)}::{_data(each.message)}\n"


def _data(text: str) -> str:
    """A message may have several lines; other control characters are shown as escapes."""
    lines = [clean(line) for line in text.replace("%", "%25").splitlines()]
    return "%0A".join(lines)


def _property(text: str) -> str:
    escaped = clean(text).replace("%", "%25")
    return escaped.replace(":", "%3A").replace(",", "%2C")
