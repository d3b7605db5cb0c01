"""What a torch module of yours costs, beside networks of the zoo: python torch_cost.py.

The module is run once on tensors that hold no numbers; it is not changed. Put your own in place of `Mixer`.
"""

from __future__ import annotations

import torch
from torch import nn

import netwright as nw


class Mixer(nn.Module):
    """Patches of 4 x 4 px, mixed along the channels and across the picture by linear layers (as in arXiv:2105.01601)."""

    def __init__(self, image: int = 32, width: int = 96, depth: int = 4, classes: int = 10) -> None:
        super().__init__()
        places = (image // 4) ** 2
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.across = nn.ModuleList([nn.Sequential(nn.Linear(places, places), nn.GELU()) for _ in range(depth)])
        self.along = nn.ModuleList([nn.Sequential(nn.Linear(width, width), nn.GELU()) for _ in range(depth)])
        self.head = nn.Linear(width, classes)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, 3, image, image) -> (n, classes)."""
        x = self.patches(pictures).flatten(2)  # n, width, places
        for across, along in zip(self.across, self.along, strict=True):
            x = x + across(x)
            x = x + along(x.transpose(1, 2)).transpose(1, 2)
        logits: torch.Tensor = self.head(x.mean(2))
        return logits


if __name__ == "__main__":
    mine = nw.cost(Mixer(), image=32, batch=64)
    print(mine)
    print(f"\n{mine.macs:,} macs, {mine.params:,} params, {mine.acts:,} acts\n")
    print(nw.compare(mine, "resnet20_cifar", "wrn_16_4", image=32, batch=64))
