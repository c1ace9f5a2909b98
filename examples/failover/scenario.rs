//! What happens, in order.

use std::time::Duration;

use lessor::Builder;

use crate::Result;
use crate::check::check;
use crate::cluster::{Cluster, Leader};
use crate::leases::{self, DATABASE};
use crate::ledger::Ledger;
use crate::note::Note;
use crate::report::{Disturbance, Figures, readable};

pub(crate) async fn play(cluster: &mut Cluster) -> Result<()> {
    let database = cluster.folder.join(DATABASE);
    let url = cluster.options.storage.clone();
    // What stands before the host is a secret.
    let shared = url.as_deref().map(|url| url.rsplit_once('@').map_or(url, |(_, host)| host));
    cluster.view.say(&format!("the processes share {}", shared.unwrap_or(&database.to_string_lossy())))?;
    let storage = leases::open(url.as_deref(), &cluster.folder).await?;
    let mut ledger = Ledger::open(&database)?;
    ledger.create()?;

    // Sees who leads, and never campaigns.
    let (observer, driver) = Builder::new(leases::key(&cluster.folder)).ttl(cluster.options.ttl).observe(storage)?;
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
            let mut old = cluster.leader(0, 10 + turn * 7 % 60).await?;
            let mut begun = None;
            match disturbance {
                // A crash: nothing is released. The others have to wait until the lease has run out.
                Disturbance::Killed => {
                    cluster.kill(old.node).await?;
                    cluster.start()?;
                }
                // A hand-over: the others are woken by the release.
                Disturbance::Resigned => cluster.resign(old.node).await?,
                Disturbance::Frozen => {
                    let (frozen, work) = freeze(cluster, old, &mut ledger).await?;
                    (old, begun) = (frozen, Some(work));
                }
            }
            let new = cluster.leader(old.term, 1).await?;
            let gap = new.since.saturating_sub(last_belief(cluster, old)?);
            figures.add(disturbance, gap);
            let (from, to) = (cluster.name(old.node), cluster.name(new.node));
            let (old_term, new_term, gap) = (old.term, new.term, readable(gap));
            let line = format!(
                "  {from} {disturbance} in term {old_term}: nobody led for {gap}, then {to} in term {new_term}"
            );
            cluster.view.say(&line)?;
            if let Some(begun) = begun {
                wake(cluster, old, begun).await?;
            }
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

/// Freezes the leader amidst its work, as a machine that swaps would, or a virtual machine that is moved. Tells who
/// that was, and how much it had noted of its work by then.
async fn freeze(cluster: &mut Cluster, mut leader: Leader, ledger: &mut Ledger) -> Result<(Leader, usize)> {
    loop {
        cluster.freeze(leader.node).await?;
        // Between question and write, and not with the lock of the file in its hands: that would keep everybody from
        // everything.
        let work = cluster.work(leader.node)?;
        if work.last() == Some(&Note::Works { term: leader.term }) && ledger.can_be_written()? {
            return Ok((leader, work.len()));
        }
        cluster.wake(leader.node)?;
        leader = cluster.leader(0, leader.writes + 1).await?;
    }
}

/// The process has noticed nothing: it goes on with a write that it was allowed to make, in a term that is over.
async fn wake(cluster: &mut Cluster, leader: Leader, begun: usize) -> Result<()> {
    cluster.wake(leader.node)?;
    let outcome = match cluster.next_work(leader.node, begun).await? {
        Note::Refused { .. } => "refused",
        _ => "ACCEPTED",
    };
    let name = cluster.name(leader.node);
    let line = format!("  {name} woke up and went on with its write of term {}: {outcome}", leader.term);
    cluster.view.say(&line)
}
