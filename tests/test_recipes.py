"""Recipes as files and settings: the same after a trip through TOML, one line for every mistake, presets as published."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netwright.errors import FailedError, NetwrightError
from netwright.graph import Value
from netwright.graph.values import AtLeast
from netwright.optim import OPTIMIZERS
from netwright.training.machine import Machine
from netwright.training.recipes.presets import PRESETS, presets_json, presets_markdown, presets_text
from netwright.training.recipes.recipe import Optimizing, Recipe, Regularization, Teacher
from netwright.training.recipes.recipe_files import changed, plain, read_recipe, to_toml, write_recipe

DOCS = Path(__file__).parents[1] / "docs" / "training.md"

# ---------------------------------------------------------------- random recipes, made from the annotations


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values that a field of this annotation takes."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        bound = next(arg for arg in args[1:] if isinstance(arg, AtLeast))
        most = None if bound.most == math.inf else bound.most
        if args[0] is int:
            return st.integers(math.ceil(bound.least), None if most is None else int(most))
        whole = st.integers(math.ceil(bound.least), 10**6 if most is None else int(most))
        return st.floats(bound.least, most, allow_nan=False, allow_infinity=False) | whole
    if origin is tuple:
        return st.lists(values_of(args[0]), max_size=4).map(tuple)
    if origin is typing.Literal:
        return st.sampled_from(args)
    if args:  # a union
        return st.one_of([values_of(arg) for arg in args])
    if isinstance(hint, type) and issubclass(hint, Value):
        return values(hint)
    return {
        int: st.integers(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        str: st.text(st.characters(exclude_categories=["Cs"])),
        type(None): st.none(),
    }[hint]


def values(cls: type[Value]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {field.name: values_of(hints[field.name]) for field in dataclasses.fields(cls)}
    if cls is Optimizing:
        fields["name"] = st.sampled_from(sorted(OPTIMIZERS))
    return st.fixed_dictionaries(fields).map(lambda given: _made(cls, given))


def _made(cls: type[Value], given: dict[str, Any]) -> Value:
    if cls is Recipe:  # a batch is a multiple of the repeats
        given["batch"] *= given["augment"].repeats
    return cls(**given)


RECIPES = values(Recipe)


def leaves(cls: type[Value]) -> dict[str, Any]:
    """All keys of a recipe and their defaults, found here a second time."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if isinstance(field.default, Value):
            found |= {f"{field.name}.{key}": value for key, value in leaves(type(field.default)).items()}
        else:
            found[field.name] = field.default
    return found


# ---------------------------------------------------------------- TOML


@given(RECIPES)
@settings(max_examples=25, deadline=None)
def test_a_recipe_is_the_same_after_a_trip_through_a_file(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> None:
    path = tmp_path_factory.mktemp("toml") / "r.toml"
    write_recipe(recipe, path)
    assert read_recipe(path) == recipe
    assert changed(Recipe(), []) == Recipe()
    assert changed(recipe, []) == recipe


def test_every_key_that_may_be_none_is_none_by_default() -> None:
    """What is None is left out of a file, and must come back as None."""
    for part in (Recipe(), *[value for value in Recipe().fields().values() if isinstance(value, Value)]):
        hints = typing.get_type_hints(type(part), include_extras=True)
        for name, value in part.fields().items():
            if type(None) in typing.get_args(hints[name]):
                assert value is None


def test_a_file_has_parts_as_tables_and_leaves_out_what_is_default() -> None:
    text = to_toml(Recipe(epochs=7, optimizer=Optimizing(name="lamb", lr=5e-3)))
    table = tomllib.loads(text)
    assert table["epochs"] == 7
    assert table["optimizer"]["name"] == "lamb"
    assert table == plain(Recipe(epochs=7, optimizer=Optimizing(name="lamb", lr=5e-3)))


def test_keys_left_out_have_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('epochs = 3\n[optimizer]\nname = "adamw"\n')
    assert read_recipe(path) == Recipe(epochs=3, optimizer=Optimizing(name="adamw"))
    path.write_text("")
    assert read_recipe(str(path)) == Recipe()


def test_windows_files_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbfepochs = 3\r\n[ema]\r\ndecay = 0.5\r\n")
    assert read_recipe(path).epochs == 3


def test_the_folder_of_a_run_has_its_recipe(tmp_path: Path) -> None:
    write_recipe(PRESETS["a2"].recipe, tmp_path / "recipe.toml")
    assert read_recipe(tmp_path) == PRESETS["a2"].recipe
    (tmp_path / "empty").mkdir()
    with pytest.raises(NetwrightError, match=r"cannot read .*empty/recipe.toml: No such file"):
        read_recipe(tmp_path / "empty")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", r"there is no key 'epoch'; did you mean epochs"),
        ("lr = 0.1", r"there is no key 'lr'; did you mean optimizer.lr\?"),
        ("[optimiser]\nlr = 0.1", r"there is no key 'optimiser'; did you mean optimizer"),
        ("[optimizer]\nrl = 0.1", r"there is no key 'optimizer.rl'"),
        ("[loss]\nlabel_smothing = 0.1", r"did you mean loss.label_smoothing"),
        ("[resize]\nzzz = 1", r"no key 'resize.zzz'"),
        ("epochs = 0", r"epochs is 0, expected a whole number at least 1"),
        ("epochs = 1.5", r"epochs is 1.5, expected a whole number at least 1"),
        ("epochs = true", r"epochs is True, expected a whole number"),
        ('epochs = "ten"', r"epochs is 'ten', expected a whole number"),
        ("epochs = { a = 1 }", r"epochs is {'a': 1}, expected a whole number"),
        ("epochs = 2026-01-01", r"epochs is datetime.date\(2026, 1, 1\), expected a whole number"),
        ('optimizer = "adamw"', r"optimizer is 'adamw', expected a table \[optimizer\] with name, lr, "),
        ('[optimizer]\nname = "adamm"', r"there is no optimizer 'adamm'; did you mean adam"),
        ("[optimizer]\nname = 3", r"optimizer.name|there is no optimizer 3"),
        ("[optimizer]\nlr = nan", r"optimizer.lr is nan, expected a number at least 1e-12"),
        ("[optimizer]\nlr = inf", r"optimizer.lr is inf, expected a number"),
        ("checkpointing = 1", r"checkpointing is 1, expected true or false"),
        ('[augment]\npolicy = "trivia"', r"augment.policy is 'trivia', expected one of 'none', 'trivial', 'rand'"),
        ("[schedule]\nmilestones = 30", r"schedule.milestones is 30, expected a list"),
        ("[schedule]\nmilestones = [30, 'x']", r"expected a list whose item 1 is a number"),
        ("[regularize]\ndropout = 1.5", r"regularize.dropout is 1.5, expected a number from 0 to 1 or nothing"),
        ("batch = 10\n[augment]\nrepeats = 3", r"batch is 10, expected a multiple of the 3 repeats"),
        ("epochs = 1\nepochs = 2", r"is not TOML: Cannot overwrite a value"),
        ("[ema]\ndecay = 0\n[ema]\ndecay = 0.5", r"is not TOML: "),
        ("epochs : 3", r"is not TOML: .*line 1"),
        ("epochs = 3\nbatch =", r"is not TOML: "),
        ("freeze = " + "[" * 5000 + "]" * 5000, r"is not TOML|expected a list"),
        ("epochs = " + "9" * 5000, r"is not TOML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line_that_names_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(NetwrightError) as caught:
        read_recipe(path)
    told = str(caught.value)
    assert re.search(message, told), told
    assert told.startswith(str(path))
    assert "\n" not in told
    assert len(told) < len(str(path)) + 400


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b'epochs = 3\nfreeze = ["\xff"]')
    with pytest.raises(NetwrightError, match=r"mine.toml is no UTF-8 text \(invalid start byte at byte 22\): save it as UTF-8"):
        read_recipe(path)
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(NetwrightError, match=r"mine.toml is not TOML"):
        read_recipe(path)
    path.write_bytes(b"# a photo\n" * 200_000)
    with pytest.raises(NetwrightError, match="is longer than 1,048,576 bytes: this is no recipe"):
        read_recipe(path)
    with pytest.raises(NetwrightError, match=r"cannot read .*other.toml: No such file or directory"):
        read_recipe(tmp_path / "other.toml")
    with pytest.raises(NetwrightError, match="there is no recipe 'cifr'; did you mean cifar"):
        read_recipe("cifr")
    with pytest.raises(NetwrightError, match="there is no recipe 'xyzzy': it is none of quick, small, finetune, "):
        read_recipe("xyzzy")


def test_a_path_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NetwrightError, match="cannot write") as caught:
        write_recipe(Recipe(), tmp_path / "file" / "r.toml")
    assert not isinstance(caught.value, FailedError)


@given(
    st.dictionaries(
        st.text(max_size=8), st.one_of(st.none(), st.integers(), st.text(max_size=8), st.lists(st.integers())), max_size=4
    )
)
def test_no_table_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any]) -> None:
    lines = [f"{_quoted(name)} = {_quoted(value) if isinstance(value, str) else value}" for name, value in table.items()]
    path = tmp_path_factory.mktemp("any") / "r.toml"
    try:
        path.write_text("\n".join(lines), encoding="utf-8")
    except UnicodeEncodeError:
        assume(False)
    with contextlib.suppress(NetwrightError):
        read_recipe(path)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# ---------------------------------------------------------------- settings


@given(RECIPES, st.data())
@settings(max_examples=10, deadline=None)
def test_any_key_can_be_set_from_its_text(recipe: Recipe, data: st.DataObject) -> None:
    """What a file of the other recipe says of a key, given as a setting, makes the key that of the other."""
    other = data.draw(RECIPES)
    name = data.draw(st.sampled_from(sorted(set(leaves(Recipe)) - {"batch", "augment.repeats"})))
    part, _, key = name.rpartition(".")
    table = tomllib.loads(to_toml(other))
    value = (table[part] if part else table).get(key)
    text = "none" if value is None else to_toml_value(value)
    made = changed(recipe, [f"{name}={text}"])
    assert at(made, name) == at(other, name)
    for rest in set(leaves(Recipe)) - {name}:
        assert at(made, rest) == at(recipe, rest)


def to_toml_value(value: Any) -> str:
    import tomli_w

    return tomli_w.dumps({"v": value}).removeprefix("v = ").removesuffix("\n")


def at(recipe: Recipe, name: str) -> Any:
    found: Any = recipe
    for word in name.split("."):
        found = getattr(found, word)
    return found


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("epochs=10", "epochs", 10),
        (" epochs = 10 ", "epochs", 10),
        ("optimizer.lr=0.1", "optimizer.lr", 0.1),
        ("optimizer.lr=1e-3", "optimizer.lr", 0.001),
        ("optimizer.name=adamw", "optimizer.name", "adamw"),
        ('optimizer.name="adamw"', "optimizer.name", "adamw"),
        ("checkpointing=true", "checkpointing", True),
        ("freeze=conv1,layer1.*", "freeze", ("conv1", "layer1.*")),
        ("freeze=conv1", "freeze", ("conv1",)),
        ("freeze=", "freeze", ()),
        ("freeze=['a,b']", "freeze", ("a,b",)),
        ("schedule.milestones=30,60", "schedule.milestones", (30, 60)),
        ("schedule.milestones=30", "schedule.milestones", (30,)),
        ("regularize.dropout=none", "regularize.dropout", None),
        ("regularize.dropout=0.2", "regularize.dropout", 0.2),
        ("augment.policy=none", "augment.policy", "none"),
        ("teacher.run=2024-01-01", "teacher.run", "2024-01-01"),
        ("teacher.run=7", "teacher.run", "7"),
        ("teacher.run=runs/big=1", "teacher.run", "runs/big=1"),
    ],
)
def test_settings_are_written_as_people_write_them(setting: str, name: str, value: Any) -> None:
    before = Recipe(regularize=Regularization(dropout=0.5), teacher=Teacher(run="x"), freeze=("y",))
    made = changed(before, [setting])
    assert at(made, name) == value
    assert type(at(made, name)) is type(value)


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        (["lr=0.1"], r"there is no key 'lr'; did you mean optimizer.lr\?"),
        (["optimizer.lrr=0.1"], r"there is no key 'optimizer.lrr'; did you mean optimizer.lr"),
        (["optimiser.lr=0.1"], r"there is no key 'optimiser.lr'; did you mean optimizer.lr"),
        (["optimizer=adamw"], r"optimizer is a table: set one of its keys, such as optimizer.name"),
        (["epochs"], r"'epochs' is no setting: write KEY=VALUE, such as optimizer.lr=0.1"),
        (["=3"], r"'=3' is no setting"),
        (["epochs=3", "epochs=4"], r"epochs is given twice \(3 and 4\): give it once"),
        (["epochs=ten"], r"epochs is 'ten', expected a whole number at least 1"),
        (["epochs=1\nbatch=2"], r"epochs is '1\\nbatch=2', expected a whole number"),
        (["checkpointing=no"], r"checkpointing is 'no', expected true or false"),
        (["augment.repeats=5"], r"batch is 64, expected a multiple of the 5 repeats"),
        (["epochs=" + "x" * 9000], r"epochs is 'xxx.* \.\.\. .*at least 1"),
    ],
)
def test_a_wrong_setting_is_one_line(given_settings: list[str], message: str) -> None:
    with pytest.raises(NetwrightError) as caught:
        changed(Recipe(), given_settings)
    told = str(caught.value)
    assert re.search(message, told), told
    assert "\n" not in told
    assert len(told) < 400


def test_machines_are_set_in_the_same_way() -> None:
    assert changed(Machine(), ["layout=auto", "micro_batch=8", "deterministic=false"]) == Machine(
        layout="auto", micro_batch=8, deterministic=False
    )
    with pytest.raises(NetwrightError, match=r"there is no key 'layuot'; did you mean layout\?"):
        changed(Machine(), ["layuot=auto"])
    with pytest.raises(NetwrightError, match="compiled is 'true', expected one of 'auto', 'yes', 'no'"):
        changed(Machine(), ["compiled=true"])


# ---------------------------------------------------------------- presets


def test_presets_have_the_published_numbers() -> None:
    """As the papers and training scripts that each names have them."""
    recipes = {name: preset.recipe for name, preset in PRESETS.items()}
    assert list(recipes) == ["quick", "small", "finetune", "regnet", "a2", "torchvision_v2", "cifar"]
    a2 = recipes["a2"]
    assert (a2.epochs, a2.optimizer.name, a2.optimizer.weight_decay, a2.schedule.warmup_epochs) == (300, "lamb", 0.02, 5)
    assert a2.optimizer.peak(2048) == 5e-3
    assert (a2.loss.kind, a2.loss.label_smoothing, a2.augment.mixup, a2.augment.cutmix) == ("bce", 0, 0.1, 1)
    assert (a2.augment.policy, a2.augment.magnitude, a2.augment.repeats, a2.regularize.drop_path) == ("rand", 7, 3, 0.05)
    v2 = recipes["torchvision_v2"]
    assert (v2.epochs, v2.batch, v2.optimizer.name, v2.optimizer.weight_decay) == (600, 1024, "momentum", 2e-5)
    assert v2.optimizer.peak(1024) == 0.5
    assert (v2.loss.label_smoothing, v2.augment.mixup, v2.augment.cutmix, v2.augment.erasing) == (0.1, 0.2, 1, 0.1)
    assert (v2.augment.policy, v2.augment.repeats) == ("trivial", 4)
    # torchvision: decay .99998, every 32 steps, the rest of it scaled by world x batch x 32 / epochs
    assert v2.ema.decay == pytest.approx((1 - 2e-5 * 1024 * 32 / 600) ** (1 / 32), abs=5e-7)
    regnet = recipes["regnet"]
    assert (regnet.epochs, regnet.optimizer.weight_decay, regnet.schedule.warmup_epochs) == (100, 5e-5, 5)
    assert [regnet.optimizer.peak(batch) for batch in (128, 256, 1024)] == pytest.approx([0.1, 0.2, 0.8])
    assert (regnet.loss.label_smoothing, regnet.augment.policy, regnet.ema.decay) == (0, "none", 0)
    cifar = recipes["cifar"]
    assert (cifar.epochs, cifar.batch, cifar.optimizer.weight_decay, cifar.schedule.kind) == (200, 128, 5e-4, "cosine")
    assert (cifar.optimizer.peak(128), cifar.augment.crop, cifar.augment.policy) == (0.1, "pad", "trivial")
    assert recipes["finetune"].optimizer.peak(256) == 0.01
    assert (recipes["quick"].epochs, recipes["quick"].resize.start) == (16, 160 / 192)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_where_it_comes_from_what_it_costs_and_gives(name: str) -> None:
    preset = PRESETS[name]
    assert f"--recipe {name}" in preset.command
    assert all((preset.for_what, preset.source, preset.deviations, preset.cost, preset.result))
    assert read_recipe(name) == preset.recipe


def test_the_page_on_training_has_the_presets() -> None:
    """Print `netwright.training.recipes.presets.presets_markdown()` and put it there where a preset changed."""
    assert presets_markdown() in DOCS.read_text()


def test_the_list_of_presets_names_them_all() -> None:
    text = presets_text()
    for told in presets_json():
        assert f"{told['name']}: {told['for_what']}" in text
        assert str(told["command"]) in text
