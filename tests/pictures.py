"""What the pages show of the code: ``python -m tests.pictures`` writes it anew.

In ARCHITECTURE.md the layers come from the imports of the package, the life of a step from the table in
``protocol/lifecycle.py``. docs/runbook.md has the pages that ``reconcile explain`` prints, docs/design.md the tables of
the protocol. Tests fail while a page shows anything else.
"""

from collections import Counter
from pathlib import Path

from reconcile.cli.explain import pages, summary
from reconcile.protocol.lifecycle import OUTCOMES, TABLE, State
from tests import specification, terminal
from tests.test_tidy import LAYERS, MODULES, PACKAGE, is_in, layer_of, ours

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
RUNBOOK = ROOT / "docs" / "runbook.md"
TITLES = ("ground", "values", "pure rules, journal, output", "edges", "protocol", "use cases", "command")
"""The layers of ``test_tidy.LAYERS`` in words, from the ground up."""


def family(name: str) -> str:
    """The entry of ``LAYERS`` that places a module: its top-level folder, or a module with a layer of its own."""
    alone = (each for layer in LAYERS for each in layer if "." in each and is_in(name, each))
    return next(alone, name.split(".", maxsplit=1)[0])


def shown(name: str) -> str:
    """An entry of ``LAYERS`` as the picture names it."""
    path = name.replace(".", "/")
    return f"{name}[{path}{'/' if (PACKAGE / path).is_dir() else '.py'}]"


def arrows() -> Counter[tuple[str, str]]:
    """How many modules of one top-level folder import another; the sandbox and the package itself are left out."""
    found: Counter[tuple[str, str]] = Counter()
    for module in MODULES:
        if not module.name or is_in(module.name, "sandbox"):
            continue
        folder = family(module.name)
        for other in {family(name) for name in ours(module)} - {folder, "sandbox", ""}:
            found[folder, other] += 1
    return found


def layers() -> str:
    """The layers with their folders, the command on top; arrows lead from a folder to those it imports.

    An arrow that skips a layer is drawn only where no chain of other arrows says the same.
    """
    direct = {pair for pair in arrows() if layer_of(pair[0]) > 0 and layer_of(pair[1]) > 0}
    lines = ["```mermaid", "flowchart TD"]
    for level in range(len(LAYERS) - 1, 0, -1):
        lines.append(f'  subgraph L{level}["{TITLES[level]}"]')
        lines += [f"    {shown(name)}" for name in LAYERS[level] if name != "__main__"]
        lines.append("  end")
    lines.append(f'  subgraph L0["{TITLES[0]}: imported by all"]')
    lines += [f"    {shown(name)}" for name in LAYERS[0]]
    lines.append("  end")
    drawn_pairs = sorted(pair for pair in direct if not _is_implied(pair, direct) and "__main__" not in pair)
    lines += [f"  {upper} --> {lower}" for upper, lower in drawn_pairs]
    return "\n".join([*lines, "```"])


def life() -> str:
    """The states of a step; an arrow for each row of the table, ends for the states that are outcomes."""
    lines = ["```mermaid", "stateDiagram-v2", f"  [*] --> {State.PLANNED}"]
    lines += [f"  {state} --> {after}: {event}" for (state, event), after in TABLE.items()]
    lines += [f"  {state} --> [*]: {outcome}" for state, outcome in OUTCOMES.items()]
    return "\n".join([*lines, "```"])


def drawn(text: str) -> str:
    """The page with both pictures as the code has them now. Raises ValueError where a picture has no place."""
    for name, picture in (("layers", layers()), ("life", life())):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"drawing {name}: {PAGE.name} has no place for it; add {begin.strip()} and {end}")
        text = f"{before}{begin}{picture}\n{end}{after}"
    return text


def runbook() -> str:
    """The page of docs/: what ``reconcile explain`` prints, under a list of all codes."""
    title, *rest = (PACKAGE / "cli" / "runbook.md").read_text(encoding="utf-8").split("\n## ")
    source = "<!-- written by python -m tests.pictures from reconcile/cli/runbook.md -->"
    rows = [f"| [{code}](#{code.replace(' ', '-')}) | {summary(page)} |" for code, page in pages().items()]
    return "\n".join([source, title, "| Code | Means |", "| --- | --- |", *rows, "", *(f"## {page}" for page in rest)])


def _is_implied(pair: tuple[str, str], direct: set[tuple[str, str]]) -> bool:
    """Whether a longer chain of arrows leads from the one folder to the other."""
    start, goal = pair
    todo, seen = [lower for upper, lower in direct if upper == start and lower != goal], {start}
    while todo:
        place = todo.pop()
        if place == goal:
            return True
        if place not in seen:
            seen.add(place)
            todo += [lower for upper, lower in direct if upper == place]
    return False


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    RUNBOOK.write_text(runbook(), encoding="utf-8")
    terminal.PICTURE.write_text(terminal.drawn(), encoding="utf-8")
    specification.PAGE.write_text(
        specification.written(specification.PAGE.read_text(encoding="utf-8")), encoding="utf-8"
    )
