//! Chromium without a window, led by chromedriver.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a page may take until it shows what it is to show, and for a script.
const DEADLINE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(180);

/// Chromium with a page in it, led over the WebDriver protocol.
#[derive(Debug)]
pub struct Browser {
    chromedriver: Child,
    /// Nothing more is read from it, but whoever writes into a closed pipe is ended.
    _said: BufReader<ChildStdout>,
    /// Of the session, once there is one.
    url: String,
    _profile: TempDir,
    help: &'static str,
}

/// A chromedriver, what it says, and the port on which it listens. It ends itself if another program takes that port while
/// it begins: then there is another try.
fn chromedriver() -> (Child, BufReader<ChildStdout>, u16) {
    let mut complaints = String::new();
    for _ in 0..5 {
        let mut chromedriver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; `tests/run edge` installs it"));
        let mut said = BufReader::new(chromedriver.stdout.take().unwrap());
        for line in said.by_ref().lines().map_while(Result::ok) {
            let port = line.split_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.').parse());
            if let Some(Ok(port)) = port {
                return (chromedriver, said, port);
            }
            complaints += &line;
            complaints.push('\n');
        }
        chromedriver.wait().unwrap();
    }
    panic!("chromedriver does not listen: {complaints}");
}

impl Browser {
    /// Opens this page.
    pub fn open(url: &str) -> Self {
        let (chromedriver, said, port) = chromedriver();
        let driver = format!("http://127.0.0.1:{port}");
        let profile = tempfile::tempdir().unwrap();
        let argument = format!("--user-data-dir={}", profile.path().display());
        let mut browser = Self { chromedriver, _said: said, url: driver, _profile: profile, help: "" };
        let session = browser.command(
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": {"args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", argument]},
                "goog:loggingPrefs": {"browser": "ALL"},
                "timeouts": {"script": PATIENCE.as_millis()},
            }}}),
        );
        browser.url = format!("{}/session/{}", browser.url, session["sessionId"].as_str().unwrap());
        browser.command("/url", &json!({"url": url}));
        browser
    }

    /// With what its scripts may call.
    pub fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// A command of the protocol: its value.
    pub fn command(&self, path: &str, body: &Value) -> Value {
        self.try_command(path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    /// Opens this page in another tab, and goes there: what it is called.
    pub fn open_tab(&self, url: &str) -> String {
        let tab = self.command("/window/new", &json!({"type": "tab"}))["handle"].as_str().unwrap().to_owned();
        self.go_to(&tab);
        self.command("/url", &json!({"url": url}));
        tab
    }

    /// Goes to a tab that is open.
    pub fn go_to(&self, tab: &str) {
        self.command("/window", &json!({"handle": tab}));
    }

    /// Closes the tab, as a user does.
    pub fn close_tab(&self) {
        agent().delete(format!("{}/window", self.url)).call().unwrap();
    }

    fn try_command(&self, path: &str, body: &Value) -> Result<Value, Value> {
        let request = agent().post(format!("{}{path}", self.url)).content_type("application/json");
        let mut answer: Value =
            serde_json::from_str(&request.send(body.to_string()).unwrap().body_mut().read_to_string().unwrap())
                .unwrap();
        let value = answer["value"].take();
        if value["error"].is_string() { Err(value) } else { Ok(value) }
    }

    /// What a script returns.
    pub fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({"script": format!("{}{script}", self.help), "args": []}))
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&self, condition: &str) {
        if !self.comes_true(condition) {
            let page = self.run("return document.documentElement.innerText");
            panic!("not within {DEADLINE:?}: {condition}\nthe page:\n{}", page.as_str().unwrap_or_default());
        }
    }

    /// Whether an expression is true some time.
    pub fn comes_true(&self, condition: &str) -> bool {
        let script = format!(
            "{}
            const done = arguments[0];
            const late = performance.now() + {};
            const look = () => {{
                try {{
                    if ({condition}) return done(true);
                }} catch {{}}
                if (performance.now() > late) return done(false);
                setTimeout(look, 20);
            }};
            look();",
            self.help,
            DEADLINE.as_millis()
        );
        self.command("/execute/async", &json!({"script": script, "args": []})) == true
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command("/element", &json!({"using": "css selector", "value": selector}));
        format!("/element/{}", found["element-6066-11e4-a52e-4f735466cecf"].as_str().unwrap())
    }

    /// Types this into it.
    pub fn enter(&self, selector: &str, text: &str) {
        self.command(&format!("{}/value", self.element(selector)), &json!({"text": text}));
    }

    /// Clicks on it.
    pub fn click(&self, selector: &str) {
        self.command(&format!("{}/click", self.element(selector)), &json!({}));
    }

    /// A command of the browser's own protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Makes the window that large, in pixels.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        self.wait(&format!("innerWidth === {width}"));
    }

    /// What the browser complained of since it was last asked.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().unwrap().iter();
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// Chromium ends with the session.
impl Drop for Browser {
    fn drop(&mut self) {
        if self.url.contains("/session/") {
            let _ = agent().delete(&self.url).call();
        }
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}

fn agent() -> ureq::Agent {
    let patience = Some(2 * PATIENCE);
    ureq::Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(patience).build().new_agent()
}
