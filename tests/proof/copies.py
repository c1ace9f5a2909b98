"""What holds of storages that lose data: of the copies of a record that may come back."""

from actions import LONGEST
from invariants import invariant, is_grant
from logic import And, Implies, Not, Or
from state import RENEWAL, Agent, Answer, Copy, Request


@invariant("what came back has run out", "Before anything is granted again: the freeze outlasts it.", "R5", when=lambda v: v.loses)
def _(v, w, s):
    came_back = And(s.lost, s.record.held, s.record.term < s.seed)
    return Implies(came_back, s.record.expires <= s.frozen_until)


@invariant("a copy", "It was the record once, and holds to what the record held to.", "R5", Copy, when=lambda v: v.loses)
def _(v, w, s, k):
    copy = w.copy(k)
    fits = And(
        copy.term <= s.top,
        copy.term >= 0,
        Or(copy.made, And(Not(copy.held), copy.term == 0, copy.version == 0)),
        Implies(copy.made, And(copy.term >= 1, copy.version >= 1)),
        Implies(copy.held, And(copy.owner != w.nobody, copy.ttl >= w.ttl(copy.owner), copy.ttl <= LONGEST)),
        Implies(And(copy.made, copy.held), copy.expires <= s.clock + copy.ttl),
    )
    return Implies(s.kept(k), fits)


def owned(copy, w, term, owner):
    return Implies(And(copy.held, copy.term == term), copy.owner == owner)


@invariant("a copy's term: grants", "It names the owner of its term.", "R5", Copy, Answer, when=lambda v: v.loses)
def _(v, w, s, k, p):
    return Implies(And(s.kept(k), is_grant(w, s, p)), owned(w.copy(k), w, w.granted(p), w.owner(w.to(p))))


@invariant("a copy's term: the record", "And so does the record.", "R5", Copy, when=lambda v: v.loses)
def _(v, w, s, k):
    return Implies(And(s.kept(k), s.record.held), owned(w.copy(k), w, s.record.term, s.record.owner))


@invariant("a copy's term: copies", "And each other copy.", "R5", Copy, Copy, when=lambda v: v.loses)
def _(v, w, s, k, j):
    return Implies(And(s.kept(k), s.kept(j), w.copy(j).held), owned(w.copy(k), w, w.copy(j).term, w.copy(j).owner))


@invariant("a copy's term: reigns", "So it does for who leads.", "R5", Copy, Agent, when=lambda v: v.loses)
def _(v, w, s, k, a):
    return Implies(And(s.kept(k), s.leads(a)), owned(w.copy(k), w, s.term(a), a))


@invariant("a copy's term: renewals", "And for renewals that linger.", "R5", Copy, Request, when=lambda v: v.loses)
def _(v, w, s, k, r):
    renewal = And(s.issued(r), w.kind(r) == RENEWAL)
    return Implies(And(s.kept(k), renewal), owned(w.copy(k), w, w.of_term(r), w.owner(r)))
