"""What is promised: P1 to P3. Those of a state follow from the invariants; those of a step are proved of each step."""

from dataclasses import dataclass
from typing import Any

from core import ROLES
from invariants import is_grant
from logic import And, Implies, Not, Or
from state import Agent, Answer


@dataclass
class Promise:
    number: str
    name: str
    rules: str
    of: tuple
    says: Any  # of a state
    step: Any = None  # of a step: (name of its action, formula over the states before and after it and what the action takes)


def one_leader(v, w, s, a, b):
    leads = ROLES[0].applies
    return Implies(And(leads(w, s, a), leads(w, s, b)), a == b)


def one_owner(v, w, s, p, q):
    both = And(is_grant(w, s, p), is_grant(w, s, q), w.granted(p) == w.granted(q))
    return Implies(both, w.owner(w.to(p)) == w.owner(w.to(q)))


def grows(v, w, before, after, x, r, p, now, handle, seed):
    own = And(before.record.held, w.granted(p) == before.record.term, before.record.owner == w.owner(r))
    return Or(w.granted(p) > before.top, own)


def revokes(v, w, before, after, x, now, handle, of_term, at_once):
    return after.record.term > before.top


def begins_anew(v, w, before, after, x, a, p):
    """A reign begins in a term that has not ended: newer than each that did, or the one on its ticket before its deadline."""
    over = And(before.asleep(a), before.own(a) >= before.ticket_until(a), w.granted(p) == before.ticket_term(a))
    return Implies(after.leads(a), And(w.granted(p) > before.ended(a), Not(over)))


def refuses_older(v, w, before, after, x, p):
    """What the fence admits is no older than all that it admitted, and of the same owner where it is as new. x: any earlier write."""
    older = w.granted(p) < w.granted(x)
    anothers = And(w.granted(p) == w.granted(x), w.owner(w.to(p)) != w.owner(w.to(x)))
    return Implies(before.written(x), And(Not(older), Not(anothers)))


PROMISES = [
    Promise("P1", "one leader", "R1 R2 R10", (Agent, Agent), one_leader),
    Promise("P2", "one owner a term", "R5 R7", (Answer, Answer), one_owner),
    Promise("P2", "terms grow", "R5", (Agent,), None, ("apply a claim", grows)),
    Promise("P2", "a revoke's term is new", "R5", (Agent,), None, ("revoke", revokes)),
    Promise("P2", "an ended term does not come back", "R3 R6", (Agent,), None, ("begin to lead", begins_anew)),
    Promise("P3", "the fence refuses what is older", "R11", (Answer,), None, ("write to what is fenced", refuses_older)),
]
