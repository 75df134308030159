"""A training on a cluster of the stack's own: checked, priced, submitted, followed, registered."""

from dataclasses import replace

from commands.output import confirm, show
from commands.preflight import preflight
from commands.session import Session
from commands.train.asked import Asked
from commands.train.cost import nodes_of, say_cost
from commands.train.estimate import say_estimate, show_estimate
from commands.train.like import like_order, say_differences
from commands.train.ordering import check_order
from commands.train.probe import check_probe, run_probe
from commands.train.result import document, print_result
from commands.train.run import train_model
from training.submission import Order

TIMEOUT_HOURS = 24.0


def train(session: Session, asked: Asked) -> None:
    """Train as asked on a cluster, or show what that would need."""
    check_probe(asked.probe, follow=asked.follow)
    order = like_order(session, asked.like, asked.wanted) if asked.like else _order(session, asked)
    if asked.estimate:
        show_estimate(session, order, nodes_of(session, order), as_json=asked.as_json)
        return
    order = replace(order, place=order.place.model_copy(update={"resubmits": asked.follow}))
    nodes = nodes_of(session, order)
    preflight(session, "train", ignored=asked.ignored, recipe=order.recipe, node=nodes)
    say_cost(session, order, asked.max_cost)
    say_estimate(session, order, nodes)
    if asked.probe and not run_probe(
        session, order, asked.probe, yes=asked.yes, as_json=asked.as_json
    ):
        return
    if asked.like:
        say_differences(session, order)
    confirm("Submit the job?", yes=asked.yes or session.is_rehearsal)
    trained = train_model(session, order, waits=asked.follow)
    show(document(session, trained), asked.as_json, lambda: print_result(session, trained))


def _order(session: Session, asked: Asked) -> Order:
    return check_order(
        session,
        asked.recipe(session),
        asked.train_file,
        asked.eval_file,
        overrides=asked.wanted.overrides,
        timeout_hours=asked.wanted.timeout_hours or TIMEOUT_HOURS,
        cluster=asked.wanted.cluster,
        losses=asked.wanted.losses,
    )
