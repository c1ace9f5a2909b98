"""What has to be able to happen: else the proof would be one of nothing."""

from dataclasses import dataclass
from typing import Any

from logic import And, Not


@dataclass
class Scenario:
    name: str
    variants: str
    text: str
    ends: Any  # what holds at the end; of the run


def leads(run, name, state=-1):
    s, a = run.states[state], run.agents[name]
    return And(s.leads(a), s.own(a) < s.deadline(a))


def term(run, name, state=-1):
    return run.states[state].term(run.agents[name])


ALL = "clock guard register grained lossy terms"
BEGINS = "claim a 1, grant 1, lead a 1"

SCENARIOS = [
    Scenario("somebody leads", ALL, BEGINS, lambda run: And(leads(run, "a"), term(run, "a") == 1)),
    Scenario(
        "a renewal extends a reign",
        ALL,
        f"{BEGINS}, time, renew a 2, extend 2, on a 2, time",
        lambda run: And(leads(run, "a"), run.last.own(run.agents["a"]) > run.states[3].deadline(run.agents["a"])),
    ),
    Scenario(
        "a lost grant is healed by asking again, in the same term",
        ALL,
        "claim a 1, grant 1, timeout a, time, claim a 2, grant 2, lead a 2",
        lambda run: And(leads(run, "a"), term(run, "a") == 1),
    ),
    Scenario(
        "a reign ends by time, and its leader begins a new term on its own lease",
        ALL,
        f"{BEGINS}, time, lose a, claim a 2, grant 2, lead a 2",
        lambda run: And(leads(run, "a"), term(run, "a") == 2),
    ),
    Scenario(
        "a released key goes to another",
        ALL,
        f"{BEGINS}, lose a, release a 2, free 2, learn b, claim b 3, grant 3, lead b 3",
        lambda run: And(leads(run, "b"), term(run, "b") == 2),
    ),
    Scenario(
        "a successor is granted what was released for it, while it is reserved",
        "clock guard grained lossy",
        f"{BEGINS}, lose a, release a 2, free 2, learn b, claim b 3, grant 3, lead b 3",
        lambda run: And(
            leads(run, "b"), run.states[6].record.expires > run.states[6].clock, run.states[6].record.ident == run.w.ident(run.agents["b"])
        ),
    ),
    Scenario(
        "an expired lease is taken over",
        "clock grained lossy terms",
        f"{BEGINS}, learn b, time, claim b 2, grant 2, lead b 2",
        lambda run: And(leads(run, "b"), Not(leads(run, "a"))),
    ),
    Scenario(
        "a lease that was watched is taken over, whatever the storage's clock says",
        "guard",
        f"{BEGINS}, see b, learn b, time, claim b 2, grant 2, lead b 2",
        lambda run: leads(run, "b"),
    ),
    Scenario(
        "a lease that is live by a clock that stepped back is taken over",
        "clock",
        f"{BEGINS}, see b, learn b, time, claim b 2, grant 2, lead b 2",
        lambda run: And(leads(run, "b"), run.states[6].record.expires > run.states[6].clock + run.states[6].record.ttl),
    ),
    Scenario(
        "an end is marked, and the next one leads",
        "register",
        f"{BEGINS}, see b, time, mark b, learn c, claim c 2, grant 2, lead c 2",
        lambda run: leads(run, "c"),
    ),
    Scenario(
        "what was watched is swapped for one's own grant",
        "register",
        f"{BEGINS}, see b, learn b, time, claim b 2, grant 2, lead b 2",
        lambda run: leads(run, "b"),
    ),
    Scenario(
        "a ticket goes on with its reign, in its term",
        ALL,
        f"{BEGINS}, sleep a, time, claim a 2, grant 2, lead a 2",
        lambda run: And(leads(run, "a"), term(run, "a") == 1),
    ),
    Scenario(
        "a lease is revoked while its holder leads, and the next one leads when it is over",
        "clock guard register grained",
        f"{BEGINS}, revoke, see b, learn b, time, claim b 2, grant 2, lead b 2",
        lambda run: And(leads(run, "a", 4), leads(run, "b"), term(run, "b") == 3),
    ),
    Scenario(
        "data is lost, and the next one leads when nothing is left of what was",
        "lossy",
        f"{BEGINS}, loss, time, claim b 2, grant 2, lead b 2",
        lambda run: And(leads(run, "b"), leads(run, "a", 4), term(run, "b") > 1),
    ),
    Scenario(
        "an older record comes back, held by another",
        "lossy",
        f"{BEGINS}, copy, lose a, release a 2, free 2, learn b, claim b 3, grant 3, lead b 3, loss, time, learn c, claim c 4, grant 4, lead c 4",
        lambda run: And(leads(run, "c"), leads(run, "b", 11), run.states[11].record.held),
    ),
    Scenario(
        "a late write is refused",
        ALL,
        f"{BEGINS}, lose a, release a 2, free 2, learn b, claim b 3, grant 3, write 3",
        lambda run: run.w.granted(run.answers["1"]) < run.last.fence,
    ),
]
