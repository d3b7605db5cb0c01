"""A: what the notes say of architectures, read off graphs, measured, or trained in small."""

from netwright.claims.architectures import clocked, fields, groups, inception, lecture, mobile, residual, signals, trained
from netwright.claims.claim import Claim

_FOUND = [
    claim for part in (lecture, fields, inception, residual, groups, mobile, signals, trained, clocked) for claim in part.CLAIMS
]
CLAIMS: tuple[Claim, ...] = tuple(sorted(_FOUND, key=lambda claim: int(claim.number[1:])))
