"""The chat command as a program of its own, in front of a scoring address instead of a stack.

python chat_at_address.py ADDRESS HAS_BASE [options of chat]
"""

import sys

from pydantic import SecretStr

import commands.chat.command as command
from commands.chat.sides import Sides
from core.errors import PrerequisiteError
from core.refs import EndpointRef
from deploy.access import Access
from deploy.talking.asking import Line
from deploy.talking.chat import Conversation, Options

ADDRESS, HAS_BASE, *OPTIONS = sys.argv[1:]


def open_sides(
    session: object, model: str | None, system: str, options: Options, route: str
) -> Sides:
    reference = EndpointRef(name="ep", scoring_url=f"{ADDRESS}/score", deployment="blue")
    access = Access(reference, lambda: SecretStr("a-secret-key"))

    def open_side(side: str, told: str) -> Conversation:
        if side == "base" and HAS_BASE != "yes":
            raise PrerequisiteError("No base.", hint="tunestack deploy --with-base --stack local")
        return Conversation(Line(access, "base-1" if side == "base" else ""), told, options)

    sides = Sides(open_side, system)
    sides.choose(model or "tuned")
    return sides


command.open_sides = open_sides
command.chat(OPTIONS, prog_name="chat")
