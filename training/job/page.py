"""A run as one HTML page that needs nothing else: no script, no font, no address to fetch from.

Pure text from facts: what the job knows it writes itself, and whoever reads the job later can
make the page anew with what the job could not know, such as its price and why it failed.
"""

from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #57606a; --faint: #d0d7de;
  --ground: #ffffff; --raised: #f6f8fa; --train: #0b62d6; --validation: #c2500a; --rate: #7a3fbf;
  --speed: #12804a; --memory: #8a6d00; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9198a1; --faint: #3d444d;
  --ground: #0d1117; --raised: #161b22; --train: #6cb0ff; --validation: #ffa45c; --rate: #c69bff;
  --speed: #5bd18b; --memory: #e0c04a; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; color: var(--ink);
  background: var(--ground); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; max-width: 46rem; } .quiet { color: var(--quiet); }
.failed { border-left: 4px solid var(--bad); padding: .4rem .8rem; background: var(--raised); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .6rem;
  padding: 0; margin: 1rem 0; } .figures div { background: var(--raised); padding: .6rem .8rem;
  border-radius: 6px; } .figures dt { color: var(--quiet); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; } figure svg { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid var(--faint); overflow-wrap: anywhere; }
thead th { color: var(--quiet); }
td.text { white-space: pre-wrap; min-width: 14rem; }
code, pre { font: .88rem/1.5 ui-monospace, monospace; } pre { background: var(--raised);
  padding: .6rem .8rem; overflow-x: auto; border-radius: 6px; }
summary { cursor: pointer; }
"""

Run = dict[str, Any]


def render(run: Run, svg: str) -> str:
    """Write the page of a run; `svg` is its curves, everything else is escaped."""
    title = f"{run.get('name') or 'A run'}: {run.get('state', 'running')}"
    parts = (
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{escape(_subtitle(run))}</p>',
        _failure(run),
        _verdict(run),
        _figures(run),
        f'<figure role="img" aria-label="Curves of the run by step">{svg}</figure>' if svg else "",
        _evaluations(run),
        _samples(run),
        _next(run),
        _table("Recipe", _flat(run.get("recipe") or {})),
        _table("Data, SHA-256", run.get("data_sha256") or {}),
        _table("Library versions", run.get("packages") or {}),
        _table("Seconds per phase", run.get("phases") or {}),
    )
    return _document(title, "\n".join(part for part in parts if part))


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Nothing is fetched and nothing runs, even if a model's answer should ask for it.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        " style-src 'unsafe-inline'; img-src data:\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _subtitle(run: Run) -> str:
    recipe = run.get("recipe") or {}
    base = (recipe.get("base") or {}).get("id", "")
    parts = (
        f"recipe {recipe['name']}" if recipe.get("name") else "",
        f"{recipe.get('method', '')} tuning of {base}" if base else "",
        f"on {run['device']}" if run.get("device") else "",
        f"submitted {run['submitted']}" if run.get("submitted") else "",
    )
    return ", ".join(part for part in parts if part)


def _failure(run: Run) -> str:
    if not run.get("error"):
        return ""
    lines = [f"<strong>{escape(run['error'])}</strong>"]
    lines += [escape(run["fix"])] if run.get("fix") else []
    lines += [f"Rule: <code>{escape(run['rule'])}</code>"] if run.get("rule") else []
    return f'<div class="failed"><p>{"</p><p>".join(lines)}</p></div>'


def _verdict(run: Run) -> str:
    told = run.get("verdict") or ""
    return f"<h2>Verdict</h2><p>{escape(told)}</p>" if told else ""


def _figures(run: Run) -> str:
    shown = {name: value for name, value in (run.get("figures") or {}).items() if value}
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in shown.items()
    )
    return f'<dl class="figures">{cells}</dl>' if cells else ""


def _evaluations(run: Run) -> str:
    points = [point for point in run.get("history") or [] if "eval_loss" in point]
    rows = [
        (point.get("step", ""), _number(point.get("epoch")), _number(point["eval_loss"]))
        for point in points
    ]
    best = run.get("best_step")
    marked = [(*row, "best" if row[0] == best else "") for row in rows]
    table = _rows(("step", "epoch", "validation loss", ""), marked)
    return f"<details><summary>Every evaluation</summary>{table}</details>" if rows else ""


def _samples(run: Run) -> str:
    rows = [
        (_question(sample), sample.get("reference"), sample.get("base"), sample.get("tuned"))
        for sample in run.get("samples") or []
    ]
    if not rows:
        return ""
    head = ("question", "reference", "base model", "tuned model")
    return f"<h2>Held-out questions, before and after</h2>{_rows(head, rows, is_text=True)}"


def _question(sample: dict[str, Any]) -> str:
    turns = sample.get("messages") or [{}]
    return str(turns[-1].get("content", ""))


def _next(run: Run) -> str:
    commands = run.get("next") or []
    lines = escape("\n".join(commands))
    return f"<h2>How to go on</h2><pre>{lines}</pre>" if commands else ""


def _table(title: str, values: dict[str, Any]) -> str:
    if not values:
        return ""
    rows = _rows((), list(values.items()))
    return f"<details><summary>{escape(title)}</summary>{rows}</details>"


def _rows(head: tuple[str, ...], rows: list[tuple[Any, ...]], *, is_text: bool = False) -> str:
    kind = ' class="text"' if is_text else ""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(_shown(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else ""


def _flat(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat
