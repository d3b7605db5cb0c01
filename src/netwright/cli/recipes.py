"""The options that say how a network is trained, and the recipe that they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from netwright.cli.arguments import FILE

if TYPE_CHECKING:
    from netwright.training.recipes.recipe import Recipe

F = TypeVar("F", bound=Callable[..., Any])
KEY = "KEY=VALUE"


def option_recipe(command: F) -> F:
    """--recipe, --set, and the settings that have an option of their own."""
    told = "A preset's name (train --recipes lists them), a TOML file, or the folder of a run."
    positive = click.FloatRange(0, min_open=True)
    options = [
        click.option("--recipe", type=FILE, metavar="R", help=told),
        click.option("--set", "settings", multiple=True, metavar=KEY, help="Change the recipe: --set optimizer.lr=0.1."),
        click.option("--epochs", type=click.IntRange(1), metavar="N", help="The same as --set epochs=N."),
        click.option("--batch", type=click.IntRange(1), metavar="N", help="Pictures per step: --set batch=N."),
        click.option("--lr", type=positive, metavar="X", help="Peak learning rate: --set optimizer.lr=X."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def recipe_of(name: str | None, settings: Sequence[str], given: Mapping[str, Any], epochs: int | None = None) -> Recipe:
    """The recipe of a name (a preset, a file, a run) with settings and what other options gave; `epochs` where none is named."""
    from netwright.training.recipes.recipe import Recipe
    from netwright.training.recipes.recipe_files import changed, read_recipe

    plain = Recipe() if epochs is None else Recipe(epochs=epochs)
    made = read_recipe(name) if name is not None else plain
    return changed(made, [*settings, *(f"{key}={value}" for key, value in given.items() if value is not None)])
