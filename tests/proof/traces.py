"""Runs of the model from its first state, step by step: what is to happen is given, the solver finds the numbers.

A trace is a line of steps. `a`, `b`, `c` are agents, numbers are requests; the answer to request 2 is answer 2. Whatever a step leaves
open (how much time passes, what a claim says of another's lease, which term it learns) the solver may choose. Each trace that it finds is a
run of the model as it is proved, with nothing else assumed: so it shows that something can happen.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import z3

import passing
from actions import ACTIONS, LONGEST
from logic import Not, Or
from promises import PROMISES
from state import Agent, Answer, Copy, Request, any_world, first_state
from variants import GRAIN

# word -> (action, what its words are)
STEPS = {
    "time": ("time passes", ""),
    "claim": ("send a claim", "a r"),
    "renew": ("send a renewal", "a r"),
    "timeout": ("stop waiting", "a"),
    "grant": ("apply a claim", "r"),
    "extend": ("apply a renewal", "r"),
    "free": ("apply a release", "r"),
    "mark": ("mark an end", "handle"),
    "revoke": ("revoke", ""),
    "lead": ("begin to lead", "a p"),
    "on": ("go on leading", "a p"),
    "learn": ("learn of a term", "a"),
    "show": ("show what is left", "a"),
    "see": ("see a write", "a"),
    "lose": ("lose", "a"),
    "sleep": ("go to sleep", "a"),
    "release": ("release", "a r"),
    "copy": ("keep a copy", ""),
    "loss": ("lose data", ""),
    "write": ("write to what is fenced", "p"),
}
BY_NAME = {action.name: action for action in ACTIONS}


@dataclass
class Run:
    """A trace with everything that it asks of the solver."""

    w: Any
    states: list
    formulas: list
    taken: list  # (action's name, what it took)
    agents: dict
    answers: dict

    @property
    def last(self):
        return self.states[-1]


def unroll(v, text, without=frozenset()):
    w, s = any_world(), first_state()
    agents = {name: z3.Const(name, Agent) for name in "abc"}
    lines = [line.split() for line in text.replace("\n", ",").split(",") if line.strip()]
    numbers = sorted({word for line in lines for word in line[1:] if word.isdigit()}, key=int)
    requests = {n: z3.Const(f"request{n}", Request) for n in numbers}
    answers = {n: z3.Const(f"answer{n}", Answer) for n in numbers}
    everybody = [*agents.values(), w.nobody]
    formulas = [GRAIN > 0, LONGEST > 0, z3.Distinct(*everybody)]
    formulas += [z3.Distinct(*group.values()) for group in (requests, answers) if len(group) > 1]
    formulas += [w.ttl(a) <= LONGEST for a in everybody]
    formulas += [passing.axioms(v, w, r, without) for r in requests.values()]
    states, taken = [s], []
    for number, (word, *words) in enumerate(lines):
        name, kinds = STEPS[word]
        action = BY_NAME[name]
        assert action.when(v), f"{v.name} has no such action: {name}"
        takes = {p: z3.Const(f"{number}.{p}", sort) for p, sort in action.takes.items()}
        for kind, given in zip(kinds.split(), words, strict=True):
            takes[kind] = agents[given] if kind in ("a", "handle") else requests[given] if kind == "r" else answers[given]
        if "r" in takes and "p" in takes:
            takes["p"] = answers[words[0]]
        if "handle" in takes:
            formulas.append(Or(*(takes["handle"] == a for a in agents.values())))
        step = action.do(v, w, s, without, **takes)
        formulas.append(step.guard)
        after = step.after
        if step.of_all is not None:
            # Each passing of time has its own clocks.
            own, watch = (z3.Function(f"{number}.{clock}", Agent, z3.RealSort()) for clock in ("own", "watch"))
            formulas += [passing.clocks_went_on(s, after.but(own=own, watch=watch), takes["d"], a, without) for a in everybody]
            after = after.but(own=own, watch=watch)
        s = after
        states.append(s)
        taken.append((name, takes))
    return Run(w, states, formulas, taken, agents, answers)


def broken(v, run, number):
    """That a promise of this number does not hold at the end, or was broken by the last step."""
    names = {Agent: list(run.agents.values()), Answer: list(run.answers.values()), Copy: [], Request: []}
    name, takes = run.taken[-1]
    ways = []
    for promise in PROMISES:
        if promise.number != number:
            continue
        for xs in product(*(names[sort] for sort in promise.of)):
            if promise.says:
                ways.append(Not(promise.says(v, run.w, run.last, *xs)))
            elif promise.step[0] == name:
                ways.append(Not(promise.step[1](v, run.w, run.states[-2], run.last, *xs, **takes)))
    return Or(*ways)


def found(run, *formulas):
    """A model in which all of this happens, or none."""
    solver = z3.SolverFor("QF_UFLIRA")
    solver.add(*(f for f in [*run.formulas, *formulas] if f is not True))
    answer = solver.check()
    assert answer != z3.unknown, solver.reason_unknown()
    return solver.model() if answer == z3.sat else None


def told(run, model):
    """The trace with its numbers, for people."""

    def number(value):
        return model.eval(value, model_completion=True) if z3.is_expr(value) else value

    names = {number(agent).sexpr(): name for name, agent in run.agents.items()}
    lines = []
    for (name, takes), after in zip(run.taken, run.states[1:], strict=True):
        words = [f"{what} {names.get(number(value).sexpr(), number(value))}" for what, value in takes.items() if what != "p"]
        record = " ".join(f"{part} {number(getattr(after.record, part))}" for part in ("held", "term", "version", "ttl", "expires"))
        lines.append(f"{name} ({', '.join(words)}): record {record}, clock {number(after.clock)}")
    return "\n".join(lines)
