"""O1 to O15 of the claims book: what the notes say of optimizers, run in the lab and on the classes that train networks."""

from __future__ import annotations

import math
from typing import Any

from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, settled

_CASES = ((128, 32), (130, 32), (127, 16), (100, 64), (7, 7), (1000, 33))  # examples, batch


def _epoch(terms: Terms) -> Evidence:
    import torch

    from netwright.lab import LeastSquares

    rows, short, complete, shuffled = [], 0, True, True
    for examples, batch in _CASES:
        generator = torch.Generator().manual_seed(terms.seed)
        made = LeastSquares(examples=examples, batch=batch)
        first, second = made.epoch(generator), made.epoch(generator)
        sizes = [len(chosen) for chosen in first]
        rows.append({"examples": examples, "batch": batch, "updates": len(sizes), "last": sizes[-1]})
        short += sizes[-1] < batch
        complete &= torch.equal(torch.cat(first).sort().values, torch.arange(examples))
        shuffled &= not torch.equal(torch.cat(first), torch.cat(second))
    expected = [math.ceil(examples / batch) for examples, batch in _CASES]
    numbers = {
        "updates": [row["updates"] for row in rows],
        "ceil_of_n_over_b": expected,
        "epochs_with_a_short_last_batch": short,
        "every_example_once": complete,
        "order_changes": shuffled,
    }
    return Evidence(numbers, rows, f"{len(rows)} pairs of examples and batch size, two epochs each, seed {terms.seed}")


def _judge_epoch(found: Numbers) -> Verdict:
    once = found["every_example_once"] and found["order_changes"]
    true = found["updates"] == found["ceil_of_n_over_b"] and found["epochs_with_a_short_last_batch"] > 0 and once
    why = (
        f"{len(found['updates'])} epochs made {found['updates']} updates, ceil(N/B) is {found['ceil_of_n_over_b']}; "
        f"{found['epochs_with_a_short_last_batch']} ended with a short batch; "
        f"{'every example came once, in a new order each time' if once else 'but not every example came once in a new order'}"
    )
    return settled(true, why)


def _draw_epoch(found: Evidence) -> Any:
    from netwright.report.claim_charts import bars_chart

    rows = [
        {"x": f"N {row['examples']}, B {row['batch']}", "y": row[name], "label": label}
        for row in found.rows
        for name, label in (("batch", "a full batch"), ("last", "the last batch"))
    ]
    return bars_chart(rows, "examples in a batch")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "o1-epoch-updates",
        EXACT,
        "An epoch shuffles the examples and makes ceil(N/B) updates; the last batch may be short.",
        "Optimizers, 1.1",
        _epoch,
        _judge_epoch,
        _draw_epoch,
    ),
)
