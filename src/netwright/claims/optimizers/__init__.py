"""The claims O1 to O16: what the notes say of optimizers, run in the lab and on the classes that train networks."""

from netwright.claims.claim import Claim
from netwright.claims.optimizers import adaptive, decay, descent, momentum, tuned

_ALL = (*descent.CLAIMS, *momentum.CLAIMS, *adaptive.CLAIMS, *decay.CLAIMS, *tuned.CLAIMS)
CLAIMS: tuple[Claim, ...] = tuple(sorted(_ALL, key=lambda claim: int(claim.number[1:])))
