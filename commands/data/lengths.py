"""Chats that are too long for a recipe, as findings of `tunestack data check --recipe`."""

from rich.markup import escape

from commands.output import say
from core.errors import UserError
from core.recipe import Recipe
from training.data.check import Report
from training.data.findings import found
from training.tokens import count_tokens

RULE = "length.tokens"


def add_lengths(reports: list[Report], recipe: Recipe) -> None:
    """Add to checked files the chats that are too long for the recipe; packing has none.

    Only says so where tokens cannot be counted here.
    """
    limit = recipe.training.max_length
    if recipe.objective != "sft" or recipe.training.packing:
        return
    for report in reports:
        if report.form or report.kind != "chat":
            continue
        try:
            counts = count_tokens(report.path, recipe, train_file=reports[0].path)
        except UserError as error:
            say(f"[yellow]Lengths were not measured: {escape(f'{error} {error.hint}')}[/yellow]")
            return
        for line, tokens in counts.longer_than(limit):
            what = f"{tokens} tokens; cutting at max_length {limit} would lose {tokens - limit}"
            report.findings.append(found(RULE, line, what))
        report.findings.sort(key=lambda finding: finding.line)
