"""python3 tests/proof quick|all|ties|planted|clauses|traces [--program PATH] [--jobs N] [--confirm VARIANT]...

quick: three variants, the clauses, what happens at all, and the ties to the code. all: everything.
ties: only what ties it to the code. planted: whether these notice faults in the code, each of which it builds. clauses: the tables of the
guide. traces: the runs that break promises, with numbers. Markdown to stdout, progress to stderr.
"""

import argparse
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import z3

import bridge
import passing
import planted
import traces
from actions import ACTIONS
from clauses import NEEDED, NOT_NEEDED
from induction import prove
from scenarios import SCENARIOS
from variants import VARIANTS

QUICK = ("clock", "register", "terms")


def note(text):
    print(text, file=sys.stderr, flush=True)


def lemmas():
    left = []
    for name, formula in passing.lemma():
        solver = z3.Solver()
        solver.add(formula)
        answer = str(solver.check())
        # Multiplying by r makes these few queries the only ones that are not linear.
        if answer != "unsat":
            left.append((f"lemma: {name}", answer))
    return len(passing.lemma()), left


def proved(name, besides=(), without=frozenset()):
    """In a process of its own: a variant has expressions, which do not travel."""
    began = time.process_time()
    outcome = prove(replace(VARIANTS[name], besides=besides), without)
    return outcome.queries, time.process_time() - began, outcome.open


def places():
    """What the actions and the clauses stand for is there, under that name."""
    source, left = Path(__file__).parent / "../../src", []
    for one in [*ACTIONS, *NEEDED, *NOT_NEEDED]:
        for place in one.place.split("; "):
            file, *names = place.replace(",", "").split()
            if not file.endswith(".rs"):
                continue  # of no code: assumed, or a storage's
            text = (source / file).read_text(encoding="utf-8")
            left += [(f"{one.name}: src/{file} has no {name}", "") for name in names if not re.search(rf"\b{name}\b", text)]
    return left


def happens():
    left = []
    for scenario in SCENARIOS:
        for name in scenario.variants.split():
            run = traces.unroll(VARIANTS[name], scenario.text)
            if traces.found(run, scenario.ends(run)) is None:
                left.append((f"{name}: never happens: {scenario.name}", "unsat"))
    return left


def breaks():
    left = []
    for clause in NEEDED:
        run = traces.unroll(clause.variant, clause.text, clause.without)
        if traces.found(run, traces.broken(clause.variant, run, clause.breaks)) is None:
            left.append((f"breaks nothing: without '{clause.name}'", "unsat"))
        if clause.without - {""}:
            run = traces.unroll(clause.variant, clause.text)
            if traces.found(run, traces.broken(clause.variant, run, clause.breaks)) is not None:
                left.append((f"broken with all clauses: '{clause.name}'", "sat"))
    return left


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("quick", "all", "ties", "planted", "clauses", "traces"))
    parser.add_argument("--program", help="lessor-proof, as cargo built it: without, nothing is held to the code")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=0, help="of the ties; with fewer than 20 too little may happen, which is a complaint")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--confirm", action="append", default=[], choices=[*VARIANTS], help="by cvc5, too")
    args = parser.parse_args()
    if args.what == "clauses":
        return print(clauses_as_markdown())
    if args.what == "traces":
        return show_traces()
    if args.what == "ties":
        return finish(hold_to_the_code(args, 20))
    if args.what == "planted":
        return finish(plant_faults())
    everything = args.what == "all"
    open_ = []

    print(f"z3 {z3.get_version_string()}.")
    count, left = lemmas()
    open_ += left
    print(f"\nRates become slow units, and the margin's rule is exact: {count} queries, for every rate.\n")

    page = (Path(__file__).parent / "../../src/guide/rules.md").read_text(encoding="utf-8")
    open_ += [(f"src/guide/rules.md lacks: {line}", "") for line in clauses_as_markdown().splitlines() if line not in page]
    open_ += places()

    names = tuple(VARIANTS) if everything else QUICK
    print("| variant | what the storage is like | proved | queries | open | cpu s |\n|---|---|---|---:|---:|---:|")
    with ProcessPoolExecutor(max_workers=args.jobs) as pool:
        jobs = {pool.submit(proved, name): name for name in names}
        if everything:
            jobs |= {pool.submit(proved, v, kept.besides, kept.without): (v, kept.name) for kept in NOT_NEEDED for v in kept.variants}
        outcomes = {}
        for job in as_completed(jobs):
            what = jobs[job]
            if job.exception():
                pool.shutdown(cancel_futures=True)
            outcomes[what] = queries, seconds, left = job.result()
            note(f"{what if isinstance(what, str) else ', without: '.join(what)}: {queries} queries, {len(left)} open, {seconds:.0f} s")
            open_ += left
            if not queries:  # a clause that nothing asks about: its name is wrong
                open_.append((f"{what}: no query is another", ""))
    for name in names:
        queries, seconds, left = outcomes[name]
        v = VARIANTS[name]
        print(f"| {name} | {v.says} | {' '.join(v.promises)} | {queries} | {len(left)} | {seconds:.0f} |")

    began = time.process_time()
    open_ += happens()
    print(
        f"\n{len(SCENARIOS)} things that have to be able to happen do, in all variants that have them ({time.process_time() - began:.0f} s)."
    )
    began = time.process_time()
    open_ += breaks()
    print(f"{len(NEEDED)} clauses: without each of them a promise breaks, in a run that was found ({time.process_time() - began:.0f} s).")
    if everything:
        without = [outcomes[v, kept.name] for kept in NOT_NEEDED for v in kept.variants]
        queries, seconds = sum(one[0] for one in without), sum(one[1] for one in without)
        print(
            f"{len(NOT_NEEDED)} others are there for other rules: all is proved without each, in {len(without)} pairs of clause and variant "
            f"({queries:,} queries that are others than with it, {seconds:.0f} s)."
        )

    if args.program:
        open_ += hold_to_the_code(args, 200 if everything else 20)

    for name in args.confirm:
        import cvc5

        from confirm import confirm

        count, seconds, left = confirm(VARIANTS[name], note)
        open_ += left
        print(f"\ncvc5 {cvc5.__version__} confirms `{name}`: {count} queries, {len(left)} open ({seconds:.0f} s).")

    finish(open_)


def hold_to_the_code(args, seeds):
    seeds, open_ = args.seeds or seeds, [(complaint, "does not fit") for complaint in planted.unfit()]
    for tie in (
        lambda: bridge.hold_the_table(args.program),
        lambda: bridge.hold_the_runs(args.program, seeds, 4_000, args.first_seed),
        lambda: bridge.hold_the_simulator(args.program, 5 * seeds, args.first_seed),
    ):
        what, seconds, complaints = tie()
        print(f"\nHeld to the code: {what} ({seconds:.0f} s).")
        open_ += [(complaint, "differs") for complaint in complaints]
    return open_


def plant_faults():
    told, complaints = planted.plant(note)
    print(f"\n{len(planted.FAULTS)} faults planted in the code, held to the model as it is:\n\n{told}")
    return [(complaint, "differs") for complaint in complaints]


def show_traces():
    for clause in NEEDED:
        run = traces.unroll(clause.variant, clause.text, clause.without)
        model = traces.found(run, traces.broken(clause.variant, run, clause.breaks))
        print(f"Without '{clause.name}' {clause.breaks} breaks ({clause.variant.name}):\n\n{traces.told(run, model)}\n")


def finish(open_):
    for what, answer in open_:
        note(f"OPEN: {what} ({answer})")
    if open_:
        sys.exit(1)


def clauses_as_markdown():
    """The tables of src/guide/rules.md."""
    lines = ["| clause | in `src/` | without it | variant |", "|---|---|---|---|"]
    lines += [f"| {c.name} | {c.place} | {c.breaks} breaks | {c.variant.name} |" for c in NEEDED if not c.name.startswith("(assumed)")]
    lines += ["", "| clause | in `src/` | kept for | proved without it |", "|---|---|---|---|"]
    variants = lambda kept: "all" if len(kept.variants) == len(VARIANTS) else ", ".join(kept.variants)  # noqa: E731
    lines += [f"| {c.name} | {c.place} | {c.serves} | {variants(c)} |" for c in NOT_NEEDED]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
