"""Runs of the simulator (tests/simulation), held to the model: each record's history has to be one of the model's.

Each request that the storage (or a handle, over registers) judged has to be judged so by the model, on the record that the last one left;
each grant's term is newer than all before it, or the record's own once more; and nobody begins to lead in a term that was not granted to it.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

import table
from table import judge, record_of, text_of

KINDS = {"acquire", "renew", "release", "revoke"}
# So begins a complaint about what broke the rules of the simulator.
OWN_RULES = "its own rules: "


@dataclass
class Counts:
    verdicts: int = 0
    swapped: int = 0  # of these: by a handle over registers
    lossy: int = 0  # of these: after data was lost
    grants: int = 0
    revokes: int = 0
    reigns: int = 0


# What there has to be of each in a hundred runs: of the last ones, and of losses, at least one.
LEAST = dict(verdicts=20_000, swapped=2_000, lossy=500, grants=500, revokes=10, reigns=500)

# Clauses of the storage's half without which the model says something else. (Who names the term of a live lease holds it here, too, and
# nobody's ttl changes: "session" and "never shortened" are the table's alone.)
MUTATED = tuple(clause for clause in table.MUTATED if clause not in ("session", "never shortened"))


def moments(record, now, after):
    """For how long a handle may have seen a register: no longer than the simulator says, and less where it forgot what it saw."""
    yield from (now, 0)
    if after not in ("=", "-"):
        yield min(now, max(record.expires - (record_of(after).expires - now), 0))


def dated(record, later):
    """As if it was written by a clock that is so much later: registers keep what is left."""
    return replace(record, expires=record.expires + later) if record.expires > 0 else record


def replayed(lines, without=frozenset()):
    """What was judged, and which reigns began; and where it deviated from the model, if it did."""
    counts, granted = Counts(), defaultdict(set)
    last, losses, top = {}, {}, defaultdict(int)
    for line in lines:
        line = line.rstrip("\n")
        words = line.split("|")[0].split()
        if words[0] == "end":
            return counts, OWN_RULES + line if len(words) > 1 else None
        if words[0] == "began":
            _, seat, row, term = words
            counts.reigns += 1
            if int(term) not in granted[seat, row]:
                return counts, f"{line}: nobody granted it that"
            continue
        by, row, seat, lost = words
        _, before, request, moment, reply, after = line.split("|")
        # What comes back after a loss is no step; nor is a mark, or that a register counts what is left.
        if by == "judged" and last.get(row, before) != before and losses.get(row, lost) == lost:
            return counts, f"{line}: the record was {last[row]}"
        losses[row] = lost
        last[row] = before if after == "=" else after
        if request.split()[0] not in KINDS or reply == "frozen":
            continue
        counts.verdicts += 1
        counts.swapped += by == "swapped"
        counts.lossy += lost != "0"
        counts.revokes += reply == "revoked"
        now, seed = map(int, moment.split())
        record = record_of(before)
        for moment in moments(record, now, after) if by == "swapped" else [now]:
            said, written = judge(record, request, moment, seed, without)
            shown = text_of(dated(written, now - moment)) if written is not record and written != record else "="
            if (said, shown) == (reply, after):
                break
        else:
            return counts, f"{line}: of the model {said}|{shown}"
        if reply.startswith("granted"):
            counts.grants += 1
            term = written.term
            own = record.held and record.term == term
            if term <= top[row] and not own:
                return counts, f"{line}: the terms of {row} had come to {top[row]}"
            granted[seat, row].add(term)
        top[row] = max(top[row], written.term)
    return counts, "the run has no end"
