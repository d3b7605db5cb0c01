"""Predicted bytes beside measured ones, for a dozen networks in fp32 and bf16 autocast.

    python benchmarks/memory.py [--networks resnet50 vgg16] [--batch 32] [--optimizer adam] [--device cuda] [--out FILE]

On a GPU: `Memory.training` beside the peak of torch's allocator over a whole training step (forward pass, loss, backward
pass, step of the optimizer) after one that made the optimizer's state. What the prediction leaves out is in the peak:
workspaces, gradients of maps, what the allocator rounds up. On a CPU there is no such count: the saved bytes stand
beside those that `torch.autograd.graph.saved_tensors_hooks` sees in a real forward pass in training mode.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import netwright as nw
from netwright.costing.memory import PRECISIONS, Precision, memory_of
from netwright.graph import trace

NETWORKS = [
    *("alexnet", "vgg16", "inception_v1", "googlenet", "resnet50", "resnext50_32x4d", "seresnet50", "mobilenetv2_100"),
    *("efficientnet_b0", "regnety_032", "repvgg_a0", "parnet_s"),
]
OPTIMIZERS: dict[str, Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]] = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.01),
    "momentum": lambda params: torch.optim.SGD(params, lr=0.01, momentum=0.9),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
}

Line = tuple[str, str, int, int]  # network, precision, bytes predicted and measured


def saved_by_torch(model: nn.Module, images: Tensor, precision: Precision) -> int:
    """Bytes of the distinct storages that a forward pass keeps, without parameters' and buffers'."""
    own = {value.untyped_storage().data_ptr() for value in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}

    def pack(value: Tensor) -> Tensor:
        if value.untyped_storage().data_ptr() not in own:
            kept.setdefault(value.untyped_storage().data_ptr(), value)
        return value

    autocast = torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16")
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value), autocast:
        outputs = model(images)
    assert outputs is not None  # held until here, with all that it keeps
    return sum(value.untyped_storage().nbytes() for value in kept.values())


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, precision: Precision) -> None:
    optimizer.zero_grad(set_to_none=True)
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
        outputs = model(images)
        loss = F.cross_entropy(outputs, labels)
    del outputs
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def peak_of_training(name: str, batch: int, precision: Precision, optimizer: str, device: torch.device) -> int:
    """The allocator's peak over the second step, less what was there before."""
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(device)
    model = nw.build(name, seed=0, device=device).train()
    made = OPTIMIZERS[optimizer](model.parameters())
    images = torch.randn(batch, *trace(nw.network(name)).nodes[0].shape, device=device)
    train_step(model, made, images, precision)
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    train_step(model, made, images, precision)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def measure(networks: list[str], batch: int, optimizer: str, device: torch.device) -> list[Line]:
    lines: list[Line] = []
    for name in networks:
        graph = trace(nw.network(name))
        for precision in PRECISIONS:
            memory = memory_of(graph, batch, precision, optimizer)
            if device.type == "cuda":
                predicted, measured = memory.training, peak_of_training(name, batch, precision, optimizer, device)
            else:
                images = torch.randn(batch, *graph.nodes[0].shape)
                predicted, measured = memory.saved, saved_by_torch(nw.build(name, seed=0).train(), images, precision)
            lines.append((name, precision, predicted, measured))
    return lines


def table(lines: list[Line], batch: int, optimizer: str, device: torch.device) -> str:
    cuda = device.type == "cuda"
    what = "training" if cuda else "saved"
    text = [f"| network | precision | {what} MB predicted | measured | ratio |", "|---|---|---:|---:|---:|"]
    text += [f"| {name} | {precision} | {p / 1e6:,.1f} | {m / 1e6:,.1f} | {p / m:.4f} |" for name, precision, p, m in lines]
    ratios = [predicted / measured for _, _, predicted, measured in lines]
    text += ["", f"Batch {batch}, MB of 10^6 bytes; predicted is {min(ratios):.4f} to {max(ratios):.4f} of measured."]
    if cuda:
        text.append(f"Measured: `torch.cuda.max_memory_allocated` over a training step with {optimizer}.")
        machine = torch.cuda.get_device_name(device)
    else:
        text.append("Without a GPU: bytes kept for the backward pass, measured by `saved_tensors_hooks` in a real forward pass.")
        machine = f"{os.cpu_count()} cores"
    text.append(
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}, {machine}."
    )
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--batch", type=int, help="32 on a GPU, 2 on a CPU")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="momentum")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="also write the table here, with the command")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    batch = chosen.batch or (32 if device.type == "cuda" else 2)
    text = table(measure(chosen.networks, batch, chosen.optimizer, device), batch, chosen.optimizer, device)
    print(text)
    if chosen.out:
        networks = "" if chosen.networks == NETWORKS else f" --networks {' '.join(chosen.networks)}"
        command = f"python benchmarks/memory.py --device {device} --batch {batch} --optimizer {chosen.optimizer}{networks}"
        chosen.out.write_text(f"# Bytes predicted and measured\n\n    {command}\n\n{text}\n")


if __name__ == "__main__":
    main()
