"""``reconcile watch``: the same plan in a loop; tells changes of state, and applies them where asked to."""

import json
import re
import socket
from decimal import Decimal

import click

from reconcile.cli import state_files
from reconcile.cli.common import DURATION, WholeType, command, parallelism, pass_session, paths
from reconcile.cli.locking import lock_options, lock_timeout_ms
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.cli.watch_outputs import Outputs
from reconcile.errors import UsageError
from reconcile.journal.file.disk import SystemDisk
from reconcile.money import whole
from reconcile.render.common.values import clean, rfc3339
from reconcile.statefile import scalars
from reconcile.usecases.watch.lock import watch_lock
from reconcile.usecases.watch.loop import Watch
from reconcile.usecases.watch.news import News
from reconcile.usecases.watch.settings import Settings
from reconcile.usecases.world import World

FORMAT = "reconcile.watch/1"


@command("watch", formats=("text", "json"))
@paths
@click.option("--interval", type=DURATION, default="60s", show_default=True, help="How long from look to look.")
@click.option(
    "--apply", "applies", is_flag=True, envvar="RECONCILE_WATCH_APPLY", help="Apply what changed, without asking."
)
@click.option("--reason", metavar="TEXT", help="Why, for the journal of what --apply does.")
@click.option(
    "--debounce",
    metavar="N/M",
    default="2/3",
    show_default=True,
    help="A state is believed when N of the last M looks agree; a position below its floor at once.",
)
@click.option(
    "--undo-limit",
    metavar="N",
    type=WholeType(1, 1000),
    default=5,
    show_default=True,
    help="Leave a position alone after it was moved back N times in a row.",
)
@lock_options(if_locked="skip", skipping="it is come back to in the next round")
@click.option("--metrics", metavar="FILE", help="A Prometheus text file, replaced whole after each round.")
@click.option(
    "--listen", metavar="HOST:PORT", help="Serve /metrics for Prometheus and /healthz there; needs [metrics]."
)
@click.option("--heartbeat", metavar="FILE", help="A file that holds the time of the last finished round.")
@click.option(
    "--near-liquidation",
    metavar="PERCENT",
    default="5%",
    show_default=True,
    help="Report a position whose liquidation price is nearer to the mark price; 0% for none.",
)
@click.option("--notify", metavar="URL|COMMAND", help="Give each piece of news there, as a JSON document.")
@click.option("--rounds", metavar="N", type=WholeType(1), help="End after N rounds; default: never.")
@parallelism
@pass_session
def watch(
    session: Invocation,
    *,
    paths: tuple[str, ...],
    interval: int,
    applies: bool,
    reason: str | None,
    debounce: str,
    undo_limit: int,
    if_locked: str,
    lock_timeout: int,
    metrics: str | None,
    listen: str | None,
    heartbeat: str | None,
    near_liquidation: str,
    notify: str | None,
    rounds: int | None,
    parallelism: int,
) -> int:
    """Plan in a loop, with one line per change of state; sends nothing without --apply.

    State files are read again each round. One watch per account and home. The accounts take their turns side by side:
    one that is locked, or waits for its exchange, delays no other. With --apply, a confirmed change is applied under
    the account's lock, as 'reconcile apply' does it. If others keep undoing it, the watch tries less and less often,
    then leaves it alone and says so. Ends with Ctrl-C or SIGTERM; calls in flight are settled first.

    \b
    Exit codes: 0 after --rounds, 1 error at the start,
                4 other watches have all accounts, 130 stopped.
    Example:    reconcile watch states/ --interval 60s --metrics margin.prom
    """
    needed, of = _debounce(debounce)
    if any(sink.file is not None for sink in session.sinks):
        raise UsageError("watch: its lines go to stdout as they come; leave out =FILE")
    accounts, _ = state_files.load(paths)
    settings = Settings(
        interval_ms=interval,
        apply=applies,
        needed=needed,
        of=of,
        undo_limit=undo_limit,
        skip_locked=if_locked == "skip",
        reason=(reason or "").strip() or None,
        rounds=rounds,
        near=_near(near_liquidation),
    )
    with Outputs(
        session, metrics=metrics, heartbeat=heartbeat, listen=listen, notify=notify, interval_ms=interval
    ) as outputs:
        conduct(
            session,
            lambda world: _watch(session, world, paths, settings, outputs),
            sends=applies,
            parallelism=parallelism,
            lock_timeout_ms=lock_timeout_ms(if_locked, lock_timeout),
            doing=f"watching {state_files.counted(accounts)} on {socket.gethostname()}",
        )
    return 0


async def _watch(
    session: Invocation, world: World, paths: tuple[str, ...], settings: Settings, outputs: Outputs
) -> None:
    def tell(news: News) -> None:
        outputs.tell(news)
        as_json = session.stdout_format == "json"
        line = _line(news, as_json=as_json)
        session.say(line if as_json else session.fitted(line))

    await Watch(
        world,
        lambda: state_files.load(paths)[0],
        settings,
        hold=watch_lock(SystemDisk(), world.clock, world.home),
        tell=tell,
        publish=outputs.publish,
    ).run()


def _debounce(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9][0-9]{0,2})/([1-9][0-9]{0,2})", text)
    if found is None or whole(found[1]) > whole(found[2]):
        raise UsageError(f"--debounce {text}: not N of M; expected one like 2/3")
    return whole(found[1]), whole(found[2])


def _near(text: str) -> Decimal | None:
    """The option as a share of the mark price; None for 0 %. Raises UsageError."""
    try:
        found = scalars.percent(text, expected='expected a percentage below "100%"').value
    except ValueError as error:
        raise UsageError(f"--near-liquidation: {error}") from error
    if found >= 100:
        raise UsageError(f"--near-liquidation {text}: every position is nearer; expected less than 100%")
    return found / 100 if found else None


def _line(news: News, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(news.document(FORMAT)) + "\n"
    place = " ".join(part for part in (news.account, news.address) if part)
    turn = "" if news.after is None else f"{news.before} → {news.after}" if news.before else news.after
    said = ": ".join(part for part in (place, turn, news.message) if part)
    return clean(f"{rfc3339(news.at_ms)[:19]}Z {said}") + "\n"
