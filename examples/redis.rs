//! One of any number of processes that elect a leader in a Redis server, and write only what the newest term may.
//!
//! `REDIS_URL=redis://:password@localhost cargo run --features redis --example redis`
//!
//! Run it in two terminals and end the one that leads with Ctrl-C: the other leads at once. The first time it waits for
//! a minute, as after a loss of data. To skip that, `cargo run --features redis --example redis -- initialise` declares
//! once that nobody leads.

use std::env;
use std::error::Error;
use std::time::Duration;

use async_signal::{Signal, Signals};
use lessor::{Builder, Leadership, Storage};
use lessor_redis::RedisStorage;
use lessor_redis::redis::aio::MultiplexedConnection;
use lessor_redis::redis::{Client, Script};
use smol::stream::StreamExt;

/// What asks it to end: Ctrl-C, and SIGTERM where there is one.
const END: &[Signal] = if cfg!(unix) { &[Signal::Int, Signal::Term] } else { &[Signal::Int] };

/// First the fence, then whatever is to be written: in one script, so that nothing comes between.
const WRITE: &str = r"
    local newest = tonumber(redis.call('HGET', KEYS[1], 'term') or 0)
    if tonumber(ARGV[1]) < newest then return newest end
    redis.call('HSET', KEYS[1], 'term', ARGV[1], 'report', ARGV[2])
    return 0";

fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("REDIS_URL").map_err(|_| "set REDIS_URL: redis://:password@localhost")?;
    let mut end = Signals::new(END)?;
    smol::block_on(async {
        let client = Client::open(url)?;
        let storage = RedisStorage::new(client.clone());
        storage.check().await?;
        if env::args().nth(1).is_some_and(|argument| argument == "initialise") {
            return Ok(storage.initialise().await?);
        }

        let connection = client.get_multiplexed_async_connection().await?;
        let (candidate, driver) = Builder::new("example").build(storage)?;
        let driver = smol::spawn(driver.run_until(async move { end.next().await }));
        println!("follows until it leads");
        let lead = candidate.lead(async |leadership| {
            println!("leads in term {}", leadership.term());
            // Hands over if the work fails; another one may succeed.
            work(connection.clone(), &leadership).await.inspect_err(|error| println!("the work failed: {error}")).into()
        });
        lead.await?;
        println!("does not lead any more");
        driver.await;
        Ok(())
    })
}

/// Goes on until its term ends, or the server says that it has.
async fn work(mut connection: MultiplexedConnection, leadership: &Leadership) -> Result<(), Box<dyn Error>> {
    for number in 1.. {
        write(&mut connection, leadership, &format!("report {number}")).await?;
        smol::Timer::after(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn write(
    connection: &mut MultiplexedConnection,
    leadership: &Leadership,
    report: &str,
) -> Result<(), Box<dyn Error>> {
    let term = leadership.term().get();
    let newest: u64 = Script::new(WRITE).key("example:report").arg(term).arg(report).invoke_async(connection).await?;
    if newest > 0 {
        return Err(format!("somebody else leads: term {term} is older than {newest}").into());
    }
    println!("wrote {report} in term {term}");
    Ok(())
}
