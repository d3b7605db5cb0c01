"""A small network that scales, as a user's file."""

from __future__ import annotations

import netwright as nw


class Small(nw.Design):
    width: int = 8
    depth: int = 2
    classes: int = 10
    resolution: int = 24

    def __call__(self, x):
        x = x.conv("stem", self.width, 3, stride=2).norm("bn").relu()
        for i in range(self.depth):
            x = x.conv(f"conv{i}", self.width, 3).relu()
        return x.global_pool().linear("fc", self.classes)

    def resized(self, by):
        return self.replace(width=by.width(self.width), depth=by.depth(self.depth))
