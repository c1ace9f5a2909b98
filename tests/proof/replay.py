"""The candidate's half, held to the code: runs of the shipped `Election` (code/src/runs.rs), step by step as steps of the model.

Each step of the code has to be one that the model allows; and where the model leaves no choice (who leads, in which term, until when; after
which term a claim asks) what the code says has to be what the model says, to the nanosecond.

The state changes by the model's actions alone. What happens to a candidate that the model has no action for (an error instead of an answer,
an instance that ends) are actions that may happen at any time, or none.
"""

from dataclasses import dataclass, replace

import actions
import state
import table
from logic import And, Table
from passing import axioms, clocks_went_on
from record import left, reserved
from state import CLAIM, RELEASE, RENEWAL, World, plain_state
from variants import VARIANTS

KINDS = {"acquire": CLAIM, "renew": RENEWAL, "release": RELEASE}
# (Nothing is lost here, so no copy comes back.)
FIXED = [name for name in state.FIXED if not name.startswith("copy_")]
ACTIONS = {action.name: action for action in actions.ACTIONS}

# All times are whole numbers of one unit. Clocks are taken to be within 5 % of the true rate, and a slow unit (passing.py) is 0.95 / 1.05
# of an own one: so a nanosecond of a candidate's clock is 21, and one of the storage's, of a ttl, or of a watch is 19. (The run keeps them
# within 4.5 %, which leaves room for what it rounds; a margin of a tenth of the ttl covers both.)
OWN, SLOW = 21, 19
MS = 1_000_000 * SLOW


class Deviates(Exception):
    pass


@dataclass
class Counts:
    lines: int = 0
    grants: int = 0
    taken: int = 0  # of these: under the guard, another's lease that had run out, at the version that was watched
    named: int = 0  # of these: to the successor that a release named
    extensions: int = 0  # of a reign, by its renewal
    lost: int = 0  # renewals that the storage refused
    revokes: int = 0
    continued: int = 0  # reigns that went on in the next instance
    looks: int = 0  # at a key that others are to have first
    errors: int = 0  # instead of an answer
    repeated: int = 0  # releases that were sent again
    reconfigured: int = 0  # instances that had another margin, or ttl, than the last
    answers: int = 0  # to "who leads?"


class Replay:
    def __init__(self, guard, lines, without=frozenset()):
        variant = VARIANTS["guard" if guard else "clock"]
        self.v, self.without = variant, without
        self.w = World(copy=None, nobody=table.NOBODY, **{name: Table(0) for name in FIXED})
        self.s = replace(plain_state(), record=table.NO_RECORD)
        self.agent, self.stopping = {}, set()  # of each candidate: its session; whether it was told to stop
        self.settings = {}  # of each candidate: its ttl and span, as it was configured last
        self.clock, self.begun = {}, False  # of each candidate, in ns
        self.released, self.same_as = {}, {}  # of each session: its release; of a request that repeats another: which
        self.looking, self.looker = {}, {}  # of each candidate: the look in flight; of each look: whose it is
        self.replies, self.seen = {}, {}
        self.counts = Counts()
        self.foresee(lines)

    def foresee(self, lines):
        """Whose each session is, and which others its instance comes to have after it: these have watched all along."""
        self.candidate, self.later, chain = {}, {}, {}
        for words in map(str.split, lines):
            if words[0] == "new":
                chain[words[1]] = []
            if words[0] in ("new", "session"):
                session = int(words[2])
                self.candidate[session] = int(words[1])
                self.later[session] = []
                for before in chain[words[1]]:
                    self.later[before].append(session)
                chain[words[1]].append(session)

    def do(self, name, **takes):
        """A step of the model that has to be possible."""
        step = self.may(name, **takes)
        if step is None:
            raise Deviates(f"the model does not allow: {name} {takes}")
        self.s = step

    def may(self, name, **takes):
        step = ACTIONS[name].do(self.v, self.w, self.s, self.without, **takes)
        assert isinstance(step.guard, bool), (name, step.guard)
        return step.after if step.guard else None

    # === lines

    def line(self, text):
        self.counts.lines += 1
        words = text.split("|")[0].split()
        getattr(self, f"on_{words[0]}")(words[1:], text)

    def on_new(self, words, text):
        number, session, ttl, span, own = map(int, words)
        self.settings[number] = ttl * MS, span * OWN
        self.enter(number, session)
        if self.clock.setdefault(number, own) != own:
            raise Deviates("it begins at another time than it is by its clock")
        self.stopping.discard(number)
        self.looking.pop(number, None)

    def enter(self, number, session):
        self.agent[number] = session
        self.w.ttl[session], self.w.ident[session] = self.settings[number][0], str(number)

    def on_config(self, words, text):
        """The next instance of a candidate may have another margin; with another ttl it draws another session."""
        number, ttl, span = map(int, words)
        self.settings[number] = ttl * MS, span * OWN
        self.counts.reconfigured += 1

    def on_session(self, words, text):
        """The same candidate with a new session: another agent, which has seen what it has seen (`see`), and knows now what it knows."""
        number, session = map(int, words)
        before = self.agent[number]
        self.enter(number, session)
        self.do("learn of a term", a=session, term=self.s.known(before))

    def on_time(self, words, text):
        storage, *own = map(int, words)
        clock = dict(enumerate(own))
        if not self.begun:  # clocks show anything at first
            self.begun = True
            if clock != self.clock:
                raise Deviates("the clocks do not begin where the candidates do")
            self.s = self.shown(self.s, clock).but(clock=storage * MS)
            return
        d = min(clock[number] - self.clock[number] for number in clock) * OWN
        passes = ACTIONS["time passes"].do(self.v, self.w, self.s, self.without, d=d, clock=storage * MS)
        after = self.shown(passes.after, clock)
        if not And(passes.guard, *(clocks_went_on(self.s, after, d, x, self.without) for x in self.agent.values())):
            raise Deviates(f"the model does not allow: time passes, {d} or more on all clocks")
        self.s, self.clock = after, clock

    def shown(self, s, clock):
        """Each agent has its candidate's clock, before it begins and after its end, too."""
        candidate = self.candidate
        return s.but(own=lambda a: clock[candidate[a]] * OWN, watch=lambda a: clock[candidate[a]] * SLOW)

    def on_stop(self, words, text):
        self.stopping.add(int(words[0]))

    def on_send(self, words, text):
        number, message, kind, *n = words
        number, message = int(number), int(message)
        self.looking.pop(number, None)
        if kind == "get":
            self.over(self.agent[number])
            self.timed_out(self.agent[number])
            self.looking[number], self.looker[message] = message, self.agent[number]
            return
        ident = n[1]
        n = [int(word) if place != 1 else 0 for place, word in enumerate(n)]
        a = n[0]
        self.over(a)
        self.w.owner[message], self.w.kind[message], self.w.sent[message] = a, KINDS[kind], self.s.own(a)
        if kind == "release":
            return self.send_release(a, message, ident, n[2] * MS)
        if a != self.agent[number] or (ident, n[2] * MS) != (self.w.ident(a), self.settings[number][0]):
            raise Deviates("it asks for another candidate, or another ttl than it was configured with")
        self.w.asked[message], self.w.span[message] = self.settings[number]
        if not axioms(self.v, self.w, message, self.without):
            raise Deviates("its ttl and margin do not fit together")
        self.timed_out(a)
        if kind == "acquire":
            self.lost(a)  # given up after failures, a moment ago: it may at any time
            self.w.after[message], self.w.take[message] = n[3], n[4]
            self.do("send a claim", a=a, r=message)
        else:
            self.w.of_term[message] = n[3]
            self.do("send a renewal", a=a, r=message)

    def send_release(self, a, message, ident, within):
        asked = (ident != str(table.NONE), ident, within)
        if a in self.released:  # once more: the same request, on its way again
            first, was_asked = self.released[a]
            if asked != was_asked:
                raise Deviates("it releases once more, and asks for something else")
            self.same_as[message] = first
            self.counts.repeated += 1
            return
        self.released[a] = message, asked
        self.w.names[message], self.w.successor[message], self.w.within[message] = asked
        self.lost(a)
        self.do("release", a=a, r=message)

    def on_apply(self, words, text):
        message, answer, now = map(int, words)
        message = self.same_as.get(message, message)
        _, reply, seen, written = text.rstrip("\n").split("|")
        self.seen[answer] = tuple(map(int, seen.split())) or None
        self.replies[answer] = (reply.split()[0], message)
        self.w.to[answer] = message
        before, at, kind = self.s.record, dict(now=now * MS, handle=None), self.w.kind(message)
        if reply == "got":
            pass
        elif reply.startswith("granted"):
            self.w.granted[answer] = int(reply.split()[1])
            self.do("apply a claim", r=message, p=answer, seed=self.s.seed, **at)
            self.count_grant(before, message, now * MS)
        elif reply == "extended":
            self.do("apply a renewal", r=message, p=answer, **at)
        elif reply == "lost":
            self.counts.lost += 1
            if self.may("apply a renewal", r=message, p=answer, **at):
                raise Deviates("it is lost, and the model extends it")
        elif reply == "released" and kind == RELEASE:
            self.s = self.may("apply a release", r=message, **at) or self.s
        elif reply == "refused" and kind == CLAIM:
            if self.granted_anyway(message, now * MS):
                raise Deviates("refused, and the model grants it")
        else:
            raise Deviates(f"no answer to what was asked: {reply}")
        self.same_record(before, written)
        shown = None
        if before.made and reply in ("got", "refused", "lost"):
            left_ms = (left(before, now * MS) if before.held else reserved(before, now * MS)) // MS
            shown = before.term, before.version, before.ttl // MS, left_ms
            self.show(self.looker.get(message, self.w.owner(message)), now)
        if self.seen[answer] != shown:
            raise Deviates(f"the answer shows {seen}, the record of the model {shown}")

    def show(self, a, now):
        if self.v.tells:
            for x in (a, *self.later[a]):
                self.do("show what is left", a=x, now=now * MS)

    def count_grant(self, before, message, now):
        claim = actions.a_claim(self.w, message)
        self.counts.grants += 1
        self.counts.taken += self.v.guard and before.held and before.owner != claim.owner and claim.take >= 1
        self.counts.named += before.made and not before.held and reserved(before, now) > 0

    def granted_anyway(self, message, now):
        claim = actions.a_claim(self.w, message)
        return actions.acquire(self.s.record, claim, now, self.s.seed, self.without)[0]

    def on_revoke(self, words, text):
        of_term, at_once, now = map(int, words)
        _, reply, written = text.rstrip("\n").split("|")
        before = self.s.record
        after = self.may("revoke", now=now * MS, handle=None, of_term=of_term, at_once=at_once != 0)
        if (after is not None) != (reply == "revoked"):
            raise Deviates(f"it is {reply}, and not so in the model")
        self.counts.revokes += after is not None
        self.s = after or self.s
        self.same_record(before, written)

    def same_record(self, before, written):
        record = self.s.record
        shown = "=" if record == before else table.text_of(replace(record, ttl=record.ttl // MS, expires=record.expires // MS))
        if shown != written:
            raise Deviates(f"the record is {written}, of the model {shown}")

    def on_error(self, words, text):
        """An answer that comes as an error: whether it was applied the candidate does not know."""
        number, answer = map(int, words)
        a = self.agent[number]
        self.over(a)
        self.counts.errors += 1
        if self.is_waited_for(number, a, self.replies[answer][1]):
            self.looking.pop(number, None)
            self.timed_out(a)

    def is_waited_for(self, number, a, message):
        own = self.s.waiting(a) and self.s.current(a) == message and self.w.owner(message) == a
        return own or self.looking.get(number) == message

    def on_deliver(self, words, text):
        number, answer = map(int, words)
        a = self.agent[number]
        self.over(a)
        reply, message = self.replies[answer]
        if reply == "granted" and number not in self.stopping and self.goes_on("begin to lead", a, answer):
            return
        if reply == "extended" and self.goes_on("go on leading", a, answer):
            self.counts.extensions += 1
            return
        if self.is_waited_for(number, a, message):
            if reply == "got":
                self.counts.looks += 1
                self.looking.pop(number, None)
            if reply == "lost":
                self.lost(a)
            self.timed_out(a)
            if self.seen[answer]:
                self.see(a, *self.seen[answer])

    def goes_on(self, name, a, answer):
        after = self.may(name, a=a, p=answer)
        if after is None:
            return False
        self.counts.continued += self.s.asleep(a) and after.leads(a) and after.term(a) == self.s.ticket_term(a)
        self.s = after
        return True

    def see(self, a, term, version, ttl, left_ms):
        if not self.s.leads(a):
            self.do("learn of a term", a=a, term=max(self.s.known(a), term))
        for x in (a, *self.later[a]):
            until = self.s.watch(x) + left_ms * MS
            # The least of what it was told of the same version.
            until = min(until, self.s.vacant(x)) if self.s.seen(x) == version else until
            self.do("see a write", a=x, write=version, ttl=ttl * MS, until=until)

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
            raise Deviates("it has a reign, and the model gives it none")
        if not term:
            self.lost(a)  # resigned, or given up after failures: it may at any time
        if not waits:
            self.looking.pop(number, None)
            self.timed_out(a)
        if term and (term, deadline * OWN) != (self.s.term(a), self.s.deadline(a)):
            raise Deviates(f"term and deadline are {term} {deadline}, of the model {self.s.term(a)} {self.s.deadline(a) / OWN}")
        if leads and not (self.s.leads(a) and self.s.own(a) < self.s.deadline(a)):
            raise Deviates("it answers that it leads")

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
    replay = Replay(guard, lines, without)
    for number, line in enumerate(lines, 1):
        try:
            replay.line(line)
        except Deviates as deviates:
            return replay.counts, f"line {number}, {line.strip()}: {deviates}"
    return replay.counts, None


# What there has to be of each in ten runs, so that nobody takes silence for consent.
LEAST = dict(
    lines=30_000,
    grants=200,
    taken=20,
    named=3,
    extensions=40,
    lost=30,
    revokes=50,
    continued=3,
    looks=100,
    errors=100,
    repeated=5,
    reconfigured=3,
    answers=10_000,
)

# Clauses without which the model deviates from what the code does. Of the candidate's half these are the ones that say what has to be: the
# model without such a one says something else. The others only say what must not be: without "guard", "whole ttl watched", "watch begins
# anew", "new session", "demoted first", "rates" or "margin" the model allows all that it did, and more, so that no replay refutes it. That
# the code keeps to those is held the other way round: by a code that does not (planted.py). And "late extension" and "only forward" change
# nothing that happens: such a reign has ended already, and a later request never has the earlier deadline.
OF_THE_CANDIDATE = ("counted from before", "known is noted", "reply's number", "late grant", "continues in time", "what was told")
# Of the storage's half: all that the table refutes. But who names the term of a live lease holds it here, and nobody's ttl changes.
MUTATED = (*OF_THE_CANDIDATE, *(clause for clause in table.MUTATED if clause not in ("session", "never shortened")))
