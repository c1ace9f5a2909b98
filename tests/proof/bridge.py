"""Runs the code (code/), and holds the model to what it says."""

import subprocess
import time
from itertools import product

import replay
import simulated
import table


def told(program, *arguments):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{program} {' '.join(map(str, arguments))} failed: {done.stderr.strip()}")
    return done.stdout.splitlines()


def hold_the_table(program):
    """(what, how much, seconds, complaints)"""
    began = time.monotonic()
    lines = told(program, "table")
    cases, differ = table.differences(lines)
    complaints = differ[:5]
    if cases < 100_000:
        complaints.append(f"only {cases} cases")
    for clause in table.MUTATED:
        if not table.differences(lines, frozenset([clause]), at_most=1)[1]:
            complaints.append(f"the model without '{clause}' says the same as the code")
    return (
        f"{cases:,} verdicts of `Record::judge`, {len(differ)} differ; {len(table.MUTATED)} mutated models, each differs",
        time.monotonic() - began,
        complaints,
    )


# Each mutated model is refuted within these.
REFUTE_BY = range(1, 13)


def hold_the_runs(program, seeds, steps, first=1):
    began = time.monotonic()
    total, complaints = replay.Counts(), []
    for seed, guard in product(range(first, first + seeds), (False, True)):
        counts, deviates = replay.replayed(run(program, seed, steps, guard), guard)
        total = replay.Counts(*(a + b for a, b in zip(vars(total).values(), vars(counts).values(), strict=True)))
        if deviates:
            complaints.append(f"seed {seed}{', guard' if guard else ''}: {deviates}")
    deviating, unseen = len(complaints), set(replay.MUTATED)
    for seed, guard in product(REFUTE_BY, (False, True)):
        lines = run(program, seed, steps, guard) if unseen else []
        unseen -= {clause for clause in unseen if replay.replayed(lines, guard, frozenset([clause]))[1]}
    complaints += [f"the model without '{clause}' allows all that the code does" for clause in sorted(unseen)]
    what = (
        f"{2 * seeds} runs of `Election`, {total.steps:,} lines, {total.grants:,} grants, {total.answers:,} answers to who leads, "
        f"{deviating} deviate; {len(replay.MUTATED)} mutated models, {len(replay.MUTATED) - len(unseen)} refuted"
    )
    return what, time.monotonic() - began, complaints


def run(program, seed, steps, guard):
    return told(program, "runs", "--seed", seed, "--steps", steps, *(["--guard"] if guard else []))


def hold_the_simulator(program, seeds, first=0):
    began = time.monotonic()
    judged, reigns, complaints = 0, 0, []
    for seed in range(first, first + seeds):
        more, began_here, deviates = simulated.replayed(told(program, "simulated", "--seed", seed))
        judged, reigns = judged + more, reigns + began_here
        if deviates:
            complaints.append(f"seed {seed} of the simulator: {deviates}")
    what = f"{seeds} runs of the simulator, {judged:,} verdicts, {reigns:,} reigns, {len(complaints)} deviate"
    return what, time.monotonic() - began, complaints
