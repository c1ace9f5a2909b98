"""The proof: the invariants hold at first, each action keeps each of them, and the promises follow.

Each query asks for one counterexample, without a quantifier: what is to be shown is negated, and so is about fresh agents, requests and
answers; what is known holds for all of them, and is said of those that are named in the query. Saying it of fewer can only make the solver
find more counterexamples, never fewer: "there is none" is so for any number of candidates.
"""

import itertools
import time
from dataclasses import dataclass
from itertools import product
from typing import Any

import z3

import actions
import copies  # noqa: F401 (each registers what holds)
import core  # noqa: F401
import invariants
import passing
from actions import LONGEST
from logic import Not
from promises import PROMISES
from state import Agent, Answer, Copy, Request, any_state, any_world, first_state
from variants import GRAIN


@dataclass
class Group:
    """Goals over the same fresh names, and what is known of these: each goal is a query of its own."""

    about: str
    known: Any  # answers it: there is much of it
    varies: list  # of what is known: what may depend on which clauses there are
    goals: list  # of (name, formula)


class Named:
    """The agents, requests, answers and copies that a query names."""

    def __init__(self, w, s, constants):
        self.by_sort = {sort: [] for sort in (Agent, Request, Answer, Copy)}
        for constant in constants:
            self.add(constant)
        self.add(s.record.owner)
        self.add(w.nobody)
        for answer in self.by_sort[Answer]:
            self.add(w.to(answer))
        for request in list(self.by_sort[Request]):
            self.add(w.owner(request))
        for agent in list(self.by_sort[Agent]):
            self.add(s.current(agent))
        for request in list(self.by_sort[Request]):
            self.add(w.owner(request))
        for copy in self.by_sort[Copy]:
            self.add(w.copy(copy).owner)

    def add(self, term):
        if z3.is_expr(term) and term.sort() in self.by_sort:
            known = self.by_sort[term.sort()]
            if not any(term.eq(one) for one in known):
                known.append(term)

    def tuples(self, sorts):
        return product(*(self.by_sort[sort] for sort in sorts))


def fresh(prefix, sorts):
    return [z3.Const(f"{prefix}{i}", sort) for i, sort in enumerate(sorts)]


def rigid(v, w, named, without):
    """What holds of what never changes."""
    said = [GRAIN > 0, LONGEST > 0]
    said += [w.ttl(a) <= LONGEST for a in named.by_sort[Agent]]
    said += [passing.axioms(v, w, r, without) for r in named.by_sort[Request]]
    return said


def known(v, w, s, named, which):
    return [one.says(v, w, s, *xs) for one in which for xs in named.tuples(one.of)]


def groups(v, without=frozenset()):
    """All that is to be shown, in the order in which it is best asked."""
    w, which = any_world(), invariants.of(v)
    s = first_state()
    goals = [(one.name, one.of, lambda xs, one=one: one.says(v, w, s, *xs)) for one in which]
    yield from grouped("at first", goals, lambda xs: (lambda: [], rigid(v, w, Named(w, s, xs), without)))

    s = any_state()

    def at(xs, more=()):
        named = Named(w, s, [*xs, *more])
        return named, lambda: known(v, w, s, named, which), rigid(v, w, named, without)

    goals = [(f"{p.number} {p.name}", p.of, lambda xs, p=p: p.says(v, w, s, *xs)) for p in PROMISES if p.number in v.promises and p.says]
    yield from grouped("always", goals, lambda xs: at(xs)[1:])

    for action in actions.ACTIONS:
        if action.when(v):
            yield from step_groups(v, w, s, action, without, which, at)


def step_groups(v, w, s, action, without, which, at):
    taken = {name: z3.Const(f"p.{name}", sort) for name, sort in action.takes.items()}
    step = action.do(v, w, s, without, **taken)
    goals = [(one.name, one.of, lambda xs, one=one: one.says(v, w, step.after, *xs)) for one in which]
    for p in PROMISES:
        if p.number in v.promises and p.step and p.step[0] == action.name:
            goals.append((f"{p.number} {p.name}", p.of, lambda xs, p=p: p.step[1](v, w, s, step.after, *xs, **taken)))

    def hold(xs):
        named, holds, varies = at(xs, taken.values())
        if step.of_all is not None:
            varies = varies + [step.of_all(a) for a in named.by_sort[Agent]]
        return holds, varies + [step.guard]

    yield from grouped(action.name, goals, hold)


def grouped(about, goals, known_of):
    for of in dict.fromkeys(of for _, of, _ in goals):
        xs = fresh("x", of)
        holds, varies = known_of(xs)
        yield Group(about, holds, varies, [(name, says(xs)) for name, its, says in goals if its == of])


def said(formulas):
    """What is true anyway need not be said."""
    return [formula for formula in formulas if formula is not True]


@dataclass
class Outcome:
    queries: int
    seconds: float
    open: list  # what was not proved


def same(group, other):
    """Whether two groups ask the very same."""
    ours, theirs = (one.varies + [goal for _, goal in one.goals] for one in (group, other))
    alike = lambda one, two: one is two or (z3.is_expr(one) and z3.is_expr(two) and one.eq(two))  # noqa: E731
    return len(ours) == len(theirs) and all(map(alike, ours, theirs))


def prove(v, without=frozenset(), say=None, timeout_s=120):
    """Asks every query. Without a clause, only those that are others than with all of them: the rest is
    asked anyway. (Where the invariants are others, too, all.)"""
    began, count, left = time.monotonic(), 0, []
    as_it_is = groups(v) if without and not v.besides else itertools.repeat(None)
    for group, known_group in zip(groups(v, without), as_it_is):
        if known_group and same(group, known_group):
            continue
        solver = z3.SolverFor("QF_UFLIRA")
        solver.set("timeout", timeout_s * 1000)
        solver.add(*said(group.known() + group.varies))
        for name, goal in group.goals:
            count += 1
            if goal is True:
                continue
            solver.push()
            solver.add(Not(goal))
            answer = str(solver.check())
            solver.pop()
            if answer != "unsat":
                left.append((f"{group.about}: {name}", answer))
                if say:
                    say(f"{answer}: {group.about}: {name}")
    return Outcome(count, time.monotonic() - began, left)
