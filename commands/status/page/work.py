"""What trained and what answers, on the page of a stack: runs, models and deployments."""

from collections.abc import Mapping, Sequence
from typing import Any

from commands.output import shortened
from commands.status.page.markup import Html, join, link, tag
from commands.status.page.sparkline import legend, sparkline
from commands.status.page.words import figure, hours, pill, since, usd, when, words

Facts = Mapping[str, Any]


def runs(facts: Facts) -> Html | None:
    """Write the runs, each with its losses as a small picture."""
    if not facts["runs"]:
        return None
    return join(legend(), tag("div", [_run(run, facts) for run in facts["runs"]], class_="runs"))


def models(facts: Facts) -> Html | None:
    """Write the models as a table: where from, how good, where they serve."""
    head = ("model", "made by", "validation loss", "price", "serves as")
    evaluated = any(model["evaluation"] for model in facts["models"])
    rows = [_model(model, facts, evaluated=evaluated) for model in facts["models"]]
    return _table((*head, "last evaluation") if evaluated else head, rows)


def answers(facts: Facts) -> Html | None:
    """Write the deployments as a table: state, traffic, machines, cost."""
    asked = any("asked" in one for one in facts["answers"])
    head = ("deployment", "model", "state", "traffic", "runs on", "an hour")
    rows = [_answer(one, facts, asked=asked) for one in facts["answers"]]
    return _table((*head, "asked") if asked else head, rows)


def _run(run: Facts, facts: Facts) -> Html:
    verdict = run["verdict"] or {}
    recipe = run["tags"].get("recipe", "")
    told = words(recipe, _base(run), run["route"], when(run["created"]))
    address = "" if facts["is_rehearsal"] else run["studio_url"]
    picture = sparkline(run["history"], verdict.get("kept_step"))
    return tag(
        "article",
        tag(
            "div",
            tag(
                "h3",
                link(_short(run["name"]), address),
                " ",
                pill(run["status"]),
                title=run["name"],
            ),
            tag("p", told, class_="quiet"),
            tag("p", run["error"], class_="refused") if run.get("error") else None,
        ),
        picture or tag("p", "no losses yet", class_="spark none"),
        tag("dl", _run_figures(run, verdict)),
        class_="run",
    )


def _run_figures(run: Facts, verdict: Facts) -> list[Html]:
    kept = verdict.get("kept_step")
    at = "" if kept is None else f", kept at step {kept}"
    rows = (
        ("training", _course(run, "loss", None)),
        ("validation", _course(run, "eval_loss", kept) + at),
        ("over-fit", _verdict(verdict)),
        ("took", hours(run["hours"])),
        ("cost", _cost(run)),
    )
    return [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows]


def _course(run: Facts, loss: str, until: int | None) -> str:
    """Write a loss at first and at last, or at the step `until`."""
    found = [row for row in run["history"] if row.get(loss) is not None]
    found = [row for row in found if until is None or row["step"] <= until]
    if len(found) < 2:
        return figure(found[0][loss]) if found else "–"
    return f"{figure(found[0][loss])} → {figure(found[-1][loss])}"


def _verdict(verdict: Facts) -> Html | str:
    if not verdict:
        return "–"
    ratio = "" if verdict["ratio"] is None else f" {verdict['ratio']:.2f}"
    return join(pill(verdict["band"]), tag("span", ratio, title=verdict["advice"]))


def _cost(run: Facts) -> str:
    if run["usd"] is None:
        return "–"
    expected = f" of {usd(run['estimate'])} expected" if run.get("estimate") else ""
    return f"{usd(run['usd'])}{expected}"


def _model(model: Facts, facts: Facts, *, evaluated: bool) -> list[Html | str]:
    tags, losses = model["tags"], {run["name"]: run for run in facts["runs"]}
    run = losses.get(tags.get("job", ""))
    made_by = words(tags.get("recipe") or (run or {}).get("tags", {}).get("recipe"), _base(model))
    cells: list[Html | str] = [
        join(
            tag("strong", f"{_short(model['name'])}:{model['version']}", title=model["name"]),
            tag("small", words(model["route"], when(model["created"]))),
        ),
        join(made_by, tag("small", _short(tags.get("job", "")), title=tags.get("job", ""))),
        _model_loss(tags, run),
        _price(tags, run),
        ", ".join(model["serves"]) or "–",
    ]
    return [*cells, _evaluation(model["evaluation"])] if evaluated else cells


def _model_loss(tags: Mapping[str, str], run: Facts | None) -> str:
    """Write the loss of the weights that were kept; of a managed one, the last that was told."""
    if "eval_loss" in tags:
        return _rounded(tags["eval_loss"])
    found = [row["eval_loss"] for row in (run or {}).get("history", []) if "eval_loss" in row]
    return figure(found[-1]) if found else "–"


def _rounded(text: str) -> str:
    try:
        return figure(float(text))
    except ValueError:
        return text


def _price(tags: Mapping[str, str], run: Facts | None) -> str:
    """Write what its run has cost; on this machine, what it would have cost on Azure."""
    if run and run["usd"] is not None:
        return usd(run["usd"])
    return f"${tags['price_usd']}" if tags.get("price_usd") else "–"


def _evaluation(found: Facts | None) -> Html | str:
    if not found:
        return "–"
    lines = [
        tag("small", f"{kind}: {', '.join(found[kind])}")
        for kind in ("better", "worse", "alike", "too few")
        if found[kind]
    ]
    told = f"{found['cases']} cases against {found['against']} ({found['suite']})"
    return join(told, lines, tag("small", when(found["made"])))


def _answer(one: Facts, facts: Facts, *, asked: bool) -> list[Html | str]:
    stands = since(one["created"], facts["as_of"])
    cells: list[Html | str] = [
        join(tag("strong", one["name"]), tag("small", words(one["route"], one["where"]))),
        join(
            tag("span", shortened(one["model"]) or "–", title=one["model"]),
            tag("small", words(one["serves"], one["runtime"])),
        ),
        join(pill(one["state"]), tag("small", f"for {stands}" if stands else "")),
        "–" if one["traffic"] is None else f"{one['traffic']} %",
        one["runs_on"],
        "not known" if one["per_hour"] is None else usd(one["per_hour"]),
    ]
    return [*cells, _asked(one.get("asked"))] if asked else cells


def _asked(found: Facts | None) -> Html | str:
    if not found:
        return "–"
    if found["is_well"]:
        return f"answered in {found['seconds']:.1f} s"
    return tag("span", found["told"], class_="refused")


def _base(item: Facts) -> str:
    return shortened(str(item.get("base") or item["tags"].get("base", "")))


def _short(name: str) -> str:
    return shortened(name, 34)


def _table(head: Sequence[str], rows: Sequence[Sequence[Html | str]]) -> Html | None:
    """Write a table; on a telephone each cell says which column it is of."""
    if not rows:
        return None
    top = tag("thead", tag("tr", [tag("th", name, scope="col") for name in head]))
    lines = [
        tag("tr", [tag("td", cell, data_of=name) for name, cell in zip(head, row, strict=True)])
        for row in rows
    ]
    return tag("table", top, tag("tbody", lines))
