"""The cost table: counts, bytes, receptive fields and predicted time per layer, block or stage."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from netwright.errors import NetwrightError, did_you_mean
from netwright.graph import Design, Flat, Graph, Shape, trace
from netwright.graph.layers import Input, Pair

if TYPE_CHECKING:
    from netwright.costing.explain import Explanation
    from netwright.costing.fields import Jump, Spans
    from netwright.costing.fitting import Fit
    from netwright.costing.latency import Profile
    from netwright.costing.lecture import Lecture
    from netwright.costing.memory import Memory, Precision
    from netwright.costing.saving import Storage

By = Literal["layer", "block", "stage"]
GROUPINGS: tuple[By, ...] = ("layer", "block", "stage")


@dataclass(frozen=True)
class Line:
    """One line of the table: a layer, or the layers of a block or stage together.

    Counts are for one image. Bytes and milliseconds are for the batch, the precision and the optimizer of the
    table. `kernel` and `stride` are the layer's own, or the effective ones of the group: the field and the jump of its
    last map in values of the maps that the group reads.
    """

    name: str
    kind: str
    shape: Shape  # of one image: (channels, height, width) or (features,)
    params: int
    macs: int
    acts: int
    share: float  # of the network's macs, from 0 to 1
    field: Pair | None  # px of the image, height and width; None where it is not known
    jump: Jump | None  # px from one output's field to the next one's; None for flat maps
    kernel: Pair | None
    stride: Jump | None
    weight_bytes: int
    saved_bytes: int
    lecture_activations: int  # bytes, the lecture's two columns
    lecture_parameters: int
    milliseconds: float | None  # None without a profile

    @property
    def flops(self) -> int:
        """Exactly two for each multiply-accumulate."""
        return 2 * self.macs


@dataclass(frozen=True)
class Cost:
    """What a network costs: totals, memory, and a line for each layer, block or stage.

    Counts are for one image, bytes and milliseconds for the batch. Prints as a table, and shows as one in a notebook.
    What only some readers ask for (lines, memory) is worked out when it is first asked for.

    >>> made = nw.cost(nw.network("resnet18"), image=224, batch=32, by="stage")
    >>> made.params, made.macs, made.memory.training
    (11689512, 1814073344, 850067424)
    >>> [line.name for line in made.lines]
    ['stem', 'layer1', 'layer2', 'layer3', 'layer4', 'head']
    """

    network: str
    graph: Graph = field(repr=False)
    by: By = "layer"
    batch: int = 1
    precision: Precision = "fp32"
    optimizer: str = "momentum"
    deploy: bool = False
    profile: Profile | None = field(default=None, repr=False)

    @cached_property
    def flat(self) -> Flat:
        """The layers in execution order, with what each reads."""
        return self.graph.flat()

    @property
    def image(self) -> Shape:
        """(channels, height, width)."""
        return self.flat.rows[0].shape

    @property
    def params(self) -> int:
        """Learnable numbers."""
        return self.graph.params

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.graph.macs

    @property
    def flops(self) -> int:
        """Exactly two for each multiply-accumulate."""
        return 2 * self.graph.macs

    @property
    def acts(self) -> int:
        """Outputs of convolutions and linear layers for one image."""
        return self.graph.acts

    @cached_property
    def memory(self) -> Memory:
        """Bytes in training and in inference, with their parts."""
        return self.memory_at(self.batch)

    def memory_at(self, batch: int) -> Memory:
        """The same for another batch."""
        from netwright.costing.memory import memory_of

        return memory_of(self.graph, batch, self.precision, self.optimizer, self.flat)

    def largest_batch(self, limit: int | str) -> int:
        """The largest batch that trains within `limit` bytes, or an amount such as '24GB'.

        Raises NetwrightError where not even one image fits.
        """
        from netwright.costing.memory import largest_batch
        from netwright.units import parse_bytes

        return largest_batch(self.graph, parse_bytes(limit), self.precision, self.optimizer)

    @cached_property
    def lecture(self) -> Lecture:
        """The lecture's estimate of the bytes in training, at this batch; it knows fp32 only."""
        from netwright.costing.lecture import lecture_memory

        return lecture_memory(self.graph, self.batch, self.optimizer)

    @property
    def milliseconds(self) -> float | None:
        """Predicted for the batch; None without a profile."""
        times = self.times
        return None if times is None else sum(times)

    @cached_property
    def times(self) -> tuple[float, ...] | None:
        """Predicted milliseconds of each row of `flat`, for the batch; None without a profile."""
        if self.profile is None:
            return None
        from netwright.costing.latency import predict

        return predict(self.flat.rows, self.profile, self.batch)

    @cached_property
    def spans(self) -> tuple[Spans, ...]:
        """The receptive field of each row of `flat`, and where it begins."""
        from netwright.costing.fields import spans

        return spans(self.flat)

    @cached_property
    def saved_by_row(self) -> tuple[int, ...]:
        """Bytes that each row of `flat` keeps for the backward pass of the batch."""
        from netwright.costing.memory import saved_bytes

        return saved_bytes(self.flat, self.batch, self.precision)

    @cached_property
    def storages(self) -> tuple[tuple[Storage, ...], ...]:
        """What each row of `flat` keeps for the backward pass, storage by storage."""
        from netwright.costing.saving import storages

        return storages(self.flat, self.precision)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """A line for each layer, block or stage, in the order in which they begin."""
        return tuple(lines_of(self, groups(self.flat, self.by)))

    def fit(self, limit: int | str) -> Fit:
        """The largest batch that trains within `limit` bytes, or '24GB', what it needs, and what one image more would need."""
        from netwright.costing.fitting import fit

        return fit(self, limit)

    def explain(self, name: str) -> Explanation:
        """The formulas behind the numbers of a layer, block or stage, with its own numbers in them.

        Raises NetwrightError for a name that is not there, with the nearest ones.
        """
        from netwright.costing.explain import explain

        return explain(self, name)

    def to_json(self) -> dict[str, Any]:
        """Totals and rows as plain values: counts for one image, bytes for the batch, fields in pixels."""
        from netwright.costing import formats

        return formats.to_json(self)

    def to_csv(self) -> str:
        """The lines as CSV, with a header; the total is not among them."""
        from netwright.costing import formats

        return formats.to_csv(self)

    def to_markdown(self) -> str:
        """The table, and below it the totals, as Markdown."""
        from netwright.costing import formats

        return formats.to_markdown(self)

    def __str__(self) -> str:
        from netwright.costing import formats

        return formats.to_text(self)

    def _repr_html_(self) -> str:
        from netwright.costing import formats

        return formats.to_html(self)


def cost(
    design: Design | Callable[..., Any] | Graph,
    image: int | Pair | None = None,
    *,
    channels: int = 3,
    by: By = "layer",
    name: str = "",
    batch: int = 1,
    precision: Precision = "fp32",
    optimizer: str = "momentum",
    deploy: bool = False,
    profile: Profile | str | os.PathLike[str] | None = None,
) -> Cost:
    """The cost of a design for images of `image` pixels (one side, or height and width), or that of a traced graph.

    `by` groups the lines by layer, block or stage; the totals are the same for each. Counts are exact integers for
    one image: params without buffers, macs of convolutions and linear layers without biases, flops twice the
    macs, acts the outputs of those layers (the convention of torchvision and of RegNet's paper). Bytes are for a `batch`
    at a `precision` (fp32 or bf16) with an `optimizer`. `deploy` costs the network as it is deployed: branches merged,
    norms folded, without dropout and auxiliary classifiers. With the `profile` of a machine, or its name,
    time is predicted for it.

    Raises DesignError and VanishedError as `trace` does, and NetwrightError for a grouping, batch, precision or
    optimizer that cannot be, and for a profile that was measured in another precision.

    >>> from netwright.zoo import network
    >>> cost(network("resnet50"), image=224).macs
    4089184256
    """
    if by not in GROUPINGS:
        near = did_you_mean(str(by), GROUPINGS)
        raise NetwrightError(f"cannot group by {by!r}: choose one of {', '.join(GROUPINGS)}{near}")
    _check_use(batch, precision, optimizer)
    if isinstance(profile, (str, os.PathLike)):
        from netwright.costing.latency import find_profile

        profile = find_profile(os.fspath(profile))
    if profile is not None and profile.precision != precision:
        raise NetwrightError(f"the profile {profile.name} was measured in {profile.precision}: leave it out for {precision}")
    called = name or ("network" if isinstance(design, Graph) else getattr(design, "__name__", type(design).__name__))
    graph = _graph(design, image, channels, deploy)
    return Cost(called, graph, by, batch, precision, optimizer, deploy, profile)


def _check_use(batch: int, precision: str, optimizer: str) -> None:
    if (batch, precision, optimizer) == (1, "fp32", "momentum") and type(batch) is int:
        return  # the defaults: nothing to load
    from netwright.costing.memory import check_batch, number_bytes
    from netwright.costing.states import state_copies

    check_batch(batch)
    number_bytes(precision)
    state_copies(optimizer)


def _graph(design: Any, image: int | Pair | None, channels: int, deploy: bool) -> Graph:
    if isinstance(design, Graph):
        if image is not None:
            raise NetwrightError("a graph is traced for one image already: cost the design to choose the image")
        if not deploy:
            return design
        from netwright.graph.folding import inference

        return inference(design)
    if not deploy:
        return trace(design, image, channels)
    from netwright.graph.folding import deployed_graph

    return deployed_graph(design, image, channels)


# ---------------------------------------------------------------- lines


def groups(flat: Flat, by: By) -> list[tuple[str, list[int]]]:
    """Each layer, block or stage: its name and the places of its rows."""
    layers = [i for i, row in enumerate(flat.rows) if not isinstance(row.layer, Input)]
    if by == "layer":
        return [(flat.rows[i].name, [i]) for i in layers]
    found: dict[str, list[int]] = {}
    for i in layers:
        found.setdefault(flat.rows[i].stage if by == "stage" else flat.rows[i].block, []).append(i)
    return list(found.items())


def lines_of(cost: Cost, grouped: Iterable[tuple[str, list[int]]]) -> list[Line]:
    """A line for each name with the places of its rows."""
    from netwright.costing.fields import field_of, kernel_of
    from netwright.costing.memory import number_bytes

    flat, lecture, width = cost.flat, cost.lecture, number_bytes(cost.precision)
    copied = lecture.parameters // cost.params if cost.params else 0  # bytes for each of the params
    lines = []
    for name, places in grouped:
        params, macs, acts = (sum(column) for column in zip(*[flat.rows[i].counts for i in places], strict=True))
        last, kernel = flat.rows[places[-1]], kernel_of(flat, places)
        kind = f"{len(places)} layers" if len(places) > 1 else str(last.layer)
        share = macs / cost.macs if cost.macs else 0.0
        own = (name, kind, last.shape, params, macs, acts, share, *field_of(cost.spans[places[-1]], last.shape), *kernel)
        kept = (params * width, _sum(cost.saved_by_row, places))
        times = None if cost.times is None else _sum(cost.times, places)
        lines.append(Line(*own, *kept, _sum(lecture.activations, places), copied * params, times))
    return lines


def _sum(of: Sequence[Any], places: list[int]) -> Any:
    return sum([of[i] for i in places])
