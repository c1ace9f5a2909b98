"""What holds always: the invariants, each with its words and the rules (src/guide/rules.md) that it serves.

Each is a formula for any agents, requests and answers. They hold at first, and each action keeps them all: that is the proof. The promises
(promises.py) follow from them. Here are those of requests, terms, versions and watches; `core.py` has those that keep leaders apart, `copies.py` those of
storages that lose data.
"""

from dataclasses import dataclass
from typing import Any

from actions import LONGEST
from logic import And, Implies, Not, Or
from state import CLAIM, RELEASE, RENEWAL, Agent, Answer, Request


@dataclass
class Invariant:
    name: str
    words: str
    rules: str
    of: tuple
    says: Any
    when: Any = lambda variant: True


INVARIANTS = []


def invariant(name, words, rules, *of, when=lambda variant: True):
    def register(says):
        INVARIANTS.append(Invariant(name, words, rules, of, says, when))
        return says

    return register


def is_claim(w, s, r):
    return And(s.issued(r), w.kind(r) == CLAIM)


def is_grant(w, s, p):
    return And(s.given(p), w.kind(w.to(p)) == CLAIM)


def of(variant):
    return [one for one in INVARIANTS if one.when(variant)]


# === requests


@invariant("claims ask after what is known", "No claim asks after more than its candidate knows.", "R5 R6", Request)
def _(v, w, s, r):
    return Implies(is_claim(w, s, r), And(w.after(r) >= 0, w.after(r) <= s.known(w.owner(r))))


@invariant("sent by somebody", "Nobody sends in the name of nobody. What was sent was sent before now.", "R2", Request)
def _(v, w, s, r):
    return Implies(s.issued(r), And(w.owner(r) != w.nobody, w.sent(r) <= s.own(w.owner(r))))


@invariant(
    "the claim in flight",
    "It asks after all that is known, or goes on with the reign of a ticket; and its candidate leads nothing.",
    "R2 R6",
    Agent,
)
def _(v, w, s, a):
    r = s.current(a)
    goes_on = And(s.asleep(a), w.after(r) == s.ticket_term(a) - 1)
    return Implies(And(s.waiting(a), w.kind(r) == CLAIM), And(Not(s.leads(a)), Or(w.after(r) == s.known(a), goes_on)))


@invariant("it is the newest", "It asks after no less than any claim before it.", "R6", Agent, Request)
def _(v, w, s, a, r):
    current = s.current(a)
    waits = And(s.waiting(a), w.kind(current) == CLAIM, is_claim(w, s, r), w.owner(r) == a)
    return Implies(waits, w.after(r) <= w.after(current))


@invariant("the request in flight", "It was sent, by whoever waits; it is a claim or a renewal.", "R2", Agent)
def _(v, w, s, a):
    r = s.current(a)
    return Implies(s.waiting(a), And(s.issued(r), w.owner(r) == a, Or(w.kind(r) == CLAIM, w.kind(r) == RENEWAL)))


@invariant("the renewal in flight", "It is of the reign that lasts.", "R4", Agent)
def _(v, w, s, a):
    r = s.current(a)
    return Implies(And(s.waiting(a), w.kind(r) == RENEWAL), And(s.leads(a), w.of_term(r) == s.term(a)))


@invariant("renewals are of a known term", "And of one's own, if it is the record's.", "R4", Request)
def _(v, w, s, r):
    own = Implies(And(s.record.held, s.record.term == w.of_term(r)), s.record.owner == w.owner(r))
    return Implies(And(s.issued(r), w.kind(r) == RENEWAL), And(w.of_term(r) <= s.known(w.owner(r)), own))


@invariant("only what was sent is answered", "Each by an answer of its own kind.", "R2", Answer)
def _(v, w, s, p):
    r = w.to(p)
    return Implies(s.given(p), And(s.issued(r), Or(w.kind(r) == CLAIM, w.kind(r) == RENEWAL)))


@invariant("who is gone", "Who sent a release waits for nothing and leads nothing.", "R9", Agent)
def _(v, w, s, a):
    return Implies(Or(s.gone(a), a == w.nobody), And(Not(s.waiting(a)), Not(s.leads(a)), Or(s.gone(a), Not(s.asleep(a)))))


@invariant("releases come from who is gone", "A session that ever sent a release never claims again.", "R9", Request)
def _(v, w, s, r):
    return Implies(And(s.issued(r), w.kind(r) == RELEASE), s.gone(w.owner(r)))


@invariant("one ttl a session", "No session asks for two ttls.", "R1 R4", Request)
def _(v, w, s, r):
    return Implies(And(s.issued(r), Or(w.kind(r) == CLAIM, w.kind(r) == RENEWAL)), w.asked(r) == w.ttl(w.owner(r)))


# === terms


@invariant("nothing is beyond the record", "Nobody knows a term that the record never had.", "R5", Agent)
def _(v, w, s, a):
    return And(s.known(a) <= s.top, s.known(a) >= 0)


@invariant("the record's term", "It is the newest, unless data was lost: then all that is granted is newer still.", "R5")
def _(v, w, s):
    newest = s.record.term == s.top
    return And(
        s.record.term <= s.top,
        s.record.term >= 0,
        s.seed >= 1,
        Or(newest, And(s.lost, s.seed > s.top)) if v.loses else newest,
        Or(s.record.made, And(Not(s.record.held), s.record.term == 0, s.record.version == 0)),
        Implies(s.record.made, And(s.record.term >= 1, s.record.version >= 1)),
    )


@invariant("a granted term", "It is at most the newest, and newer than what its claim asked after.", "R5 R6", Answer)
def _(v, w, s, p):
    term = w.granted(p)
    return Implies(is_grant(w, s, p), And(term >= 1, term <= s.top, term > w.after(w.to(p))))


@invariant("one owner a term", "Who was granted a term is the only one who ever is.", "R5", Answer, Answer)
def _(v, w, s, p, q):
    both = And(is_grant(w, s, p), is_grant(w, s, q), w.granted(p) == w.granted(q))
    return Implies(both, w.owner(w.to(p)) == w.owner(w.to(q)))


@invariant("the record names the owner of its term", "While it is held. A revoked term is nobody's.", "R5 R7", Answer)
def _(v, w, s, p):
    return Implies(And(is_grant(w, s, p), s.record.held, w.granted(p) == s.record.term), s.record.owner == w.owner(w.to(p)))


@invariant(
    "a reign's term", "It is the newest that its leader knows; newer than each that it lost; its own; it is not gone.", "R6 R9", Agent
)
def _(v, w, s, a):
    own = Implies(And(s.record.held, s.record.term == s.term(a)), s.record.owner == a)
    return Implies(s.leads(a), And(s.term(a) == s.known(a), s.term(a) > s.ended(a), own, Not(s.gone(a)), Not(s.asleep(a))))


@invariant("it is newer than its claims ask for", "So no late claim of the leader is granted its term anew.", "R6", Agent, Request)
def _(v, w, s, a, r):
    return Implies(And(s.leads(a), is_claim(w, s, r), w.owner(r) == a), w.after(r) < s.term(a))


@invariant("and was granted to its leader", "Whoever was granted it.", "R5", Agent, Answer)
def _(v, w, s, a, p):
    return Implies(And(s.leads(a), is_grant(w, s, p), w.granted(p) == s.term(a)), w.owner(w.to(p)) == a)


# Needed only where renewals do not name their term: the proof without that clause says so (`besides`, clauses.py).
HIS_OWN = "a leader's record is of its reign"


@invariant(HIS_OWN, "While a reign lasts, what its session holds it holds in its term.", "R4", Agent, when=lambda v: HIS_OWN in v.besides)
def _(v, w, s, a):
    return Implies(And(s.leads(a), s.record.held, s.record.owner == a), s.record.term == s.term(a))


@invariant("an ended term is known", "So the next claim asks for a later one.", "R6", Agent)
def _(v, w, s, a):
    return And(s.ended(a) <= s.known(a), s.ended(a) >= 0)


@invariant("a ticket's term", "It is the newest known, and has not ended before its deadline.", "R6 R9", Agent)
def _(v, w, s, a):
    return Implies(s.asleep(a), And(s.ticket_term(a) == s.known(a), s.ticket_term(a) >= 1, s.ended(a) < s.ticket_term(a)))


@invariant("a ticket's claims", "Before its deadline nothing asks after its term.", "R6 R9", Agent, Request)
def _(v, w, s, a, r):
    before = And(s.asleep(a), s.own(a) < s.ticket_until(a), is_claim(w, s, r), w.owner(r) == a)
    return Implies(before, w.after(r) < s.ticket_term(a))


# === versions and watches


@invariant("what was seen was there", "Instants of sight are past; versions that were seen or named were the record's.", "R10", Agent)
def _(v, w, s, a):
    newest = s.revision if v.register else s.record.version
    if v.loses:
        return True
    shown = And(s.shown(a) <= newest, s.shown(a) >= 0) if v.tells else True
    return And(Implies(s.seen(a) >= 1, s.since(a) <= s.watch(a)), s.seen(a) <= newest, s.seen(a) >= 0, newest >= 0, shown)


@invariant(
    "what is named was there", "A claim names no version that is to come.", "R10", Request, when=lambda v: v.clock in ("rates", "jumps")
)
def _(v, w, s, r):
    return Implies(And(is_claim(w, s, r), w.take(r) >= 1), w.take(r) <= s.record.version)


@invariant("the guard is on", "No claim leaves another's lease to the storage's clock.", "R10", Request, when=lambda v: v.guard)
def _(v, w, s, r):
    return Implies(is_claim(w, s, r), w.take(r) != 0)


@invariant(
    "the newest write's ttl",
    "Who has seen the newest write knows for how long it lasts.",
    "R10",
    Agent,
    when=lambda v: v.timed and not v.loses,
)
def _(v, w, s, a):
    newest, ttl = (s.revision, s.record.expires) if v.register else (s.record.version, s.record.ttl)
    return Implies(And(s.seen(a) == newest, newest >= 1), s.seen_ttl(a) == ttl)


@invariant("the record's ttl", "It is at least its holder's.", "R4", when=lambda v: v.timed)
def _(v, w, s):
    longest = And(s.record.ttl <= LONGEST, Implies(s.record.made, s.record.expires <= s.clock + s.record.ttl)) if v.loses else True
    in_it = s.record.expires <= s.record.ttl if v.register else True
    by_holder = Or(s.record.owner == w.nobody, s.record.ttl >= w.ttl(s.record.owner))
    return And(Implies(s.record.held, And(by_holder, in_it, longest)), s.record.expires >= 0 if v.register else True)


@invariant("within the ttl", "A deadline is at most a ttl from now, less what the clocks need.", "R1 R2", Agent, when=lambda v: v.timed)
def _(v, w, s, a):
    return Implies(s.leads(a), s.deadline(a) <= s.own(a) + w.ttl(a) - v.grain)


# === the fence, and where nothing is revoked


@invariant(
    "revoked only where it may be", "Nobody's session is in no record that is never revoked.", "R4", when=lambda v: v.revoke == "never"
)
def _(v, w, s):
    return Implies(s.record.held, s.record.owner != w.nobody)


@invariant("the fence", "It is at least what it admitted.", "R11", Answer)
def _(v, w, s, p):
    return Implies(s.written(p), And(is_grant(w, s, p), w.granted(p) <= s.fence))
