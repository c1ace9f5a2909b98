"""The storage's half, held to the code: the model's own text against what `Record::judge` says to every small case (code/src/table.rs)."""

from types import SimpleNamespace

from record import Record, acquire, release, renew, revoke

NOBODY, NONE = 0, -1
NO_RECORD = Record(False, False, None, None, 0, 0, 0, 0)


def record_of(text):
    if text == "-":
        return NO_RECORD
    session, ident, *numbers = text.split()
    session = int(session)
    term, version, ttl, expires = map(int, numbers)
    held = session != NONE
    return Record(True, held, session if held else None, ident, term, version, ttl, expires)


def text_of(record):
    if not record.made:
        return "-"
    session = record.owner if record.held else NONE
    return f"{session} {record.ident} {record.term} {record.version} {record.ttl} {record.expires}"


def judge(record, request, now, seed, without=frozenset()):
    """What the model says: the answer, and the record after it."""
    kind, *words = request.split()
    # The second is an id, where there is a session before it.
    ident = words[1] if len(words) > 2 else None
    n = [int(word) if ident is None or place != 1 else 0 for place, word in enumerate(words)]
    if kind == "acquire":
        claim = SimpleNamespace(owner=n[0], ident=ident, ttl=n[2], after=n[3], take=n[4])
        granted, term, after = acquire(record, claim, now, seed, without)
        return (f"granted {term}" if granted else "refused"), after
    if kind == "renew":
        renewal = SimpleNamespace(owner=n[0], ident=ident, ttl=n[2], term=n[3])
        extended, after = renew(record, renewal, now, without)
        return ("extended" if extended else "lost"), after
    if kind == "release":
        asked = SimpleNamespace(owner=n[0], successor=ident, within=n[2], names=ident != str(NONE))
        return "released", release(record, asked, now, without)
    if kind == "revoke":
        taken, after = revoke(record, NOBODY, n[0], n[1] != 0, now, without)
        return ("revoked" if taken else "nothing"), after
    raise ValueError(request)


def differences(lines, without=frozenset(), at_most=None):
    """The cases, how many, in which the code says something else than the model; and the first of them."""
    cases, differ = 0, []
    for line in lines:
        before, request, moment, reply, after = line.rstrip("\n").split("|")
        now, seed = map(int, moment.split())
        record = record_of(before)
        said, written = judge(record, request, now, seed, without)
        cases += 1
        shown = text_of(written) if written is not record and written != record else "="
        if (said, shown) != (reply, after):
            differ.append(f"{line.rstrip()}  but the model: {said}|{shown}")
            if at_most and len(differ) >= at_most:
                break
    return cases, differ


# Clauses of the storage's half: the model without one of them has to differ from the code.
MUTATED = (
    "outdated",
    "new term",
    "own live lease ends",
    "own expired lease ends",
    "ahead of the clock",
    "reservation",
    "version",
    "live",
    "never shortened",
    "version moves",
    "session",
    "term",
    "never revives",
    "own release",
    "revoked term",
)
