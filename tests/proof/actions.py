"""What may happen. Each action: what it needs, and the state after it; beside the place in the code that it stands for.

Each is a function of
  v        the kind of storage (variants.py),
  w        what never changes: who sent a request, for which ttl (state.py),
  s        the state before,
  without  the names of clauses that are left out, to see what they are for; empty in the proof,
and of what it is about. It answers whether it is possible (`guard`), and the state after it. `s.but(x=..)` is the state with another x,
`put(f, a, 1)` the function f with another value at a.

An action that allows more than the code does is harmless (what is proved of more holds for less), and many do: a candidate may time out,
lose its reign, learn and see at any moment. None may allow less.
"""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import z3

from logic import And, If, Implies, Max, Min, Not, Or, put, put_if
from passing import clocks_went_on, is_reading, storage_went_on
from record import RELEASED_ONLY, acquire, choose, left, release, renew, revoke
from state import CLAIM, RELEASE, RENEWAL, Agent, Answer, Bool, Copy, Int, Real, Record, Request


@dataclass
class Step:
    guard: Any
    after: Any
    of_all: Any = None  # what holds for every agent besides


@dataclass
class Action:
    name: str
    place: str  # in src/
    takes: dict  # parameter -> sort
    do: Any
    when: Any = lambda variant: True


ACTIONS = []


def action(name, place, when=lambda variant: True, **takes):
    def register(do):
        ACTIONS.append(Action(name, place, takes, do, when))
        return do

    return register


def a_claim(w, r):
    owner = w.owner(r)
    return SimpleNamespace(owner=owner, ident=w.ident(owner), ttl=w.asked(r), after=w.after(r), take=w.take(r))


def one_ttl(w, a, r, without):
    """A session asks for one ttl, also in its next instance (src/ticket.rs). The margin may be another."""
    return True if "one ttl" in without else w.asked(r) == w.ttl(a)


def write(v, s, record, now, **changes):
    """The storage writes. In a register nothing is dated: what is left is written (`undated`, src/storage/registers/step.rs)."""
    if v.register:
        record = replace(record, expires=Max(record.expires - now, 0))
    return s.but(record=record, revision=s.revision + 1, top=Max(s.top, record.term), **changes)


# === time


@action("time passes", "time.rs Timer", d=Real, clock=Real)
def tick(v, w, s, without, d, clock):
    after = s.but(own=z3.Function("t.own", Agent, Real), watch=z3.Function("t.watch", Agent, Real), clock=clock)
    return Step(And(d >= 0, storage_went_on(v, s.clock, clock, d)), after, lambda x: clocks_went_on(s, after, d, x, without))


# === the candidate sends (src/election/request.rs due_request, send)


@action("send a claim", "election/request.rs due_request, claims_after; election/follow.rs takeover", a=Agent, r=Request)
def send_claim(v, w, s, without, a, r):
    continues = And(s.asleep(a), s.own(a) < s.ticket_until(a))
    after = If(continues, s.ticket_term(a) - 1, s.known(a))
    if "continues in time" in without:
        after = If(s.asleep(a), s.ticket_term(a) - 1, s.known(a))
    if "asks after what is known" in without:
        after = 0
    watched = s.watch(a) - s.since(a)
    still = 2 * watched >= s.seen_ttl(a) if "whole ttl watched" in without else watched >= s.seen_ttl(a)
    if v.tells and "what was told" not in without:  # with a take-over delay: so long after the end that the storage told of
        still = Or(still, s.watch(a) >= s.vacant(a))
    named = And(s.seen(a) >= 1, w.take(r) == s.seen(a), still)
    if v.clock in ("none", "anything", "forward") or "guard" in without:
        take = w.take(r) >= RELEASED_ONLY
    elif v.guard:
        take = Or(w.take(r) == RELEASED_ONLY, named)
    else:
        take = Or(w.take(r) == RELEASED_ONLY, w.take(r) == 0, named)
    fits = And(w.kind(r) == CLAIM, w.owner(r) == a, w.after(r) == after, w.sent(r) == s.own(a), one_ttl(w, a, r, without), take)
    alive = And(a != w.nobody, True if "new session" in without else Not(s.gone(a)))
    idle = And(alive, Not(s.leads(a)), True if "one at a time" in without else Not(s.waiting(a)))
    sent = s.but(issued=put(s.issued, r, True), waiting=put(s.waiting, a, True), current=put(s.current, a, r))
    return Step(And(idle, Not(s.issued(r)), fits), sent)


@action("send a renewal", "election/request.rs due_request", a=Agent, r=Request)
def send_renewal(v, w, s, without, a, r):
    idle = True if "one at a time" in without else Not(s.waiting(a))
    leads = And(s.leads(a), Or(not v.timed, s.own(a) < s.deadline(a)), idle)
    fits = And(w.kind(r) == RENEWAL, w.owner(r) == a, w.of_term(r) == s.term(a), w.sent(r) == s.own(a), one_ttl(w, a, r, without))
    sent = s.but(issued=put(s.issued, r, True), waiting=put(s.waiting, a, True), current=put(s.current, a, r))
    return Step(And(leads, Not(s.issued(r)), fits), sent)


@action("stop waiting", "election/request.rs fail_if_overdue, fail", a=Agent)
def time_out(v, w, s, without, a):
    return Step(s.waiting(a), s.but(waiting=put(s.waiting, a, False)))


# === the storage applies (src/storage/record.rs, record.py)


@action("apply a claim", "storage/record.rs acquire, grant", r=Request, p=Answer, now=Real, handle=Agent, seed=Int)
def apply_claim(v, w, s, without, r, p, now, handle, seed):
    granted, term, record = acquire(s.record, a_claim(w, r), now, seed, without)
    # Storages that may lose data begin each grant at their clock, which is beyond all that was lost.
    ready = And(s.issued(r), w.kind(r) == CLAIM, is_reading(v, s, handle, now), seed >= s.seed)
    if v.loses and "freeze" not in without:
        ready = And(ready, s.clock >= s.frozen_until)
    answered = And(granted, w.to(p) == r, w.granted(p) == term, Not(s.given(p)))
    return Step(And(ready, answered), write(v, s, record, now, given=put(s.given, p, True)))


@action("apply a renewal", "storage/record.rs renew", r=Request, p=Answer, now=Real, handle=Agent)
def apply_renewal(v, w, s, without, r, p, now, handle):
    owner = w.owner(r)
    asked = SimpleNamespace(owner=owner, ident=w.ident(owner), ttl=w.asked(r), term=w.of_term(r))
    applies, record = renew(s.record, asked, now, without)
    ready = And(s.issued(r), w.kind(r) == RENEWAL, is_reading(v, s, handle, now))
    if v.register:  # until somebody took the end for certain it is there to be renewed
        ready = And(ready, Implies(s.record.expires > 0, now < s.record.expires))
    if v.loses and "freeze" not in without:
        ready = And(ready, s.clock >= s.frozen_until)
    answered = And(applies, w.to(p) == r, Not(s.given(p)))
    return Step(And(ready, answered), write(v, s, record, now, given=put(s.given, p, True)))


@action("apply a release", "storage/record.rs release", r=Request, now=Real, handle=Agent)
def apply_release(v, w, s, without, r, now, handle):
    asked = SimpleNamespace(owner=w.owner(r), names=w.names(r), successor=w.successor(r), within=w.within(r))
    record = release(s.record, asked, now, without)
    ready = And(s.issued(r), w.kind(r) == RELEASE, w.within(r) >= 0, is_reading(v, s, handle, now))
    owned = And(s.record.made, s.record.held, True if "own release" in without else s.record.owner == w.owner(r))
    return Step(And(ready, owned), write(v, s, record, now))


@action("mark an end", "storage/registers/step.rs next", lambda v: v.register or v.clock == "anything", now=Real, handle=Agent)
def mark(v, w, s, without, now, handle):
    if "mark after a watch" in without or v.clock == "anything":
        over = True
    else:
        over = And(is_reading(v, s, handle, now), now >= s.record.expires)
    ends = And(s.record.made, s.record.expires > 0, over)  # of a lease, or of a reservation
    return Step(ends, s.but(record=replace(s.record, expires=0), revision=s.revision + 1))


@action("revoke", "storage/record.rs revoke", lambda v: v.revoke != "never", now=Real, handle=Agent, of_term=Int, at_once=Bool)
def revoke_it(v, w, s, without, now, handle, of_term, at_once):
    may = True if v.revoke == "at once" or "revoke waits" in without else Not(at_once)
    applies, record = revoke(s.record, w.nobody, of_term, at_once, now, without)
    return Step(And(may, is_reading(v, s, handle, now), applies), write(v, s, record, now))


# === the candidate reads an answer (src/election/request.rs handle_reply)


@action("begin to lead", "election/lead.rs granted", a=Agent, p=Answer)
def receive_grant(v, w, s, without, a, p):
    r = w.to(p)
    asked = And(s.waiting(a), s.given(p), w.owner(r) == a, w.kind(r) == CLAIM)
    if "reply's number" in without:
        r = s.current(a)
    else:
        asked = And(asked, s.current(a) == r)
    term, until = w.granted(p), w.sent(r) + w.span(r)
    if "counted from before" in without:
        until = s.own(a) + w.span(r)
    if "late grant" not in without and v.timed:
        asked = And(asked, s.own(a) < until)
    # A reign of the last instance that was to go on, and whose deadline has passed: it does not come back.
    over = And(s.asleep(a), s.ticket_term(a) == term, s.own(a) >= s.ticket_until(a))
    if "continues in time" in without:
        over = False
    known = s.known if "known is noted" in without else put(s.known, a, Max(s.known(a), term))
    begun = s.but(
        waiting=put(s.waiting, a, False),
        known=known,
        asleep=put(s.asleep, a, False),
        ended=put_if(over, s.ended, a, Max(s.ended(a), term)),
        leads=put(s.leads, a, Not(over)),
        term=put_if(Not(over), s.term, a, term),
        deadline=put_if(Not(over), s.deadline, a, until),
    )
    return Step(And(asked, Not(s.leads(a))), begun)


@action("go on leading", "election/lead.rs extended; election.rs advance_to", a=Agent, p=Answer)
def receive_extension(v, w, s, without, a, p):
    r = w.to(p)
    asked = And(s.waiting(a), s.given(p), w.owner(r) == a, w.kind(r) == RENEWAL, s.leads(a))
    if "reply's number" in without:
        r = s.current(a)
    else:
        asked = And(asked, s.current(a) == r)
    if "late extension" not in without and v.timed:
        asked = And(asked, s.own(a) < s.deadline(a))
    until = w.sent(r) + w.span(r)
    if "counted from before" in without:
        until = s.own(a) + w.span(r)
    until = until if "only forward" in without else Max(s.deadline(a), until)
    return Step(asked, s.but(waiting=put(s.waiting, a, False), deadline=put(s.deadline, a, until)))


@action("learn of a term", "election/follow.rs see_key", a=Agent, term=Int)
def learn(v, w, s, without, a, term):
    # By a refusal: where a reign was to go on, the next claim is an ordinary one.
    idle = And(Not(s.leads(a)), Not(s.waiting(a)))
    ended = put_if(s.asleep(a), s.ended, a, Max(s.ended(a), s.ticket_term(a)))
    learnt = s.but(known=put(s.known, a, term), asleep=put(s.asleep, a, False), ended=ended)
    return Step(And(idle, s.known(a) <= term, term <= s.top), learnt)


@action("show what is left", "storage/record.rs time_left", lambda v: v.tells, a=Agent, now=Real)
def show(v, w, s, without, a, now):
    """The storage says how much of the lease is left. It counts from here: the code counts from when that has arrived, which is later."""
    newest, until = s.record.version, s.watch(a) + If(s.record.held, left(s.record, now), 0)
    least = If(s.shown(a) == newest, Min(s.shown_until(a), until), until)
    shown = s.but(shown=put(s.shown, a, newest), shown_until=put(s.shown_until, a, least))
    return Step(And(newest >= 1, is_reading(v, s, None, now)), shown)


@action("see a write", "election/follow.rs sight; storage/registers/seen.rs take_in", a=Agent, write=Int, ttl=Real, until=Real)
def see(v, w, s, without, a, write, ttl, until):
    newest = s.revision if v.register else s.record.version
    newest_ttl = s.record.expires if v.register else s.record.ttl
    fits = And(write >= 1, write <= newest, Implies(write == newest, ttl == newest_ttl))
    same = s.seen(a) == write
    if "watch begins anew" in without:
        same = s.seen(a) >= 1
    since = put_if(Not(same), s.since, a, s.watch(a))
    # (It is the same write, so it has the same ttl.)
    seen_ttl = put_if(s.seen(a) != write, s.seen_ttl, a, ttl)
    seen = s.but(seen=put(s.seen, a, write), since=since, seen_ttl=seen_ttl)
    if v.tells:
        told = And(s.shown(a) == newest, until >= s.shown_until(a))
        fits = And(fits, Implies(write == newest, Or(told, until >= s.watch(a) + ttl)))
        seen = seen.but(vacant=put(s.vacant, a, until))
    return Step(fits, seen)


# === a reign ends


@action("lose", "election/lead.rs lose; election.rs expire", a=Agent)
def lose(v, w, s, without, a):
    ended = put(s.ended, a, Max(s.ended(a), s.term(a)))
    return Step(s.leads(a), s.but(leads=put(s.leads, a, False), waiting=put(s.waiting, a, False), ended=ended))


@action("go to sleep", "election/begin.rs into_ticket, resume; ticket.rs continuing", a=Agent)
def sleep(v, w, s, without, a):
    idle = True if "sleeps idle" in without else Not(s.waiting(a))
    ready = And(s.leads(a), idle, Or(not v.timed, s.own(a) < s.deadline(a)))
    slept = s.but(
        leads=put(s.leads, a, False),
        waiting=put(s.waiting, a, False),
        asleep=put(s.asleep, a, True),
        ticket_term=put(s.ticket_term, a, s.known(a)),
        ticket_until=put(s.ticket_until, a, s.deadline(a)),
    )
    return Step(ready, slept)


@action("release", "election/end.rs begin_release", a=Agent, r=Request)
def give_up(v, w, s, without, a, r):
    fits = And(w.kind(r) == RELEASE, w.owner(r) == a, w.sent(r) == s.own(a), Not(s.issued(r)))
    demoted = True if "demoted first" in without else Not(s.leads(a))
    sent = s.but(gone=put(s.gone, a, True), waiting=put(s.waiting, a, False), issued=put(s.issued, r, True))
    return Step(And(a != w.nobody, demoted, Not(s.gone(a)), fits), sent)


# === what a storage may suffer, and what a resource admits


@action("keep a copy", "(a replica, a backup)", lambda v: v.loses, k=Copy)
def keep(v, w, s, without, k):
    copy = w.copy(k)
    same = And(*(getattr(copy, name) == getattr(s.record, name) for name in Record.__dataclass_fields__))
    return Step(same, s.but(kept=put(s.kept, k, True)))


LONGEST = z3.Real("longest")  # the longest ttl: max_ttl of a storage that may lose data


@action("lose data", "storages/redis: the freeze, the seed", lambda v: v.loses, k=Copy, all=Bool, free=Bool, seed=Int)
def lose_data(v, w, s, without, k, all, free, seed):
    empty = Record(False, False, w.nobody, w.ident(w.nobody), 0, 0, 0, 0)
    copy = w.copy(k)
    record = choose(all, empty, choose(free, replace(copy, held=False, expires=0), copy))
    fits = seed >= 1 if "seed" in without else seed > s.top
    after = s.but(record=record, revision=s.revision + 1, seed=seed, frozen_until=s.clock + LONGEST, lost=True)
    return Step(And(Or(all, s.kept(k)), fits, seed >= s.seed), after)


@action("write to what is fenced", "fence.rs", p=Answer)
def fenced_write(v, w, s, without, p):
    admits = And(s.given(p), w.kind(w.to(p)) == CLAIM)
    if "fence" not in without:
        admits = And(admits, w.granted(p) >= s.fence)
    return Step(admits, s.but(fence=Max(s.fence, w.granted(p)), written=put(s.written, p, True)))
