"""What there is: candidates, their requests, the answers to these, and one key's record.

Three sorts, each without any bound: agents (one *session* each: a new session is a new agent, a crash is an agent that does nothing any
more), requests and answers. What a request or an answer says never changes; that it was sent or given is part of the state. Nothing ever
leaves the network: a message may be applied or read at any later time, again, in any order, or never. That is loss, delay, repetition
and reordering, all of them.
"""

from dataclasses import dataclass, replace
from typing import Any

import z3

from logic import Table
from record import Record

Agent, Request, Answer, Copy, Ident = (z3.DeclareSort(name) for name in ("Agent", "Request", "Answer", "Copy", "Ident"))
CLAIM, RENEWAL, RELEASE = 1, 2, 3
Int, Real, Bool = z3.IntSort(), z3.RealSort(), z3.BoolSort()
RECORD = dict(made=Bool, held=Bool, owner=Agent, ident=Ident, term=Int, version=Int, ttl=Real, expires=Real)

# === what never changes: name -> (of what, what)
FIXED = {
    "ttl": (Agent, Real),  # the lease that its session asks for, in slow units
    "ident": (Agent, Ident),  # its id; several may have the same
    "owner": (Request, Agent),
    "kind": (Request, Int),
    "asked": (Request, Real),  # of a claim or renewal: the ttl that it asks for
    "span": (Request, Real),  # for how long its sender leads by it, on its own clock: ttl - margin, as configured when it is sent
    "after": (Request, Int),  # of a claim: after which term. 0: it knows of none
    "take": (Request, Int),  # of a claim: see record.py
    "of_term": (Request, Int),  # of a renewal
    "sent": (Request, Real),  # the sender's clock before it was sent
    "names": (Request, Bool),  # of a release: it names a successor
    "successor": (Request, Ident),
    "within": (Request, Real),
    "to": (Answer, Request),
    "granted": (Answer, Int),  # of an answer to a claim: the term
    **{f"copy_{name}": (Copy, kind) for name, kind in RECORD.items()},  # of a record, as it once was
}

# === what changes, for each agent, request or answer: name -> (of what, what, at first)
MAPS = {
    "own": (Agent, Real, None),  # its clock
    "watch": (Agent, Real, None),  # its clock in slow units, for what it sees of others (passing.py)
    "leads": (Agent, Bool, False),  # it has a reign, hand-over included. True leaders are among these
    "term": (Agent, Int, 0),
    "deadline": (Agent, Real, 0),
    "known": (Agent, Int, 0),  # the newest term it knows of
    "ended": (Agent, Int, 0),  # the newest term in which a reign of it has ended (a ghost: nothing is decided by it)
    "waiting": (Agent, Bool, False),  # a request is in flight
    "current": (Agent, Request, None),  # which
    "gone": (Agent, Bool, False),  # it has sent a release, and is no more
    "asleep": (Agent, Bool, False),  # its reign is on a ticket, to be gone on with
    "ticket_term": (Agent, Int, 0),
    "ticket_until": (Agent, Real, 0),
    "seen": (Agent, Int, 0),  # which write of the record it saw last: a version, or a revision. 0: none
    "seen_ttl": (Agent, Real, 0),
    "since": (Agent, Real, 0),  # since when, on `watch`
    "vacant": (Agent, Real, 0),  # when that lease is over by what it was told is left of it, on `watch`
    "shown": (Agent, Int, 0),  # which write the storage showed it last. 0: none
    "shown_until": (Agent, Real, 0),  # and until when it lasts by that, on `watch`: the least of what was shown of that write
    "issued": (Request, Bool, False),  # it was sent
    "given": (Answer, Bool, False),  # it is on its way
    "written": (Answer, Bool, False),  # a write in that term was admitted by the fence
    "kept": (Copy, Bool, False),  # the record was like this at some time: it may come back where data is lost
}


@dataclass(frozen=True)
class State:
    record: Record
    revision: Any  # of the register: moves at each write, a mark included
    clock: Any  # the storage's, in slow units
    top: Any  # the newest term that the record ever had
    seed: Any  # the least term of a grant
    frozen_until: Any
    lost: Any  # data was lost at least once
    fence: Any  # the newest term that the fence saw
    own: Any
    watch: Any
    leads: Any
    term: Any
    deadline: Any
    known: Any
    ended: Any
    waiting: Any
    current: Any
    gone: Any
    asleep: Any
    ticket_term: Any
    ticket_until: Any
    seen: Any
    seen_ttl: Any
    since: Any
    vacant: Any
    shown: Any
    shown_until: Any
    issued: Any
    given: Any
    written: Any
    kept: Any

    def but(self, **changes):
        return replace(self, **changes)


@dataclass(frozen=True)
class World:
    """What never changes."""

    ttl: Any
    ident: Any
    owner: Any
    kind: Any
    asked: Any
    span: Any
    after: Any
    take: Any
    of_term: Any
    sent: Any
    names: Any
    successor: Any
    within: Any
    to: Any
    granted: Any
    copy: Any
    nobody: Any


def any_world():
    functions = {name: z3.Function(name, of, what) for name, (of, what) in FIXED.items()}
    parts = {name: functions.pop(f"copy_{name}") for name in RECORD}
    copy = lambda k: Record(**{name: part(k) for name, part in parts.items()})  # noqa: E731
    return World(nobody=z3.Const("nobody", Agent), copy=copy, **functions)


def any_record(prefix):
    return Record(**{name: z3.Const(f"{prefix}.{name}", kind) for name, kind in RECORD.items()})


def any_state():
    maps = {name: z3.Function(f"s.{name}", of, what) for name, (of, what, _) in MAPS.items()}
    return State(
        record=any_record("r"),
        revision=z3.Int("revision"),
        clock=z3.Real("clock"),
        top=z3.Int("top"),
        seed=z3.Int("seed"),
        frozen_until=z3.Real("frozen_until"),
        lost=z3.Bool("lost"),
        fence=z3.Int("fence"),
        **maps,
    )


def first_state():
    """Nothing has happened yet. Clocks show anything."""
    clocks = {name: z3.Function(f"first.{name}", of, what) for name, (of, what, first) in MAPS.items() if first is None}

    def always(value, what):
        value = z3.BoolVal(value) if what == Bool else z3.IntVal(value) if what == Int else z3.RealVal(value)
        return lambda _: value

    maps = {name: always(first, what) for name, (_, what, first) in MAPS.items() if first is not None}
    record = Record(False, False, z3.Const("nobody", Agent), z3.Const("no_id", Ident), *(z3.IntVal(0),) * 2, *(z3.RealVal(0),) * 2)
    now = z3.Real("first.clock")
    return State(record, z3.IntVal(0), now, z3.IntVal(0), z3.IntVal(1), now, False, z3.IntVal(0), **clocks, **maps)


def plain_state():
    """The same with plain values, to be run."""
    maps = {name: Table(first if first is not None else 0) for name, (_, _, first) in MAPS.items()}
    record = Record(False, False, None, None, 0, 0, 0, 0)
    return State(record, 0, 0, 0, 1, 0, False, 0, **maps)
