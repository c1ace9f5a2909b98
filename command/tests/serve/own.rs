//! What `lessor serve` does for those who run it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use lessor_served::{ADMIN, CANDIDATE, Config, READER, Server as _, Socket, until};
use lessor_servers::postgres;
use serde_json::{Value, json};

use crate::running::{Running, Setting, command, with};

const CLAIM: &str = r#"{"id": "a", "session": "000102030405060708090a0b0c0d0e0f", "ttl_ms": 30000}"#;
const RELEASE: &str = r#"{"session": "000102030405060708090a0b0c0d0e0f"}"#;

/// What the program says that does not begin to serve, and its code.
fn refused(setting: &Setting, change: impl FnOnce(&mut std::process::Command)) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(setting, &folder, 0);
    change(&mut command);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Whoever starts it learns what is wrong, and no secret is repeated.
#[test]
fn what_is_wrong_is_said_at_the_start() {
    let tokens = |tokens: &str| Setting {
        config: Config { tokens: Some(tokens.into()), vars: Vec::new() },
        ..Setting::default()
    };
    let short = r#"[{"token": "short", "role": "admin"}]"#;
    let cases = [
        (tokens("[]"), "LESSOR_TOKENS: there are no tokens"),
        (tokens("secret"), "LESSOR_TOKENS: it is no JSON"),
        (
            tokens(r#"[{"token": "short", "rolle": "admin"}]"#),
            "LESSOR_TOKENS: number 1: unknown field `rolle`, expected one of",
        ),
        (with(&["--metrics-listen", "192.0.2.1:1"]), "--metrics-listen is 192.0.2.1:1, where it cannot listen"),
        (with(&["--max-ttl-ms", "x"]), "--max-ttl-ms is \"x\", allowed is a number of ms"),
        (tokens(short), "less than 20 characters"),
        (with(&["--tokens", "/nowhere/tokens.json"]), "/nowhere/tokens.json: "),
        (with(&["--origin", "app.example.com"]), "--origin is \"app.example.com\", allowed is"),
        (with(&["--min-ttl-ms", "0"]), "--min-ttl-ms is 0, allowed is 1 to --max-ttl-ms"),
        (with(&["--tls-cert", "/nowhere/a", "--tls-key", "/nowhere/b"]), "/nowhere/a: "),
        (with(&["--tls-cert", "/nowhere/a"]), "--tls-key"),
        (with(&["--look-every-ms", "1"]), "100..=3600000"),
    ];
    for (mut setting, says) in cases {
        if setting.arguments.iter().any(|argument| argument == "--min-ttl-ms") {
            setting.config.vars.clear();
        }
        let (code, said) = refused(&setting, |_| {});
        assert!(code == Some(120) && said.contains(says) && !said.contains("secret"), "{says}: {code:?} {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json").to_str().unwrap().to_owned();
    fs::write(&file, r#"[{"token": "admin-token-for-tests-0123456789", "role": "boss"}]"#).unwrap();
    let (code, said) = refused(&with(&["--tokens", &file]), |_| {});
    let says = format!("--tokens {file}: number 1.role: unknown variant `boss`, expected one of `read`");
    assert!(code == Some(120) && said.contains(&says), "{code:?} {said}");
    let (code, said) = refused(&Setting::default(), |command| {
        command.args(["--listen", "0.0.0.0:0"]);
    });
    assert!(code == Some(120) || said.contains("cannot be used multiple times"), "{code:?} {said}");
    let nowhere = Setting { storage: Some("postgres://u:hidden@127.0.0.1:1/d".into()), ..Setting::default() };
    let (code, said) = refused(&nowhere, |_| {});
    assert!(code == Some(123) && !said.contains("hidden"), "{code:?} {said}");
}

/// Nothing is served in the clear to others, unless somebody says that a proxy does the rest.
#[test]
fn nothing_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let listen = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lessor"));
        let file = folder.path().join("leases.db");
        command.args(["serve", "--listen", "0.0.0.0:0", "--storage", file.to_str().unwrap()]).args(more);
        command.env("LESSOR_TOKENS", "[]");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = listen(&[]);
    assert!(code == Some(120) && said.contains("--listen is 0.0.0.0:0, where others can reach it"), "{said}");
    // It goes on to what is wrong next.
    assert!(listen(&["--plain-http"]).1.contains("there are no tokens"));
}

/// Those who look after the process ask without a token, and are told no lease.
#[test]
fn health_and_metrics() {
    let running = Running::start(with(&["--metrics-listen", "127.0.0.1:0"]));
    let metrics = running.metrics();
    let get = |path| running.call("GET", path, None, None);
    for path in ["/healthz", "/readyz"] {
        assert_eq!((get(path).status, &*get(path).text), (200, "ok\n"), "{path}");
    }
    assert_eq!(get("/metrics").status, 401, "it is on another address");
    running.call("POST", "/v1/keys/k/acquire", Some(CANDIDATE), Some(CLAIM));
    running.call("GET", "/v1/keys/k", Some(READER), None);
    running.call("GET", "/v1/keys/k", None, None);
    let _socket = Socket::of(&running, READER);
    until("all of it is counted", || {
        let text = metrics.text();
        let expected = [
            "lessor_requests_total{operation=\"acquire\",status=\"200\"} 1",
            "lessor_requests_total{operation=\"get\",status=\"200\"} 1",
            "lessor_requests_total{operation=\"refused\",status=\"401\"}",
            "lessor_storage_seconds_bucket{operation=\"acquire\",le=\"",
            "lessor_sockets 1",
            "lessor_changes_total{change=\"granted\"} 1",
        ];
        expected.iter().all(|line| text.contains(line)).then_some(())
    });
}

/// A line a request, as text or as JSON: never with a token or a session.
#[test]
fn lines_of_the_log() {
    for (format, expected) in [("text", "POST /v1/keys/k/acquire 200 "), ("json", "\"path\":\"/v1/keys/k/acquire\"")] {
        let running = Running::start(with(&["--log", format]));
        running.call("POST", "/v1/keys/k/acquire?token=in-the-query", Some(CANDIDATE), Some(CLAIM));
        running.call("POST", "/v1/keys/k/release", Some(CANDIDATE), Some(RELEASE));
        let lines = [running.says(expected), running.says("release")];
        for line in lines {
            assert!(![CANDIDATE, "000102", "in-the-query"].iter().any(|secret| line.contains(secret)), "{line}");
            if format == "json" {
                let line: Value = serde_json::from_str(&line).unwrap();
                assert_eq!((&line["status"], &line["method"]), (&json!(200), &json!("POST")));
            }
        }
    }
}

fn tokens(file: &Path, token: &str) {
    fs::write(file, json!([{"token": token, "role": "candidate", "name": "ci"}]).to_string()).unwrap();
}

/// Tokens change while it runs: what is wrong leaves all as it was, and sockets end with their settings.
#[test]
fn tokens_are_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let [old, new] = ["old-token-for-tests-0123456789", "new-token-for-tests-0123456789"];
    tokens(&file, old);
    let mut setting = with(&["--tokens", file.to_str().unwrap()]);
    setting.config = Config { tokens: None, vars: Vec::new() };
    let running = Running::start(setting);
    let status = |token| running.call("GET", "/v1", Some(token), None).status;
    assert_eq!([status(old), status(new)], [200, 401]);
    let mut socket = Socket::of(&running, old);
    running.signal("-HUP");
    running.says("the settings are what they were");
    fs::write(&file, "[{]").unwrap();
    running.signal("-HUP");
    running.says("the settings stay what they were");
    assert_eq!(status(old), 200);
    assert_eq!(socket.ask(r#"{"watch": {"number": 1, "keys": ["k"]}}"#).len(), 2, "it is still open");
    tokens(&file, new);
    running.signal("-HUP");
    running.says("the settings were read anew");
    assert_eq!([status(old), status(new)], [401, 200]);
    assert_eq!(socket.try_hear(), Err(1012));
}

/// It ends when it is told to: what runs comes to its end, sockets are told, and nobody is let in.
#[test]
fn it_ends_gently() {
    for signal in ["-TERM", "-INT"] {
        let mut running = Running::start(Setting::default());
        running.call("POST", "/v1/keys/k/acquire", Some(CANDIDATE), Some(CLAIM));
        let mut socket = Socket::of(&running, READER);
        running.signal(signal);
        assert_eq!(socket.try_hear(), Err(1001));
        assert_eq!(running.ended(), Some(0));
    }
}

/// Over TLS, with certificates that change while it runs.
#[test]
fn over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["server.crt", "server.key"].map(|name| folder.path().join(name));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let running =
        Running::start(with(&["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]));
    let said = std::process::Command::new("curl")
        .args(["--silent", "--cacert", certificate.to_str().unwrap(), "-H", &format!("Authorization: Bearer {ADMIN}")])
        .arg(format!("{}/v1", running.url()))
        .output()
        .unwrap();
    let about: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!((&about["role"], &about["layout"]), (&json!("admin"), &json!("sqlite")));
    fs::write(&key, "no key").unwrap();
    running.signal("-HUP");
    running.says("the certificates stay what they were");
}

/// Pages of other origins may read the answers where that was said.
#[test]
fn pages_of_other_origins() {
    let running = Running::start(with(&["--origin", "https://app.example.com"]));
    let ask = |method: &str, headers: &[(&str, &str)]| {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}/v1", running.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = agent.run(request.body(()).unwrap()).unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), header("access-control-allow-origin"), header("access-control-allow-headers"))
    };
    let ours = ("origin", "https://app.example.com");
    let preflight = ("access-control-request-method", "POST");
    let allowed = Some("https://app.example.com".to_owned());
    assert_eq!(ask("OPTIONS", &[ours, preflight]), (204, allowed.clone(), Some("authorization, content-type".into())));
    assert_eq!(ask("GET", &[ours]), (401, allowed, None));
    assert_eq!(ask("GET", &[("origin", "https://evil.example.com")]), (401, None, None));
}

/// What others do to the same storage is told, too: by the storage's own wake-ups, or by looking.
#[test]
fn changes_by_others() {
    let server = postgres::Server::start();
    let here = Running::start(Setting { storage: Some(server.url()), ..with(&["--look-every-ms", "200"]) });
    let there = Running::start(Setting { storage: Some(server.url()), ..Setting::default() });
    let mut socket = Socket::of(&here, READER);
    socket.ask(r#"{"watch": {"number": 1, "keys": ["k"], "prefixes": ["team/"]}}"#);
    for (key, path) in [("k", "k"), ("team/x", "team%2Fx")] {
        let post = |operation: &str, body: &str| {
            let path = format!("/v1/keys/{path}/{operation}");
            assert_eq!(there.call("POST", &path, Some(ADMIN), Some(body)).status, 200);
        };
        let mut hear = |change: &str| {
            let told = socket.hear()["change"].clone();
            assert_eq!(
                (&told["key"], &told["change"], &told["id"]),
                (&json!(key), &json!(change), &json!("a")),
                "{told}"
            );
            told
        };
        post("acquire", CLAIM);
        assert_eq!(hear("granted")["lease"]["id"], "a");
        post("release", RELEASE);
        assert_eq!(hear("released")["lease"]["id"], Value::Null);
        post("acquire", &CLAIM.replace('}', r#", "after": 1}"#));
        hear("granted");
        post("revoke", "{}");
        hear("revoked");
    }
    let history = here.call("GET", "/v1/keys/team%2Fx/history", Some(READER), None).json();
    let changes: Vec<_> = history["history"].as_array().unwrap().iter().map(|entry| entry["change"].clone()).collect();
    assert_eq!(changes, ["revoked", "granted", "released", "granted"]);
}

/// The whole contract, over another engine.
#[test]
fn keeps_the_contract_over_postgres() {
    let server = postgres::Server::start();
    let url = server.url();
    let start = move |config: &Config| -> Box<dyn lessor_served::Server> {
        Box::new(Running::start(Setting { storage: Some(url.clone()), config: config.clone(), ..Setting::default() }))
    };
    lessor_served::service::keeps_the_contract(&start);
}

/// A storage that does not answer makes it not ready, and each request is answered all the same.
#[test]
fn a_storage_that_is_gone() {
    let server = postgres::Server::start();
    let running = Running::start(Setting { storage: Some(server.url()), ..Setting::default() });
    assert_eq!(running.call("GET", "/readyz", None, None).status, 200);
    server.stop();
    until("it is not ready", || (running.call("GET", "/readyz", None, None).status == 503).then_some(()));
    let answer = running.call("GET", "/v1/keys/k", Some(READER), None);
    assert!(matches!(answer.status, 500 | 503) && !answer.text.contains("127.0.0.1"), "{answer:?}");
    assert_eq!(running.call("GET", "/healthz", None, None).status, 200);
}

/// Connections that say nothing are no burden to the others.
#[test]
fn slow_clients() {
    let running = Running::start(with(&["--max-connections", "40"]));
    let address = running.url().trim_start_matches("http://").to_owned();
    let idle: Vec<_> = (0..30).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(running.call("GET", "/v1", Some(READER), None).status, 200);
    drop(idle);
    let mut stream = TcpStream::connect(&address).unwrap();
    let huge = format!("GET /v1 HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    // It may not even be read to its end.
    let _ = stream.write_all(huge.as_bytes());
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 431");
}
