//! Three servers that are one cluster, with proxies between them.

use std::time::Duration;

use lessor::StorageError;
use lessor::storage::ErrorKind;

use super::{Ports, Server, field};
use crate::elections::{now, sleep_until};
use crate::proxy::{Mode, Proxy};

/// A cluster of three. What its servers say to each other goes through proxies.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Server>,
    /// From each member to each other one.
    routes: Vec<(usize, usize, Proxy)>,
}

impl Cluster {
    /// Starts a new one.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let ports: Vec<_> = (0..3).map(|_| Ports::free()).collect();
        let pairs = (0..3).flat_map(|from| (0..3).map(move |to| (from, to))).filter(|(from, to)| from != to);
        let routes: Vec<_> = pairs.map(|(from, to)| (from, to, Proxy::to(ports[to].route))).collect();
        // Nobody listens there: a member that is told of another goes no other way than it was given.
        let nowhere = crate::free_port();
        let members: Vec<_> = (0..3)
            .map(|member| {
                let mine = routes.iter().filter(|(from, ..)| *from == member);
                let mine: Vec<_> = mine.map(|(.., proxy)| format!("nats-route://127.0.0.1:{}", proxy.port())).collect();
                let Ports { route, .. } = ports[member];
                let settings = format!(
                    "server_name: n{member}\njetstream: enabled\ncluster {{ name: c, listen: 127.0.0.1:{route}, \
                     advertise: 127.0.0.1:{nowhere}, no_advertise: true, routes: [{}] }}\n",
                    mine.join(", ")
                );
                Server::new(ports[member], settings)
            })
            .collect();
        let cluster = Self { members, routes };
        cluster.run();
        cluster
    }

    fn run(&self) {
        self.members.iter().for_each(Server::run);
        self.members.iter().for_each(Server::wait_until_it_serves);
        // Until then it has no place for three copies.
        self.members[0].wait_until(|| self.members.iter().any(Self::sees_the_others));
    }

    /// Whether it leads the cluster, and knows that the two others are there.
    fn sees_the_others(member: &Server) -> bool {
        let said = member.get("/jsz").unwrap_or_default();
        let others = said.split_once("\"meta_cluster\"").map_or("", |(_, cluster)| cluster);
        others.matches("\"current\": true").count() == 2 && !others.contains("\"offline\": true")
    }

    /// Asks until it is done for what needs a place on all members: on a busy machine one of them may be thought to be away for a moment.
    ///
    /// # Panics
    /// If there is none for a long time, or it fails for good.
    pub fn place(&self, ask: impl Fn() -> Result<(), StorageError>) {
        let began = now();
        loop {
            match ask() {
                Err(error)
                    if error.kind() == ErrorKind::Transient
                        && now().saturating_duration_since(began) < super::PATIENCE =>
                {
                    sleep_until(now().saturating_add(Duration::from_millis(50)));
                }
                done => return done.expect("a place on each member"),
            }
        }
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> &[Server] {
        &self.members
    }

    /// How to reach each.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(Server::address).collect()
    }

    /// Which of these members the only stream is led by, as the member itself says.
    ///
    /// # Panics
    /// If there is none for a long time.
    #[must_use]
    pub fn leader_among(&self, asked: &[usize]) -> usize {
        let began = now();
        loop {
            let leads = |member: &&usize| {
                let said = self.members[**member].get("/jsz?streams=true").unwrap_or_default();
                let stream = said.split_once("\"stream_detail\"").map_or("", |(_, stream)| stream);
                field(stream, "leader").is_some_and(|leader| leader == format!("n{member}"))
            };
            if let Some(leader) = asked.iter().find(leads) {
                return *leader;
            }
            assert!(now().saturating_duration_since(began) < super::PATIENCE, "the stream has no leader");
            sleep_until(now().saturating_add(Duration::from_millis(20)));
        }
    }

    /// Which member the only stream is led by.
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
        self.run();
    }

    /// Cuts one member off from the two others, which go on. Its clients still reach it.
    pub fn isolate(&self, member: usize) {
        let its = self.routes.iter().filter(|(from, to, _)| [from, to].contains(&&member));
        its.for_each(|(.., route)| route.set(Mode::Cut));
    }

    /// Ends all partitions.
    pub fn heal(&self) {
        self.routes.iter().for_each(|(.., route)| route.set(Mode::Pass));
    }
}
