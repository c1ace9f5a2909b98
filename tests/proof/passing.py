"""Time: how clocks go on together.

Rates within r of the true one mean that while one clock shows d, another shows at least rho * d, with rho = (1 - r) / (1 + r). There is
no rate in the model: the storage's clock, and a candidate's where it watches others, are counted in *slow* units, rho of their own. Then
in each step there is one number d such that every candidate's own clock goes on by d or more, and all slow ones by d or less. That is all
that the proof knows of rates. A ttl of T is rho * T in slow units, so that `span <= ttl` says `T - margin <= rho * T`, that is
`margin >= T * 2r / (1 + r)`: what `Config::margin` asks for. `lemma` proves this for every r. (Say clocks are 5 % off at most: rho is 0.905.
A ttl of 10 s is 9.05 slow seconds; a span of 9 s fits into it, one of 9.1 s does not.)
"""

import z3

from logic import And, Or


def clocks_went_on(before, after, d, x, without=frozenset()):
    """How the clocks of agent x may go on in a step of d."""
    if "rates" in without:
        return And(after.own(x) >= before.own(x), after.watch(x) >= before.watch(x))
    return And(after.own(x) >= before.own(x) + d, after.watch(x) >= before.watch(x), after.watch(x) <= before.watch(x) + d)


def storage_went_on(variant, before, after, d):
    return {
        "rates": after <= before + d,
        "forward": And(after >= before, after <= before + d),
        "jumps": True,
        "none": after == before,
        "anything": True,
    }[variant.clock]


def is_reading(variant, state, handle, passed):
    """What the storage's clock may show: `now_ms` of `Record::judge`.

    Of a register: for how long the handle has seen it stand still, or less (src/storage/registers/step.rs).
    """
    if variant.register:
        watched = And(state.seen(handle) >= 1, state.seen(handle) == state.revision)
        return And(passed >= 0, Or(passed == 0, And(watched, passed <= state.watch(handle) - state.since(handle))))
    if variant.clock == "anything":
        return True
    if isinstance(variant.grain, int):
        return passed == state.clock
    return And(passed <= state.clock, passed > state.clock - variant.grain)


def axioms(variant, world, r, without=frozenset()):
    """What the configuration has to be like with which request r is sent. `span` is `ttl - margin`.

    The margin is what the documentation of `Config::margin` asks for. (`Config::validate` checks less: it does not know the rates.)
    """
    grain = variant.grain if "grain" not in without else 0
    fits = True if not variant.timed or "margin" in without else world.span(r) + grain <= world.asked(r)
    return And(world.asked(r) > 0, world.span(r) > 0, fits)


def lemma():
    """Queries (name, formula) that are unsatisfiable: rates become slow units, and the margin's rule becomes `span + grain <= ttl`."""
    r, ttl, margin, own, other, true, grain = z3.Reals("r ttl margin own other true grain")
    rho = (1 - r) / (1 + r)
    rates = z3.And(r >= 0, r < 1, true >= 0)
    within = lambda c: z3.And(c >= (1 - r) * true, c <= (1 + r) * true)  # noqa: E731
    d = (1 - r) * true
    needed = (2 * r * ttl + (1 - r) * grain) / (1 + r)
    sound = z3.And(rates, ttl > 0, grain >= 0)
    return [
        ("own clocks go on by d or more", z3.And(rates, within(own), own < d)),
        ("slow clocks go on by d or less", z3.And(rates, within(other), rho * other > d)),
        ("the margin is enough", z3.And(sound, margin >= needed, ttl - margin + rho * grain > rho * ttl)),
        ("no less is", z3.And(sound, margin < needed, ttl - margin + rho * grain <= rho * ttl)),
    ]
