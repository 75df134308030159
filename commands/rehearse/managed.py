"""The rehearsals of the managed routes: a service of Azure tunes, another one answers."""

from dataclasses import dataclass

from commands.rehearse.step import ON_LOCAL, Step, data, doctor, sample_files, system_message


@dataclass(frozen=True)
class Way:
    """What tells the two routes apart for who rehearses them."""

    recipe: str
    stack: str
    """What the stack step makes besides the rest."""
    tuning: str
    hosting: str


WAYS = {
    "serverless": Way(
        "phi-4-mini-serverless",
        "The Pulumi program makes, beside the rest, a hub, its project and an AI account.",
        "by trained token; the job waits for Azure's own capacity, mostly under an hour",
        "by the hour for the tuned model, by token for both; gone after 15 days without a question",
    ),
    "openai": Way(
        "travel-gpt",
        "The Pulumi program makes, beside the rest, an AI account, a project and a content filter.",
        "by trained token; the job waits for Azure's own capacity, 30 minutes or some hours",
        "by the hour for the tuned model, but for Developer; by token for both",
    ),
}


def steps(route: str, recipe: str, question: str) -> list[Step]:
    """List the steps of a managed route up to the chat."""
    way, (train, heldout) = WAYS[route], sample_files()
    return [
        doctor(recipe),
        Step(
            "The stack",
            ("up", *ON_LOCAL, "--yes"),
            way.stack,
            "some minutes; it stands for cents a day",
        ),
        *data(recipe),
        Step(
            "The training",
            (
                *("train", *ON_LOCAL, "--recipe", recipe, "--yes"),
                *("--train-file", train, "--eval-file", heldout),
                *("--set", "training.epochs=1"),
            ),
            "Uploads both files, orders the tuning, follows it to its end.",
            way.tuning,
        ),
        Step(
            "The deployments",
            ("deploy", *ON_LOCAL, "--with-base", "--yes"),
            "The tuned model and, to compare with, its base model; no machine of ours.",
            way.hosting,
        ),
        Step(
            "The comparison",
            ("models", "compare", *ON_LOCAL, "--max-tokens", "96"),
            "The tutorial's five questions to both, and the hard rule counted.",
            "some thousand tokens",
        ),
        Step(
            "The chat",
            ("chat", *ON_LOCAL, "--route", route, "--system", system_message(), "--once", question),
            "The tuned model answers, under the system message that it was tuned with.",
            "some hundred tokens",
        ),
        Step(
            "The cost",
            ("cost", *ON_LOCAL),
            "What it would have cost so far, and what stands and costs by the hour.",
            "free",
        ),
    ]
