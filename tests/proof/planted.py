"""Faults planted in the code: the ties have to notice each of them.

A mutated model shows that a replay is held to what a clause demands. What a clause only forbids it cannot show, since the model without it
allows more. So here it is the code that is changed: a copy of it, one fault at a time, is built and held to the model as it is.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import bridge
import simulated
import table

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "target/planted"
SIMULATION = ("tests/simulation/Cargo.toml", "tests/simulation/src")
COPIED = ("Cargo.toml", "Cargo.lock", "README.md", "src", "benches", *SIMULATION, "tests/proof/code")
MEMBERS = 'members = [".", "tests/proof/code", "tests/simulation"]\n'
TIES = ("table", "runs", "simulator")
# A fault is noticed within these.
SEEDS = range(1, 21)


@dataclass
class Fault:
    name: str
    clause: str  # of the model
    file: str  # in src/
    find: str  # is there exactly once
    instead: str
    noticed: str  # by which tie, at least


RECORD, ELECTION, END = "storage/record.rs", "election.rs", "election/end.rs"
FOLLOW, LEAD, REQUEST = "election/follow.rs", "election/lead.rs", "election/request.rs"

FAULTS = [
    Fault(
        "a renewal revives",
        "never revives",
        RECORD,
        "current.filter(own).filter(|record| record.is_live(now_ms))",
        "current.filter(own)",
        "table runs simulator",
    ),
    Fault(
        "an extension shortens",
        "never shortened",
        RECORD,
        "let ttl_ms = whole_ms(ttl).max(kept);",
        "let ttl_ms = whole_ms(ttl);",
        "table",
    ),
    Fault(
        "the term of a grant is not a new one",
        "new term",
        RECORD,
        "        term_after(claim.after.max(Some(self.term)), seed)",
        "        claim.after.max(Some(self.term)).max(Some(seed))",
        "table runs simulator",
    ),
    Fault(
        "the deadline counts from the answer",
        "counted from before",
        LEAD,
        "sent.saturating_add(self.config.longest_reign())",
        "self.now.saturating_add(self.config.longest_reign())",
        "runs",
    ),
    Fault(
        "the deadline is the lease's end",
        "margin",
        "config.rs",
        "self.ttl.saturating_sub(self.margin)",
        "self.ttl",
        "runs",
    ),
    Fault(
        "an earlier request's answer counts",
        "reply's number",
        ELECTION,
        "self.in_flight.take_if(|_| id == RequestId(self.last_id))",
        "self.in_flight.take_if(|_| id <= RequestId(self.last_id))",
        "runs",
    ),
    Fault(
        "the guard is skipped",
        "guard",
        FOLLOW,
        "let judges_itself = self.config.takeover_guard || !self.config.takeover_delay.is_zero();",
        "let judges_itself = false;",
        "runs",
    ),
    Fault(
        "half a ttl is watched",
        "whole ttl watched",
        FOLLOW,
        "seen.since.saturating_add(seen.ttl).saturating_add(self.config.margin)",
        "seen.since.saturating_add(seen.ttl / 2)",
        "runs",
    ),
    Fault(
        "a new version is not watched anew",
        "watch begins anew",
        FOLLOW,
        "(seen.term, seen.version) == (lease.term, lease.version)",
        "seen.term == lease.term",
        "runs",
    ),
    Fault(
        "a session asks for two ttls",
        "one ttl",
        "election/begin.rs",
        "if config.ttl != ticket.ttl {",
        "if config.ttl.is_zero() {",
        "runs",
    ),
    Fault(
        "a slot's terms are forgotten elsewhere",
        "known is noted",
        "election/slots.rs",
        "known: self.known.take(),",
        "known: self.known.take().filter(|_| false),",
        "runs",
    ),
    Fault(
        "the session stays after a release",
        "new session",
        END,
        "self.session.take_if(|_| self.may_hold)",
        "self.session.filter(|_| self.may_hold)",
        "runs",
    ),
    Fault(
        "it is released while the reign is ending",
        "demoted first",
        REQUEST,
        "        let Some(id) = self.profile.id.clone() else {",
        "        if let (Phase::Ending { .. }, Some(session)) = (&self.phase, self.session) {\n"
        "            return Some(Release::new(key, session).into());\n"
        "        }\n"
        "        let Some(id) = self.profile.id.clone() else {",
        "runs",
    ),
]


def unfit():
    """Faults that cannot be planted into the code as it is now."""
    counts = ((fault, (ROOT / "src" / fault.file).read_text(encoding="utf-8").count(fault.find)) for fault in FAULTS)
    return [f"'{fault.name}' is planted where src/{fault.file} has something once, and has it {n} times" for fault, n in counts if n != 1]


# === building


def write(place, text):
    """Only what has changed: cargo goes by the times of files."""
    file = FOLDER / place
    if not file.exists() or file.read_bytes() != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)


def sources():
    """What is built, by its place: the library, and what tells what it does."""
    files = (file for place in COPIED for file in ([ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).rglob("*"))))
    copied = {str(file.relative_to(ROOT)): file.read_bytes() for file in files if file.is_file()}
    root = copied["Cargo.toml"].decode()
    head, rest = root.index("members ="), root.index("resolver =")
    copied["Cargo.toml"] = f"{root[:head]}{MEMBERS}{root[rest:]}".encode()
    return copied


def built(fault=None):
    """The program `lessor-proof` with this fault. What the compiler did for the last one it need not do again."""
    copied = sources()
    if fault:
        place = f"src/{fault.file}"
        copied[place] = copied[place].decode().replace(fault.find, fault.instead).encode()
    for place, text in copied.items():
        write(place, text)
    unset = ("CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR")
    env = {name: value for name, value in os.environ.items() if name not in unset} | {"RUSTFLAGS": "--cap-lints allow"}
    cargo = [os.environ.get("CARGO", "cargo"), "build", "--quiet", "--package", "lessor-proof"]
    done = subprocess.run(cargo, cwd=FOLDER, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{fault.name if fault else 'without a fault'}: {done.stderr.strip()}")
    return FOLDER / "target/debug/lessor-proof"


# === noticing


def first_deviation(tie, program):
    """What the tie says first against this program; or `None`. (What breaks the simulator's own rules the model has no part in.)"""
    if tie == "table":
        return next(iter(table.differences(bridge.told(program, "table", may_fail=True), at_most=1)[1]), None)
    held = bridge.held_runs(program, SEEDS, 4_000) if tie == "runs" else bridge.held_simulations(program, SEEDS)
    return next((deviates for _, deviates in held if deviates and simulated.OWN_RULES not in deviates), None)


def plant(note):
    """As Markdown, what noticed each fault; and the complaints: what a tie missed, or said without a fault."""
    complaints = unfit()
    if complaints:
        return "", complaints
    rows = ["| planted in | fault | clause | noticed by |", "|---|---|---|---|"]
    for fault in (None, *FAULTS):
        program = built(fault)
        said = {tie: first_deviation(tie, program) for tie in TIES}
        noticed = [tie for tie in TIES if said[tie]]
        name = fault.name if fault else "without a fault"
        note(f"{name}: noticed by {', '.join(noticed) or 'none'}")
        for tie in noticed:
            note(f"  {tie}: {said[tie][:300]}")
        if fault:
            complaints += [f"the {tie} does not notice: {name}" for tie in fault.noticed.split() if tie not in noticed]
            rows.append(f"| `{fault.file}` | {name} | {fault.clause} | {', '.join(noticed)} |")
        else:
            complaints += [f"the {tie} complains {name}: {said[tie]}" for tie in noticed]
    return "\n".join(rows), complaints
