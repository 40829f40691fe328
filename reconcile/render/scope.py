"""The scope of a plan or an apply under ``--target``, in words that cannot be taken for the whole."""

from reconcile.model.plan import Plan, Result
from reconcile.render.values import clean

_MOST_GLOBS = 5


def of_plan(plan: Plan) -> str:
    """``only BTC* is planned; 9 other declared addresses are left out``; empty for everything."""
    if not plan.scope:
        return ""
    left_out = sum(account.outside_scope for account in plan.accounts)
    return f"only {globs(plan.scope)} is planned; {others(left_out)} left out"


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
