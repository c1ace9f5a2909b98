//! What is said to `lessor serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::access_log::Format;
use crate::storage::StorageArguments;

/// Serve the leases of a storage over HTTP, to programs in any language
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) storage: StorageArguments,

    /// Where to listen. Without TLS that is an address of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    pub(super) listen: SocketAddr,

    /// A file with the tokens, as JSON, instead of the variable LESSOR_TOKENS; those of LESSOR_TOKENS_NEXT are valid, too. Read anew on SIGHUP
    #[arg(long, value_name = "FILE")]
    pub(super) tokens: Option<PathBuf>,

    /// A file that says whose signed tokens are taken, as JSON, instead of the variable LESSOR_ISSUERS. Read anew on SIGHUP
    #[arg(long, value_name = "FILE")]
    pub(super) issuers: Option<PathBuf>,

    /// A file with the certificates for TLS, as PEM, the server's own first. Read anew on SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,

    /// A file with the private key for TLS, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,

    /// Listen without TLS where others can reach it: a proxy before it has the certificate
    #[arg(long)]
    pub(super) plain_http: bool,

    /// Pages of this origin may read the answers, such as https://app.example.com; * is all of them. Can be said again
    #[arg(long, value_name = "ORIGIN")]
    pub(super) origin: Vec<String>,

    /// The shortest ttl of a claim, in ms [default: 1000]
    #[arg(long, value_name = "MS")]
    pub(super) min_ttl_ms: Option<String>,

    /// The longest ttl of a claim, in ms [default: 3600000]
    #[arg(long, value_name = "MS")]
    pub(super) max_ttl_ms: Option<String>,

    /// Where Prometheus finds /metrics, without a token
    #[arg(long, value_name = "ADDRESS")]
    pub(super) metrics_listen: Option<SocketAddr>,

    /// A line for each request, to the standard error
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) log: Format,

    /// How many connections are served at a time; the others wait
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub(super) max_connections: u16,

    /// How many sockets may watch at a time
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub(super) max_sockets: u16,

    /// How long a socket may be silent, in ms; it is asked whether it is still there before that is over
    #[arg(long, value_name = "MS", default_value_t = 75_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub(super) max_silence_ms: u64,

    /// How often the keys that somebody watches are looked at, in ms: for changes by others of which the storage does not tell
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub(super) look_every_ms: u64,

    /// How long it goes on to serve, on SIGTERM and SIGINT, while /readyz says that it ends, in ms: so long a load balancer may take to notice
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(super) drain_ms: u64,

    /// How long what runs may take to end after that, in ms
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub(super) grace_ms: u64,
}
