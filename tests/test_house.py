"""The rules of the house that a machine can hold: direction of imports, sizes, docs that cannot lie."""

from __future__ import annotations

import ast
import fnmatch
import pkgutil
import re
from pathlib import Path

import pytest

import netwright

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "netwright"
MODULES = sorted(SOURCE.rglob("*.py"))
PAGE = sorted(path for path in (SOURCE / "web" / "static").rglob("*") if path.suffix in (".js", ".css"))

# docs/architecture.md: a module imports only what stands before it
FREE = "errors units version files progress graph preprocessing blocks zoo costing scaling spaces report data"
ORDER = FREE.replace(
    "report data", "runtime inference counting optim costs measuring report lab data training studies claims web cli"
).split()
TORCH_FREE = set(FREE.split())  # costs sees torch modules, but imports torch only to tell their types


def place(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    mine = place(path)
    if mine in ("__init__", "__main__"):
        return
    for name in imported(path):
        if name.startswith("netwright."):
            other = name.split(".")[1]
            assert ORDER.index(other) <= ORDER.index(mine), f"{path} imports {name}"
        if name.split(".")[0] in ("torch", "onnx", "onnxruntime"):
            assert mine not in TORCH_FREE, f"{path} imports {name}"


def test_the_parts_of_training_import_in_their_order() -> None:
    order = ["normalize", "machine", "recipes", "evaluating", "engine"]
    for place, part in enumerate(order):
        later = tuple(f"netwright.training.{other}" for other in order[place + 1 :])
        mine = SOURCE / "training" / part
        for path in mine.rglob("*.py") if mine.is_dir() else [mine.with_suffix(".py")]:
            ours = [name for name in imported(path) if name.startswith("netwright.training.")]
            assert not [name for name in ours if name.startswith(later)], path
            assert all(name.split(".")[2] in order for name in ours), path


def test_the_architecture_page_lists_the_layout_in_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    layout = page[page.index("## Layout") :]
    names = [name for name in ORDER if name not in ("units", "version", "files", "progress")]
    places = [layout.index("errors, units" if name == "errors" else f"\n    {name}") for name in names]
    assert places == sorted(places)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_small_and_flat(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or (body[-1].end_lineno or 0) - body[0].lineno < 40, f"{path}: {node.name} is long"
            assert node.args.kwarg is None or node.name in ("network", "replace", "check_sizes", "fixed"), (
                f"{path}: {node.name} takes **{node.args.kwarg}"
            )


@pytest.mark.parametrize("path", PAGE, ids=lambda p: str(p.relative_to(SOURCE)))
def test_the_pages_files_are_small(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= 400


def test_no_package_is_named_like_a_public_function() -> None:
    functions = {name for name in netwright.__all__ if name.islower()}
    assert functions.isdisjoint({info.name for info in pkgutil.iter_modules([str(SOURCE)])})


def test_ci_runs_every_test() -> None:
    """What `make check` leaves out has a command of its own, which follows."""
    makefile = (ROOT / "Makefile").read_text()
    recipes = dict(re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)*)", makefile, re.MULTILINE))
    runs = {name: re.findall(r"\$\(PYTEST\) (.*)", recipe) for name, recipe in recipes.items()}
    chosen = {
        name: [words.split(" #")[0].replace(" --hypothesis-profile=ci", "") for words in made] for name, made in runs.items()
    }
    assert chosen["test"] == chosen["check"] == ['-m "not slow"']
    assert (chosen["test-slow"], chosen["compat"]) == (["-m slow"], ["tests/compat"])
    steps = re.findall(r"^make ([a-z-]+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert {"check", "test-slow", "compat"} <= set(steps)
    for step in steps:
        assert f"make {step} " in recipes["help"]
        assert f"make {step} " in (ROOT / "CONTRIBUTING.md").read_text()


def test_the_zoo_page_names_every_network() -> None:
    table = [line for line in (ROOT / "docs" / "zoo.md").read_text().splitlines() if line.startswith("| `")]
    patterns = [pattern for line in table for pattern in re.findall(r"`([^`]+)`", line.split("|")[1])]
    matched = {pattern: {name for name in netwright.networks() if fnmatch.fnmatchcase(name, pattern)} for pattern in patterns}
    assert [pattern for pattern, names in matched.items() if not names] == []
    assert set().union(*matched.values()) == set(netwright.networks())
    assert f"names {len(netwright.networks())} networks" in (ROOT / "README.md").read_text()


def test_the_readmes_weights_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a file in the place of the hub."""
    text = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    netwright.save_weights(netwright.build("resnet50", seed=0), "hub.safetensors")
    value = {"nw": netwright}
    exec(text.replace("timm/resnet50.a1_in1k", "hub.safetensors"), value)
    assert sum(p.numel() for p in value["deployed"].parameters()) == 8_309_384  # type: ignore[attr-defined]
    assert not [name for name in value["maps"].state_dict() if name.startswith("fc")]  # type: ignore[attr-defined]


def test_the_readmes_python_runs_and_its_numbers_are_right() -> None:
    _, first, tiny = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    value = {"nw": netwright}
    lines = [line for line in first.splitlines() if "photos" not in line and "cat.jpg" not in line]
    exec("\n".join(lines), value)
    number = re.search(r"\.macs +# (\d+)", first)
    assert number is not None
    assert netwright.cost(value["net"], image=224).macs == int(number[1])  # type: ignore[arg-type]
    exec(compile("import netwright as nw\n" + tiny, "README.md", "exec", dont_inherit=True), {"__name__": "__main__"})


def test_every_public_name_is_there() -> None:
    assert set(netwright.__all__) <= set(dir(netwright))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        netwright.nothing  # noqa: B018
