//! `lessor serve`: the same service as a process, without Cloudflare.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use lessor_served::Config;
use tempfile::TempDir;

use crate::root;

/// A running `lessor serve`, over a file of its own.
pub struct Native {
    child: Child,
    url: String,
    _folder: TempDir,
}

impl Native {
    /// Starts one whose answers pages of this origin may read.
    pub fn serve(origin: Option<&str>) -> Self {
        let program = root().join("target/debug/lessor");
        assert!(program.is_file(), "`tests/run edge` builds {}", program.display());
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--storage"]).arg(folder.path().join("leases.db"));
        command.args(origin.map(|origin| ["--origin", origin]).into_iter().flatten());
        let Config { tokens, vars } = Config::default();
        command.envs(tokens.map(|tokens| ("LESSOR_TOKENS", tokens)));
        for (name, value) in vars {
            match name {
                "LESSOR_MIN_TTL_MS" => command.args(["--min-ttl-ms", &value]),
                name => command.env(name, value),
            };
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("it has one")).lines().map_while(Result::ok);
        let mut before = Vec::new();
        let url = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {before:?}"));
            if let Some((_, url)) = line.split_once("serves on ") {
                break url.split_whitespace().next().expect("it says where").to_owned();
            }
            before.push(line);
        };
        // Read to its end, so that it never waits for a reader.
        thread::spawn(move || lines.for_each(drop));
        Self { child, url, _folder: folder }
    }

    /// Where it serves.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Native").field("url", &self.url).finish_non_exhaustive()
    }
}
