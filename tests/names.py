"""Networks for tests that go through all: one of each family at once, the others with the slow tests."""

from __future__ import annotations

import pytest

import netwright as nw

QUICK = {
    *("alexnet_2012", "vgg11", "inception_v1", "resnet50", "resnet20_cifar", "wrn_16_4", "mobilenetv2_100"),
    *("seresnet18", "efficientnet_b0", "regnety_002", "parnet_s", "squeezenet1_1", "repvgg_a0"),
}
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in nw.networks()]
