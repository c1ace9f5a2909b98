//! The registers of the examples, on small servers of this test's own that keep the rules which their makers document. No real
//! cluster and no AWS account takes part.
#![allow(clippy::unwrap_used, clippy::panic)]

// What is tested, as the examples have it.
#[path = "../registers/http.rs"]
mod http;
#[path = "../registers/lease.rs"]
mod lease;
#[path = "../registers/lease_name.rs"]
mod lease_name;
#[path = "../registers/leases.rs"]
#[allow(dead_code, reason = "no test is a pod")]
mod leases;
#[path = "../registers/signature.rs"]
#[allow(dead_code, reason = "the environment is the programs'")]
mod signature;
#[path = "../registers/table.rs"]
mod table;

// The servers.
#[path = "registers/aws_signature.rs"]
mod aws_signature;
#[path = "registers/cluster.rs"]
mod cluster;
#[path = "registers/condition.rs"]
mod condition;
#[path = "registers/door.rs"]
mod door;
#[path = "registers/dynamo.rs"]
mod dynamo;

// The tests.
#[path = "registers/conformance.rs"]
mod conformance;
#[path = "registers/on_dynamodb.rs"]
mod on_dynamodb;
#[path = "registers/on_kubernetes.rs"]
mod on_kubernetes;

/// The programs, which end at a signal.
#[cfg(unix)]
mod example;
#[cfg(unix)]
#[path = "examples/program.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod program;
#[cfg(unix)]
#[path = "registers/programs.rs"]
mod programs;

#[cfg(unix)]
use example::example;

/// No program takes longer, however busy the machine is.
#[cfg(unix)]
const PATIENCE: core::time::Duration = core::time::Duration::from_secs(120);
