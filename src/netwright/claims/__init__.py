"""The claims book: every checkable statement of the lecture notes as an experiment with a verdict.

>>> from netwright.claims import CLAIMS, Terms, find_claims, run_claim
>>> run_claim(find_claims(CLAIMS, ["o1"])[0], Terms()).verdict.word
'holds'
"""

from netwright.claims import architectures, optimizers, scaled, scaling, slips
from netwright.claims.claim import Claim, Evidence, Terms, Verdict
from netwright.claims.running import Result, find_claims, run_claim

CLAIMS: tuple[Claim, ...] = (
    *optimizers.CLAIMS,
    *architectures.CLAIMS,
    *scaling.CLAIMS,
    *scaled.CLAIMS,
    *slips.CLAIMS,
)

__all__ = ["CLAIMS", "Claim", "Evidence", "Result", "Terms", "Verdict", "find_claims", "run_claim"]
