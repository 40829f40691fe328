"""Cold start: what the three commands that people type most cost beside what their libraries cost by themselves.

python -m benchmarks.cold
"""

import tempfile
from pathlib import Path

from benchmarks.running import Row, in_turns, python, ratio, table
from benchmarks.states import declare, served

TURNS = 15
CLICK = "import click"
MODEL = "import click, pydantic\nclass Model(pydantic.BaseModel):\n    number: int\n"
FIVE = "import pydantic, tomli_w, click, tenacity, requests"


def rows() -> list[Row]:
    """The three rows."""
    with tempfile.TemporaryDirectory() as folder, served(positions=10) as exchange:
        path = str(declare(Path(folder) / "state.toml", exchange, margins=["1100"] * 10))
        env = exchange.environment()
        home = f"{folder}/home"
        found = in_turns(
            TURNS,
            click=lambda: python("-c", CLICK),
            help=lambda: python("-m", "reconcile", "--help"),
            model=lambda: python("-c", MODEL),
            validate=lambda: python("-m", "reconcile", "validate", path, env=env),
            five=lambda: python("-c", FIVE),
            plan=lambda: python("-m", "reconcile", "--home", home, "plan", path, env=env),
        )
    return [
        ratio("`reconcile --help`", "÷ `import click`", found["help"], found["click"], most=1.3),
        ratio(
            "`reconcile validate`, 10 targets",
            "÷ `import click` and a pydantic model",
            found["validate"],
            found["model"],
            most=1.4,
        ),
        ratio(
            "`reconcile plan`, 10 targets, no latency",
            "÷ importing the five libraries",
            found["plan"],
            found["five"],
            most=1.6,
        ),
    ]


if __name__ == "__main__":
    print(table(rows()))
