"""What holds always: the invariants, each with its words and the rules (src/guide/rules.md) that it serves.

Each is a formula for any agents, requests and answers. They hold at first, and each action keeps them all: that is the proof. The promises
(promises.py) follow from them.
"""

from dataclasses import dataclass
from typing import Any

from actions import LONGEST
from logic import And, Implies, Not, Or
from state import CLAIM, RELEASE, RENEWAL, Agent, Answer, Copy, Request


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
    return True if v.loses else And(Implies(s.seen(a) >= 1, s.since(a) <= s.watch(a)), s.seen(a) <= newest, s.seen(a) >= 0, newest >= 0)


@invariant("what is named was there", "A claim names no version that is to come.", "R10", Request)
def _(v, w, s, r):
    return Implies(And(is_claim(w, s, r), w.take(r) >= 1), w.take(r) <= s.record.version)


INVARIANTS[-1].when = lambda v: v.clock in ("rates", "jumps")


@invariant("the guard is on", "No claim leaves another's lease to the storage's clock.", "R10", Request, when=lambda v: v.guard)
def _(v, w, s, r):
    return Implies(is_claim(w, s, r), w.take(r) != 0)


@invariant("the newest write's ttl", "Who has seen the newest write knows for how long it lasts.", "R10", Agent)
def _(v, w, s, a):
    newest, ttl = (s.revision, s.record.expires) if v.register else (s.record.version, s.record.ttl)
    return Implies(And(s.seen(a) == newest, newest >= 1), s.seen_ttl(a) == ttl)


INVARIANTS[-1].when = lambda v: v.timed and not v.loses


@invariant("the record's ttl", "It is at least its holder's.", "R4")
def _(v, w, s):
    longest = And(s.record.ttl <= LONGEST, Implies(s.record.made, s.record.expires <= s.clock + s.record.ttl)) if v.loses else True
    in_it = s.record.expires <= s.record.ttl if v.register else True
    by_holder = Or(s.record.owner == w.nobody, s.record.ttl >= w.ttl(s.record.owner))
    return And(Implies(s.record.held, And(by_holder, in_it, longest)), s.record.expires >= 0 if v.register else True)


INVARIANTS[-1].when = lambda v: v.timed


@invariant("within the span", "A deadline is at most ttl - margin from now.", "R1 R2", Agent)
def _(v, w, s, a):
    return Implies(s.leads(a), s.deadline(a) <= s.own(a) + w.span(a))


INVARIANTS[-1].when = lambda v: v.timed

# === the core: of who leads, whose grant is under way, whose extension is under way

ROLES = []


@dataclass
class Role:
    name: str
    of: Any
    applies: Any
    agent: Any
    term: Any
    left: Any


def is_claim(w, s, r):
    return And(s.issued(r), w.kind(r) == CLAIM)


def is_grant(w, s, p):
    return And(s.given(p), w.kind(w.to(p)) == CLAIM)


def read_in_time(w, s, p, kind):
    """An answer that is still waited for, to a request of this kind, whose reign would not be over."""
    r = w.to(p)
    a = w.owner(r)
    waits = And(s.given(p), s.waiting(a), s.current(a) == r, w.kind(r) == kind, s.own(a) < w.sent(r) + w.span(a))
    return And(waits, s.leads(a)) if kind == RENEWAL else waits


def left_by(w, s, p):
    a = w.owner(w.to(p))
    return w.sent(w.to(p)) + w.span(a) - s.own(a)


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
            "jumps": True,
            "none": left <= s.record.expires,
        }[v.clock]
        has = And(s.record.made, s.record.held, Or(mine, revoked), lasts)
        if v.loses:
            has = Or(And(has, Implies(s.lost, s.record.term >= s.seed)), frozen_for(v, s, left))
        return Implies(role.applies(w, s, x), has)

    def nobody_has_watched(v, w, s, x, b):
        newest = s.revision if v.register else s.record.version
        lasts = role.left(w, s, x) <= s.since(b) + s.seen_ttl(b) - s.watch(b)
        return Implies(And(role.applies(w, s, x), s.seen(b) == newest), lasts)

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
            lambda v: v.timed and (v.loses or v.revoke != "never"),
        )
    )


for role in ROLES:
    core(role)
for i, one in enumerate(ROLES):
    for other in ROLES[i:]:
        alone(one, other)

# === copies, and the fence


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


@invariant(
    "revoked only where it may be", "Nobody's session is in no record that is never revoked.", "R4", when=lambda v: v.revoke == "never"
)
def _(v, w, s):
    return Implies(s.record.held, s.record.owner != w.nobody)


@invariant("the fence", "It is at least what it admitted.", "R11", Answer)
def _(v, w, s, p):
    return Implies(s.written(p), And(is_grant(w, s, p), w.granted(p) <= s.fence))


def of(variant):
    return [one for one in INVARIANTS if one.when(variant)]
