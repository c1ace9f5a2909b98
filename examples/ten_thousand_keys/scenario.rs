//! What happens to the processes.

use std::time::{Duration, Instant};

use crate::Result;
use crate::cluster::Cluster;
use crate::picture::Picture;

/// How long it is watched while nothing happens.
const QUIET: Duration = Duration::from_secs(5);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) async fn play(cluster: &mut Cluster) -> Result<()> {
    let (ttl, keys) = (cluster.options.ttl, cluster.options.keys);
    let mut picture = Picture::new(cluster.options.plain);
    picture.say(&format!(
        "{} processes begin, and share {keys} keys on {}",
        cluster.members.len(),
        cluster.options.storage
    ));
    for member in 0..cluster.members.len() {
        cluster.start(member)?;
    }
    let took =
        until(cluster, &mut picture, "all keys are led", |cluster| cluster.all_led() && cluster.is_even()).await?;
    picture.say(&format!("all are led, evenly, after {took:.1?}"));
    quiet(cluster, &mut picture).await?;

    let last = cluster.members.len() - 1;
    let its = cluster.members[last].state.leads;
    cluster.kill(last);
    picture.say(&format!(
        "{} is killed: its {its} leases of {ttl:?} run out, and the others take over",
        cluster.members[last].id
    ));
    let took =
        until(cluster, &mut picture, "the others lead all", |cluster| cluster.all_led() && cluster.is_even()).await?;
    picture.say(&format!("the others lead all, evenly, {took:.1?} after it was killed"));
    quiet(cluster, &mut picture).await?;

    let lost = lost(cluster);
    cluster.start(last)?;
    picture.say(&format!("{} comes back, and asks for its share, a few keys at a time", cluster.members[last].id));
    let took =
        until(cluster, &mut picture, "it has its share", |cluster| cluster.all_led() && cluster.is_even()).await?;
    quiet(cluster, &mut picture).await?;
    let moved = self::lost(cluster) - lost;
    let has = cluster.members[last].state.leads;
    picture.say(&format!("it leads {has} keys after {took:.1?}; {moved} were handed over"));
    if moved > has {
        return Err(format!("{moved} hand-overs for {has} keys: some moved in vain").into());
    }
    Ok(())
}

/// How many reigns have ended in those that were never killed.
fn lost(cluster: &Cluster) -> u64 {
    cluster.members.iter().rev().skip(1).map(|member| member.state.lost).sum()
}

/// Watches until it is so: for how long.
async fn until(
    cluster: &mut Cluster,
    picture: &mut Picture,
    what: &str,
    is_so: impl Fn(&Cluster) -> bool,
) -> Result<Duration> {
    let began = Instant::now();
    while !is_so(cluster) {
        if began.elapsed() > PATIENCE {
            return Err(format!("waited {PATIENCE:?} until {what}").into());
        }
        cluster.look().await?;
        picture.draw(cluster);
    }
    Ok(began.elapsed())
}

/// Watches that nothing happens.
async fn quiet(cluster: &mut Cluster, picture: &mut Picture) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < QUIET {
        cluster.look().await?;
        picture.draw(cluster);
    }
    if cluster.all_led() {
        Ok(())
    } else {
        Err(format!("{} keys are led, and nothing was wrong", cluster.led()).into())
    }
}
