//! A real Prometheus, with the configuration of the example.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{file, read};
use crate::http::{get, try_get};
use crate::program::until;

pub(crate) struct Prometheus {
    process: Child,
    address: String,
}

impl Prometheus {
    /// Reads these, once a second: the tests' patience is less than an operator's.
    pub(crate) fn start(folder: &Path, targets: [&str; 2]) -> Self {
        let mut config = read("prometheus.yml");
        for (said, meant) in [
            ("127.0.0.1:8001", targets[0]),
            ("127.0.0.1:8002", targets[1]),
            ("scrape_interval: 5s", "scrape_interval: 1s"),
            ("scrape_timeout: 2s", "scrape_timeout: 1s"),
            ("evaluation_interval: 5s", "evaluation_interval: 1s"),
            ("- alerts.yml", &format!("- {}", file("alerts.yml").display())),
        ] {
            assert_eq!(config.matches(said).count(), 1, "{said}");
            config = config.replace(said, meant);
        }
        let path = folder.join("prometheus.yml");
        fs::write(&path, config).unwrap();
        // It does not say which port it takes if it may choose.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("prometheus is not installed; Debian has it in the package prometheus");
        let mut prometheus = Self { process, address };
        until("prometheus is ready", || {
            assert!(prometheus.process.try_wait().unwrap().is_none(), "prometheus has ended");
            try_get(&prometheus.address, "/-/ready").is_ok_and(|(status, _)| status == 200)
        });
        prometheus
    }

    /// The data of an answer.
    #[track_caller]
    pub(crate) fn api(&self, path: &str) -> Value {
        let (status, body) = get(&self.address, &format!("/api/v1/{path}"));
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        assert!(status == 200 && answer["status"] == "success" && answer["warnings"].is_null(), "{path}: {body}");
        answer["data"].take()
    }

    /// A vector.
    #[track_caller]
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        let encoded: String = expression
            .bytes()
            .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") })
            .collect();
        self.api(&format!("query?query={encoded}"))["result"].as_array().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn values(&self, expression: &str) -> Vec<f64> {
        let value = |result: &Value| result["value"][1].as_str().unwrap().parse().unwrap();
        self.query(expression).iter().map(value).collect()
    }

    /// Which processes it is true of.
    #[track_caller]
    pub(crate) fn instances(&self, expression: &str) -> Vec<String> {
        self.query(expression).iter().map(|result| result["metric"]["instance"].as_str().unwrap().into()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
