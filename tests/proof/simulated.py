"""Runs of the simulator (tests/simulation), held to the model: each record's history has to be one of the model's.

Each request that the storage (or a handle, over registers) judged has to be judged so by the model, on the record that the last one left;
each grant's term is newer than all before it, or the record's own once more; and nobody begins to lead in a term that was not granted to it.
"""

from collections import defaultdict
from dataclasses import replace

from table import judge, record_of, text_of

KINDS = {"acquire", "renew", "release", "revoke"}


def moments(record, now, after):
    """For how long a handle may have seen a register: no longer than the simulator says, and less where it forgot what it saw."""
    yield from (now, 0)
    if after not in ("=", "-"):
        yield min(now, max(record.expires - (record_of(after).expires - now), 0))


def dated(record, later):
    """As if it was written by a clock that is so much later: registers keep what is left."""
    return replace(record, expires=record.expires + later) if record.expires > 0 else record


def replayed(lines, without=frozenset()):
    """How many were judged, how many grants and reigns; and where it deviated from the model, if it did."""
    judged, reigns, granted = 0, 0, defaultdict(set)
    last, losses, top = {}, {}, defaultdict(int)
    for line in lines:
        line = line.rstrip("\n")
        words = line.split("|")[0].split()
        if words[0] == "end":
            return judged, reigns, f"the simulator: {line}" if len(words) > 1 else None
        if words[0] == "began":
            _, seat, row, term = words
            reigns += 1
            if int(term) not in granted[seat, row]:
                return judged, reigns, f"{line}: nobody granted it that"
            continue
        by, row, seat, lost = words
        _, before, request, moment, reply, after = line.split("|")
        # What comes back after a loss is no step; nor is a mark, or that a register counts what is left.
        if by == "judged" and last.get(row, before) != before and losses.get(row, lost) == lost:
            return judged, reigns, f"{line}: the record was {last[row]}"
        losses[row] = lost
        last[row] = before if after == "=" else after
        if request.split()[0] not in KINDS or reply == "frozen":
            continue
        judged += 1
        now, seed = map(int, moment.split())
        record = record_of(before)
        for moment in moments(record, now, after) if by == "swapped" else [now]:
            said, written = judge(record, request, moment, seed, without)
            shown = text_of(dated(written, now - moment)) if written is not record and written != record else "="
            if (said, shown) == (reply, after):
                break
        else:
            return judged, reigns, f"{line}: of the model {said}|{shown}"
        if reply.startswith("granted"):
            term = written.term
            own = record.held and record.term == term
            if term <= top[row] and not own:
                return judged, reigns, f"{line}: the terms of {row} had come to {top[row]}"
            granted[seat, row].add(term)
        top[row] = max(top[row], written.term)
    return judged, reigns, "the run has no end"
