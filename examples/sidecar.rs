//! Says over HTTP who leads, for a program in any language that runs beside it, as Kubernetes' leader-elector did. On
//! smol.
//!
//! `cargo run --features sidecar --example sidecar -- node-a`, and in another terminal `.. -- node-b`. They share
//! `leases.db` in the current folder, or what the URL in `LESSOR_STORAGE` names (see `lessor_any::open`; an engine
//! other than SQLite needs its feature: `--features sidecar,postgres`, say). Each prints its address:
//!
//! ```console
//! $ curl localhost:40123
//! {"address":"127.0.0.1:40123","leader":"node-a","leads":true,"term":1}
//! ```
//!
//! `leads` says whether the asked process itself leads: it compares its deadline with the clock. The rest is what it
//! saw last, or `null` if nobody leads or it does not know. Stop the leader with Ctrl-C, or kill it: the other answers
//! with its own address, at once or when the lease has run out (3 s).

use std::env;
use std::error::Error;
use std::time::Duration;

use async_signal::{Signal, Signals};
use lessor::{Builder, Candidate};
use serde_json::json;
use smol::future::or;
use smol::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use smol::net::{TcpListener, TcpStream};
use smol::stream::StreamExt;

/// What asks it to end: Ctrl-C, and SIGTERM where there is one.
const END: &[Signal] = if cfg!(unix) { &[Signal::Int, Signal::Term] } else { &[Signal::Int] };

fn main() -> Result<(), Box<dyn Error>> {
    let id = env::args().nth(1).ok_or("give it a name: sidecar node-a")?;
    let mut end = Signals::new(END)?;
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let storage = env::var("LESSOR_STORAGE").unwrap_or_else(|_| "leases.db".into());
        let storage = lessor_any::open(&storage).await?;
        // Short, so that there is little to wait for. What is asked for often may have 10 s, the default, or more.
        let election = Builder::new("sidecar").id(id).value(&address).ttl(Duration::from_secs(3));
        let (candidate, driver) = election.build(storage)?;
        println!("serves at {address}");
        let serve = async {
            futures::join!(answer_all(&listener, &candidate), tell(candidate.clone()));
        };
        or(driver.run_until(end.next()), serve).await;
        Ok(())
    })
}

/// What the answers change with.
async fn tell(mut candidate: Candidate) {
    while candidate.leader_changed().await.is_ok() {
        println!("{}", answer(&candidate));
    }
}

fn answer(candidate: &Candidate) -> serde_json::Value {
    let lease = candidate.leader();
    json!({
        "leader": lease.as_ref().and_then(|lease| Some(lease.id.as_ref()?.as_str())),
        "address": lease.as_ref().and_then(|lease| Some(lease.value.as_ref()?.as_str())),
        "term": lease.as_ref().map(|lease| lease.term.get()),
        "leads": candidate.is_leader(),
    })
}

async fn answer_all(listener: &TcpListener, candidate: &Candidate) {
    while let Some(connection) = listener.incoming().next().await {
        let Ok(connection) = connection else { continue };
        let candidate = candidate.clone();
        let late = async {
            smol::Timer::after(Duration::from_secs(5)).await;
            Ok(())
        };
        // Whoever does not ask, or hangs up, has no answer; the others do not wait for it.
        smol::spawn(async move { drop(or(serve(connection, &candidate), late).await) }).detach();
    }
}

/// One request a connection.
async fn serve(mut connection: TcpStream, candidate: &Candidate) -> std::io::Result<()> {
    let mut head = BufReader::new(connection.clone().take(8192)).lines();
    let request = head.next().await.transpose()?.unwrap_or_default();
    // The rest of the head: up to an empty line.
    while head.next().await.transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, body) = match request.split_once(" HTTP/") {
        Some(("GET /", _)) => ("200 OK", answer(candidate)),
        _ => ("404 Not Found", json!({"error": "there is only GET /"})),
    };
    let body = format!("{body}\n");
    let kind = "content-type: application/json\r\ncache-control: no-store\r\nconnection: close";
    let response = format!("HTTP/1.1 {status}\r\n{kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    connection.write_all(response.as_bytes()).await?;
    connection.close().await
}
