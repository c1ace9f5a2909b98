//! Three servers that are one cluster, with proxies between them.

use std::time::Duration;

use super::{Ports, Release, Server};
use crate::elections::{now, sleep_until};
use crate::proxy::{Mode, Proxy};

/// A cluster of three. What its members say to each other goes through proxies.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Server>,
    /// Before each member: what the others say to it.
    peers: Vec<Proxy>,
    /// What each member calls itself.
    ids: Vec<String>,
}

impl Cluster {
    /// Starts a new one.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(release: Release) -> Self {
        let ports: Vec<_> = (0..3).map(|_| Ports::free()).collect();
        let peers: Vec<_> = ports.iter().map(|ports| Proxy::to(ports.peer)).collect();
        let address = |member: usize| format!("http://127.0.0.1:{}", peers[member].port());
        let all: Vec<_> = (0..3).map(|member| format!("m{member}={}", address(member))).collect();
        let members: Vec<_> = (0..3)
            .map(|member| {
                let arguments = [format!("--name=m{member}"), "--initial-cluster".into(), all.join(",")];
                let advertised = ["--initial-advertise-peer-urls".to_owned(), address(member)];
                Server::new(release, ports[member], arguments.into_iter().chain(advertised).collect())
            })
            .collect();
        members.iter().for_each(Server::run);
        members.iter().for_each(Server::wait_until_it_serves);
        let ids = members.iter().map(|member| field(&member.ctl(&["endpoint", "status"]), 1)).collect();
        Self { members, peers, ids }
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> &[Server] {
        &self.members
    }

    /// How to reach each.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(Server::endpoint).collect()
    }

    /// Which of these members the cluster's leader is.
    ///
    /// # Panics
    /// If there is none for a long time.
    #[must_use]
    pub fn leader_among(&self, asked: &[usize]) -> usize {
        let began = now();
        loop {
            let leads = |member: &&usize| {
                let said = self.members[**member].try_ctl(&["--command-timeout=1s", "endpoint", "status"]);
                said.is_ok_and(|said| field(&said, 4) == "true")
            };
            if let Some(leader) = asked.iter().find(leads) {
                return *leader;
            }
            assert!(now().saturating_duration_since(began) < super::PATIENCE, "the cluster has no leader");
            sleep_until(now().saturating_add(Duration::from_millis(20)));
        }
    }

    /// Which member the cluster's leader is.
    ///
    /// # Panics
    /// If there is none for a long time.
    #[must_use]
    pub fn leader(&self) -> usize {
        self.leader_among(&[0, 1, 2])
    }

    /// Kills all members, and starts them again on what they kept.
    ///
    /// # Panics
    /// If they do not start.
    pub fn crash(&self) {
        self.members.iter().for_each(Server::stop);
        self.members.iter().for_each(Server::run);
        self.members.iter().for_each(Server::wait_until_it_serves);
    }

    /// Cuts one member off from the two others, which go on. Its clients still reach it.
    pub fn isolate(&self, member: usize) {
        // Each request from member to member says whose it is.
        let from_it = Mode::Refuse(vec![self.ids[member].clone().into_bytes()]);
        for (other, peer) in self.peers.iter().enumerate() {
            peer.set(if other == member { Mode::Cut } else { from_it.clone() });
            peer.reset_open();
        }
    }

    /// Ends all partitions.
    pub fn heal(&self) {
        self.peers.iter().for_each(|peer| peer.set(Mode::Pass));
    }
}

/// What `etcdctl` writes between commas.
fn field(line: &str, number: usize) -> String {
    line.trim().split(", ").nth(number).unwrap_or_default().to_owned()
}
