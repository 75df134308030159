"""The conversation at the terminal: questions, answers as they are written, and commands."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from commands.chat.printing import tell, tell_filter, write
from commands.chat.reading import Read, read_question, typed
from commands.chat.saving import append
from commands.chat.sides import SIDES, Sides
from commands.output import say
from core.errors import UserError
from deploy.talking.chat import Conversation

LEAVE = ("/quit", "/exit")
HELP = {
    "/tuned": "talk to the tuned model",
    "/base": "talk to the base model",
    "/both": "ask both; each has a conversation of its own",
    "/system TEXT": "change the system message (empty: none), from the next question on",
    "/new": "start over; the system message stays",
    "/undo": "take the last question and its answer back",
    "/save FILE": "put the conversation behind what is in a file of training data",
    "/help": "show this",
    "/quit": "leave; so does Ctrl-D",
}
KEYS = (
    "A line that ends with \\ goes on in the next; ``` begins and ends a block of lines;\n"
    "a question that begins with / is typed with //. Ctrl-C stops an answer."
)


@dataclass
class Terminal:
    """A person at a terminal, in a conversation with one side or both."""

    sides: Sides
    save: Path | None = None
    """Where conversations are put when they end; None: nowhere."""
    has_stats: bool = True
    read: Read = typed

    def run(self) -> None:
        """Talk until the person leaves."""
        self._greet()
        while True:
            try:
                text = read_question(self.read, f"{'+'.join(self.sides.active)}> ")
            except EOFError:
                return
            except KeyboardInterrupt:
                say("\n[dim]/quit leaves, and so does Ctrl-D.[/dim]")
                continue
            if text in LEAVE:
                return
            self._take(text)

    def keep(self) -> None:
        """Put the conversation where `--save` says, if there is one."""
        if self.save is not None and (records := self.sides.records()):
            append(self.save, records)
            say(f"[dim]Saved behind what was in {escape(str(self.save))}.[/dim]")

    def _greet(self) -> None:
        for _, conversation in self.sides:
            endpoint = conversation.endpoint
            answers = conversation.line.deployment or endpoint.deployment
            say(f"{escape(endpoint.name)}, {escape(answers)}. /help tells what can be typed.")

    def _take(self, text: str) -> None:
        """Do what a line says; what goes wrong is said, and the conversation goes on."""
        try:
            if text.startswith("/") and not text.startswith("//"):
                self._obey(text)
            elif text:
                self._ask(text.removeprefix("/") if text.startswith("//") else text)
        except UserError as error:
            say(f"[red]{escape(str(error))}[/red]")
            if error.hint:
                say(f"[dim]{escape(error.hint)}[/dim]")

    def _ask(self, question: str) -> None:
        failed: UserError | None = None
        for side, conversation in self.sides:
            if len(self.sides.active) > 1:
                say(f"[bold]{side}[/bold]")
            try:
                self._answer(side, conversation, question)
            except KeyboardInterrupt:
                conversation.close()
                say("[dim]Stopped; question and answer are not remembered.[/dim]")
                break
            except UserError as error:
                # The other side is asked all the same.
                if failed is not None:
                    say(f"[red]{escape(str(failed))}[/red]")
                failed = error
        if failed is not None:
            raise failed

    def _answer(self, side: str, conversation: Conversation, question: str) -> None:
        write(conversation.stream(question))
        if conversation.last is None:
            return
        tell_filter(conversation.last)
        if not conversation.last.text.strip():
            say("[dim]The model wrote nothing; the question is not remembered.[/dim]")
        if self.has_stats:
            tell(conversation.last, side)

    def _obey(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        actions: dict[str, Callable[[str], None]] = {
            "/tuned": lambda _: self._choose("tuned"),
            "/base": lambda _: self._choose("base"),
            "/both": lambda _: self._choose(*SIDES),
            "/system": self._tell_system,
            "/new": lambda _: self._start_over(),
            "/undo": lambda _: self._undo(),
            "/save": self._save,
            "/help": lambda _: self._help(),
        }
        action = actions.get(name)
        if action is None:
            raise UserError(f"There is no {name}.", hint="/help tells what can be typed.")
        action(rest.strip())

    def _choose(self, *sides: str) -> None:
        self.sides.choose(*sides)
        for side, conversation in self.sides:
            number = len(conversation.messages) // 2
            say(f"[dim]{side}: {number} question{'s' * (number != 1)} so far.[/dim]")

    def _tell_system(self, text: str) -> None:
        self.sides.tell_system(text)
        say(f"[dim]System message: {escape(text) or 'none'}[/dim]")

    def _start_over(self) -> None:
        self.keep()
        self.sides.forget()
        say("[dim]A new conversation.[/dim]")

    def _undo(self) -> None:
        taken = [conversation.undo() for _, conversation in self.sides]
        question = next(filter(None, taken), "")
        say(f"[dim]{'Taken back: ' + escape(question) if question else 'Nothing to undo.'}[/dim]")

    def _save(self, name: str) -> None:
        path = Path(name).expanduser() if name else self.save
        if path is None:
            raise UserError("Where to?", hint="/save chats.jsonl")
        records = self.sides.records()
        if not records:
            raise UserError("There is nothing to save yet.")
        append(path, records)
        say(f"[dim]Saved in {escape(str(path))}; tunestack data check reads it.[/dim]")

    def _help(self) -> None:
        width = max(map(len, HELP))
        for name, text in HELP.items():
            say(f"  [bold]{name:<{width}}[/bold]  {text}")
        say(f"[dim]{escape(KEYS)}[/dim]")
