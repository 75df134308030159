"""Who answers how much: shares of an endpoint's traffic as a person writes them, and moving it."""

import re
from collections.abc import Callable, Mapping, Sequence

from core.cloud import Cloud
from core.errors import SettingsError, UserError
from core.refs import StackOutputs
from deploy.access import open_access
from deploy.endpoint import DeploymentState, EndpointState, change
from deploy.releasing import health, history

NEW, OLD = "new", "old"
WHOLE = 100


def resolve(state: EndpointState, word: str) -> DeploymentState:
    """Find a deployment by its name, the beginning of it, or `new` and `old`.

    `new` is the youngest that serves a tuned model, `old` the one before it.

    Raises:
        SettingsError: none or several are meant.
    """
    if word in (NEW, OLD) and state.named(word) is None:
        return _by_age(state, word)
    whole = state.named(word)
    meant = [whole] if whole else [one for one in state.deployments if one.name.startswith(word)]
    if word and len(meant) == 1:
        return meant[0]
    names = ", ".join(item.name for item in (meant if word and meant else state.deployments))
    wrong = "is the beginning of several deployments" if word and meant else "is no deployment"
    raise SettingsError(f"{word!r} {wrong} of {state.ref.name}: {names or 'it has none'}")


def parse_shares(state: EndpointState, texts: Sequence[str]) -> dict[str, int]:
    """Read `NAME=PERCENT` words into shares by whole names; who is not named gets nothing.

    Raises:
        SettingsError: everything that is wrong with them, a finding a line.
    """
    found: dict[str, int] = {}
    findings = []
    for text in texts:
        name, _, percent = text.partition("=")
        try:
            item = resolve(state, name)
        except SettingsError as error:
            findings.append(str(error))
            continue
        if not re.fullmatch(r"\d{1,3}", percent) or int(percent) > WHOLE:
            findings.append(f"{text}: write {item.name}=PERCENT, 0 to 100, for example 10")
        elif item.name in found:
            findings.append(f"{item.name} is named twice")
        else:
            found[item.name] = int(percent)
            findings += _unfit(item, found[item.name])
    if not findings and sum(found.values()) != WHOLE:
        findings.append(f"The shares add up to {sum(found.values())} %: it must be 100.")
    if findings:
        raise SettingsError("\n".join(findings), hint="tunestack traffic shows what there is.")
    return {name: share for name, share in found.items() if share}


def require_answers(
    cloud: Cloud, outputs: StackOutputs, state: EndpointState, wanted: Mapping[str, int]
) -> None:
    """Ask every deployment that shall get traffic a question, each alone.

    Raises:
        UserError: one is not ready.
        DeploymentFailed: one does not answer.
    """
    for name in wanted:
        item = state.named(name)
        if item is None or not item.is_ready:
            said = item.state.lower() if item else "not there any more"
            raise UserError(f"{name} is {said}: it gets no traffic. Nothing was changed.")
    access = open_access(cloud, outputs, state.ref)
    for name in wanted:
        item = state.named(name)
        assert item is not None
        health.require_answer(access, name, item.runtime)


def move(
    cloud: Cloud,
    outputs: StackOutputs,
    state: EndpointState,
    wanted: Mapping[str, int],
    *,
    tags: history.Tags | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Share the traffic as wanted once everyone that gets some has answered.

    Raises:
        UserError, DeploymentFailed: one is not ready or does not answer; nothing was changed.
        CloudError: Azure refused.
    """
    progress(f"Asking {', '.join(wanted)}, each alone.")
    require_answers(cloud, outputs, state, wanted)
    if tags is None:
        tags = _noted(state, wanted)
    change(cloud, outputs, "move the endpoint's traffic", traffic=wanted, tags=tags)


def _noted(state: EndpointState, wanted: Mapping[str, int]) -> history.Tags:
    """Note the one that gives its place up where a younger one gets everything."""
    live, tags = state.live, history.Tags({history.LEAVING: None})
    if live is None or len(wanted) != 1 or live.name in wanted:
        return tags
    winner = state.named(next(iter(wanted)))
    assert winner is not None
    is_younger = winner.created >= live.created
    return tags | (history.pushed(state.tags, live) if is_younger else {})


def _unfit(item: DeploymentState, share: int) -> list[str]:
    if not share:
        return []
    if item.serves == "base":
        return [f"{item.name} is the base model: it is asked by name and takes no traffic."]
    return [] if item.is_ready else [f"{item.name} is {item.state.lower()}, not ready."]


def _by_age(state: EndpointState, word: str) -> DeploymentState:
    tuned = state.tuned
    place = 1 if word == NEW else 2
    if len(tuned) < place:
        raise SettingsError(f"{word!r}: {state.ref.name} has {len(tuned)} deployment(s).")
    return tuned[-place]
