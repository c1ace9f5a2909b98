"""A second solver, on request: cvc5 is asked every query, as text."""

import time

import cvc5
import z3

from induction import groups, said
from logic import Not


def refutes(text, timeout_s):
    solver = cvc5.Solver()
    solver.setOption("tlimit-per", str(timeout_s * 1000))
    solver.setLogic("QF_UFLIRA")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "query")
    symbols = parser.getSymbolManager()
    answer = ""
    while not (command := parser.nextCommand()).isNull():
        answer += command.invoke(solver, symbols)
    return answer.strip()


def confirm(v, say, timeout_s=300):
    """How many queries, the seconds, and what was not confirmed."""
    began, count, left = time.monotonic(), 0, []
    for group in groups(v):
        known = said(group.known() + group.varies)
        for name, goal in group.goals:
            count += 1
            if goal is True:
                continue
            query = z3.Solver()
            query.add(*known, Not(goal))
            text = query.to_smt2().replace("(set-info :status unknown)", "")
            answer = refutes(text, timeout_s)
            if answer != "unsat":
                left.append((f"{group.about}: {name}", answer))
                say(f"{answer}: {group.about}: {name}")
    return count, time.monotonic() - began, left
