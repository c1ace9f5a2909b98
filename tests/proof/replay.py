"""The candidate's half, held to the code: runs of the shipped `Election` (code/src/runs.rs), step by step as steps of the model.

Each step of the code has to be one that the model allows; and where the model leaves no choice (who leads, in which term, until when; after
which term a claim asks) what the code says has to be what the model says, to the nanosecond.
"""

from dataclasses import dataclass, replace

import actions
import table
from logic import Table
from state import CLAIM, RELEASE, RENEWAL, World, plain_state
from variants import VARIANTS

KINDS = {"acquire": CLAIM, "renew": RENEWAL, "release": RELEASE}
FIXED = ("ttl", "span", "ident", "owner", "kind", "after", "take", "of_term", "sent", "names", "successor", "within", "to", "granted")
MS = 1_000_000


class Deviates(Exception):
    pass


@dataclass
class Counts:
    steps: int = 0
    grants: int = 0
    answers: int = 0  # to "who leads?"


class Replay:
    def __init__(self, guard, without=frozenset()):
        variant = VARIANTS["guard" if guard else "clock"]
        self.v, self.without = variant, without
        self.w = World(copy=None, nobody=table.NOBODY, **{name: Table(0) for name in FIXED})
        self.s = replace(plain_state(), record=table.NO_RECORD)
        self.agent, self.stopping = {}, set()  # of each candidate: its session; whether it was told to stop
        self.replies, self.seen = {}, {}
        self.counts = Counts()

    def do(self, name, **takes):
        """A step of the model that has to be possible."""
        step = self.may(name, **takes)
        if step is None:
            raise Deviates(f"the model does not allow: {name} {takes}")
        self.s = step

    def may(self, name, **takes):
        action = next(a for a in actions.ACTIONS if a.name == name)
        step = action.do(self.v, self.w, self.s, self.without, **takes)
        assert isinstance(step.guard, bool), (name, step.guard)
        return step.after if step.guard else None

    # === lines

    def line(self, text):
        self.counts.steps += 1
        words = text.split("|")[0].split()
        getattr(self, f"on_{words[0]}")(words[1:], text)

    def on_new(self, words, text):
        number, session, ttl, span, own = map(int, words)
        self.enter(number, session, ttl, span, own)
        self.stopping.discard(number)

    def enter(self, number, session, ttl, span, own):
        self.agent[number] = session
        self.w.ttl[session], self.w.span[session], self.w.ident[session] = ttl, span, str(number)
        self.s.own[session] = self.s.watch[session] = own

    def on_session(self, words, text):
        """The same candidate with a new session: an agent that has watched all along, and now knows what its candidate does."""
        number, session = map(int, words)
        before = self.agent[number]
        self.enter(number, session, self.w.ttl[before], self.w.span[before], self.s.own(before))
        for part in ("known", "seen", "seen_ttl", "since"):
            getattr(self.s, part)[session] = getattr(self.s, part)(before)

    def on_time(self, words, text):
        storage, *own = map(int, words)
        self.s = self.s.but(clock=storage)
        for number, session in self.agent.items():
            if own[number] < self.s.own(session):
                raise Deviates("a clock of the run went back")
            self.s.own[session] = self.s.watch[session] = own[number]

    def on_stop(self, words, text):
        self.stopping.add(int(words[0]))

    def on_send(self, words, text):
        number, message, kind, *n = words
        if kind == "get":
            return
        number, message, ident = int(number), int(message), n[1]
        n = [int(word) if place != 1 else 0 for place, word in enumerate(n)]
        a = n[0]
        self.over(a)
        self.w.owner[message], self.w.kind[message], self.w.sent[message] = a, KINDS[kind], self.s.own(a)
        if kind == "acquire":
            self.w.after[message], self.w.take[message] = n[3], n[4]
            self.timed_out(a)
            self.do("send a claim", a=a, r=message)
        elif kind == "renew":
            self.w.of_term[message] = n[3]
            self.timed_out(a)
            self.do("send a renewal", a=a, r=message)
        else:
            self.w.names[message], self.w.successor[message], self.w.within[message] = ident != str(table.NONE), ident, n[2]
            if self.s.gone(a):  # once more: a repetition of the first
                self.s.issued[message] = True
                return
            self.lost(a)
            self.do("release", a=a, r=message)

    def on_apply(self, words, text):
        message, answer, now = map(int, words)
        _, reply, seen, written = text.rstrip("\n").split("|")
        self.seen[answer] = tuple(map(int, seen.split())) or None
        self.replies[answer] = (reply.split()[0], message)
        self.w.to[answer] = message
        kind = self.w.kind(message)
        before = self.s.record
        if reply == "got":
            return
        if reply.startswith("granted"):
            self.w.granted[answer] = int(reply.split()[1])
            self.do("apply a claim", r=message, p=answer, now=now, handle=None)
            self.counts.grants += 1
        elif reply == "extended":
            self.do("apply a renewal", r=message, p=answer, now=now, handle=None)
        elif reply == "released" and kind == RELEASE:
            after = self.may("apply a release", r=message, now=now, handle=None)
            self.s = after or self.s
        elif reply == "refused" and self.granted_anyway(message, answer, now):
            raise Deviates(f"refused, and the model grants it: {text}")
        self.same_record(before, written)

    def granted_anyway(self, message, answer, now):
        claim = actions.a_claim(self.w, message)
        return actions.acquire(self.s.record, claim, now, self.s.seed, self.without)[0]

    def on_revoke(self, words, text):
        of_term, at_once = map(int, words[:2])
        before = self.s.record
        if text.split("|")[1] == "revoked":
            self.do("revoke", now=int(words[2]), handle=None, of_term=of_term, at_once=at_once != 0)
        self.same_record(before, text.rstrip("\n").split("|")[2])

    def same_record(self, before, written):
        shown = "=" if self.s.record == before else table.text_of(self.s.record)
        if shown != written:
            raise Deviates(f"the record is {written}, of the model {shown}")

    def on_deliver(self, words, text):
        number, answer = map(int, words)
        a = self.agent[number]
        self.over(a)
        reply, message = self.replies[answer]
        current = self.s.waiting(a) and self.s.current(a) == message and self.w.owner(message) == a
        if reply == "granted":
            begun = self.may("begin to lead", a=a, p=answer)
            if begun is not None and number not in self.stopping:
                self.s = begun
                return
        if reply == "extended":
            extended = self.may("go on leading", a=a, p=answer)
            if extended is not None:
                self.s = extended
                return
        if current:
            if reply == "lost":
                self.lost(a)
            self.timed_out(a)
        if self.seen[answer] and (current or reply == "got"):
            self.see(a, answer)

    def see(self, a, answer):
        term, version, ttl = self.seen[answer]
        if not self.s.leads(a) and not self.s.waiting(a):
            self.do("learn of a term", a=a, term=max(self.s.known(a), term))
        # The candidate counts its own clock here, and so does the model: ns.
        newest = self.s.record.version
        seen_ttl = ttl * MS if version != newest else self.s.record.ttl * MS
        fresh = self.s.seen(a) != version
        if version > newest:
            raise Deviates("a version was seen that is not there yet")
        if fresh:
            self.s.seen[a], self.s.since[a], self.s.seen_ttl[a] = version, self.s.watch(a), seen_ttl

    def on_sleep(self, words, text):
        a = self.agent[int(words[0])]
        self.over(a)
        if self.s.leads(a):
            self.do("go to sleep", a=a)

    def on_state(self, words, text):
        number, term, deadline, leads, waits = map(int, words)
        a = self.agent[number]
        self.over(a)
        self.counts.answers += 1
        if term and not self.s.leads(a):
            raise Deviates(f"it has a reign, and the model gives it none: {text}")
        if not term:
            self.lost(a)  # resigned, or given up after failures: it may at any time
        if not waits:
            self.timed_out(a)
        if term and (term, deadline) != (self.s.term(a), self.s.deadline(a)):
            raise Deviates(f"term and deadline are {term} {deadline}, of the model {self.s.term(a)} {self.s.deadline(a)}")
        if leads and not (self.s.leads(a) and self.s.own(a) < self.s.deadline(a)):
            raise Deviates(f"it answers that it leads: {text}")

    # === what an election does by itself

    def over(self, a):
        if self.s.leads(a) and self.s.own(a) >= self.s.deadline(a):
            self.do("lose", a=a)

    def lost(self, a):
        if self.s.leads(a):
            self.do("lose", a=a)

    def timed_out(self, a):
        if self.s.waiting(a):
            self.do("stop waiting", a=a)


def replayed(lines, guard, without=frozenset()):
    """The counts of a run, and where it deviated from the model, if it did."""
    replay = Replay(guard, without)
    for number, line in enumerate(lines, 1):
        try:
            replay.line(line)
        except Deviates as deviates:
            return replay.counts, f"line {number}, {line.strip()}: {deviates}"
    return replay.counts, None


# Clauses of the candidate's half: the model without one of them has to deviate from the code. (Two are not among them: what the code does is
# the same with and without. A late extension finds the reign ended already, and a later request never has the earlier deadline.)
MUTATED = ("counted from before", "known is noted", "reply's number", "late grant", "continues in time")
