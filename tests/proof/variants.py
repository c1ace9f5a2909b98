"""What a storage is like, and what it is asked for: each variant is proved by itself."""

from dataclasses import dataclass

import z3


@dataclass(frozen=True)
class Variant:
    name: str
    says: str  # for people
    # The storage's clock: "rates" (within the rates, and back at will), "forward" (within the rates, never back), "jumps" (anywhere, any
    # time), "none" (a register: whoever asks has watched it), "anything" (each judgement of time is anybody's guess).
    clock: str
    promises: tuple = ("P1", "P2", "P3")
    guard: bool = False  # an expired lease is taken over only at a version that was watched for its ttl
    grain: object = 0  # the storage's clock shows whole grains, rounded down
    loses: bool = False  # it may lose data
    besides: tuple = ()  # invariants that only a proof without some clause needs
    revoke: str = "waits"  # "never"; "waits": nobody is granted before the lease would have ended; "at once"

    @property
    def register(self):
        return self.clock == "none"

    @property
    def tells(self):
        """Whether what it says is left of a lease may be counted on."""
        return self.clock == "rates"

    @property
    def timed(self):
        """Whether it promises anything that rests on time."""
        return "P1" in self.promises


GRAIN = z3.Real("grain")

VARIANTS = {
    v.name: v
    for v in (
        Variant("clock", "the storage's clock runs within the rates and steps back at will", "rates"),
        Variant("guard", "the storage's clock jumps at will; the take-over guard is on", "jumps", guard=True),
        Variant("register", "no clock: an end is a mark, or a swap on what was watched", "none"),
        Variant("grained", "as `clock`, in whole milliseconds, rounded down", "rates", grain=GRAIN),
        Variant("lossy", "any earlier record comes back, or none; then it is frozen", "forward", loses=True, revoke="never"),
        Variant("terms", "each judgement of time is anybody's guess; revoked at once, too", "anything", ("P2", "P3"), revoke="at once"),
    )
}
