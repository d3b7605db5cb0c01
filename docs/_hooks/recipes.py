"""The page of recipes, read off the presets: each with its command, settings, cost and result."""

from __future__ import annotations

from netwright.training import Recipe
from netwright.training.recipes.presets import PRESETS, Preset
from netwright.training.recipes.recipe_files import plain, to_toml

HEAD = """# Recipes

A recipe is all that decides what is learned, beside network, pictures and seed: a TOML file, or one of these names after
`--recipe`. Cost and result were measured by whom they name; "not measured here" means that netwright has not run it.
[Training](training.md) says how to change one.

"""


def pages() -> dict[str, str]:
    """The one page."""
    return {"recipes.md": HEAD + "\n".join(_one(name, preset) for name, preset in PRESETS.items())}


def _one(name: str, preset: Preset) -> str:
    told = {"Cost": preset.cost, "Result": preset.result, "Source": preset.source, "Deviations": preset.deviations}
    lines = "\n".join(f"{word}\n:   {text}\n" for word, text in told.items())
    settings = "".join(f"    {line}\n" for line in to_toml(preset.recipe).splitlines())
    changed = ", ".join(f"`{key}`" for key in _changed(preset.recipe))
    return (
        f"## {name}\n\nFor {preset.for_what}.\n\n    {preset.command}\n\n{lines}\n"
        f'Differs from the default in {changed}.\n\n??? abstract "{name}.toml"\n    ```toml\n{settings}    ```\n'
    )


def _changed(recipe: Recipe) -> list[str]:
    """The keys, by their full names, that are not the default's."""
    ours, default = plain(recipe), plain(Recipe())
    found = []
    for key, value in ours.items():
        inner = value if isinstance(value, dict) else {}
        found += [f"{key}.{name}" for name in inner if inner[name] != default[key].get(name)]
        found += [key] if not inner and value != default.get(key) else []
    return found
