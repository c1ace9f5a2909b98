"""Connectives that work on a solver's expressions and on plain values alike.

The model is written once with these. With expressions it is proved, with numbers it is run: on the table of the storage's verdicts
and on what the simulator did. So what is compared with the code is what was proved, not a copy of it.
"""

import z3


def If(condition, then, otherwise):
    if isinstance(condition, bool):
        return then if condition else otherwise
    return z3.If(condition, then, otherwise)


def And(*conditions):
    conditions = [c for c in conditions if c is not True]
    if any(c is False for c in conditions):
        return False
    return z3.And(*conditions) if conditions else True


def Or(*conditions):
    conditions = [c for c in conditions if c is not False]
    if any(c is True for c in conditions):
        return True
    return z3.Or(*conditions) if conditions else False


def Not(condition):
    return not condition if isinstance(condition, bool) else z3.Not(condition)


def Implies(condition, conclusion):
    return Or(Not(condition), conclusion)


def Min(a, b):
    return If(a <= b, a, b)


def Max(a, b):
    return If(a >= b, a, b)


class Table(dict):
    """A function on plain values: what it is everywhere, but where it was told otherwise."""

    def __init__(self, default):
        super().__init__()
        self.default = default

    def __call__(self, key):
        return self.get(key, self.default)


def put(function, key, value):
    """The function, but for this one place."""
    if isinstance(function, Table):
        changed = Table(function.default)
        changed.update(function)
        changed[key] = value
        return changed
    return lambda x: If(x == key, value, function(x))


def put_if(condition, function, key, value):
    """The same where a condition holds."""
    if condition is True:
        return put(function, key, value)
    if condition is False:
        return function
    return lambda x: If(And(condition, x == key), value, function(x))
