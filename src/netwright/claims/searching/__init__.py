"""Claims on grid search, design spaces and search: S5, S6, S8, S9, S10 and S12."""

from netwright.claims.claim import Claim
from netwright.claims.searching import controller, families, grid, latency, populations

CLAIMS: tuple[Claim, ...] = (
    *grid.CLAIMS,
    *populations.CLAIMS,
    *controller.CLAIMS,
    *families.CLAIMS,
    *latency.CLAIMS,
)
