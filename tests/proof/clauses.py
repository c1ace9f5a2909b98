"""The clauses: what the code checks, and why. Each is taken away alone: then a promise breaks, in a run that the solver finds; or, for those
that serve something else, everything can still be proved, for the variants that are named.
"""

from dataclasses import dataclass, replace
from typing import Any

from invariants import HIS_OWN
from scenarios import BEGINS
from variants import VARIANTS, Variant


@dataclass
class Clause:
    """One that is needed: without it a promise breaks."""

    name: str
    place: str  # in src/
    variant: Variant
    without: frozenset
    breaks: str  # the promise
    text: str  # the run that breaks it


@dataclass
class Kept:
    """One that is not, in these variants."""

    serves: str  # what it is there for
    name: str
    place: str
    variants: Any  # their names
    without: frozenset
    besides: tuple  # invariants that this proof needs more


def needed(name, place, variant, without, breaks, text):
    v = VARIANTS[variant] if isinstance(variant, str) else variant
    return Clause(name, place, v, frozenset(without.split(", ")), breaks, text)


def kept_for(serves, name, place, variants, without, *besides):
    return Kept(serves, name, place, variants.split(), frozenset([without]), besides)


TAKES_OVER = "learn b, claim b 2, grant 2, lead b 2"
HANDS_OVER = "lose a, release a 2, free 2, learn b, claim b 3, grant 3"
EXTENDS = "renew a 2, extend 2, on a 2"

NEEDED = [
    # === time
    needed(
        "the deadline is a margin short of the ttl", "config.rs longest_reign", "clock", "margin", "P1", f"{BEGINS}, time, {TAKES_OVER}"
    ),
    needed("clocks run within the rates", "(assumed)", "clock", "rates", "P1", f"{BEGINS}, time, {TAKES_OVER}"),
    needed(
        "and a grain short where the clock shows milliseconds",
        "config.rs margin",
        "grained",
        "grain",
        "P1",
        f"time, {BEGINS}, time, {TAKES_OVER}",
    ),
    needed(
        "the deadline counts from before the request",
        "election/lead.rs deadline",
        "clock",
        "counted from before",
        "P1",
        f"claim a 1, grant 1, time, lead a 1, time, {TAKES_OVER}",
    ),
    needed(
        "only the answer to the request in flight counts",
        "election.rs take_reply",
        "clock",
        "reply's number",
        "P1",
        "claim a 1, grant 1, timeout a, time, claim a 2, lead a 1, time, learn b, claim b 3, grant 3, lead b 3",
    ),
    needed("a live lease is granted to no other", "storage/record.rs acquire", "clock", "live", "P1", f"{BEGINS}, {TAKES_OVER}"),
    # === terms
    needed("a new grant is of a new term", "storage/record.rs next_term", "clock", "new term", "P2", f"{BEGINS}, {HANDS_OVER}"),
    needed(
        "a claim on one's own live lease begins a new term",
        "storage/record.rs acquire",
        "clock",
        "own live lease ends",
        "P2",
        f"{BEGINS}, lose a, claim a 2, grant 2, lead a 2",
    ),
    needed(
        "so does one on one's own expired lease",
        "storage/record.rs acquire",
        "clock",
        "own expired lease ends",
        "P2",
        f"{BEGINS}, time, lose a, claim a 2, grant 2, lead a 2",
    ),
    needed(
        "the term of a grant is noted",
        "election/lead.rs granted",
        "clock",
        "known is noted",
        "P2",
        f"{BEGINS}, lose a, claim a 2, grant 2, lead a 2",
    ),
    needed(
        "a ticket continues a reign before its deadline only",
        "election/request.rs claims_after; election/lead.rs granted",
        "clock",
        "continues in time",
        "P2",
        f"{BEGINS}, sleep a, time, claim a 2, grant 2, lead a 2",
    ),
    needed(
        "a claim asks after what its candidate knows",
        "election/request.rs claims_after",
        "clock",
        "asks after what is known",
        "P2",
        f"{BEGINS}, lose a, claim a 2, grant 2, lead a 2",
    ),
    needed("a revoke moves the term", "storage/record.rs revoke", "clock", "revoked term", "P2", f"{BEGINS}, revoke"),
    needed(
        "a release keeps the record and its term",
        "storage/record.rs release",
        "clock",
        "release keeps the term",
        "P2",
        f"{BEGINS}, lose a, release a 2, free 2, claim b 3, grant 3",
    ),
    # === one's own only
    needed(
        "a renewal names session and term",
        "storage/record.rs renew",
        "clock",
        "session, term",
        "P1",
        f"{BEGINS}, renew a 2, lose a, time, learn b, claim b 3, grant 3, lead b 3, extend 2, learn a, claim a 4, grant 4, lead a 4",
    ),
    needed(
        "a release names the session",
        "storage/record.rs release",
        "clock",
        "own release",
        "P1",
        f"{BEGINS}, release b 2, free 2, learn c, claim c 3, grant 3, lead c 3",
    ),
    needed(
        "the reign ends before its release is sent",
        "election/end.rs end_the_reign_if_due",
        "clock",
        "demoted first",
        "P1",
        f"{BEGINS}, release a 2, free 2, learn b, claim b 3, grant 3, lead b 3",
    ),
    needed(
        "a new session after a release",
        "election/end.rs begin_release",
        "clock",
        "new session",
        "P1",
        f"{BEGINS}, lose a, release a 2, claim a 3, grant 3, lead a 3, free 2, learn b, claim b 4, grant 4, lead b 4",
    ),
    needed(
        "nobody is granted what was revoked before it would have ended",
        "storage/record.rs revoke",
        "clock",
        "revoke waits",
        "P1",
        f"{BEGINS}, revoke, {TAKES_OVER}",
    ),
    # === watching
    needed(
        "so it is where the guard judges that end",
        "storage/record.rs revoke",
        "guard",
        "revoke waits",
        "P1",
        f"{BEGINS}, revoke, {TAKES_OVER}",
    ),
    needed(
        "with the guard, only what was watched is taken over",
        "election/follow.rs takeover",
        "guard",
        "guard",
        "P1",
        f"{BEGINS}, time, {TAKES_OVER}",
    ),
    needed(
        "it is watched for a whole ttl",
        "election/follow.rs seen_still_until",
        "guard",
        "whole ttl watched",
        "P1",
        f"{BEGINS}, see b, time, {TAKES_OVER}",
    ),
    needed(
        "each new version is watched anew",
        "election/follow.rs sight",
        "guard",
        "watch begins anew",
        "P1",
        f"{BEGINS}, see b, time, {EXTENDS}, see b, time, learn b, claim b 3, grant 3, lead b 3",
    ),
    needed(
        "a session asks for one ttl",
        "election/begin.rs resume",
        "guard",
        "one ttl",
        "P1",
        f"{BEGINS}, renew a 2, timeout a, renew a 3, extend 3, on a 3, time, extend 2, see b, time, learn b, claim b 4, grant 4, lead b 4",
    ),
    needed(
        "each write moves the version",
        "storage/record.rs extended",
        "guard",
        "version moves",
        "P1",
        f"{BEGINS}, see b, time, {EXTENDS}, time, learn b, claim b 3, grant 3, lead b 3",
    ),
    needed(
        "the version that was watched is the one that is there",
        "storage/record.rs acquire",
        "guard",
        "version",
        "P1",
        f"{BEGINS}, see b, time, {EXTENDS}, time, learn b, claim b 3, grant 3, lead b 3",
    ),
    needed(
        "an end is marked after a watch",
        "storage/registers/step.rs next",
        "register",
        "mark after a watch",
        "P1",
        f"{BEGINS}, mark b, {TAKES_OVER}",
    ),
    # === storages that lose data
    needed(
        "nothing is granted for the longest ttl after a loss",
        "(the storage: the freeze)",
        "lossy",
        "freeze",
        "P1",
        f"{BEGINS}, loss, claim b 2, grant 2, lead b 2",
    ),
    needed(
        "terms begin at the storage's clock",
        "storage/record.rs term_after",
        "lossy",
        "seed",
        "P2",
        f"{BEGINS}, loss, time, claim b 2, grant 2",
    ),
    # === fencing
    needed("the fence refuses what is older than it saw", "fence.rs", "terms", "fence", "P3", f"{BEGINS}, {HANDS_OVER}, write 3, write 1"),
    # === what the proof takes for granted, and R1 says
    needed(
        "(assumed) a storage's clock that jumps needs the guard",
        "config.rs takeover_guard",
        replace(VARIANTS["clock"], clock="jumps"),
        "",
        "P1",
        f"{BEGINS}, time, {TAKES_OVER}",
    ),
    needed(
        "(assumed) the clock of a storage that loses data does not jump",
        "(the storage: the freeze)",
        replace(VARIANTS["lossy"], clock="jumps"),
        "",
        "P1",
        f"{BEGINS}, loss, time, claim b 2, grant 2, lead b 2",
    ),
]

NOT_NEEDED = [
    kept_for(
        "R4: what lingered is refused; R6",
        "a claim that is outdated is refused where the lease is not live",
        "storage/record.rs acquire",
        "clock register grained lossy terms",
        "outdated",
    ),
    kept_for(
        "R2, R3: no reign begins that is over",
        "a grant that comes after its deadline begins nothing",
        "election/lead.rs granted",
        "clock guard register grained lossy",
        "late grant",
    ),
    kept_for(
        "R3: an end that somebody saw is final",
        "a reign's end is looked at before a late extension",
        "election.rs advance_to",
        "clock guard register grained lossy",
        "late extension",
    ),
    kept_for(
        "R4: an end in the storage is final",
        "a renewal never revives",
        "storage/record.rs renew",
        "clock guard register grained terms",
        "never revives",
    ),
    kept_for(
        "R4; either is enough, both together are needed (above)",
        "a renewal names its session",
        "storage/record.rs renew",
        "clock guard register grained lossy terms",
        "session",
    ),
    kept_for(
        "R4; either is enough, both together are needed (above)",
        "a renewal names its term",
        "storage/record.rs renew",
        "clock guard register grained",
        "term",
        HIS_OWN,
    ),
    kept_for(
        "R4: what a leader was told of its lease stays true",
        "no lease is shortened",
        "storage/record.rs extended",
        "clock guard register grained lossy",
        "never shortened",
    ),
    kept_for(
        "R3: what was said of a deadline stays true",
        "a deadline only moves forward",
        "election/lead.rs extended",
        "clock guard register grained lossy",
        "only forward",
    ),
    kept_for(
        "R4: a live lease is its holder's until its end",
        "what was watched is taken over while live only behind a step back of the clock",
        "storage/record.rs acquire",
        "clock guard grained terms",
        "ahead of the clock",
    ),
    kept_for(
        "R12: the successor has its time",
        "a reservation refuses all others",
        "storage/record.rs acquire",
        "clock guard register grained lossy terms",
        "reservation",
    ),
    kept_for(
        "R2: there is one answer to wait for",
        "one request at a time",
        "election/request.rs due_request",
        "clock guard register grained lossy terms",
        "one at a time",
    ),
    kept_for(
        "R9: what an instance left is done",
        "no ticket while a request is in flight",
        "election/begin.rs into_ticket",
        "clock guard register grained lossy terms",
        "sleeps idle",
    ),
    kept_for(
        "R6: to revoke twice is to revoke once",
        "what was revoked is not revoked again",
        "storage/record.rs revoke",
        "clock guard register grained terms",
        "revoked twice",
    ),
]
