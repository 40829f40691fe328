"""A small slice of the campaign in ``runners.py``; ``RUNNERS_KILLS`` makes it longer, ``RUNNERS_SEED`` repeats it."""

import os
import secrets
from pathlib import Path

from tests.journal.runners import Runners
from tests.kit.postgres_server import Server

SEED = int(os.environ.get("RUNNERS_SEED") or secrets.randbelow(1 << 32))
KILLS = int(os.environ.get("RUNNERS_KILLS") or 4)


def test_runners_that_are_killed_while_their_database_restarts_move_every_margin_once(
    server: Server, tmp_path: Path
) -> None:
    server.clear()
    runners = Runners(server, tmp_path, processes=3, accounts=4, positions=1, seed=SEED)

    figures = runners.run(rounds=1, kills=KILLS, restarts=2)

    assert figures.wrong == [], f"RUNNERS_SEED={SEED}"
    assert (figures.kills >= KILLS, figures.restarts) == (True, 2)
    assert figures.effects == 4
