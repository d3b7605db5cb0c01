"""The Triton kernels compiled for a GPU that is not there: every rule, type and option, down to machine code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from netwright.optim import LAMB, descent, moments
from netwright.optim.rules import Rule
from tests.optim.cases import INTERPRETED

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed"),
    pytest.mark.skipif(INTERPRETED, reason="under TRITON_INTERPRET=1 nothing is compiled"),
]

RULES: dict[str, Rule] = {
    **descent.SGD_RULES,
    "adagrad": descent.ADAGRAD,
    **{f"rmsprop {centered} {momentum}": rule for (centered, momentum), rule in descent.RMSPROP_RULES.items()},
    "adam": moments.ADAM,
    "amsgrad": moments.AMSGRAD,
    "nadam": moments.NADAM,
    "lion": moments.LION,
}
POINTERS = {"TENSORS": "*i64", "GRADS": "*i64", "BLOCKS": "*i32", "SIZES": "*i64", "GROUPS": "*fp64"}
OTHERS = {"COUNTS": "*fp32", "PRODUCTS": "*fp64", "NORMS": "*fp32", "SCALE": "*fp32", "FOUND": "*fp32", "max_norm": "fp32"}


def machine_code(kernel: Any, signature: dict[str, str], constants: dict[str, Any]) -> dict[str, Any]:
    """What Triton makes for an H100 (compute capability 9.0)."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    source = ASTSource(kernel, {**signature, **dict.fromkeys(constants, "constexpr")}, constants)
    return dict(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm)


@pytest.mark.parametrize("everything", [False, True], ids=["fp32", "bf16, master weights, clipped, scaled"])
@pytest.mark.parametrize("name", RULES)
def test_steps_compile_with_wide_loads(name: str, everything: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And arrays are read and written four numbers at a time, where a block is full."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from netwright.optim import kernels

    rule = RULES[name]
    constants = {
        "FORMULA": kernels.compiled(rule.formula),
        "SCALARS": kernels.compiled(rule.scalars),
        "STATES": len(rule.states),
        "KIND": kernels.tl.bfloat16 if everything else kernels.tl.float32,
        "PRODUCT": int(rule.product),
        "NORM_SLOTS": 2 if everything else 0,
        **dict.fromkeys(("MASTER", "HAS_SCALE", "HAS_FOUND", "CLIP", "SKIP"), everything),
        "ALIGNED": True,
        "SIZE": kernels.BLOCK,
    }
    code = machine_code(kernels.step_kernel, POINTERS | OTHERS, constants)
    assert code["cubin"]
    if everything:
        assert "min.NaN.f32" in code["ptx"]  # a NaN norm must not read as "no clipping"
        assert "cvt.rn.bf16" in code["ptx"]  # to nearest, which the interpreter does not do
    arrays = 2 + len(rule.states)  # parameter, gradient, state
    wide = [line for line in code["ptx"].splitlines() if "global.v4" in line or "global.v2" in line]
    assert len([line for line in wide if "ld." in line]) >= arrays
    assert len([line for line in wide if "st." in line]) >= arrays - 1


def test_the_reduction_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from netwright.optim import kernels

    signature = {
        "GRADS": "*i64",
        "BLOCKS": "*i32",
        "SIZES": "*i64",
        "PARTS": "*fp32",
        "DONE": "*i32",
        "NORMS": "*fp32",
        "slot": "i32",
        "blocks": "i32",
    }
    constants = {"KIND": kernels.tl.float32, "ALIGNED": True, "SIZE": kernels.BLOCK, "EACH": 8}
    assert machine_code(kernels.norm_kernel, signature, constants)["cubin"]


def test_every_elementwise_rule_is_among_them() -> None:
    """A rule that looks at whole tensors says so."""
    from netwright import optim

    kinds = {kind for kind, _ in optim.OPTIMIZERS.values()} - {LAMB, optim.Muon}
    made = {kind.__module__.rsplit(".", 1)[1] for kind in kinds}
    assert made == {"descent", "moments"}
    formulas = {rule.formula for rule in RULES.values()}
    held = {rule.formula for module in (descent, moments) for rule in _rules(module)}
    assert held == formulas


def _rules(module: Any) -> list[Rule]:
    found = []
    for value in vars(module).values():
        found += [value] if isinstance(value, Rule) else []
        found += [rule for rule in value.values() if isinstance(rule, Rule)] if isinstance(value, dict) else []
    return found
