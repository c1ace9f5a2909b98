//! What is beside the example `observed`: Prometheus and its tool take it, it shows what happens, and it is what the guide
//! says.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, str};

use lessor::Config;
use prometheus::Prometheus;
use serde_json::Value;
use tempfile::tempdir;

use crate::http::{address, get};
use crate::program::{Program, until};

#[path = "observed/prometheus.rs"]
mod prometheus;

/// A file of the example.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("observed").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

#[track_caller]
fn promtool(args: &[&str], name: &str) {
    let output = Command::new("promtool").args(args).arg(file(name)).output();
    let output = output.expect("promtool is not installed; Debian has it in the package prometheus");
    assert!(output.status.success(), "{}{}", stdout(&output.stdout), stdout(&output.stderr));
}

fn stdout(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// Each alert fires when it should, and not when it should not: in alerts_test.yml.
#[test]
fn promtool_takes_configuration_and_alerts() {
    promtool(&["check", "config"], "prometheus.yml");
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], "alerts.yml");
    promtool(&["test", "rules"], "alerts_test.yml");
}

/// The number behind the first of these words after the other ones, in seconds if it has a unit.
#[track_caller]
fn number(text: &str, after: &str, word: &str) -> f64 {
    let (_, rest) = text.split_once(after).unwrap_or_else(|| panic!("no {after:?}"));
    let (_, rest) = rest.split_once(word).unwrap_or_else(|| panic!("no {word:?} after {after:?}"));
    let (number, unit) = rest.split_at(rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap());
    number.parse::<f64>().unwrap() * if unit.starts_with('m') { 60.0 } else { 1.0 }
}

/// What alerts and manifest say in figures follows from the default configuration, as the guide says.
#[test]
fn figures_follow_from_the_configuration() {
    let Config { ttl, retry_interval, request_timeout, drain_timeout, .. } = Config::default();
    let seconds = |duration: Duration| duration.as_secs_f64();
    let pause = seconds(ttl.min(Duration::from_secs(10))) / 20.0;

    let end = seconds(drain_timeout) + 3.0 * seconds(request_timeout) + 2.0 * pause;

    let (alerts, prometheus, manifest) = (read("alerts.yml"), read("prometheus.yml"), read("kubernetes.yaml"));
    let scrape = number(&prometheus, "global:", "scrape_interval: ");
    let evaluation = number(&prometheus, "global:", "evaluation_interval: ");
    let take_over = seconds(ttl) + seconds(retry_interval.min(ttl / 5)) * 1.1 + 2.0 * seconds(request_timeout);
    // Where a follower is not told of it, and asks no sooner than when the lease would be over.
    let hand_over = end + seconds(ttl) + seconds(request_timeout);
    let nobody = number(&alerts, "alert: NobodyLeads", "for: ");
    assert_eq!(nobody, ((take_over.max(hand_over) + scrape) / evaluation).ceil() * evaluation);
    for (what, figure) in [("take-over", take_over), ("release", end), ("hand-over", hand_over)] {
        assert!(alerts.contains(&format!(" {figure} s")), "{what}: {figure} s");
    }
    assert_eq!(number(&alerts, "alert: LittleTimeLeft", ")) < "), seconds(request_timeout));

    let grace = number(&manifest, "spec:", "terminationGracePeriodSeconds: ");
    assert!(end < grace && manifest.contains(&format!("= {end} s,")), "{end} {grace}");
    let liveness = number(&manifest, "livenessProbe:", "periodSeconds: ");
    let failures = number(&manifest, "livenessProbe:", "failureThreshold: ");
    assert_eq!(liveness, seconds(ttl));
    let restarted = liveness * failures;
    assert!(restarted < number(&alerts, "alert: NotLive", "for: "), "a restart is given a chance before the alert");
}

/// The guide shows the manifest, and the rules' names are in its table.
#[test]
fn the_guide_has_the_manifest_and_the_alerts() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/guide/observing.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (_, shown) = guide.split_once("```yaml\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert_eq!(shown, read("kubernetes.yaml"), "the guide's manifest is the one that is tested");
    let (_, table) = guide.split_once("# Alerts\n").unwrap();
    let (table, _) = table.split_once("\n# ").unwrap();
    let rules: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let alerts = read("alerts.yml");
    let named: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(rules, named, "a row for each rule");
}

/// The queries of the dashboard: title, expression, and the labels of its legend.
fn queries() -> Vec<(String, String, Vec<String>)> {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = text(&target["expr"]).replace("$key", "(observed)").replace("$__rate_interval", "10s");
            assert!(!expression.contains('$'), "{expression}");
            let legend = text(&target["legendFormat"]);
            let labels = legend.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0.into());
            // Those of pods are there in a cluster.
            queries.push((text(&panel["title"]), expression, labels.filter(|label| label != "pod").collect()));
        }
    }
    queries
}

/// R9, R16: a real Prometheus reads two copies, each query of dashboard and alerts is answered, and shows a kill.
#[test]
fn prometheus_shows_who_leads() {
    let folder = tempdir().unwrap();
    let start = |pod| Program::start_with(folder.path(), "observed", &[], &[("POD_NAME", pod)]);
    let mut first = start("observed-a");
    let first_address = address(&mut first);
    first.says(r#"INFO lessor: elected key="observed" id="observed-a" term=1"#);
    let mut second = start("observed-b");
    let second_address = address(&mut second);
    second.says(r#"INFO lessor: waits for the leader key="observed" id="observed-b" term=1 leader="observed-a""#);
    assert!(get(&second_address, "/").1.starts_with("observed-a, term 1, "));
    for address in [&first_address, &second_address] {
        assert_eq!(get(address, "/health/live").0, 200);
        until("both have asked the storage", || get(address, "/health/ready").0 == 200);
    }

    let prometheus = Prometheus::start(folder.path(), [&first_address, &second_address]);
    until("both are scraped", || prometheus.values("count(lessor_leading)") == [2.0]);
    assert_eq!(prometheus.instances("lessor_leading == 1"), [first_address.as_str()]);
    assert_eq!(prometheus.instances("lessor_live == 1 and lessor_ready == 1").len(), 2);
    assert_eq!(prometheus.api("label/key/values?match[]=lessor_leading"), serde_json::json!(["observed"]));

    let queries = queries();
    assert!(queries.len() > 12);
    for (title, expression, labels) in &queries {
        let mut results = Vec::new();
        until(&format!("{title} has data: {expression}"), || {
            results = prometheus.query(expression);
            !results.is_empty()
        });
        for label in labels {
            assert!(results[0]["metric"][label].is_string(), "{title} has no label {label}: {results:?}");
        }
    }
    let rules = || prometheus.api("rules")["groups"][0]["rules"].as_array().unwrap().clone();
    until("the rules were evaluated", || rules().iter().all(|rule| rule["health"] != "unknown"));
    for rule in rules() {
        assert_eq!(rule["health"], "ok", "{rule}");
        prometheus.query(rule["query"].as_str().unwrap());
    }

    // The rule may have seen the second alone, at first.
    until("somebody leads, and Prometheus knows", || prometheus.query(r#"ALERTS{alertname="NobodyLeads"}"#).is_empty());
    let before = prometheus.values("vector(time())")[0];
    first.kill();
    until("the first does not answer", || prometheus.instances("up == 0") == [first_address.as_str()]);
    let pending = format!(r#"max_over_time(timestamp(ALERTS{{alertname="NobodyLeads"}})[5m:1s]) > {before}"#);
    until("nobody leads, and Prometheus knows", || !prometheus.query(&pending).is_empty());
    second.says(r#"INFO lessor: elected key="observed" id="observed-b" term=2"#);
    until("the second is seen to lead", || prometheus.instances("lessor_leading == 1") == [second_address.as_str()]);
    until("its term is seen", || prometheus.values("lessor_term") == [2.0]);
    until("one change is seen", || prometheus.values("lessor_leader_changes_total") == [1.0]);
    let changes = &queries.iter().find(|query| query.0 == "Leader changes").unwrap().1.replace("10s", "5m");
    until("the panel shows it", || prometheus.values(changes)[0] > 0.9);
    until("a take-over is no alert", || {
        rules().iter().any(|rule| rule["name"] == "NobodyLeads" && rule["state"] == "inactive")
    });
    assert!(prometheus.query(r#"last_over_time(ALERTS{alertname="NobodyLeads", alertstate="firing"}[5m])"#).is_empty());

    second.terminate();
    let (status, lines) = second.end();
    assert!(status.success(), "{status}");
    assert!(lines.last().unwrap().ends_with("has handed over and ended"), "{lines:#?}");
}

#[test]
fn observed_explains_its_address() {
    let output = super::run("observed", &["8001"]);
    assert!(stdout(&output.stderr).contains("allowed is one such as 127.0.0.1:8001"), "{output:?}");
}
