from __future__ import annotations

from typing import Any

AGAINST: dict[str, list[tuple[dict[str, Any], str]]] = {
    "o1-epoch-updates": [
        ({"updates": [4, 5, 8, 2, 1, 30]}, "fails"),
        ({"every_example_once": False}, "fails"),
        ({"order_changes": False}, "fails"),
        ({"epochs_with_a_short_last_batch": 0}, "fails"),
    ],
}
