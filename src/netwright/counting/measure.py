"""What a torch module costs, measured in a few runs: its layers in evaluation mode, what autograd keeps in training mode."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

from torch import nn
from torch.nn.parameter import is_lazy

from netwright.counting.run import BeyondFakesError, Setting, Shape, run
from netwright.counting.watch import Step, Watch
from netwright.errors import NetwrightError


class CostNote(UserWarning):
    """A module was not costed in the usual way."""


@dataclass(frozen=True)
class Measured:
    """What runs of a module showed: the steps of one image, and `live` bytes, the largest sum of its maps alive at once.

    `narrow` tells whether in bfloat16, `real` whether on real tensors.
    """

    module: nn.Module
    image: Shape
    steps: tuple[Step, ...]
    live: int
    narrow: bool
    real: bool

    @cached_property
    def holders(self) -> frozenset[str]:
        """Paths of the modules that only hold others."""
        kinds = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
        parts = self.module.named_modules()
        return frozenset(path for path, part in parts if isinstance(part, kinds) or type(part) is nn.Module)

    @cached_property
    def outer(self) -> int:
        """How many modules, one in the other, are around every step."""
        parents = [step.parent.split(".") if step.parent else [] for step in self.steps]
        return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*parents, strict=False)))

    def saved(self, batch: int) -> dict[str, int]:
        """The bytes of a batch that autograd keeps in training mode, under the names of steps.

        What grows with the batch does so evenly: that of a single image, which norms may refuse, and of a batch that would
        have to be computed follow from batches of 2 and 3.
        """
        try:
            return self._saved(batch)
        except BeyondFakesError as error:
            kept = replace(self, real=True)._saved(batch)
            _note_values(self.module, error)
            return kept

    def _saved(self, batch: int) -> dict[str, int]:
        if batch > 1 and (not self.real or batch <= 3):
            return self._kept(batch)
        if batch == 1:
            try:
                return self._kept(1, quiet=True)
            except NetwrightError:
                pass
        two, three = self._kept(2), self._kept(3)
        return {name: max(size + (batch - 2) * (three.get(name, size) - size), 0) for name, size in two.items()}

    def _kept(self, batch: int, quiet: bool = False) -> dict[str, int]:
        setting = Setting(training=True, kept=True, narrow=self.narrow, real=self.real)
        shape = (batch, *self.image)
        try:
            watch = attempt(self.module, shape, setting)
        except NetwrightError as error:
            if quiet:
                raise
            warnings.warn(f"bytes for training are those of evaluation mode: {error}", CostNote, stacklevel=2)
            watch = attempt(self.module, shape, setting._replace(training=False))
        return _named(watch.steps, [step.name for step in self.steps])


def _named(steps: Iterable[Step], names: list[str]) -> dict[str, int]:
    """Bytes of training steps under the names that steps have in evaluation mode; others' go to the step before them."""
    known, found = set(names), dict.fromkeys(names, 0)
    name = names[0] if names else ""
    for step in steps:
        name = step.name if step.name in known else name
        found[name] = found.get(name, 0) + step.saved
    return found


def measure(module: nn.Module, image: Shape, narrow: bool) -> Measured:
    """Run a module once in evaluation mode, on tensors that hold nothing where that is possible.

    Raises NetwrightError for a module that cannot be run on an image.
    """
    module = getattr(module, "_orig_mod", module)  # what torch.compile was given
    if any(is_lazy(parameter) for parameter in module.parameters()):
        raise NetwrightError(
            f"{_name(module)} has lazy parameters, whose sizes are not known: run it once on a batch, then cost it"
        )
    if any("ScriptModule" in kind.__name__ for part in module.modules() for kind in type(part).__mro__):
        raise NetwrightError(f"{_name(module)} is scripted, which hides its layers: cost the module that it was made from")
    setting = Setting()
    try:
        watch = attempt(module, (1, *image), setting)
    except BeyondFakesError as error:
        setting = Setting(real=True)
        watch = attempt(module, (1, *image), setting)
        _note_values(module, error)
    if watch.uncounted:
        _note_uncounted(module, watch.uncounted)
    return Measured(module, image, tuple(watch.steps), watch.live_bytes(2 if narrow else 4), narrow, setting.real)


def attempt(module: nn.Module, shape: Shape, setting: Setting) -> Watch:
    """Run a module; what it raises becomes a NetwrightError that says with what input."""
    try:
        return run(module, shape, setting)
    except BeyondFakesError:
        raise
    except Exception as error:
        mode = " in training mode" if setting.training else ""
        size = " x ".join(map(str, shape))
        raise NetwrightError(
            f"{_name(module)} does not run{mode} on an input of {size}: {_line(error)}; "
            "give image= and channels= as it takes them, or wrap it in a module that takes one batch of images"
        ) from error


def _note_values(module: nn.Module, error: BeyondFakesError) -> None:
    note = f"{_name(module)} asks for values of its tensors ({_line(error)}): its cost is that of a run on zeros"
    warnings.warn(note, CostNote, stacklevel=5)


def _note_uncounted(module: nn.Module, operations: Iterable[str]) -> None:
    note = (
        f"{_name(module)} uses operations outside of aten, whose macs and acts are not counted: {', '.join(operations)}; "
        "torch.utils.flop_counter.register_flop_formula makes them count"
    )
    warnings.warn(note, CostNote, stacklevel=5)


def _name(module: nn.Module) -> str:
    return type(module).__name__


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0][:200].rstrip(".") if lines else "") or type(error).__name__
