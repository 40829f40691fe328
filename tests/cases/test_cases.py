"""Every case ends as its file says; a new file is a new test."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cases.acts import URL, Bench, run

CASES = sorted(Path(__file__).parent.glob("*.json"))
ACTS = [(path, number) for path in CASES for number in range(len(json.loads(path.read_text())["then"]))]


@pytest.mark.parametrize(("path", "number"), ACTS, ids=[f"{path.stem}-{number}" for path, number in ACTS])
def test_a_case_ends_as_it_says(path: Path, number: int, tmp_path: Path) -> None:
    case: Mapping[str, Any] = json.loads(path.read_text())
    state_file = tmp_path / "desk.toml"
    state_file.write_text((case["input"].get("state_file") or "").replace("@endpoint", URL))
    run(Bench(case, state_file), case["then"][number])
