"""Whom the person talks to: the tuned model, its base model, or both with the same questions.

Each side has a conversation of its own, so that neither reads what the other has answered.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from commands.managed.sides import ManagedSides, managed_sides
from commands.session import Session
from core.errors import PrerequisiteError, SettingsError
from deploy.endpoint import EndpointState, find
from deploy.talking.chat import Conversation, Options, open_conversation

SIDES = ("tuned", "base")
ROUTES = ("azureml", "serverless", "openai")


@dataclass
class Sides:
    """The conversations that are open, and which of them the next question goes to."""

    open_side: Callable[[str, str], Conversation] = field(repr=False)
    """Opens the conversation with a side, given a system message."""
    system: str = ""
    active: tuple[str, ...] = ("tuned",)
    conversations: dict[str, Conversation] = field(default_factory=dict)

    def choose(self, *sides: str) -> None:
        """Send the next questions to these.

        Raises:
            PrerequisiteError: one is not deployed; nothing changes then.
        """
        for side in sides:
            if side not in self.conversations:
                self.conversations[side] = self.open_side(side, self.system)
        self.active = sides

    def __iter__(self) -> Iterator[tuple[str, Conversation]]:
        """Give each side that the next question goes to."""
        return iter([(side, self.conversations[side]) for side in self.active])

    def tell_system(self, text: str) -> None:
        """Change the system message of every side, from the next question on."""
        self.system = text
        for conversation in self.conversations.values():
            conversation.system = text

    def forget(self) -> None:
        """Start every side over."""
        for conversation in self.conversations.values():
            conversation.forget()

    def records(self) -> list[dict[str, Any]]:
        """Give what the active sides have answered, in the form that training data has."""
        return [conversation.record() for _, conversation in self if conversation.messages]

    def close(self) -> None:
        """Close every connection."""
        for conversation in self.conversations.values():
            conversation.close()


def open_sides(
    session: Session, model: str | None, system: str, options: Options, route: str = ""
) -> Sides:
    """Open a conversation with what the stack serves, by `route` where several do.

    Without `model` an endpoint's traffic decides who answers, as it does for every caller; of
    managed deployments the tuned one does.

    Raises:
        PrerequisiteError: it is not deployed; names the command.
        SettingsError: several routes answer and none is chosen; lists them.
    """
    managed = managed_sides(session) if route != "azureml" else {}
    state = None
    if route in ("", "azureml"):
        state = find(session.cloud, session.outputs)
    chosen = choose_route(session, route, state, managed)
    if chosen == "azureml":
        assert state is not None
        return _own_sides(session, state, model, system, options)
    those = managed[chosen]
    sides = Sides(lambda side, told: those.open(session, side, told, options), system)
    sides.choose(model or those.first)
    return sides


def choose_route(
    session: Session, route: str, state: EndpointState | None, managed: dict[str, ManagedSides]
) -> str:
    """Give the route that answers, the one that was asked for if any was.

    Raises:
        PrerequisiteError: nothing answers, or not by that route; names the command.
        SettingsError: several do and none was asked for; lists them.
    """
    there = {"azureml": state.ref.name} if state is not None else {}
    there |= {name: those.told() for name, those in managed.items()}
    if (route and route not in there) or not there:
        told = "no endpoint" if not route else f"nothing that answers by the route {route}"
        raise PrerequisiteError(
            f"The stack {session.stack} has {told}.",
            hint=f"tunestack deploy --stack {session.stack}",
        )
    if not route and len(there) > 1:
        lines = [f"--route {name}: {names}" for name, names in there.items()]
        raise SettingsError("Several routes answer; choose one:\n" + "\n".join(lines))
    return route or next(iter(there))


def _own_sides(
    session: Session, state: EndpointState, model: str | None, system: str, options: Options
) -> Sides:
    """Talk to the stack's own endpoint."""

    def open_side(side: str, system: str) -> Conversation:
        is_named = side == "base" or model == "tuned"
        return open_conversation(
            session.cloud,
            session.outputs,
            state.ref,
            system=system,
            options=options,
            deployment=_deployment(state, side, session.stack) if is_named else "",
        )

    sides = Sides(open_side, system)
    sides.choose(model or "tuned")
    return sides


def _deployment(state: EndpointState, side: str, stack: str) -> str:
    serving = state.serving(side)
    if serving is None:
        with_base = " --with-base" if side == "base" else ""
        raise PrerequisiteError(
            f"No deployment of {state.ref.name} answers as the {side} model.",
            hint=f"tunestack deploy{with_base} --stack {stack}",
        )
    return serving.name
