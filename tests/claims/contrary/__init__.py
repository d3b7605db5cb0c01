"""Evidence against each claim: what the judge must say of it. For each name a list of (changes, verdict).

Exact and quick claims are run, and the changes replace numbers of what was found: each verdict must be another than the run's.
Long ones are not run in the tests: theirs are whole sets of numbers, of at least two verdicts.
"""

from __future__ import annotations

from typing import Any

from tests.claims.contrary import architectures, optimizers, scaling, searching, slips

Against = list[tuple[dict[str, Any], str]]
AGAINST: dict[str, Against] = {
    **optimizers.AGAINST,
    **architectures.AGAINST,
    **scaling.AGAINST,
    **searching.AGAINST,
    **slips.AGAINST,
}
