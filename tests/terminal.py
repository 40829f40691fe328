"""docs/terminal.svg: what the demo prints, as a terminal shows it. ``python -m tests.pictures`` draws it anew.

The commands run for real, on the sandbox, at 80 columns. Only what differs from run to run (times, ids) is written as a
constant; the apply's repetition of the plan and the journal's hash are left out. The file has a light and a dark form.
"""

import re
import tempfile
from html import escape
from pathlib import Path

from reconcile import __version__
from tests.kit.cli import ROOT, run

PICTURE = ROOT / "docs" / "terminal.svg"
DEMO = "states/demo.toml"
COMMANDS = (("plan", DEMO), ("apply", DEMO, "--auto-approve"))
_WIDTH, _HEIGHT, _LEFT, _TOP = 8.4, 18, 16, 52
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_ID = re.compile(r"\b[0-9a-f]{16}\b")
_LEFT_OUT = re.compile(r"^(?:\x1b\[\d+m)?sending to .*?\n\n|^ +journal head [^\n]*\n", re.DOTALL | re.MULTILINE)
_PIECE = re.compile(r"\x1b\[(?P<style>[\d;]*)m|(?P<text>(?:(?! {2})[^\x1b])+)|(?P<space> +)")
_CLASSES = {"1": "b", "2": "d", "31": "r", "32": "g", "33": "y", "34": "u", "36": "c", "35": "m"}
_STYLE = """
    text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328 }
    .w { fill: #ffffff; stroke: #d1d9e0 } .b { font-weight: 600 } .d { fill: #59636e }
    .g { fill: #1a7f37 } .r { fill: #d1242f } .y { fill: #9a6700 } .u { fill: #0969da } .c { fill: #1b7c83 }
    .m { fill: #8250df } .p { fill: #59636e; user-select: none }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .w { fill: #0d1117; stroke: #30363d } .d, .p { fill: #8d96a0 }
      .g { fill: #3fb950 } .r { fill: #f85149 } .y { fill: #d29922 } .u { fill: #58a6ff } .c { fill: #39c5cf }
      .m { fill: #bc8cff }
    }
"""


def printed() -> list[str]:
    """The lines of the picture: each command behind its prompt, then what it prints, with its colours."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for words in COMMANDS:
            ended = run(Path(folder), *words, env={"COLUMNS": "80", "FORCE_COLOR": "1"})
            lines += [f"\x1b[prompt]reconcile {' '.join(words)}", *_shown(ended.out), ""]
    return lines[:-1]


def _shown(out: str) -> list[str]:
    kept = _LEFT_OUT.sub("", out).rstrip("\n")
    return _ID.sub("5f0c2a91aa07d3e4", _TIME.sub("2026-01-31T12:00:00.000Z", kept)).splitlines()


def drawn() -> str:
    """The whole file."""
    lines = printed()
    width, height = round(2 * _LEFT + 80 * _WIDTH), _TOP + len(lines) * _HEIGHT + 8
    rows, style = [], ""
    for row, line in enumerate(lines):
        text, style = _text(line, style)
        rows += [f'  <text y="{_TOP + row * _HEIGHT}">{text}</text>'] if text else []
    body = "\n".join(rows)
    title = f"reconcile {__version__} plans and applies its demo, on the simulated exchange"
    dots = "".join(f'<circle cx="{20 + 18 * each}" cy="16" r="5" class="d"/>' for each in range(3))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">\n'
        f'  <title id="title">{escape(title)}</title>\n  <style>{_STYLE}  </style>\n'
        f'  <rect class="w" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>\n'
        f"  {dots}\n{body}\n</svg>\n"
    )


def _text(line: str, style: str) -> tuple[str, str]:
    """One line as pieces that stand at their column, whatever the width of a character in the reader's font.

    ``style`` is what the line before left on; the second value is what this one leaves on.
    """
    found, column = "", 0
    if line.startswith("\x1b[prompt]"):
        line = line.removeprefix("\x1b[prompt]")
        return f'<tspan class="p" x="{_LEFT}">$ </tspan><tspan class="b">{escape(line, quote=False)}</tspan>', ""
    for piece in _PIECE.finditer(line):
        if piece["style"] is not None:
            style = " ".join(_CLASSES[each] for each in piece["style"].split(";") if each in _CLASSES)
        elif piece["text"]:
            named = f' class="{style}"' if style else ""
            found += f'<tspan x="{_LEFT + column * _WIDTH:g}"{named}>{escape(piece["text"], quote=False)}</tspan>'
        column += len(piece["text"] or piece["space"] or "")
    return found, style
