//! What happens, in order.

use core::time::Duration;

use lessor::{Builder, SqliteStorage};

use crate::Result;
use crate::check::check;
use crate::cluster::{Cluster, Leader};
use crate::ledger::Ledger;
use crate::node::{DATABASE, KEY};
use crate::note::Note;
use crate::report::{Disturbance, Figures, readable};

pub(crate) async fn play(cluster: &mut Cluster) -> Result<()> {
    let database = cluster.folder.join(DATABASE);
    cluster.view.say(&format!("the processes share {}", database.display()))?;
    let storage = SqliteStorage::open(&database).await?;
    storage.migrate().await?;
    let mut ledger = Ledger::open(&database)?;
    ledger.create()?;

    // Sees who leads, and never campaigns.
    let (observer, driver) = Builder::new(KEY).ttl(cluster.options.ttl).observe(storage)?;
    let driver = smol::spawn(driver.run());
    cluster.observer = Some(observer);

    for _ in 0..cluster.options.processes {
        cluster.start()?;
    }
    let first = cluster.leader(0, 1).await?;
    cluster.view.say(&format!("{} is elected in term {}", cluster.name(first.node), first.term))?;

    let mut figures = Figures::default();
    let mut turn = 0;
    for round in 1..=cluster.options.rounds {
        cluster.view.say(&format!("round {round} of {}", cluster.options.rounds))?;
        for disturbance in Disturbance::ALL {
            // Each time at another point between two renewals.
            turn += 1;
            let leader = cluster.leader(0, 10 + turn * 7 % 60).await?;
            let (old, new) = match disturbance {
                Disturbance::Killed => kill(cluster, leader).await?,
                Disturbance::Resigned => resign(cluster, leader).await?,
                Disturbance::Frozen => freeze(cluster, leader, &mut ledger).await?,
            };
            let gap = new.since.saturating_sub(last_belief(cluster, old)?);
            figures.add(disturbance, gap);
            let (old_name, new_name) = (cluster.name(old.node), cluster.name(new.node));
            let line = format!(
                "  {old_name} {disturbance} in term {}: nobody led for {}, then {new_name} in term {}",
                old.term,
                readable(gap),
                new.term
            );
            cluster.view.say(&line)?;
        }
    }

    cluster.stop_all().await?;
    cluster.observer = None;
    driver.await;

    let mut notes = Vec::new();
    for index in 0..cluster.nodes.len() {
        notes.push((cluster.name(index).to_string(), cluster.notes(index)?));
    }
    let checked = check(&ledger.entries()?, &notes, cluster.options.rounds);
    cluster.view.say(&figures.table(&cluster.config(), cluster.promised()))?;
    cluster.view.say(&checked.summary)?;
    if checked.wrong.is_empty() {
        return Ok(());
    }
    for wrong in &checked.wrong {
        cluster.view.say(&format!("WRONG: {wrong}"))?;
    }
    Err(format!("{} things are wrong", checked.wrong.len()).into())
}

/// When the leader last believed in itself.
fn last_belief(cluster: &Cluster, leader: Leader) -> Result<Duration> {
    let last = cluster.notes(leader.node)?.into_iter().rev().find_map(|note| match note {
        Note::Leads { term, before, .. } if term == leader.term => Some(before),
        _ => None,
    });
    Ok(last.ok_or_else(|| format!("{} noted no belief in term {}", cluster.name(leader.node), leader.term))?)
}

/// A crash: nothing is released. The others have to wait until the lease has run out.
async fn kill(cluster: &mut Cluster, leader: Leader) -> Result<(Leader, Leader)> {
    cluster.kill(leader.node).await?;
    cluster.start()?;
    Ok((leader, cluster.leader(leader.term, 1).await?))
}

/// A hand-over: the others are woken by the release.
async fn resign(cluster: &mut Cluster, leader: Leader) -> Result<(Leader, Leader)> {
    cluster.resign(leader.node).await?;
    Ok((leader, cluster.leader(leader.term, 1).await?))
}

/// A pause, as of a machine that swaps or a virtual machine that is moved. The process does not notice it: it goes on with a
/// write that it was allowed to make, in a term that is over.
async fn freeze(cluster: &mut Cluster, mut leader: Leader, ledger: &mut Ledger) -> Result<(Leader, Leader)> {
    let begun = loop {
        cluster.freeze(leader.node).await?;
        // Between question and write, and not with the lock of the file in its hands: that would keep everybody from everything.
        let work = cluster.work(leader.node)?;
        if work.last() == Some(&Note::Works { term: leader.term }) && ledger.can_be_written()? {
            break work.len();
        }
        cluster.wake(leader.node)?;
        leader = cluster.leader(0, leader.writes + 1).await?;
    };
    let next = cluster.leader(leader.term, 1).await?;
    cluster.wake(leader.node)?;
    let outcome = match cluster.next_work(leader.node, begun).await? {
        Note::Refused { .. } => "it was refused",
        _ => "it was ACCEPTED",
    };
    let line = format!(
        "  {} woke up in term {}, went on with a write of term {}: {outcome}",
        cluster.name(leader.node),
        next.term,
        leader.term
    );
    cluster.view.say(&line)?;
    Ok((leader, next))
}
