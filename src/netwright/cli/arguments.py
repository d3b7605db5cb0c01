"""What the commands' arguments mean: networks, image sizes, common options."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from netwright.costing.kept import kept
from netwright.costing.states import STATES
from netwright.errors import NetwrightError, did_you_mean
from netwright.files import run_file
from netwright.graph import Design, read_design
from netwright.zoo import network, networks

if TYPE_CHECKING:
    from netwright.costing.latency import Profile

F = TypeVar("F", bound=Callable[..., Any])


class Word(click.types.StringParamType):
    """Text that a shell completes with the words that begin as it does, and with files where none does."""

    def __init__(self, words: Callable[[], Iterable[str]] = tuple) -> None:
        self.words = words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        found = [CompletionItem(word) for word in self.words() if word.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]


def _spaces() -> Iterable[str]:
    from netwright.spaces import SPACES

    return SPACES


FILE = Word()
NETWORK = Word(networks)
DATA = Word(lambda: ("digits",))
SPACE = Word(_spaces)
OPTIMIZER = Word(lambda: STATES)


def read_network(text: str) -> Design:
    """A design from a name of the zoo, a design's JSON file, a run's folder, or `file.py:name`.

    The latter two may be of a user's class, which a file defines: `file.py:folder`.
    """
    text = defined(text)
    path = Path(text)
    if is_run(text):
        path = path / "design.json"
    if path.suffix == ".json":
        return read_design(path)
    file, colon, name = text.rpartition(":")
    if colon and file.endswith(".py"):
        return _from_file(Path(file), name)
    if path.suffix == ".py":
        raise NetwrightError(f"{text} is a file: say which design in it, as {text}:NAME")
    try:
        return network(text)
    except NetwrightError:
        if os.path.isdir(text):  # noqa: PTH112
            raise NetwrightError(f"the folder {text} holds no design.json: give the folder of a finished run") from None
        raise


def defined(text: str) -> str:
    """The path of `file.py:path`, a run's folder or a design's JSON, after the file was run; any other text as it is."""
    file, colon, path = text.rpartition(":")
    if not (colon and file.endswith(".py") and (path.endswith(".json") or is_run(path))):
        return text
    run_file(Path(file))
    return path


def is_run(text: str) -> bool:
    """Whether it is a folder that holds a design; a name of any length may be asked about."""
    return os.path.exists(os.path.join(text, "design.json"))  # noqa: PTH110, PTH118


def read_profile(name: str | None, precision: str) -> Profile | None:
    """The profile to predict time with: that of the name, or this machine's own, where there is one of the precision.

    "none" is for no prediction.
    """
    if name == "none" or (name is None and not kept()):
        return None
    from netwright.costing.latency import find_profile

    found = find_profile(name)
    return found if name is not None or (found is not None and found.precision == precision) else None


def _from_file(path: Path, name: str) -> Design:
    module = run_file(path)
    found = getattr(module, name, None)
    found = found() if isinstance(found, type) and issubclass(found, Design) else found
    if not isinstance(found, Design):
        names = [key for key, value in vars(module).items() if isinstance(value, Design)]
        raise NetwrightError(f"{path} has no design {name!r}{did_you_mean(name, names)}")
    return found


def option_image(command: F) -> F:
    """--image N."""
    return click.option("--image", type=click.IntRange(1, 4096), metavar="N", help="Side of the image in pixels.")(command)


def option_seed(command: F) -> F:
    """--seed N."""
    return click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all chance.")(command)


def option_json(command: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


FORMS = ("json", "csv", "markdown", "html")


def option_forms(command: F) -> F:
    """--json, --csv, --markdown, --html, and -o FILE."""
    told = {"csv": "Print CSV.", "markdown": "Print Markdown.", "html": "Print an HTML page."}
    path = click.Path(dir_okay=False, path_type=Path)
    written = "Write a file; without one of these its suffix tells the form (.json, .csv, .md, .html, else text)."
    command = click.option("-o", "--out", metavar="FILE", type=path, help=written)(command)
    for name in reversed(told):
        command = click.option(f"--{name}", f"as_{name}", is_flag=True, help=told[name])(command)
    return option_json(command)


def show(made: Any, asked: tuple[bool, ...], out: Path | None) -> None:
    """Print what has `to_json`, `to_csv`, `to_markdown` and `_repr_html_` in the one of FORMS that was asked for, or write it."""
    chosen = [f"--{name}" for name, wanted in zip(FORMS, asked, strict=True) if wanted]
    if len(chosen) > 1:
        raise click.UsageError(f"choose one of {', '.join(chosen[:-1])} and {chosen[-1]}")
    suffixes = {".json": "json", ".csv": "csv", ".md": "markdown", ".html": "html"}
    form = chosen[0].removeprefix("--") if chosen else suffixes.get(out.suffix.lower(), "") if out else ""
    text = _formed(made, form)
    if out is None:
        click.echo(text, nl=False)
    else:
        from netwright.files import write_text

        write_text(out, text)


def _formed(made: Any, form: str) -> str:
    if form == "json":
        return json.dumps(made.to_json(), indent=1) + "\n"
    if form in ("csv", "markdown"):
        return str(made.to_csv() if form == "csv" else made.to_markdown())
    if form == "html":
        from netwright.costing.formats import html_page

        return html_page(f"netwright {click.get_current_context().info_name}", made._repr_html_())
    return f"{made}\n"


def option_use(command: F) -> F:
    """--batch, --precision and --optimizer: for what bytes are."""
    told = "What it is trained with: sgd, momentum, adam, ..."
    option = click.option("--optimizer", type=OPTIMIZER, default="momentum", show_default=True, metavar="NAME", help=told)
    command = option(command)
    precision = "fp32, or bf16 (mixed precision)."
    command = click.option("--precision", default="fp32", show_default=True, metavar="P", help=precision)(command)
    return click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Images at a time.")(command)


def option_channels(command: F) -> F:
    """--channels N."""
    return click.option("--channels", type=click.IntRange(1), default=3, show_default=True, help="Of the image.")(command)


def option_profile(command: F) -> F:
    """--profile P."""
    told = "Predict the time on a machine: name or file of its profile; by default this one's, if calibrated; none: no time."
    return click.option("--profile", type=FILE, metavar="P", help=told)(command)


def option_deploy(command: F) -> F:
    """--deploy."""
    told = "As deployed: branches merged, norms folded, no dropout, no auxiliary classifiers."
    return click.option("--deploy", is_flag=True, help=told)(command)


def option_out(command: F) -> F:
    """-o FOLDER."""
    made = click.option("-o", "--out", required=True, metavar="FOLDER", type=click.Path(path_type=Path), help="Output folder.")
    return made(command)


def option_weights(command: F) -> F:
    """--weights W."""
    told = "A file (.safetensors, .pth), a hub id (timm/resnet50.a1_in1k) or a torchvision name (IMAGENET1K_V1)."
    return click.option("--weights", type=FILE, metavar="W", help=told)(command)


def print_json(value: Any) -> None:
    """JSON on standard output."""
    click.echo(json.dumps(value, indent=1))
