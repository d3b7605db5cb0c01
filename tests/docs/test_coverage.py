"""Nothing undocumented: commands, options, public names; and the examples of docstrings run."""

from __future__ import annotations

import ast
import doctest
import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import netwright as nw
from netwright.cli import cli
from netwright.progress import Progress
from tests.conftest import make_photos

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "netwright"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


# ------------------------------------------------------------ commands and options


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            made = command.get_command(context, word)
            assert made is not None
            yield from commands(f"{name} {word}", made)


COMMANDS = dict(commands("netwright", cli))


@functools.cache
def documented() -> str:
    return "\n".join(page.read_text() for page in PAGES)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented(name: str) -> None:
    command = COMMANDS[name]
    assert f"{name} " in (command.help or ""), "its help has no example"
    assert re.search(rf"{name}\b", documented()), "no page names it"
    for option in [p for p in command.params if isinstance(p, click.Option) and not p.hidden]:
        names = [*option.opts, *option.secondary_opts]
        assert (option.help or "").strip(), f"{names} has no help"
        either = "|".join(rf"(?<![\w-]){re.escape(one)}(?![\w-])" for one in names)
        assert re.search(either, documented()), f"no page names {names}"


# ------------------------------------------------------------ public names


def named_modules() -> list[str]:
    """The modules whose names users meet: those with an `__all__` of their own, and those that a page imports from."""
    packages = "graph blocks zoo costing scaling spaces runtime optim report.charts lab data training studies claims"
    found = {f"netwright.{name}" for name in packages.split()}
    return ["netwright", *sorted(found | set(re.findall(r"\bfrom (netwright(?:\.\w+)+) import", documented())))]


@functools.cache
def public() -> dict[str, Any]:
    """Classes and functions of those modules, by where they are defined."""
    found = {}
    for module in map(importlib.import_module, named_modules()):
        own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        for name in getattr(module, "__all__", [one for one in own if not one.startswith("_")]):
            value = getattr(module, name)
            if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith("netwright"):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


def functions(value: Any) -> Iterator[tuple[str, Any]]:
    """A function itself; of a class what it defines without an underscore."""
    if inspect.isfunction(value):
        yield value.__qualname__, value
        return
    for name, member in vars(value).items():
        made = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if inspect.isfunction(made) and made.__module__ == value.__module__ and not name.startswith("_"):
            yield f"{value.__qualname__}.{name}", made


def raised(function: Any) -> set[str]:
    """The names of the errors that the function's own lines raise."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    return {name for name in names if name.endswith("Error")}


def test_public_names_are_documented() -> None:
    generated = [name for name, value in public().items() if (value.__doc__ or "").startswith(f"{value.__name__}(")]
    assert [name for name, value in public().items() if not (value.__doc__ or "").strip()] + generated == []
    assert len(public()) > 250  # they are found at all


def test_public_functions_say_what_they_raise() -> None:
    """Those that raise an error in their own lines; what they call may raise more."""
    silent = []
    for value in public().values():
        for name, function in functions(value):
            raises = raised(function)
            if raises and not any(error in (inspect.getdoc(function) or "") for error in raises):
                silent.append(f"{function.__module__}.{name} raises {sorted(raises)}")
    assert silent == []


# ------------------------------------------------------------ examples

UNTRIED = {"calibrate"}  # half a minute at the least: tests/test_latency.py measures less of it
STUDIES = {"join_study", "read_study", "Study"}
RUNS = {"load", "Run", "evaluate", "export", "export_int8", "design"}
SLOW = {"train", "search", "grid_search", "bench", *RUNS}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the examples have it: pictures, and a run on them."""
    root = tmp_path_factory.mktemp("run")
    make_photos(root / "photos", each=6)
    recipe, quiet = nw.Recipe(epochs=1, batch=8), Progress(quiet=True)
    net = nw.zoo.CifarResNet(1, nw.blocks.Basic(), 4, classes=3)
    nw.train(net, root / "photos", out=root / "photos-30M", recipe=recipe, cache=None, progress=quiet)
    return root


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of two trials that trained nothing."""
    root = tmp_path_factory.mktemp("study")
    (root / "own.py").write_text("def accuracy(design, seed, report):\n    return 0.5\n")
    asked = {"space": "residual", "macs": "300k", "image": 8, "evaluate": f"{root}/own.py:accuracy"}
    nw.search(**asked, trials=2, out=root / "study", progress=Progress(quiet=True))  # type: ignore[arg-type]
    return root


def tried(tests: list[doctest.DocTest]) -> int:
    """How many lines of these examples were run; one that says something else fails."""
    lines = [line for test in tests for line in test.examples]
    assert not [line.source for line in lines if line.options.get(doctest.SKIP)], "an example that is not run"
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.FAIL_FAST)
    for test in tests:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
    return len(lines)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in nw.__all__ if name not in UNTRIED]
)
def test_what_is_at_the_top_has_an_example_that_runs(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = next((one for one, names in (("study", STUDIES), ("run", RUNS)) if name in names), "tmp_path")
    monkeypatch.chdir(request.getfixturevalue(folder))
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))
    if name in ("train", "search"):
        make_photos(tmp_path / "photos", each=4)
    value = getattr(nw, name)
    module = importlib.import_module(value.__module__)
    assert tried(doctest.DocTestFinder(recurse=False).find(value, name, module, extraglobs={"nw": nw})) > 0


def with_examples() -> list[str]:
    """The modules that have an example in a docstring."""
    found = [path for path in sorted(SOURCE.rglob("*.py")) if re.search(r"^\s*>>> ", path.read_text(), re.MULTILINE)]
    return [".".join(("netwright", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__") for path in found]


@pytest.mark.parametrize("name", with_examples())
def test_examples_in_docstrings_run(name: str) -> None:
    """Those of everything else: what is at the top has its own test, with a folder for it."""
    given = {"nw": nw} | ({"model": nw.build("resnet20_cifar", seed=0)} if name.startswith("netwright.optim.") else {})
    tests = [
        test for test in doctest.DocTestFinder().find(importlib.import_module(name), name, extraglobs=given) if test.examples
    ]
    top = {f"{value.__module__}.{value.__qualname__}" for value in (getattr(nw, word) for word in nw.__all__)}
    assert tests
    tried([test for test in tests if test.name not in top])
