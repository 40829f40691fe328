"""The scope of a plan or an apply (``--target``, ``--changed-since``), in words that cannot be taken for the whole."""

from reconcile.model.plan import Plan, Result, SinceCommit
from reconcile.render.common.values import clean

_MOST_GLOBS = 5
_MOST_FILES = 5
_COMMIT_DIGITS = 12


def of_plan(plan: Plan) -> list[str]:
    """``only BTC* is planned; 9 other declared addresses are left out``, and ``of_files``; empty for everything."""
    words = [] if plan.since is None else [of_files(plan.since, has_planned=bool(plan.accounts))]
    if plan.scope and plan.accounts:
        left_out = sum(account.outside_scope for account in plan.accounts)
        words.append(f"only {globs(plan.scope)} is planned; {others(left_out)} left out")
    return words


def of_files(since: SinceCommit, *, has_planned: bool) -> str:
    """``only accounts whose files differ from commit 0123456789ab are planned; 9 others are left out``."""
    commit = f"commit {since.commit[:_COMMIT_DIGITS]}"
    count = len(since.unchanged)
    others = f"{count} other{'' if count == 1 else 's'} {'is' if count == 1 else 'are'}"
    if has_planned:
        words = f"only accounts whose files changed since {commit} are planned; {others} left out"
    elif since.deleted:
        words = f"no state file that still exists changed since {commit}; nothing was planned"
    else:
        words = f"no state file changed since {commit}; nothing was planned"
    if not since.deleted:
        return words
    more = f" and {len(since.deleted) - _MOST_FILES} more" if len(since.deleted) > _MOST_FILES else ""
    listed = clean(", ".join(since.deleted[:_MOST_FILES]))
    return f"{words}; deleted since then: {listed}{more} (nothing is sent for a deleted file)"


def of_result(result: Result) -> str:
    """``9 other declared addresses are outside the scope, 2 of them differ``; empty where nothing was left out."""
    left_out = sum(account.plan.outside_scope for account in result.accounts)
    if not result.scope or not left_out:
        return ""
    told = [account.outside_differing for account in result.accounts]
    differing = sum(each or 0 for each in told)
    if differing:
        state = "it differs" if left_out == 1 else f"{differing} of them differ{'s' if differing == 1 else ''}"
    elif None in told:
        state = "whether they are as declared was not checked" if left_out > 1 else "not checked"
    else:
        state = "as declared"
    return f"{others(left_out)} outside the scope ({state})"


def globs(scope: tuple[str, ...]) -> str:
    """``BTC*, ETH*``."""
    more = f" and {len(scope) - _MOST_GLOBS} more" if len(scope) > _MOST_GLOBS else ""
    return clean(", ".join(scope[:_MOST_GLOBS]) + more)


def others(left_out: int) -> str:
    """``9 other declared addresses are``."""
    if left_out == 0:
        return "no other declared address is"
    return "1 other declared address is" if left_out == 1 else f"{left_out} other declared addresses are"
