from __future__ import annotations

from typing import Any

AGAINST: dict[str, list[tuple[dict[str, Any], str]]] = {
    "a16-grouped-convolution": [
        ({"macs_ratio": [1, 4, 16, 64, 256, 1024]}, "holds"),
        ({"macs_ratio": [1, 2, 4, 8, 16, 31]}, "fails"),
        ({"params_ratio": [1, 2, 4, 8, 16, 31]}, "fails"),
    ],
}
