"""Runs the code (code/), and holds the model to what it says."""

import subprocess
import time
from itertools import product

import replay
import simulated
import table


def told(program, *arguments, may_fail=False):
    """What it writes. It fails where the simulator's model does not say the same as the code, too."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
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


def added(counts):
    counts = list(counts)
    return type(counts[0])(*map(sum, zip(*(vars(each).values() for each in counts), strict=True)))


def too_few(what, counts, least, share):
    """Complaints where nothing, or next to nothing, was held to the model. `share`: of what `least` is about."""
    return [f"only {got} {name} in {what}" for name, got in vars(counts).items() if got < max(1, round(least[name] * share))]


def refuted(mutated, runs):
    """Complaints about mutated models that allow all that the code did. `runs`: functions that replay one without a clause."""
    unseen = set(mutated)
    for replay_without in runs:
        unseen -= {clause for clause in unseen if replay_without(frozenset([clause]))}
        if not unseen:
            break
    return [f"the model without '{clause}' allows all that the code does" for clause in sorted(unseen)]


# === runs of `Election`

# Each mutated model is refuted within these.
REFUTE_BY = range(1, 13)


def run(program, seed, steps, guard, slot=None):
    """Of every second seed one candidate has a take-over delay."""
    options = [*(["--guard"] if guard else []), *(["--slot", slot] if slot is not None else []), *(["--delay"] if seed % 2 else [])]
    return told(program, "runs", "--seed", seed, "--steps", steps, *options)


def held_runs(program, seeds, steps):
    """(the counts of a run, its complaint or `None`). Every fourth has two slots as well: each of these is held to the model as a key."""
    for at, seed in enumerate(seeds):
        for guard, slot in product((False, True), (None, 0, 1) if at % 4 == 0 else (None,)):
            counts, deviates = replay.replayed(run(program, seed, steps, guard, slot), guard)
            how = f"{', guard' if guard else ''}{f', slot {slot}' if slot is not None else ''}"
            yield counts, deviates and f"seed {seed}{how}: {deviates}"


def mutated_runs(program, steps):
    for seed, guard in product(REFUTE_BY, (False, True)):
        lines = run(program, seed, steps, guard)
        yield lambda without, lines=lines, guard=guard: replay.replayed(lines, guard, without)[1]


def hold_the_runs(program, seeds, steps, first=1):
    began = time.monotonic()
    counts, deviate = zip(*held_runs(program, range(first, first + seeds), steps), strict=True)
    total, deviate = added(counts), [*filter(None, deviate)]
    few = too_few("the runs", total, replay.LEAST, len(counts) / 10 * steps / 4_000)
    unseen = refuted(replay.MUTATED, mutated_runs(program, steps))
    what = (
        f"{len(counts)} runs of `Election`, {total.lines:,} lines, {total.grants:,} grants ({total.taken:,} under the guard at a version "
        f"that was watched, {total.named:,} to a successor), {total.extensions:,} extensions, {total.continued:,} continued tickets, "
        f"{total.answers:,} answers to who leads, {len(deviate)} deviate; "
        f"{len(replay.MUTATED)} mutated models, {len(replay.MUTATED) - len(unseen)} refuted"
    )
    return what, time.monotonic() - began, deviate + few + unseen


# === runs of the simulator

REFUTE_SIMULATED_BY = range(1, 41)


def simulated_run(program, seed):
    return told(program, "simulated", "--seed", seed)


def held_simulations(program, seeds):
    for seed in seeds:
        counts, deviates = simulated.replayed(simulated_run(program, seed))
        yield counts, deviates and f"seed {seed} of the simulator: {deviates}"


def mutated_simulations(program):
    for seed in REFUTE_SIMULATED_BY:
        lines = simulated_run(program, seed)
        yield lambda without, lines=lines: simulated.replayed(lines, without)[1]


def hold_the_simulator(program, seeds, first=0):
    began = time.monotonic()
    counts, deviate = zip(*held_simulations(program, range(first, first + seeds)), strict=True)
    total, deviate = added(counts), [*filter(None, deviate)]
    few = too_few("the simulator's runs", total, simulated.LEAST, seeds / 100)
    unseen = refuted(simulated.MUTATED, mutated_simulations(program))
    what = (
        f"{seeds} runs of the simulator, {total.verdicts:,} verdicts ({total.swapped:,} by handles of registers, {total.lossy:,} after "
        f"a loss), {total.grants:,} grants, {total.revokes:,} revoked, {total.reigns:,} reigns, {len(deviate)} deviate; "
        f"{len(simulated.MUTATED)} mutated models, {len(simulated.MUTATED) - len(unseen)} refuted"
    )
    return what, time.monotonic() - began, deviate + few + unseen
