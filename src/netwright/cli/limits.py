"""The options that say what a network may cost, and the limits that they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from netwright.studies.limits import Limits

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (  # option, metavar, help
    ("--max-macs", "M", "At most so many macs for one image, such as 30M or 0.4GF."),
    ("--min-macs", "M", "At least so many."),
    ("--max-params", "P", "At most so many params, such as 5M."),
    ("--min-params", "P", "At least so many."),
    ("--max-acts", "A", "At most so many acts (outputs of convolutions and linear layers)."),
    ("--min-acts", "A", "At least so many."),
    ("--max-memory", "BYTES", "At most so much memory in training (the recipe's batch and optimizer), such as 2GB."),
    ("--max-inference-memory", "BYTES", "At most so much memory in inference with one image."),
    ("--max-latency", "MS", "At most so long for one image, such as 5ms, as predicted for the profile."),
    ("--profile", "P", "The device that latency is meant for: its profile's name or file; by default this machine's."),
)


def option_limits(command: F) -> F:
    """--max-macs, --min-macs, ..., --max-latency and --profile; `limits_of` reads them."""
    for name, metavar, told in reversed(_OPTIONS):
        command = click.option(name, metavar=metavar, help=told, expose_value=False, callback=_keep)(command)
    return command


def _keep(context: click.Context, option: click.Parameter, value: str | None) -> None:
    context.meta[f"netwright.limit.{option.name}"] = value


def limits_of(context: click.Context) -> Limits:
    """The limits that were given. Raises NetwrightError for amounts that cannot be."""
    from netwright.studies.limits import Limits

    given = {name.rpartition(".")[2]: value for name, value in context.meta.items() if name.startswith("netwright.limit.")}
    spans = {count: (given[f"min_{count}"], given[f"max_{count}"]) for count in ("macs", "params", "acts")}
    return Limits.of(
        macs=_span(spans["macs"]),
        params=_span(spans["params"]),
        acts=_span(spans["acts"]),
        memory=given["max_memory"],
        inference_memory=given["max_inference_memory"],
        latency=given["max_latency"],
        device=given["profile"],
    )


def _span(pair: tuple[str | None, str | None]) -> tuple[str | None, str | None] | None:
    return None if pair == (None, None) else pair
