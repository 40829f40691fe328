"""The installed command, killed with SIGKILL at random instants and started again, against the loopback sandbox.

``SIMULATION_KILLS`` sets how many kills (100 under CI), ``SIMULATION_SEED`` repeats their dice.
"""

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.simulation.processes import Rig, Torment

SEED = int(os.environ.get("SIMULATION_SEED") or secrets.randbelow(1 << 40))
KILLS = int(os.environ.get("SIMULATION_KILLS") or (100 if os.environ.get("CI") else 6))
AT_ONCE = 6
_EACH = 6


def _one(folder: Path, number: int) -> Torment:
    place = folder / str(number)
    place.mkdir()
    with Rig(place, exchange="binance", seed=SEED + number) as rig:
        return rig.torment(_EACH)


def test_a_process_killed_at_any_instant_is_recovered_by_the_next(tmp_path: Path) -> None:
    killed, number = 0, 0
    wrong: list[tuple[int, list[str]]] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while killed < KILLS:
            batch = range(number, number + min(AT_ONCE, -(-(KILLS - killed) // _EACH)))
            number = batch.stop
            for which, done in zip(batch, pool.map(lambda each: _one(tmp_path, each), batch), strict=True):
                killed += done.kills
                wrong += [(which, done.wrong)] if done.wrong else []
    print(f"{killed} kills, {len(wrong)} rigs with something wrong")
    assert wrong == [], f"SIMULATION_SEED={SEED}"
