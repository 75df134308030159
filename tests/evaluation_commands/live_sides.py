"""Live sides for tests: small endpoints as those that `sides.resolve` finds."""

from typing import Any

from pydantic import SecretStr

from commands.evaluate.asked import Asked
from commands.evaluate.sides.places import live
from core.refs import EndpointRef
from deploy.access import Access
from evaluation.cases import Case, Message
from evaluation.sides import Side
from tests.deploy.small_endpoint import Asked as Question
from tests.deploy.small_endpoint import SmallEndpoint


def cases(count: int) -> list[Case]:
    return [
        Case(messages=(Message(role="user", content=f"Question {number}?"),))
        for number in range(count)
    ]


def live_side(server: SmallEndpoint, name: str, workers: int = 2) -> Asked:
    url = f"http://127.0.0.1:{server.server_port}/score"
    ref = EndpointRef(name=f"ep-{name}", scoring_url=url)
    side = Side(name=name, identity={"deployment": name})
    return Asked(side, live(lambda: Access(ref, lambda: SecretStr("k")), name, workers))


def questions(server: SmallEndpoint) -> list[str]:
    """Give what a server was asked, without what only warms up."""
    said = [str(body["messages"][-1]["content"]) for _, body in server.asked]
    return [text for text in said if text != "Hello"]


def is_warm_up(asked: Question) -> bool:
    return bool(asked.body["messages"][-1]["content"] == "Hello")


def whole(asked: Question, text: str, finish: str = "stop", **usage: Any) -> None:
    choice = {"index": 0, "message": {"content": text}, "finish_reason": finish}
    asked.whole({"choices": [choice], **({"usage": usage} if usage else {})})
