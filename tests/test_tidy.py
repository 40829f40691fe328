"""The rules of the house that a linter does not know: who may import whom, where floats and clocks may be.

The layers are those of ARCHITECTURE.md. ``clock.py`` is the one place that asks the machine for the time; the pure core
imports nothing that could do input or output; money is Decimal from the file to the wire and back.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reconcile"


@dataclass(frozen=True, kw_only=True)
class Module:
    """One module of the package, parsed."""

    name: str
    """Without the leading ``reconcile.``; empty for the package itself."""
    path: Path
    tree: ast.Module

    def __str__(self) -> str:
        return self.name or "reconcile"


def parsed(path: Path) -> Module:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(name=name, path=path, tree=ast.parse(path.read_text(encoding="utf-8")))


MODULES = [parsed(path) for path in sorted(PACKAGE.rglob("*.py"))]
NAMES = {module.name for module in MODULES}


def for_every_module(check: Callable[[Module], None]) -> Callable[[], None]:
    """One test of a rule over the whole package, which tells every module that breaks it."""

    def test() -> None:
        broken: dict[str, str] = {}
        for module in MODULES:
            try:
                check(module)
            except AssertionError as failure:
                broken[str(module)] = str(failure)
        assert broken == {}

    return test


def is_in(name: str, *families: str) -> bool:
    """Whether a module is one of these or below one of them."""
    return any(name == family or name.startswith(f"{family}.") for family in families)


# Layers. A module may import its own layer and those below.

LAYERS = (
    ("errors", "money", "clock", "concurrency", "files"),
    ("model", "exchanges.catalogue"),
    ("planning", "journal", "connect", "render"),
    ("evidence", "exchanges", "statefile", "audit"),
    ("protocol",),
    ("usecases",),
    ("cli", "__main__"),
)
"""From the ground up. A module imports its own layer and those below; no folder is outside this table.

The catalogue of exchanges is a value like those of ``model``: it imports nothing of an adapter but its traits.
"""


def layer_of(name: str) -> int:
    """The layer of a module; raises StopIteration for one that no layer names."""
    return next(level for level, families in enumerate(LAYERS) if is_in(name, *families))


def imports(module: Module) -> Iterator[str]:
    """What a module imports, as dotted names: ``reconcile.`` stays on ours."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole.removeprefix("reconcile.") in NAMES else base


def ours(module: Module) -> set[str]:
    return {name.removeprefix("reconcile.") for name in imports(module) if is_in(name, "reconcile")} - {"reconcile"}


@for_every_module
def test_imports_go_down_only(module: Module) -> None:
    if is_in(module.name, "sandbox") or not module.name:
        return
    above = {name for name in ours(module) if not is_in(name, "sandbox") and layer_of(name) > layer_of(module.name)}
    assert above == set()


@for_every_module
def test_the_sandbox_stands_aside(module: Module) -> None:
    if is_in(module.name, "sandbox"):
        assert {
            name for name in ours(module) if not is_in(name, "sandbox", "errors", "money", "clock", "files")
        } == set()
    elif module.name and not is_in(module.name, "cli"):
        assert {name for name in ours(module) if is_in(name, "sandbox")} == set()


@for_every_module
def test_imports_name_the_module_and_are_never_relative(module: Module) -> None:
    assert [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.ImportFrom) and node.level] == []


# One name, one address.


def classes() -> dict[str, set[str]]:
    """Every class of the package, with the modules that define one of that name."""
    found: dict[str, set[str]] = {}
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).add(module.name)
    return found


def test_a_class_name_names_one_class() -> None:
    assert {name: where for name, where in classes().items() if len(where) > 1} == {}


PARTICIPLES = {
    "Answering", "Asked", "Checked", "Counted", "Fixed", "Folded", "Found", "Imported", "Included", "Informing", "Kept",
    "Known", "Left", "Moved", "Noted", "Reached", "Said", "Seen", "Sending", "Standing", "Told", "Undoing", "Was",
}  # fmt: skip


def test_a_class_is_named_by_a_noun() -> None:
    assert {name for name in classes() if name.lstrip("_") in PARTICIPLES} == set()


FACES = ("statefile",)
"""Packages whose ``__init__`` hands names on: they are used as one."""


def defined(module: Module) -> set[str]:
    """The names that a module makes itself, at its top level."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


DEFINED = {module.name: defined(module) for module in MODULES}


@for_every_module
def test_a_name_is_imported_from_the_module_that_defines_it(module: Module) -> None:
    elsewhere = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").removeprefix("reconcile.") in DEFINED
        for alias in node.names
        if f"{node.module}.{alias.name}".removeprefix("reconcile.") not in DEFINED
        and alias.name not in DEFINED[(node.module or "").removeprefix("reconcile.")]
    ]
    assert [name for name in elsewhere if not is_in(name, *(f"reconcile.{face}" for face in FACES))] == []


ALIASES = {"render", "usecase"}
"""A command has the name of its use case and of its document, so it imports both under these."""


@for_every_module
def test_an_import_keeps_its_name(module: Module) -> None:
    renamed = {
        alias.asname
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and is_in(node.module or "", "reconcile")
        for alias in node.names
        if alias.asname
    }
    assert renamed - (ALIASES if is_in(module.name, "cli") else set()) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {module.name: ours(module) & NAMES for module in MODULES}
    while settled := {name for name, needed in left.items() if not needed & left.keys()}:
        left = {name: needed for name, needed in left.items() if name not in settled}
    assert left == {}


def limits_of(module: Module) -> list[str]:
    """The whole numbers that a module names at its top level."""
    return [
        node.targets[0].id
        for node in module.tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, int)
    ]


@for_every_module
def test_every_limit_of_the_protocol_is_in_one_module(module: Module) -> None:
    if is_in(module.name, "protocol") and module.name != "protocol.timing":
        assert limits_of(module) == []


# The pure core.

SERIAL = ("render.plan.saved", "render.schema")
"""Where a saved plan is read back, by pydantic; everything else of the core is plain."""
PURE = (
    "errors", "money", "model", "planning", "evidence", "render",
    "protocol.confirming", "protocol.decision", "protocol.timing", "protocol.life", "protocol.lifecycle",
    "protocol.machine", "protocol.outcomes", "protocol.rules", "protocol.searching", "protocol.sending",
    "protocol.signals", "protocol.task",
)  # fmt: skip
HARMLESS = {
    "collections", "csv", "dataclasses", "datetime", "decimal", "difflib", "enum", "fnmatch", "functools", "hashlib",
    "html", "itertools", "json", "operator", "re", "shlex", "string", "textwrap", "types", "typing", "unicodedata",
}  # fmt: skip


@for_every_module
def test_the_core_imports_nothing_that_acts(module: Module) -> None:
    if not is_in(module.name, *PURE):
        return
    harmless = HARMLESS | {"pydantic"} if is_in(module.name, *SERIAL) else HARMLESS
    outside = {name.split(".")[0] for name in imports(module) if not is_in(name, "reconcile")}
    assert outside - harmless == set()


@for_every_module
def test_only_the_clock_asks_for_the_time(module: Module) -> None:
    if module.name == "clock":
        return
    asked = {
        node.attr
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today", "time_ns", "monotonic_ns"}
    }
    assert "time" not in set(imports(module))
    assert asked == set()


@for_every_module
def test_values_are_frozen(module: Module) -> None:
    if not is_in(module.name, *PURE):
        return
    loose = [
        node.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        for mark in node.decorator_list
        if "dataclass" in ast.unparse(mark) and "frozen=True" not in ast.unparse(mark)
    ]
    assert loose == []


STARTS_PROGRAMS = {
    "subprocess",
    "pty",
    "multiprocessing",
    "concurrent.futures.process",
    "webbrowser",
    "platform",
    "ctypes",
}
"""Modules that run programs, some of them only to answer a question."""
RUNS = re.compile(
    r"os\.(?:system|popen|fork\w*|exec\w+|spawn\w+|posix_spawn\w*)|asyncio\.create_subprocess_\w+|click\.(?:edit|launch)"
)


def programs(module: Module) -> list[str]:
    """What in a module can start a program: modules it imports, functions it calls."""
    imported = {name for name in imports(module) if is_in(name, *STARTS_PROGRAMS)}
    used = {ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    taken = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return sorted(imported | {name for name in used | taken if RUNS.fullmatch(name)})


NOTIFIES = "cli.notify"
"""Runs the one command that the operator names with ``watch --notify``, and none that comes from a file."""


@for_every_module
def test_no_module_starts_a_program(module: Module) -> None:
    assert programs(module) == (["subprocess"] if module.name == NOTIFIES else [])


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess",
        "from os import execv",
        "import os\nos.system('x')",
        "from asyncio import create_subprocess_exec",
    ],
)
def test_the_rule_about_programs_finds_what_it_is_for(text: str) -> None:
    assert programs(Module(name="x", path=PACKAGE, tree=ast.parse(text))) != []


# Files.

PLACES = ("files.documents", "journal.file.disk")
"""Where files are written; the sandbox's locks hold no content."""


def writers(module: Module) -> list[str]:
    """Calls in a module that write a file: by pathlib, or by opening it in a mode that writes."""
    found = []
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        modes = [
            each.value
            for each in (*node.args, *(word.value for word in node.keywords))
            if isinstance(each, ast.Constant)
        ]
        opened = ast.unparse(node.func).rpartition(".")[2] in {"open", "fdopen"}
        if opened and any(isinstance(mode, str) and re.fullmatch(r"[rbt]*[wax+][rbt+]*", mode) for mode in modes):
            found.append(ast.unparse(node))
        if ast.unparse(node.func).endswith((".write_text", ".write_bytes")):
            found.append(ast.unparse(node))
    return found


@for_every_module
def test_files_are_written_in_one_place(module: Module) -> None:
    assert module.name in PLACES or writers(module) == []


@pytest.mark.parametrize(
    "text",
    [
        "open(p, 'w')",
        "p.open('xb')",
        "p.open(mode='r+')",
        "os.fdopen(h, 'ab')",
        "Path(p).write_text('')",
        "p.write_bytes(b'')",
    ],
)
def test_the_rule_about_files_finds_what_it_is_for(text: str) -> None:
    assert writers(Module(name="x", path=PACKAGE, tree=ast.parse(text))) != []


# Money.

SECONDS = ("clock", *(f"exchanges.http.{name}" for name in ("retry", "wire", "transport", "limits", "exchange_time")))
"""Where seconds of a library are, and no money."""
MONEY = (*PURE, "statefile", "journal", "exchanges", "protocol", "sandbox.books")


def floats(module: Module) -> list[int]:
    """The lines where a float is written, named, or read out of JSON by default."""
    return sorted(
        node.lineno
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
    )


@for_every_module
def test_no_float_is_near_money(module: Module) -> None:
    if is_in(module.name, *MONEY) and not is_in(module.name, *SECONDS):
        assert floats(module) == []


PARSER = "money"
"""The one module that makes numbers of text from outside, within bounds."""
CONVERTING = {
    PARSER: (2, "the parser itself"),
    "cli.common": (1, "at most nine digits, by their pattern; --help loads no decimals"),
    "connect.redaction": (1, "four hexadecimal digits of an escape, by its pattern"),
    "exchanges.http.rows": (1, "a whole Decimal of the parser"),
    "journal.file.lock": (1, "milliseconds"),
    "journal.postgres.schema": (1, "a column of integers"),
    "journal.postgres.queries": (2, "columns of integers"),
    "render.metrics.families": (1, "milliseconds"),
    "render.report.picture": (1, "a Decimal, written with four digits"),
    "render.common.values": (1, "milliseconds"),
    "statefile.scalars": (6, "inf and nan, which TOML allows; bounded ints and Decimals of the parser"),
}
"""How often which module makes a number of a value, and why that is no text from outside."""


def conversions(module: Module) -> list[str]:
    """What makes a number of a value that may be text: ``int(x)`` and ``map(int, x)``, but not ``int(a / b)``."""

    def may_be_text(node: ast.expr) -> bool:
        return not isinstance(node, ast.Constant | ast.UnaryOp) and not (
            isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Add)
        )

    makers = {"int", "float", "Decimal"}
    return [
        ast.unparse(node)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and (
            (ast.unparse(node.func) in makers and any(may_be_text(each) for each in node.args))
            or (ast.unparse(node.func) == "map" and ast.unparse(node.args[0]) in makers)
        )
    ]


@for_every_module
def test_only_the_parser_makes_numbers_of_text(module: Module) -> None:
    """The sandbox is left out: what it reads is what we sent, and it may fail at it."""
    if not is_in(module.name, "sandbox"):
        assert len(conversions(module)) == CONVERTING.get(module.name, (0, ""))[0], conversions(module)


def test_the_table_of_conversions_names_modules_that_are_there() -> None:
    assert CONVERTING.keys() <= NAMES


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("int(text)", 1),
        ("Decimal(row['amount'])", 1),
        ("float(a + b)", 1),
        ("tuple(map(int, parts))", 1),
        ("int(text, 16)", 1),
        ("int(a / b)", 0),
        ("Decimal('1e-8')", 0),
        ("int(not done)", 0),
        ("parse(text)", 0),
    ],
)
def test_the_rule_about_conversions_finds_what_it_is_for(text: str, found: int) -> None:
    assert len(conversions(Module(name="x", path=PACKAGE, tree=ast.parse(text)))) == found


@for_every_module
def test_no_guard_is_an_assert_that_python_can_leave_out(module: Module) -> None:
    assert [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Assert)] == []


# Reading.


@for_every_module
def test_every_module_says_why_it_exists(module: Module) -> None:
    if module.path.read_text(encoding="utf-8").strip():
        assert ast.get_docstring(module.tree)


BARE = ("What", "Who", "Whose", "Where", "How", "Whether", "When", "Why", "Which")
"""A sentence that begins with these has no noun; the head of a module begins with one, or with a verb."""


@for_every_module
def test_the_head_of_a_module_names_its_subject(module: Module) -> None:
    assert (ast.get_docstring(module.tree) or "").split(" ")[0] not in BARE


@for_every_module
def test_a_long_module_gives_its_reason(module: Module) -> None:
    lines = len(module.path.read_text(encoding="utf-8").splitlines())
    reason = re.search(r"300 lines|\blong(er)?\b.*\bbecause\b", ast.get_docstring(module.tree) or "", re.IGNORECASE)
    assert lines <= 300 or reason


@for_every_module
def test_no_function_is_longer_than_a_page(module: Module) -> None:
    long = [
        f"{node.name}: {(node.end_lineno or node.lineno) - node.lineno + 1} lines"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 70
    ]
    assert long == []


def paths(function: ast.AST) -> int:
    """A function's ways, counted strictly: each branch, boolean operator, comprehension and its conditions is one."""
    count = 1
    for node in ast.walk(function):
        match node:
            case ast.If() | ast.IfExp() | ast.For() | ast.AsyncFor() | ast.While() | ast.ExceptHandler():
                count += 1
            case ast.BoolOp(values=values):
                count += len(values) - 1
            case ast.comprehension(ifs=conditions):
                count += 1 + len(conditions)
            case ast.match_case(pattern=pattern):
                count += not (isinstance(pattern, ast.MatchAs) and pattern.pattern is None)
    return count


@for_every_module
def test_no_function_of_the_protocol_has_more_than_ten_paths(module: Module) -> None:
    functions = (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    if is_in(module.name, "protocol", "evidence"):
        assert [f"{each.name}: {paths(each)}" for each in functions if paths(each) > 10] == []


@for_every_module
def test_public_names_are_documented(module: Module) -> None:
    bare = [
        f"{node.name} (line {node.lineno})"
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert bare == []


@for_every_module
def test_nothing_is_left_to_be_done(module: Module) -> None:
    marks = re.findall(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b", module.path.read_text(encoding="utf-8"))
    assert marks == []


def test_the_rules_see_the_package() -> None:
    assert {"model.account", "planning.diff", "evidence.verdict", "exchanges.base", "journal.records"} <= NAMES
    assert [layer_of(families[0]) for families in LAYERS] == [*range(len(LAYERS))]


@pytest.mark.parametrize(
    ("text", "found"),
    [("x = 1", []), ("x = 1.5", [1]), ("def f(x: float) -> int: ...", [1]), ("x = float('1')", [1]), ("x = '1.5'", [])],
)
def test_the_float_rule_finds_what_it_is_for(text: str, found: list[int]) -> None:
    assert floats(Module(name="x", path=PACKAGE, tree=ast.parse(text))) == found
