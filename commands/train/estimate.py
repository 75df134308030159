"""`train --estimate`: what a run will need and cost on each VM size, before it is sent."""

from contextlib import suppress
from dataclasses import asdict

import click
from rich.markup import escape

from commands import pricing
from commands.output import say, show, table
from commands.session import Session
from core.catalog import VM_SIZES
from core.errors import UserError
from core.features import ClusterPlan
from training.data.findings import Report
from training.estimate import DataSize, Estimate, Fit, Measured, Offer, Range, of_run
from training.estimate.calibration import measured_jobs
from training.estimate.memory import GIB
from training.estimate.offers import UNCALIBRATED
from training.estimate.work import BYTES_PER_TOKEN
from training.kept_orders import DataAsset
from training.submission import Order


def estimate_order(
    session: Session, order: Order, measured: tuple[Measured, ...] = (), *, asks: bool = True
) -> Estimate:
    """Estimate an order on the catalog's sizes and the stack's own.

    Raises:
        ShapeUnknown: nobody knows the base model's shapes.
    """
    stack = [plan.vm_size for plan in session.settings.cluster_plans]
    sizes = [size.name for size in VM_SIZES if size.retired is None]
    wanted = list(dict.fromkeys((*stack, *sizes)))
    prices = pricing.price_list(session, *wanted, asks=asks and not session.is_rehearsal)
    train, validation = data_sizes(order)
    return of_run(order.recipe, train, validation, prices=prices, sizes=wanted, measured=measured)


def data_sizes(order: Order) -> tuple[DataSize, DataSize]:
    """Give the sizes of an order's two files."""
    train, validation = (
        DataSize(rows=one.rows, bytes=one.bytes, longest=_longest(one))
        for one in (order.train, order.validation)
    )
    return train, validation


def _longest(data: Report | DataAsset) -> int | None:
    """Give the most tokens that a checked file's longest record may have."""
    return round(data.longest / BYTES_PER_TOKEN[0]) or None if isinstance(data, Report) else None


def show_estimate(session: Session, order: Order, node: ClusterPlan, *, as_json: bool) -> None:
    """Print the estimate of an order; nothing is sent, and no stack need stand."""
    found = estimate_order(session, order, calibration(session, order))
    own = found.on(node.vm_size, node.priority) or found.on(node.vm_size)
    document = {**found.document(), "own": own.document() if own else None}
    show(document, as_json, lambda: _print(found, own))


def calibration(session: Session, order: Order) -> tuple[Measured, ...]:
    """Read jobs of the same kind from the stack's workspace, where it stands and answers."""
    if session.is_rehearsal and not _rehearsal_runs():
        return ()  # nothing is started for a figure
    with suppress(UserError):
        return measured_jobs(session.cloud, session.outputs, order.recipe)
    return ()


def _rehearsal_runs() -> bool:
    from core.home import home
    from local.process import status

    return status(home() / "local") is not None


def own_offer(session: Session, order: Order, node: ClusterPlan) -> Offer | None:
    """Estimate an order on the nodes that it will have; None where that cannot be said.

    Jobs of the same kind are asked for only where the cloud has been opened already.
    """
    measured = calibration(session, order) if "cloud" in vars(session) else ()
    with suppress(UserError):
        found = estimate_order(session, order, measured, asks=False)
        return found.on(node.vm_size, node.priority) or found.on(node.vm_size)
    return None


def say_estimate(session: Session, order: Order, node: ClusterPlan) -> None:
    """Say in one line what a run is expected to take; nothing where that cannot be said."""
    offer = own_offer(session, order, node)
    if offer is None or session.is_rehearsal:
        return
    fits = "" if offer.fit is Fit.YES else f", memory: {offer.fit}"
    say(
        f"Estimate: {hours(offer.hours)}, {usd(offer.price)} on {offer.vm_size}{fits}"
        f" ({escape(offer.basis)}; --estimate tells more)."
    )


def _print(found: Estimate, own: Offer | None) -> None:
    shape, tokens = found.shape, found.tokens
    counted = "counted" if tokens.is_counted else "reckoned from the file's bytes"
    click.echo(
        f"{found.recipe}: {shape.parameters:,} parameters ({shape.source});"
        f" {number(tokens.total)} tokens over {tokens.epochs:.3g} epochs ({counted}),"
        f" {number(tokens.steps)} steps."
    )
    shown = own or found.best or (found.offers[0] if found.offers else None)
    if shown:
        _print_memory(shown)
    rows = [_row(offer, found) for offer in found.offers]
    table("", ["VM size", "uses", "memory GiB", "of", "", "hours", "USD", "would fit with"], rows)
    click.echo(_verdict(found))
    for text in _notes(found):
        say(text)


def _print_memory(offer: Offer) -> None:
    parts = offer.memory.document()
    names = ("weights", "gradients", "optimiser", "activations", "head", "buckets")
    told = [f"{name} {parts[name] / GIB:.2f}" for name in names if parts[name]]
    click.echo(f"Memory of one process on {offer.vm_size}, GiB: {', '.join(told)}.")


def _row(offer: Offer, found: Estimate) -> tuple[str, ...]:
    star = "* " if offer is found.best else ""
    low = " low priority" if offer.priority != "Dedicated" else ""
    return (
        f"{star}{offer.vm_size}{low}",
        offer.processors,
        f"{offer.memory.low / GIB:.1f}-{offer.memory.high / GIB:.1f}",
        f"{offer.capacity / GIB:.0f}",
        str(offer.fit),
        hours(offer.hours).removesuffix(" h"),
        usd(offer.price).replace("$", ""),
        "; or ".join(offer.fixes) or "",
    )


def _verdict(found: Estimate) -> str:
    best = found.best
    if best is None:
        return "No size is known to fit at a known price; the last column says what would help."
    return f"Cheapest that fits (*): {best.vm_size}, {hours(best.hours)}, {usd(best.price)}" + (
        f" at {best.quote.source}." if best.quote else "."
    )


def _notes(found: Estimate) -> list[str]:
    measured = sorted({one.basis for one in found.offers if one.basis != UNCALIBRATED})
    notes = [f"Measured: {escape(', '.join(measured))}."] if measured else []
    if len(measured) < len({one.vm_size for one in found.offers}):
        notes.append(
            "All other speeds are assumptions, not calibrated on these GPUs or CPUs: `tunestack"
            " train --probe` measures a few steps on your node and puts the estimate right."
        )
    return [*notes, "The image's first build, 10 to 30 minutes, is not in the hours."]


def hours(span: Range) -> str:
    """Write a span of hours; minutes where it is short."""
    if span.high < 1:
        return f"{span.low:.2f}-{span.high:.2f} h"
    return f"{span.low:.1f}-{span.high:.1f} h"


def usd(span: Range | None) -> str:
    """Write a span of USD."""
    return "price not known" if span is None else f"${span.low:,.2f}-{span.high:,.2f}"


def number(span: Range) -> str:
    """Write a span of a count."""
    low, high = round(span.low), round(span.high)
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"


def offer_document(offer: Offer | None) -> dict[str, object] | None:
    """Give hours and USD of an offer, JSON-ready."""
    if offer is None:
        return None
    price = asdict(offer.price) if offer.price else None
    return {"hours": asdict(offer.hours), "usd": price, "fit": str(offer.fit), "basis": offer.basis}
