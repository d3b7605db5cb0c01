"""What a torch module does in one run: every call of a layer and every operation, with what it costs and keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from netwright.counting.kinds import COPIES, counts, counts_of, is_foreign, is_silent, is_view, kind_of, kind_of_module, word_of

Shape = tuple[int, ...]
_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd


@dataclass
class Step:
    """A call of a module without children, or an operation outside of such: one row of a table, for the batch that was run.

    `parent` is the path of the module around it. `saved` are the bytes that autograd was first asked to keep by it.
    """

    name: str
    parent: str
    kind: str = ""
    shape: Shape = ()
    params: int = 0
    macs: int = 0
    acts: int = 0
    saved: int = 0
    kinds: list[tuple[str, bool]] = field(default_factory=list)


@dataclass
class Storage:
    """A tensor's memory, held so that its address stays its own: born with one operation, last read by another."""

    held: Any
    numbers: int
    width: int  # bytes of a number
    floating: bool
    born: int
    last: int


def storage_of(tensor: Tensor) -> int:
    """What tells one tensor's memory from another's."""
    place: int = tensor.untyped_storage()._cdata
    return place


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what `module` does while this mode is on. The module must be a copy: hooks are set on it, and stay."""

    supports_higher_order_operators = True

    def __init__(self, module: nn.Module, batch: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[Step] = []
        self.storages: dict[int, Storage] = {}
        self.uncounted: dict[str, None] = {}  # names of operations outside of aten, whose macs nobody knows
        self._batch = batch
        self._time = 0
        self._used: dict[str, int] = {}
        self._stack: list[tuple[str, Step | None]] = [("", None)]
        self._saved: set[int] = set()
        self._pending: list[int] = []  # bytes asked for since the last operation outside of modules without children
        self._fresh: tuple[set[int], Step | None] = set(), None  # that operation's outputs
        self._owners: dict[int, str] = {}
        self._unclaimed: dict[int, int] = {}  # numbers of parameters that no step has had yet
        self._copied: dict[int, int] = {}  # storages of parameters' copies, and of the parameters
        self._known: set[int] = set()
        self._held: list[Tensor] = []  # what autograd keeps, so that its addresses stay its own
        self._paths = {part: path for path, part in module.named_modules()}
        for path, part in module.named_modules():
            for parameter in part.parameters(recurse=False):
                self._own(path, parameter)
            part.register_forward_pre_hook(self._enter, prepend=True)
            part.register_forward_hook(self._leave, always_call=True)
        self._fixed = {storage_of(t) for t in (*module.parameters(), *module.buffers())}

    def _own(self, path: str, parameter: Tensor) -> None:
        key = storage_of(parameter)
        if id(parameter) not in self._known:  # one that several modules share counts once
            self._known.add(id(parameter))
            self._unclaimed[key] = self._unclaimed.get(key, 0) + parameter.numel()
        self._owners.setdefault(key, path)

    # ------------------------------------------------------------ modules

    def _enter(self, module: nn.Module, args: Any) -> None:
        path = self._paths[module]
        step = None
        if not any(True for _ in module.children()):
            step = Step(self._unique(path or type(module).__name__, " (call {})"), path.rpartition(".")[0])
            self.steps.append(step)
            for parameter in module.parameters(recurse=False):
                step.params += self._unclaimed.pop(storage_of(parameter), 0)
        self._stack.append((path, step))

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        _, step = self._stack.pop()
        self._fresh = set(), None
        if step is None:
            return
        step.kind = kind_of_module(module, step.kinds)
        step.shape = self._shape(output)
        if not step.kinds and not step.params and step.kind == type(module).__name__:  # an identity
            self.steps.remove(step)

    def _shape(self, output: Any) -> Shape:
        """Of the first tensor, without the batch."""
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                shape = tuple(leaf.shape)
                return shape[1:] if shape[:1] == (self._batch,) else shape
        return ()

    def _unique(self, name: str, more: str) -> str:
        self._used[name] = number = self._used.get(name, 0) + 1
        return name if number == 1 else name + more.format(number if "call" in more else number - 1)

    # ------------------------------------------------------------ operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not isinstance(func, torch._ops.OpOverload):  # a higher-order operation, or one that FakeTensor asks itself
            return func(*args, **kwargs)
        packet = func._overloadpacket
        if func.namespace == "prim":
            return func(*args, **kwargs)
        if not counts(packet) and func.has_kernel_for_dispatch_key(_COMPOSITE):
            with self:  # made of others: torch hands such over in inference mode
                return func.decompose(*args, **kwargs)
        out = func(*args, **kwargs)
        self._note(func, args, kwargs, out)
        return out

    def _note(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        read = [storage_of(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        written = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self._time += 1
        for key in read:
            if key in self.storages:
                self.storages[key].last = self._time
        for tensor in written:
            self.hold(tensor)
        packet = func._overloadpacket
        if word_of(packet) in COPIES and read and written:
            self._copied[storage_of(written[0])] = self._copied.get(read[0], read[0])
        foreign = is_foreign(func)
        if foreign and (read or written) and not is_view(func) and not counts(packet):
            self.uncounted[func._schema.name] = None
        _, step = self._stack[-1]
        if is_silent(func) or not written or not (read or foreign):
            return
        kind = kind_of(func, args, out)
        if step is None:
            step = self._operation(kind, read, written)
        macs, acts = counts_of(packet, args, kwargs, out)
        step.macs += macs
        step.acts += acts
        step.kinds.append((kind, counts(packet)))

    def hold(self, tensor: Tensor) -> None:
        """Keep a tensor's storage in sight from now on: it is new, or needed once more."""
        key = storage_of(tensor)
        if key in self._fixed:
            return
        if key not in self.storages:
            memory, width = tensor.untyped_storage(), tensor.element_size()
            size = memory.nbytes()
            self.storages[key] = Storage(memory, size // width, width, tensor.is_floating_point(), self._time, self._time)
        self.storages[key].last = self._time

    def _operation(self, kind: str, read: list[int], written: list[Tensor]) -> Step:
        """The step of an operation outside of modules without children, under the name of the module whose parameter it reads."""
        path, _ = self._stack[-1]
        origins = [self._copied.get(key, key) for key in read]
        owners = [self._owners[key] for key in origins if key in self._owners]
        kind = "linear" if owners and kind == "matmul" else kind
        word = kind.split(" ")[0]
        last = self.steps[-1] if self.steps else None
        if owners and owners[0] != path:
            if last is not None and last is self._fresh[1] and last.name == owners[0]:  # a product, then its bias
                step = last
            else:
                step = Step(self._unique(owners[0], " (call {})"), owners[0].rpartition(".")[0], kind)
        else:
            step = Step(self._unique(f"{path}.{word}" if path else word, "_{}"), path, kind)
        if step is not last:
            self.steps.append(step)
        step.shape = self._shape(written)
        step.params += sum(self._unclaimed.pop(key, 0) for key in origins)
        step.saved += sum(self._pending)
        self._pending.clear()
        self._fresh = {storage_of(tensor) for tensor in written}, step
        return step

    # ------------------------------------------------------------ what autograd keeps

    def pack(self, tensor: Tensor) -> Tensor:
        """For `saved_tensors_hooks`: charge a storage once, to the step that is the first to keep it."""
        key = storage_of(tensor)
        self._held.append(tensor)
        if key in self._fixed or key in self._saved:
            return tensor
        self._saved.add(key)
        size = tensor.untyped_storage().nbytes()
        _, step = self._stack[-1]
        fresh, last = self._fresh
        if step is None and key in fresh:
            step = last
        if step is None:
            self._pending.append(size)
        else:
            step.saved += size
        return tensor

    # ------------------------------------------------------------ the end

    def finish(self, module: nn.Module, output: Any) -> None:
        """What is left: outputs that stay, bytes asked for at last, parameters that nothing read."""
        self._time += 1
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                self.hold(leaf)
        if self._pending and self.steps:
            self.steps[-1].saved += sum(self._pending)
        parts = dict(module.named_modules())
        unread: dict[str, int] = {}
        for key, numbers in self._unclaimed.items():
            unread[self._owners[key]] = unread.get(self._owners[key], 0) + numbers
        for path, numbers in unread.items():
            kind = f"{type(parts[path]).__name__}, not run"
            self.steps.append(
                Step(self._unique(path or "parameters", " (call {})"), path.rpartition(".")[0], kind, params=numbers)
            )

    def live_bytes(self, width: int) -> int:
        """The largest sum of maps alive at once; floating-point numbers take `width` bytes, or less where they had less.

        A storage lives from the operation that makes it to the last one that reads it; copies of parameters do not count.
        """
        changes: dict[int, int] = {}
        for key, storage in self.storages.items():
            if storage.born == storage.last or self._copied.get(key) in self._fixed:
                continue  # nobody reads it: an operation's by-product
            size = storage.numbers * (min(width, storage.width) if storage.floating else storage.width)
            changes[storage.born] = changes.get(storage.born, 0) + size
            changes[storage.last + 1] = changes.get(storage.last + 1, 0) - size
        return _largest_sum(change for _, change in sorted(changes.items()))


def _largest_sum(changes: Iterable[int]) -> int:
    largest = total = 0
    for change in changes:
        total += change
        largest = max(largest, total)
    return largest
