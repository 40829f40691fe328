"""Schedules in which a run once concluded something false: each run's conclusions are judged too."""

import json
from pathlib import Path

import pytest

from tests.simulation.oracle import verdict
from tests.simulation.schedule import Schedule

FILES = sorted((Path(__file__).parents[1] / "corpus" / "claims").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_run_concludes_what_was_true_at_no_moment(path: Path) -> None:
    schedule = Schedule.from_json(json.dumps(json.loads(path.read_text(encoding="utf-8"))["schedule"]))
    assert verdict(schedule, strict=True).violations == ()
