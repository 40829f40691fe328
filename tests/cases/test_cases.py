"""Every case ends as its file says; a new file is a new test."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cases.acts import run

CASES = sorted(Path(__file__).parent.glob("*.json"))
ACTS = [(path, number) for path in CASES for number in range(len(json.loads(path.read_text())["then"]))]


@pytest.mark.parametrize(("path", "number"), ACTS, ids=[f"{path.stem}-{number}" for path, number in ACTS])
def test_a_case_ends_as_it_says(path: Path, number: int, tmp_path: Path) -> None:
    case: Mapping[str, Any] = json.loads(path.read_text())
    run(case, case["then"][number], tmp_path / "desk.toml")
