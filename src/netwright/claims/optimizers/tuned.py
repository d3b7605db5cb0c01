"""O16."""

from netwright.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
