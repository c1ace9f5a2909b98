"""The storage's half: what becomes of a record. It stands for `Record::judge` of src/storage/record.rs, function for function.

Times are numbers of one unit. (In the proof: real numbers, in *slow* units, see passing.py. On the table: the code's milliseconds.)
Not modelled: texts and values, `since_ms`, the end of the numbers (terms and times that overflow).
"""

from dataclasses import dataclass, replace
from typing import Any

from logic import And, If, Implies, Max, Min, Not, Or

# What a claim may say of another's expired lease; a number from 1 on names a version (`Takeover::Unchanged`).
EXPIRED, RELEASED_ONLY = 0, -1


@dataclass(frozen=True)
class Record:
    made: Any  # there is a record at all
    held: Any  # it has a session
    owner: Any  # which; means something only where it is held. `nobody`: it was revoked, and is waited for
    ident: Any  # the id: of who held it last, or for whom it is reserved
    term: Any
    version: Any
    ttl: Any
    expires: Any


def choose(condition, then, otherwise):
    """`If` for whole records."""
    pairs = ((name, getattr(then, name), getattr(otherwise, name)) for name in Record.__dataclass_fields__)
    return Record(**{name: a if a is b else If(condition, a, b) for name, a, b in pairs})


# === what is read off a record: `left`, `is_live`, `is_ahead_of_the_clock`, `reserved_ms`


def left(record, now):
    return Min(Max(record.expires - now, 0), record.ttl)


def is_live(record, now):
    return And(record.held, left(record, now) > 0)


def is_ahead(record, now):
    return Max(record.expires - now, 0) > record.ttl


def reserved(record, now):
    return If(is_ahead(record, now), 0, Max(record.expires - now, 0))


# === acquire


def next_term(term, after, seed):
    return Max(Max(term, after) + 1, seed)


def acquire(record, claim, now, seed, without=frozenset()):
    """Whether it is granted, in which term, and the record after that. `claim` has `owner`, `ident`, `ttl`, `after` (0: none), `take`."""
    live, mine = is_live(record, now), And(record.held, record.owner == claim.owner)
    outdated = claim.after < record.term
    if "outdated" in without:
        outdated_refuses = False
    else:
        outdated_refuses = outdated
    fresh = next_term(record.term, claim.after, seed)
    if "new term" in without:
        fresh = Max(Max(record.term, 1), seed)
    keeps = And(live, mine, outdated)
    if "own live lease ends" in without:
        keeps = And(live, mine)
    if "own expired lease ends" in without:
        keeps = Or(keeps, And(record.made, mine, Not(live)))
    unchanged = And(claim.take >= 1, claim.take == record.version)
    stuck = And(unchanged, Not(outdated), is_ahead(record, now))
    if "ahead of the clock" in without:
        stuck = And(unchanged, Not(outdated))
    anothers = And(Not(record.held), record.ident != claim.ident, reserved(record, now) > 0)
    if "reservation" in without:
        anothers = False
    spared = Or(claim.take == EXPIRED, unchanged)
    if "version" in without:
        spared = claim.take != RELEASED_ONLY
    free = Or(Not(record.held), mine, spared)
    others_live = And(live, Not(stuck))
    if "live" in without:
        others_live = False
    granted = Or(
        Not(record.made),
        And(live, mine),
        And(Not(And(live, mine)), Not(others_live), Not(outdated_refuses), Not(anothers), free),
    )
    term = If(keeps, record.term, fresh)
    after = extended(record, claim.owner, claim.ttl, claim.ident, now, without)
    after = replace(after, held=True, owner=claim.owner, term=term)
    created = Record(True, True, claim.owner, claim.ident, fresh, 1, claim.ttl, now + claim.ttl)
    written = choose(record.made, after, created)
    return granted, If(record.made, term, fresh), choose(granted, written, record)


def extended(record, owner, ttl, ident, now, without=frozenset()):
    """At least for `ttl` from now: what its own session still has is not cut short."""
    kept = If(And(record.held, record.owner == owner), left(record, now), 0)
    if "never shortened" in without:
        kept = 0
    longest = Max(ttl, kept)
    version = record.version if "version moves" in without else record.version + 1
    return replace(record, ident=ident, version=version, ttl=longest, expires=now + longest)


# === renew, release, revoke


def renew(record, renewal, now, without=frozenset()):
    """Whether it is extended, and the record after that. `renewal` has `owner`, `ident`, `term`, `ttl`."""
    same_session, same_term = And(record.held, record.owner == renewal.owner), record.term == renewal.term
    if "session" in without:
        same_session = record.held
    if "term" in without:
        same_term = True
    live = True if "never revives" in without else is_live(record, now)
    applies = And(record.made, same_session, same_term, live)
    after = extended(record, renewal.owner, renewal.ttl, renewal.ident, now, without)
    if {"session", "term"} <= without:  # "who renews is the leader"
        after = replace(after, owner=renewal.owner)
    return applies, choose(applies, after, record)


def freed(record, without=frozenset()):
    term = 0 if "release keeps the term" in without else record.term
    return replace(record, held=False, term=term, version=record.version + 1, expires=0)


def release(record, asked, now, without=frozenset()):
    """The record after it. `asked` has `owner`, `names` (a successor), `successor`, `within`."""
    applies = And(record.made, record.held, record.owner == asked.owner)
    if "own release" in without:
        applies = And(record.made, record.held)
    free = freed(record, without)
    reserved_for = replace(free, ident=asked.successor, ttl=asked.within, expires=now + asked.within)
    return choose(applies, choose(asked.names, reserved_for, free), record)


def revoke(record, nobody, of_term, at_once, now, without=frozenset()):
    """Whether it took the lease, and the record after it. `of_term`: 0 is any."""
    applies = And(
        record.made,
        record.held,
        Or(of_term == 0, of_term == record.term),
        True if "revoked twice" in without else Or(at_once, record.owner != nobody),
    )
    kept = replace(record, owner=nobody, version=record.version + 1)
    term = record.term if "revoked term" in without else record.term + 1
    taken = replace(choose(at_once, freed(record), kept), term=term)
    return applies, choose(applies, taken, record)
