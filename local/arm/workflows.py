"""Logic Apps (Consumption): workflows that are kept, and run when they are due.

Of the language of definitions: one Recurrence trigger, and Http actions with a managed identity,
one after the other. What else a definition has is refused by name, and never passed over.
`local/runner/schedules.py` runs them. Codes of refusals are not verified.
"""

import json
from datetime import datetime
from typing import Any

from local import clock
from local.arm.ids import name_of
from local.arm.types import ResourceType, guid, keep, now
from local.login.tokens import AUDIENCES
from local.operations import Answer, Call, Refusal, operation
from local.state import Document, State

TYPE = "Microsoft.Logic/workflows"
PATH = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{TYPE}/{{name}}"
RUNS = f"{TYPE}/runs"
TIMER = "timer"
SCHEMA = "2016-06-01/workflowdefinition.json#"
SECONDS = {"Second": 1, "Minute": 60, "Hour": 3600, "Day": 86400, "Week": 7 * 86400}
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
STATUSES = ("Succeeded", "Failed", "Skipped", "TimedOut")
PLAYED = {
    "a definition": ("$schema", "contentVersion", "triggers", "actions"),
    "a trigger": ("type", "recurrence"),
    "a recurrence": ("frequency", "interval", "startTime"),
    "an action": ("type", "inputs", "runAfter"),
    "an action's inputs": ("method", "uri", "queries", "headers", "body", "authentication"),
    "an authentication": ("type", "identity", "audience"),
}
"""What is understood of each part."""


def _workflow(call: Call, workflow: Document, before: Document | None) -> None:
    properties = workflow["properties"]
    properties.setdefault("state", "Enabled")
    if properties["state"] not in ("Enabled", "Disabled"):
        raise _bad(f"state is {properties['state']!r}: Enabled or Disabled.")
    _check_definition(properties["definition"], workflow)
    keep(workflow, before, createdTime=now)
    properties |= {"changedTime": now(), "version": guid(), "parameters": {}}
    schedule(call.world.state, workflow)


def schedule(state: State, workflow: Document) -> None:
    """Note when a workflow is due next; one that is switched off never is."""
    id, recurrence = workflow["id"], recurrence_of(workflow)
    state.delete(f"{TIMER}:/{id}")
    if workflow["properties"]["state"] == "Enabled":
        due = _next(recurrence, clock.now(state))
        state.put(f"{TIMER}:/{id}", TIMER, {"workflow": id, "due": due})


def put_off(state: State, workflow: Document, since: float) -> None:
    """Note when a workflow that ran is due again: its next turn after now, none made up for."""
    every = _every(recurrence_of(workflow))
    turns = int((clock.now(state) - since) // every) + 1
    due = {"workflow": workflow["id"], "due": since + turns * every}
    state.put(f"{TIMER}:/{workflow['id']}", TIMER, due)


def recurrence_of(workflow: Document) -> dict[str, Any]:
    """Give the recurrence of a workflow's one trigger."""
    (trigger,) = workflow["properties"]["definition"]["triggers"].values()
    return dict(trigger["recurrence"])


def runs_of(state: State, workflow: str) -> list[tuple[str, Document]]:
    """List the runs of a workflow, the newest first, each with its name."""
    found = state.find(RUNS, below=f"{workflow}/runs")
    return [(name_of(id), run) for id, run in reversed(found)]


def _next(recurrence: dict[str, Any], moment: float) -> float:
    """Say when a recurrence turns next; without a start at once, past turns are not made up for."""
    if not recurrence.get("startTime"):
        return moment
    start, every = _start(recurrence), _every(recurrence)
    if start >= moment:
        return start
    return start + (int((moment - start) // every) + 1) * every


def _every(recurrence: dict[str, Any]) -> float:
    return float(SECONDS[recurrence["frequency"]] * recurrence["interval"])


def _start(recurrence: dict[str, Any]) -> float:
    return datetime.fromisoformat(recurrence["startTime"]).timestamp()


def _check_definition(definition: Any, workflow: Document) -> None:
    _check_known("a definition", definition)
    if '"@' in (text := json.dumps(definition)) or "@{" in text:
        raise _bad("Expressions of a definition, which begin with @, are not played.")
    if not str(definition.get("$schema")).endswith(SCHEMA):
        raise _bad(f"$schema is {definition.get('$schema')!r}: it ends in {SCHEMA}.")
    triggers, actions = definition.get("triggers") or {}, definition.get("actions") or {}
    if len(triggers) != 1 or not actions:
        raise _bad("Only workflows with one trigger and at least one action are played.")
    for name, trigger in triggers.items():
        _check_trigger(name, trigger)
    for name, action in actions.items():
        _check_action(name, action, actions, workflow)


def _check_trigger(name: str, trigger: Any) -> None:
    _check_known("a trigger", trigger)
    if trigger.get("type") != "Recurrence":
        raise _bad(f"The trigger '{name}' is a {trigger.get('type')!r}: only Recurrence is played.")
    recurrence = trigger.get("recurrence")
    _check_known("a recurrence", recurrence)
    interval = recurrence.get("interval")
    if recurrence.get("frequency") not in SECONDS or not isinstance(interval, int) or interval < 1:
        raise _bad(f"A recurrence has a whole interval, and a frequency of {', '.join(SECONDS)}.")
    if start := recurrence.get("startTime"):
        try:
            is_zoned = datetime.fromisoformat(str(start)).tzinfo is not None
        except ValueError as error:
            raise _bad(f"startTime is {start!r}: it is no date.") from error
        if not is_zoned:
            raise _bad(f"startTime is {start!r}: only with Z or an offset is it played.")


def _check_action(name: str, action: Any, others: dict[str, Any], workflow: Document) -> None:
    _check_known("an action", action)
    if action.get("type") != "Http":
        raise _bad(f"The action '{name}' is a {action.get('type')!r}: only Http is played.")
    for before, statuses in (action.get("runAfter") or {}).items():
        if before not in others or set(statuses) - set(STATUSES):
            raise _bad(f"The action '{name}' runs after {before!r} {statuses}, which never comes.")
    inputs = action.get("inputs")
    _check_known("an action's inputs", inputs)
    if inputs.get("method") not in METHODS:
        raise _bad(f"The method of '{name}' is {inputs.get('method')!r}: {', '.join(METHODS)}.")
    _check_authentication(name, inputs.get("authentication") or {}, workflow)
    audience = inputs["authentication"]["audience"].rstrip("/")
    if not str(inputs.get("uri")).startswith(f"{audience}/"):
        raise _bad(f"Only requests to the audience of their token are played, not {inputs['uri']}.")


def _check_authentication(name: str, asked: dict[str, Any], workflow: Document) -> None:
    _check_known("an authentication", asked)
    if asked.get("type") != "ManagedServiceIdentity":
        raise _bad(f"'{name}' asks as {asked.get('type')!r}: only ManagedServiceIdentity is.")
    if str(asked.get("audience")).rstrip("/") not in AUDIENCES:
        raise _bad(f"The audience {asked.get('audience')!r} is none of {', '.join(AUDIENCES)}.")
    own = (workflow.get("identity") or {}).get("userAssignedIdentities") or {}
    if str(asked.get("identity")).lower() not in {id.lower() for id in own}:
        raise Refusal(
            400,
            "InvalidWorkflowManagedIdentitiesSpecified",
            f"The action '{name}' asks as '{asked.get('identity')}', which is not an identity of"
            " the workflow.",
        )


def _check_known(what: str, found: Any) -> None:
    if not isinstance(found, dict):
        raise _bad(f"{what} must be an object.")
    unknown = [key for key in found if key not in PLAYED[what]]
    if unknown:
        raise _bad(f"Of {what} is not played here: {', '.join(unknown)}.")


def _switch(call: Call, state_name: str) -> Answer:
    id = call.path.rpartition("/")[0]
    with call.world.state.transaction():
        workflow = _found(call, id)
        workflow["properties"] |= {"state": state_name, "changedTime": now()}
        call.world.state.put(id, TYPE, workflow)
        schedule(call.world.state, workflow)
    return Answer(status=200)


@operation("POST", f"{PATH}/disable", action=f"{TYPE}/disable/action")
def disable(call: Call) -> Answer:
    """Switch a workflow off."""
    return _switch(call, "Disabled")


@operation("POST", f"{PATH}/enable", action=f"{TYPE}/enable/action")
def enable(call: Call) -> Answer:
    """Switch a workflow on again."""
    return _switch(call, "Enabled")


@operation("GET", f"{PATH}/triggers", action=f"{TYPE}/triggers/read", note="with its next turn")
def list_triggers(call: Call) -> dict[str, Any]:
    """List the one trigger."""
    workflow = _found(call, call.path.rpartition("/")[0])
    due = call.world.state.get(f"{TIMER}:/{workflow['id']}")
    (name,) = workflow["properties"]["definition"]["triggers"]
    properties = {
        "provisioningState": "Succeeded",
        "state": workflow["properties"]["state"],
        "recurrence": recurrence_of(workflow),
        **({"nextExecutionTime": clock.write(due["due"])} if due else {}),
    }
    return {"value": [_below(call.path, name, f"{TYPE}/triggers", properties)]}


@operation(
    "GET",
    f"{PATH}/triggers/{{trigger}}/histories",
    action=f"{TYPE}/triggers/histories/read",
    note="each turn fired",
)
def list_histories(call: Call) -> dict[str, Any]:
    """List when the trigger fired, the newest first."""
    workflow = _found(call, call.path.rpartition("/triggers/")[0])
    if call.parameters["trigger"] not in workflow["properties"]["definition"]["triggers"]:
        raise _missing(call.path.rpartition("/")[0])
    rows = []
    for name, run in runs_of(call.world.state, workflow["id"]):
        fired = {"fired": True, "run": {"name": name}, "status": "Succeeded"}
        times = {"startTime": run["startTime"], "endTime": run["startTime"]}
        rows.append(_below(call.path, name, f"{TYPE}/triggers/histories", {**times, **fired}))
    return {"value": rows}


@operation("GET", f"{PATH}/runs", action=f"{RUNS}/read", note="the newest first; no $filter")
def list_runs(call: Call) -> dict[str, Any]:
    """List the runs."""
    workflow = _found(call, call.path.rpartition("/")[0])
    found = runs_of(call.world.state, workflow["id"])
    return {"value": [_run(call.path, name, run) for name, run in found]}


@operation("GET", f"{PATH}/runs/{{run}}", action=f"{RUNS}/read")
def get_run(call: Call) -> Document:
    """Read a run."""
    folder, _, name = call.path.rpartition("/")
    return _run(folder, name, _found(call, call.path))


@operation(
    "GET",
    f"{PATH}/runs/{{run}}/actions",
    action=f"{RUNS}/actions/read",
    note="status and code of each; no inputs, outputs and repetitions",
)
def list_actions(call: Call) -> dict[str, Any]:
    """List what the actions of a run came to."""
    run = _found(call, call.path.rpartition("/")[0])
    rows = run["actions"].items()
    return {"value": [_below(call.path, name, f"{RUNS}/actions", row) for name, row in rows]}


def _run(folder: str, name: str, run: Document) -> Document:
    properties = {key: value for key, value in run.items() if key != "actions"}
    return _below(folder, name, RUNS, properties)


def _below(folder: str, name: str, type: str, properties: Document) -> Document:
    return {"id": f"{folder}/{name}", "name": name, "type": type, "properties": properties}


def _found(call: Call, id: str) -> Document:
    found = call.world.state.get(id)
    if found is None:
        raise _missing(id)
    return found


def _missing(id: str) -> Refusal:
    path = id.partition("/providers/")[2]
    return Refusal(404, "ResourceNotFound", f"The Resource '{path}' was not found.")


def _bad(message: str) -> Refusal:
    return Refusal(400, "InvalidTemplate", message)


WORKFLOW = ResourceType(
    f"{TYPE}/{{name}}",
    r"[\w.()-]{1,80}",
    required=("location", "properties.definition"),
    complete=_workflow,
    note="one Recurrence trigger, and Http actions as a managed identity: run when they are due"
    " (`tunestack local clock`), through the same rights; any other definition is refused by name",
)
