//! A run as JSON.

use lessor_simulation::story::Story;
use lessor_simulation::timeline::{Call, Scene, Weight};
use lessor_simulation::{Outcome, run};

use crate::choice::Choice;
use crate::json::{Json, Object, Plain, Value, row};

/// Runs it. What the rows of each array are is said beside them; times are ms.
pub(crate) fn tell(choice: &Choice) -> String {
    let candidates = choice.plan.candidates();
    let protocol = choice.plan.protocol;
    let Outcome { fingerprint, counts, trace, .. } = run(choice.plan.clone(), true);
    let scene = Scene::new(&trace, 0);
    let story = Story::new(protocol, &scene);

    let lanes: Vec<_> = scene.lanes.iter().map(|name| name.split(" (").next().unwrap_or(name)).collect();
    // Name, whether it is left in.
    let faults: Vec<_> = choice.faults.iter().map(|(name, on)| row![*name, *on]).collect();
    // Lane, term, from, until.
    let reigns: Vec<_> =
        scene.reigns.iter().map(|reign| row![reign.lane, Plain(reign.term), reign.from, reign.until]).collect();
    // Lanes, from, until.
    let clashes: Vec<_> = scene.clashes.iter().map(|clash| row![clash.lanes, clash.from, clash.until]).collect();
    // Lane, term, from, over, the end of the lease, whether another took it before that.
    let held = scene.holds.iter().filter(|hold| hold.lane.is_some());
    let holds: Vec<_> =
        held.map(|hold| row![hold.lane, Plain(hold.term), hold.from, hold.over(), hold.lease, hold.robbed]).collect();
    // Lane (null: the storage), name, from, until.
    let wrong: Vec<_> =
        scene.faults.iter().map(|fault| row![fault.lane, fault.name, fault.from, fault.until]).collect();
    // Lane, weight, sent, replied or failed, whether the storage replied, whether it was lost, and each time that it was applied.
    let calls: Vec<_> = scene.calls.iter().map(call).collect();
    // Lane, term, at, accepted, stale.
    let writes: Vec<_> = scene
        .writes
        .iter()
        .map(|write| row![write.lane, Plain(write.term), write.at, write.accepted, write.stale])
        .collect();
    // From, until, head, text.
    let breaks: Vec<_> = story.breaks().into_iter().map(|one| row![one.from, one.until, one.head, one.text]).collect();
    // At, subject, lane, text.
    let lines: Vec<_> =
        story.lines().into_iter().map(|line| row![line.at, line.subject.name(), line.lane, line.text]).collect();
    let led = counts.led.as_secs_f64() / counts.key_time.as_secs_f64().max(1e-9);

    let mut text = String::new();
    Object(&[
        ("fingerprint", &format!("{fingerprint:016x}")),
        ("candidates", &candidates),
        ("end", &counts.simulated),
        ("overlapped", &counts.overlapped),
        ("stale", &Plain(counts.stale_writes)),
        ("refused", &Plain(counts.refused_writes)),
        ("led", &Plain(led)),
        ("elections", &Plain(counts.elections)),
        ("lanes", &lanes),
        ("faults", &faults),
        ("reigns", &reigns),
        ("clashes", &clashes),
        ("holds", &holds),
        ("wrong", &wrong),
        ("calls", &calls),
        ("writes", &writes),
        ("breaks", &breaks),
        ("lines", &lines),
    ])
    .write(&mut text);
    text
}

fn call(call: &Call) -> Vec<Value> {
    let weight = match call.weight {
        Weight::Poll => 0_usize,
        Weight::Usual => 1,
        Weight::Change => 2,
    };
    // At, whether the reply was lost.
    let applied: Vec<_> = call.applied.iter().map(|applied| row![applied.at, applied.reply_lost]).collect();
    row![call.lane, weight, call.sent, call.replied, call.answered().is_some(), call.lost, applied]
}
