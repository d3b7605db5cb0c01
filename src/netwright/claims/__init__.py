"""The claims book: every checkable statement of the lecture notes as an experiment with a verdict.

>>> from netwright.claims import CLAIMS, Terms, find_claims, run_claim
>>> run_claim(find_claims(CLAIMS, ["o1"])[0], Terms()).verdict.word
'holds'
"""

from netwright.claims import architectures, optimizers, scaled, scaling, searching, slips
from netwright.claims.claim import Claim, Evidence, Terms, Verdict
from netwright.claims.running import Result, find_claims, run_claim

_OF_SCALING = (*scaling.CLAIMS, *scaled.CLAIMS, *searching.CLAIMS)
CLAIMS: tuple[Claim, ...] = (
    *optimizers.CLAIMS,
    *architectures.CLAIMS,
    *sorted(_OF_SCALING, key=lambda claim: int(claim.number[1:])),
    *slips.CLAIMS,
)

__all__ = ["CLAIMS", "Claim", "Evidence", "Result", "Terms", "Verdict", "find_claims", "run_claim"]
