"""Running a design on shapes alone: the feature map it is called on, and the memoised trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from types import FunctionType
from typing import Any

from netwright.errors import DesignError, VanishedError, did_you_mean
from netwright.graph import layers as L
from netwright.graph.graph import FIELDS, Graph, Tape
from netwright.graph.layers import Counts, Layer, Padding, Pair, Shape, pair
from netwright.graph.making import check_sizes, make_conv, make_linear, make_norm, make_pool
from netwright.graph.parts import reached, select
from netwright.graph.values import Design

Body = Design | Callable[..., Any]

_INPUT = L.Input()
_ADD, _MULTIPLY, _CONCAT, _FLATTEN = L.Add(), L.Multiply(), L.Concat(), L.Flatten()
_GLOBAL = L.AdaptivePool((1, 1))


_RELU, _SILU, _SIGMOID = L.Activation("relu"), L.Activation("silu"), L.Activation("sigmoid")
ACTIVATIONS = {layer.kind: layer for layer in (_RELU, L.Activation("relu6"), _SILU, _SIGMOID)}


class FeatureMap:
    """What a design sees in place of a tensor: a shape, and the tape on which its layers are written.

    Every method writes one layer and returns its output. Names are the checkpoint's; a layer
    without weights may be left unnamed and is then called by its kind (relu, relu_1, ...). `shape` is that
    of one image: (channels, height, width), or (features,). What cannot be is a DesignError with the layer's full name.

    >>> def stem(x):
    ...     return x.conv("conv1", 64, 7, stride=2).norm("bn1").relu().max_pool(3, 2, padding=1)
    >>> nw.trace(stem, image=224).shapes
    ((64, 56, 56),)
    """

    __slots__ = ("_index", "_tape", "shape")

    def __init__(self, shape: Shape, index: int, tape: Tape) -> None:
        self.shape = shape
        self._index = index
        self._tape = tape

    def __repr__(self) -> str:
        return f"FeatureMap{self.shape}"

    def __bool__(self) -> bool:
        raise DesignError("a feature map is neither true nor false: a design may ask for its shape, not its values")

    @property
    def channels(self) -> int:
        """Channels of the map, or features of a flat one."""
        return self.shape[0]

    def _write(self, name: str, layer: Layer | Graph, shape: Any, counts: Counts | None = None) -> FeatureMap:
        tape = self._tape
        index = len(tape) // FIELDS
        tape += (name, layer, self._index, shape, counts)
        return FeatureMap(shape, index, tape)

    def layer(self, layer: Layer, name: str = "") -> FeatureMap:
        """Write any layer; the methods below are short forms."""
        name = name or "~" + layer.kind
        try:
            out = layer.out(self.shape)
            return self._write(name, layer, out, layer.counts(out))
        except DesignError as error:
            raise error.inside(name.lstrip("~")) from None

    # ------------------------------------------------------------ layers with weights

    def conv(
        self,
        name: str,
        width: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        *,
        padding: int | Padding | None = None,
        groups: int = 1,
        bias: bool = False,
        role: str = "",
    ) -> FeatureMap:
        """A convolution to `width` channels; padding None keeps the size of an odd kernel at stride 1.

        Padding "same" is TensorFlow's, computed from the map's size when it is run.
        """
        try:
            made = make_conv(self.shape, width, kernel, stride, padding, groups, bias, role)
        except DesignError as error:
            raise error.inside(name) from None
        return self._write(name, *made)

    def norm(self, name: str, *, eps: float = 1e-5, momentum: float = 0.1, role: str = "") -> FeatureMap:
        """Batch normalization; `momentum` is the share of the new batch, as in torch."""
        try:
            made = make_norm(self.shape, eps, momentum, role)
        except DesignError as error:
            raise error.inside(name) from None
        return self._write(name, *made)

    def linear(self, name: str, width: int, *, bias: bool = True, role: str = "") -> FeatureMap:
        """A fully connected layer on a flat map."""
        try:
            made = make_linear(self.shape, width, bias, role)
        except DesignError as error:
            raise error.inside(name) from None
        return self._write(name, *made)

    # ------------------------------------------------------------ layers without

    def relu(self, name: str = "~relu") -> FeatureMap:
        """max(x, 0)."""
        return self._write(name, _RELU, self.shape)

    def silu(self, name: str = "~silu") -> FeatureMap:
        """x times sigmoid(x), also called swish."""
        return self._write(name, _SILU, self.shape)

    def sigmoid(self, name: str = "~sigmoid") -> FeatureMap:
        """1 / (1 + exp(-x))."""
        return self._write(name, _SIGMOID, self.shape)

    def activation(self, kind: str, name: str = "") -> FeatureMap:
        """The elementwise function of that name, for designs that have it as a field: relu, relu6, silu or sigmoid.

        Raises DesignError for any other.
        """
        if kind not in ACTIVATIONS:
            raise DesignError(f"there is no activation {kind!r}{did_you_mean(str(kind), ACTIVATIONS)}", name or "activation")
        return self._write(name or "~" + kind, ACTIVATIONS[kind], self.shape)

    def max_pool(
        self, kernel: int | Pair, stride: int | Pair, *, padding: int | Pair = 0, ceil: bool = False, name: str = ""
    ) -> FeatureMap:
        """The largest value of each window; `ceil` keeps a last window that hangs over the edge."""
        return self.layer(make_pool("max_pool", kernel, stride, padding, name, ceil), name)

    def avg_pool(
        self,
        kernel: int | Pair,
        stride: int | Pair,
        *,
        padding: int | Pair = 0,
        ceil: bool = False,
        count_pad: bool = True,
        divisor: int | None = None,
        name: str = "",
    ) -> FeatureMap:
        """The mean of each window; with `count_pad` the zeros of the padding count.

        With a `divisor` it is the sum divided by that, also where `ceil` lets a window hang over the edge.
        """
        return self.layer(make_pool("avg_pool", kernel, stride, padding, name, ceil, count_pad, divisor), name)

    def adaptive_pool(self, size: int | Pair, name: str = "") -> FeatureMap:
        """The means of a grid of `size` cells: later layers see one size whatever the image's."""
        check_sizes(size=size)
        return self.layer(L.AdaptivePool(pair(size)), name)

    def global_pool(self, name: str = "") -> FeatureMap:
        """The mean over all pixels, flat: (channels, height, width) -> (channels,)."""
        return self.layer(_GLOBAL, name).flatten()

    def flatten(self, name: str = "") -> FeatureMap:
        """(channels, height, width) -> (features,)."""
        return self.layer(_FLATTEN, name)

    def dropout(self, rate: float, name: str = "") -> FeatureMap:
        """A site where training may zero values; `rate` is the published default. Raises DesignError for one outside [0, 1)."""
        if type(rate) not in (int, float) or not 0 <= rate < 1:
            raise DesignError(f"rate is {rate!r}, expected a number from 0 to below 1", name or "dropout")
        return self.layer(L.Dropout(rate), name)

    def local_norm(self, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, name: str = "") -> FeatureMap:
        """Local response normalization over `size` neighbouring channels; `alpha` is divided by the size, as in torch."""
        check_sizes(size=size)
        return self.layer(L.LocalNorm(size, alpha, beta, k), name)

    def shuffle(self, groups: int, name: str = "") -> FeatureMap:
        """Deal the channels out to `groups` in turn (ShuffleNet, Zhang et al. 2017, Fig. 1)."""
        check_sizes(groups=groups)
        return self.layer(L.Shuffle(groups), name)

    def subsample(self, width: int, stride: int, name: str = "") -> FeatureMap:
        """Every stride-th pixel, zero channels added to `width`: ResNet's shortcut without params (option A)."""
        check_sizes(width=width, stride=stride)
        return self.layer(L.Subsample(width, stride), name)

    # ------------------------------------------------------------ several maps

    def __add__(self, other: FeatureMap) -> FeatureMap:
        if not isinstance(other, FeatureMap):
            return NotImplemented
        if self.shape != other.shape:
            raise DesignError(f"cannot add maps of {self.shape} and {other.shape}")
        return self._join("~add", _ADD, self.shape, (other,))

    def __mul__(self, gate: FeatureMap | float) -> FeatureMap:
        """Scale by a gate of the same shape, or of one pixel per channel, or by a constant."""
        if type(gate) in (int, float):
            return self.layer(L.Scale((float(gate),)))  # type: ignore[arg-type]
        if not isinstance(gate, FeatureMap):
            return NotImplemented
        if gate.shape not in (self.shape, (self.shape[0], 1, 1)):
            raise DesignError(f"cannot scale a map of {self.shape} by a gate of {gate.shape}")
        return self._join("~multiply", _MULTIPLY, self.shape, (gate,))

    def _join(
        self, name: str, layer: Layer | Graph, shape: Any, others: Iterable[FeatureMap], counts: Counts | None = None
    ) -> FeatureMap:
        tape = self._tape
        for other in others:
            if other._tape is not tape:
                raise DesignError("joins maps of different blocks: pass the other map to the block as an input")
        index = len(tape) // FIELDS
        tape += (name, layer, (self._index, *[m._index for m in others]), shape, counts)
        return FeatureMap(shape, index, tape)

    # ------------------------------------------------------------ blocks

    def block(self, name: str, body: Body, *args: Any, maps: tuple[FeatureMap, ...] = ()) -> Any:
        """Apply `body(x, *maps, *args)` as a block; its layers are called `name.…`.

        `body` is a design or a function of a module, pure in its arguments and shapes; it returns
        one map or a tuple of maps, and so does this call. Equal blocks are traced once.
        """
        shapes = (self.shape, *[m.shape for m in maps]) if maps else (self.shape,)
        try:
            graph = _trace(body, shapes, *args)
        except DesignError as error:
            raise error.inside(name) if name[:1] != "#" else error from None
        except TypeError:
            _refuse_arguments(body, args)
            raise
        out = graph.shapes
        shape: Any = out[0] if len(out) == 1 else out
        made = self._join(name, graph, shape, maps, graph.totals) if maps else self._write(name, graph, shape, graph.totals)
        return made if len(out) == 1 else tuple([made._write("~item", L.Item(i), one) for i, one in enumerate(out)])

    def repeat(self, names: Iterable[str], body: Body, *args: Any) -> FeatureMap:
        """Apply an equal block once for each name. It is traced once; raises DesignError where it changes the shape."""
        tape, shape, index = self._tape, self.shape, self._index
        graph: Any = None
        for name in names:
            if graph is None:
                made = self.block(name, body, *args)
                if not isinstance(made, FeatureMap) or made.shape != shape:
                    raise DesignError(f"cannot be repeated: it turns {shape} into {getattr(made, 'shape', 'several maps')}", name)
                graph = tape[1 - FIELDS]
            else:
                tape += (name, graph, index, shape, graph.totals)
            index = len(tape) // FIELDS - 1
        return FeatureMap(shape, index, tape)

    def section(self, label: str, body: Body, *args: Any) -> FeatureMap:
        """A block in the tables only: its layers keep the names they would have here, but are summed as `label`.

        Raises DesignError for a body that returns several maps.
        """
        made = self.block("#" + label, body, *args)
        if not isinstance(made, FeatureMap):
            raise DesignError(f"a section returns one map, {_called(body)} returned {len(made)}", label)
        return made


def concat(first: FeatureMap, *rest: FeatureMap) -> FeatureMap:
    """The maps' channels one after the other. Raises DesignError where height or width differ.

    >>> def module(x):
    ...     return nw.concat(x.conv("one", 8, 1), x.conv("three", 16, 3))
    >>> nw.trace(module, image=32).shapes
    ((24, 32, 32),)
    """
    for other in rest:
        if other.shape[1:] != first.shape[1:]:
            raise DesignError(f"cannot concatenate maps of {first.shape} and {other.shape}")
    channels = sum(m.shape[0] for m in (first, *rest))
    return first._join("~concat", _CONCAT, (channels, *first.shape[1:]), rest)


# ---------------------------------------------------------------- tracing


@lru_cache(maxsize=1 << 15, typed=True)
def _trace(body: Body, shapes: tuple[Shape, ...], *args: Any) -> Graph:
    """The graph of a block. Memoised, so the sixteen blocks of ResNet-50 are traced as eight.

    `typed` keeps 1 and True apart; arguments that could hide them (tuples) are refused before
    anything is remembered.
    """
    _refuse_arguments(body, args)
    tape: Tape = []
    for shape in shapes:
        tape += ("~input", _INPUT, (), shape, None)
    result = body(*[FeatureMap(shape, i, tape) for i, shape in enumerate(shapes)], *args)
    made = result if type(result) is tuple else (result,)
    for value in made:
        if type(value) is not FeatureMap or value._tape is not tape:
            raise DesignError(f"{_called(body)} returned {value!r}: expected feature maps made from its input")
    return Graph(*reached(tape, len(shapes), tuple([m._index for m in made])))


# A whole network is seldom traced again, and thousands may be: they must not crowd out the blocks that networks share.
_trace_whole = lru_cache(maxsize=1 << 8, typed=True)(_trace.__wrapped__)


def forget(most: int) -> None:
    """Forget the blocks and layers that were traced, once there are more than `most` of either.

    For a program that answers for days, whose memory must not follow its questions. What is traced next takes longer.
    """
    for remembered in (_trace, make_conv):
        if remembered.cache_info().currsize > most:
            remembered.cache_clear()


_PLAIN = {int, float, str, bool, type(None)}


def _refuse_arguments(body: Body, args: tuple[Any, ...]) -> None:
    if not (type(body) is FunctionType and "<" not in body.__qualname__) and not isinstance(body, Design):
        raise DesignError(f"{_called(body)} cannot be a block: use a design, or a function defined at the top of a module")
    for value in args:
        if type(value) not in _PLAIN and not isinstance(value, Design):
            raise DesignError(
                f"{_called(body)} got the argument {value!r}: a block takes numbers, words and designs; "
                "put several values into a design"
            )


def _called(body: Any) -> str:
    return str(getattr(body, "__qualname__", None) or body)


def trace(design: Body, image: int | Pair | None = None, channels: int = 3, outputs: tuple[str, ...] = ()) -> Graph:
    """The graph of a design called on an image of `channels` and `image` pixels (one side, or height and width).

    `image` defaults to the design's own resolution. `outputs` names layers, blocks or sections whose
    maps are wanted instead of the design's own outputs: what they do not need is left out. Raises
    DesignError where the design contradicts itself and VanishedError where the image is too small,
    naming the layer.

    >>> from netwright.zoo import network
    >>> trace(network("resnet50"), image=224).params
    25557032
    """
    size = image if image is not None else own_image(design)
    check_sizes(image=size, channels=channels)
    if type(outputs) is not tuple or not all(type(name) is str for name in outputs):
        raise DesignError(f"outputs is {outputs!r}, expected a tuple of names")
    shape = (channels, *pair(size))
    try:
        graph = _trace_whole(design, (shape,))
        return select(graph, outputs) if outputs else graph
    except VanishedError as error:
        least = smallest_image(design, channels, start=min(shape[1:]) + 1)
        way_out = f"; the smallest image it takes is {least} px" if least else ""
        raise VanishedError(f"{error.problem} ({shape[1]} x {shape[2]} px){way_out}", error.path) from None


DEFAULT_IMAGE = 224


def own_image(design: Body) -> int:
    """The side in pixels that a design was made for: its resolution, or 224 px where it names none."""
    return int(getattr(design, "resolution", DEFAULT_IMAGE))


def smallest_image(design: Body, channels: int = 3, *, start: int = 1, most: int = 1024) -> int | None:
    """The side of the smallest square image from `start` px on that the design takes, or None up to `most` px."""
    for size in range(start, most + 1):
        try:
            _trace_whole(design, ((channels, size, size),))
        except VanishedError:
            continue
        return size
    return None
