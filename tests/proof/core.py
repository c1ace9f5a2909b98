"""The core of the proof: whoever leads, or is about to, has the record for as long as it will lead; so there is one.

Three *roles* are alike in this: who leads; whose grant is under way (it will lead when it hears of it); whose extension is under way. `left`
is for how long it leads at most, on its own clock. In slow units (passing.py) times of several clocks may be compared.
"""

from dataclasses import dataclass
from typing import Any

from invariants import INVARIANTS, Invariant, is_claim
from logic import And, Implies, Or
from state import CLAIM, RENEWAL, Agent, Answer, Request


@dataclass
class Role:
    name: str
    of: Any
    applies: Any
    agent: Any
    term: Any
    left: Any


def read_in_time(w, s, p, kind):
    """An answer that is still waited for, to a request of this kind, whose reign would not be over."""
    r = w.to(p)
    a = w.owner(r)
    waits = And(s.given(p), s.waiting(a), s.current(a) == r, w.kind(r) == kind, s.own(a) < w.sent(r) + w.span(r))
    return And(waits, s.leads(a)) if kind == RENEWAL else waits


def left_by(w, s, p):
    r = w.to(p)
    return w.sent(r) + w.span(r) - s.own(w.owner(r))


ROLES = [
    Role(
        "who leads",
        Agent,
        lambda w, s, a: And(s.leads(a), s.own(a) < s.deadline(a)),
        lambda w, a: a,
        lambda w, s, a: s.term(a),
        lambda w, s, a: s.deadline(a) - s.own(a),
    ),
    Role(
        "whose grant is under way",
        Answer,
        lambda w, s, p: read_in_time(w, s, p, CLAIM),
        lambda w, p: w.owner(w.to(p)),
        lambda w, s, p: w.granted(p),
        left_by,
    ),
    Role(
        "whose extension is under way",
        Answer,
        lambda w, s, p: read_in_time(w, s, p, RENEWAL),
        lambda w, p: w.owner(w.to(p)),
        lambda w, s, p: w.of_term(w.to(p)),
        left_by,
    ),
]


def frozen_for(v, s, left):
    return And(s.lost, left <= s.frozen_until - s.clock) if v.loses else False


def core(role):
    def has_the_record(v, w, s, x):
        a, term, left = role.agent(w, x), role.term(w, s, x), role.left(w, s, x)
        mine = And(s.record.owner == a, s.record.term == term)
        revoked = And(s.record.owner == w.nobody, term < s.record.term)
        lasts = {
            "rates": And(left <= s.record.expires - s.clock, left <= s.record.ttl),
            "forward": And(left <= s.record.expires - s.clock, left <= s.record.ttl),
            "jumps": left <= s.record.ttl,
            "none": left <= s.record.expires,
        }[v.clock]
        has = And(s.record.made, s.record.held, Or(mine, revoked), lasts)
        if v.loses:
            has = Or(And(has, Implies(s.lost, s.record.term >= s.seed)), frozen_for(v, s, left))
        return Implies(role.applies(w, s, x), has)

    def nobody_has_watched(v, w, s, x, b):
        newest = s.revision if v.register else s.record.version
        left = role.left(w, s, x)
        lasts = left <= s.since(b) + s.seen_ttl(b) - s.watch(b)
        if v.tells:
            lasts = And(lasts, left <= s.vacant(b) - s.watch(b))
        return Implies(And(role.applies(w, s, x), s.seen(b) == newest), lasts)

    def nothing_less_was_shown(v, w, s, x, b):
        lasts = role.left(w, s, x) <= s.shown_until(b) - s.watch(b)
        return Implies(And(role.applies(w, s, x), s.shown(b) == s.record.version), lasts)

    def nobody_names(v, w, s, x, r):
        return Implies(And(role.applies(w, s, x), is_claim(w, s, r), w.take(r) >= 1), w.take(r) != s.record.version)

    timed, watched = lambda v: v.timed, lambda v: v.timed and not v.loses
    INVARIANTS.append(
        Invariant(
            f"{role.name}: has the record",
            "The record has its session and term (or was revoked since), unmarked, and lasts for as long as it still leads.",
            "R1 R2 R10",
            (role.of,),
            has_the_record,
            timed,
        )
    )
    INVARIANTS.append(
        Invariant(
            f"{role.name}: is watched for longer",
            "Whoever has seen the newest write still has to watch it for as long.",
            "R1 R10",
            (role.of, Agent),
            nobody_has_watched,
            watched,
        )
    )
    INVARIANTS.append(
        Invariant(
            f"{role.name}: is shown for longer",
            "Nobody was told of an end that is sooner.",
            "R1",
            (role.of, Agent),
            nothing_less_was_shown,
            lambda v: v.tells,
        )
    )
    INVARIANTS.append(
        Invariant(
            f"{role.name}: is not named",
            "No claim names the newest version: nobody has finished watching it.",
            "R1 R10",
            (role.of, Request),
            nobody_names,
            lambda v: v.clock in ("rates", "jumps"),
        )
    )


def alone(one, other):
    def says(v, w, s, x, y):
        return Implies(And(one.applies(w, s, x), other.applies(w, s, y)), one.agent(w, x) == other.agent(w, y))

    INVARIANTS.append(
        Invariant(
            f"alone: {one.name}, {other.name}",
            "Two that lead or are about to are one.",
            "R1",
            (one.of, other.of),
            says,
            lambda v: v.timed,
        )
    )


for role in ROLES:
    core(role)
for i, one in enumerate(ROLES):
    for other in ROLES[i:]:
        alone(one, other)
