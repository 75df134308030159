"""What answers in a stack, by whatever route: states, traffic, machines; asked only on wish."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from commands.endpoint import view
from commands.managed.sides import open_managed
from commands.session import Session
from core.errors import UserError
from deploy.endpoint import EndpointState
from deploy.managed.hostings import standing
from deploy.talking.chat import Conversation, Options, open_conversation

Document = dict[str, Any]

QUESTION = "Hello"
READY = ("Succeeded", "Online")
AT_ONCE = 4


def own_answers(session: Session) -> list[Document]:
    """List the deployments behind the stack's own endpoint."""
    state = view.standing(session)
    if state is None:
        return []
    shown = view.document(session, state)
    return [
        {
            "name": item["name"],
            "where": shown["endpoint"],
            "route": "azureml",
            "serves": item["serves"],
            "model": item["model"],
            "state": item["state"],
            "traffic": item["traffic"],
            "runs_on": f"{item['instances']} × {item['vm_size']}",
            "runtime": item["runtime"],
            "per_hour": item["per_hour"],
            "created": item["created"],
            "expires": shown["expires"],
            "id": "",
        }
        for item in shown["deployments"]
    ]


def other_answers(session: Session, running: Document) -> list[Document]:
    """List what else answers, as ARM tells it: endpoints of others, and what Azure hosts."""
    from deploy.endpoint import endpoint_name

    own = endpoint_name(session.outputs)
    strange = [
        _strange(endpoint, item, price)
        for endpoint in running["endpoints"]
        if endpoint["name"] != own
        for item, price in zip(endpoint["deployments"], endpoint["per_hour"], strict=True)
    ]
    return strange + [_hosted(item) for item in running["hosted"]]


def asked(session: Session, answers: Sequence[Document]) -> list[Document]:
    """Ask each that is ready for one token; add how long that took, or why it was refused."""
    openings = _openings(session)

    def ask(answer: Document) -> Document:
        opening = openings.get((answer["route"], answer["name"]))
        if opening is None or answer["state"] not in READY:
            return answer
        begun = time.monotonic()
        try:
            conversation = opening()
            conversation.ask(QUESTION)
            conversation.close()
        except UserError as error:
            return {**answer, "asked": {"is_well": False, "told": str(error)}}
        seconds = round(time.monotonic() - begun, 3)
        return {**answer, "asked": {"is_well": True, "seconds": seconds}}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, answers))


def _openings(session: Session) -> dict[tuple[str, str], Any]:
    """Say how a conversation with each deployment is opened."""
    cloud, outputs, options = session.cloud, session.outputs, Options(max_tokens=1)
    found: dict[tuple[str, str], Any] = {}
    state: EndpointState | None = view.standing(session)
    for item in state.deployments if state else ():

        def own(name: str = item.name) -> Conversation:
            assert state is not None
            return open_conversation(cloud, outputs, state.ref, options=options, deployment=name)

        found["azureml", item.name] = own
    for pair in standing(cloud, outputs):

        def managed(pair: Any = pair) -> Conversation:
            return open_managed(pair, options=options)

        found[pair[0].route, pair[1].name] = managed
    return found


def _strange(endpoint: Document, item: Document, price: float | None) -> Document:
    return {
        "name": item["name"],
        "where": endpoint["name"],
        "route": "",
        "serves": "",
        "model": "",
        "state": item["state"],
        "traffic": None,
        "runs_on": f"{item['instances']} × {item['vm_size']}",
        "runtime": "",
        "per_hour": price,
        "created": item["created"],
        "expires": endpoint["expires"],
        "id": endpoint["id"],
    }


def _hosted(item: Document) -> Document:
    capacity = f", {item['capacity']} thousand tokens a minute" if item["capacity"] else ""
    return {
        "name": item["name"],
        "where": item["kind"],
        "route": "openai" if item["kind"] == "model deployment" else "serverless",
        "serves": item["serves"],
        "model": item["what"],
        "state": item["state"],
        "traffic": None,
        "runs_on": f"{item['sku']}{capacity}",
        "runtime": "",
        "per_hour": item["per_hour"],
        "created": item["created"],
        "expires": item["expires"],
        "id": item["id"],
    }
