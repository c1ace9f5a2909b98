//! The status page in a real browser: Chromium without a window, led by chromedriver. Each wait is for something that the
//! page shows, and has a deadline.

mod connection;
mod looks;
mod operator;

use std::time::Duration;

use lessor_edge_tests::{ADMIN, Browser, CANDIDATE, READER, Setting, TEAM, Workerd, call};
use serde_json::{Value, json};

/// What would run if it were taken for markup.
const MARKUP: &str = "<img src=x onerror=\"window.ran = 1\">";

/// How each session begins, which nobody may see.
const SESSION: &str = "0001020304050607";

/// What scripts of these tests may call. Not a part of the page.
const HELP: &str = "
    const row = (key) => [...document.querySelectorAll('li')].find((item) => item.querySelector('h2').textContent === key);
    const shows = (key, ...texts) => texts.every((text) => row(key)?.textContent.includes(text));
    const leader = (key) => row(key)?.querySelector('b').textContent;
    const picture = (key) => row(key).querySelector('svg');
    const said = () => document.querySelector('[role=status]');
    const says = (text) => said().textContent.startsWith(text);
    const seen = (selector) => document.querySelector(selector).checkVisibility();
";

fn open(workerd: &Workerd) -> Browser {
    Browser::open(&workerd.url()).help(HELP)
}

fn sign_in(browser: &Browser, token: &str) {
    browser.enter("[type=password]", token);
    browser.click("form button");
}

fn pause(ms: u64) {
    smol::block_on(smol::Timer::after(Duration::from_millis(ms)));
}

/// What somebody does with a key.
struct Candidate<'a> {
    workerd: &'a Workerd,
    key: &'a str,
    id: &'a str,
}

impl Candidate<'_> {
    fn path(&self, operation: &str) -> String {
        let key: String = self.key.bytes().map(|byte| format!("%{byte:02x}")).collect();
        format!("/v1/keys/{key}{operation}")
    }

    fn post(&self, operation: &str, body: &Value) -> Value {
        self.workerd.call("POST", &self.path(operation), Some(CANDIDATE), Some(&body.to_string())).json()
    }

    fn session(&self) -> String {
        let own = self.id.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        format!("{SESSION}{own:016x}")
    }

    /// Asks for it.
    fn claim(&self, ttl_ms: u64, value: Option<&str>) -> Value {
        let now = self.workerd.call("GET", &self.path(""), Some(READER), None).json();
        let after = &now["lease"]["term"];
        let claim = json!({"id": self.id, "session": self.session(), "ttl_ms": ttl_ms, "value": value, "after": after});
        self.post("/acquire", &claim)
    }

    /// Acquires it, which has to be granted: its term.
    #[track_caller]
    fn acquire(&self, ttl_ms: u64, value: Option<&str>) -> u64 {
        let answer = self.claim(ttl_ms, value);
        answer["granted"]["term"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }

    #[track_caller]
    fn renew(&self, term: u64, ttl_ms: u64, value: Option<&str>) {
        let claim = json!({"id": self.id, "session": self.session(), "ttl_ms": ttl_ms, "value": value, "term": term});
        let answer = self.post("/renew", &claim);
        assert!(answer["extended"].is_object(), "{answer}");
    }

    #[track_caller]
    fn release(&self) {
        let answer = self.post("/release", &json!({"session": self.session()}));
        assert!(answer["released"].is_object(), "{answer}");
    }
}

/// Without a browser: the policy that the page is served under.
#[test]
fn the_page_is_served_under_a_strict_policy() {
    let workerd = Workerd::start(&Setting::default());
    let policy = || {
        let answer = call(&workerd.url(), "GET", "/", None, None);
        let (policy, page) = (answer.header("content-security-policy").unwrap().to_owned(), answer.text);
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert!(nonce.len() >= 22, "{nonce}");
        assert_eq!(page.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "the script and the style carry it");
        assert!(!page.contains("NONCE"));
        (policy.replace(&nonce, "NONCE"), nonce)
    };
    let ((policy, nonce), (_, other)) = (policy(), policy());
    assert_ne!(nonce, other);
    assert!(policy.starts_with("default-src 'none'; script-src 'nonce-NONCE'; style-src 'nonce-NONCE'; "), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

/// A leader dies and the next one appears; what others wrote is text.
#[test]
fn shows_a_hand_over_as_it_happens() {
    let workerd = Workerd::start(&Setting::default());
    let browser = open(&workerd);
    sign_in(&browser, READER);
    browser.wait("says('live') && seen('ul + p')");

    let [a, b] = ["node-a", "node-b"].map(|id| Candidate { workerd: &workerd, key: "jobs/nightly", id });
    assert_eq!(a.acquire(5000, Some("http://10.0.0.1")), 1);
    let renew = || a.renew(1, 5000, Some("http://10.0.0.1"));
    browser.wait("shows('jobs/nightly', 'node-a', 'term 1', 'version 1', 'http://10.0.0.1', ' s of 5 s left')");
    // Each look may take long: the lease has to outlive one, and not all of them.
    renew();
    browser.wait("!seen('ul + p')");
    renew();
    let watch = "
        window.leaders = [];
        const look = () => { if (leaders.at(-1) !== leader('jobs/nightly')) leaders.push(leader('jobs/nightly')); };
        new MutationObserver(look).observe(row('jobs/nightly'), { subtree: true, childList: true });
        look();";
    browser.run(watch);

    // Renewals are not told. For more than two ttls the page asks, and does not take the leader for dead.
    for _ in 0..21 {
        renew();
        pause(500);
    }
    renew();
    assert_eq!(browser.run("return leaders"), json!(["node-a"]));

    browser.wait("shows('jobs/nightly', 'nobody', 'expired')");
    pause(200);
    assert_eq!(b.acquire(30_000, Some("http://10.0.0.2")), 2);
    browser.wait("shows('jobs/nightly', 'node-b', 'term 2', 'http://10.0.0.2', ' s of 30 s left')");
    // The observer would not have outlived a load of the page.
    assert_eq!(browser.run("return leaders"), json!(["node-a", "nobody", "node-b"]));
    browser.wait("picture('jobs/nightly').querySelectorAll('rect').length === 2");
    browser.wait("/term 2 by node-b for \\d+ s, leads; term 1 by node-a for \\d+ s, expired$/.test(picture('jobs/nightly').ariaLabel)");
    let gap = "
        const [first, second] = picture('jobs/nightly').querySelectorAll('rect');
        const [before, after] = [first, second].map((bar) => bar.getBoundingClientRect());
        const whole = picture('jobs/nightly').getBoundingClientRect();
        return [before.width > after.width, before.right + 1 < after.left, Math.abs(after.right - whole.right) < 2];";
    browser.wait(&format!("(() => {{ {gap} }})().every(Boolean)"));

    b.release();
    browser.wait("shows('jobs/nightly', 'nobody', 'term 2', 'released')");
    assert_eq!(a.acquire(30_000, None), 3);
    let revoke = workerd.call("POST", &a.path("/revoke"), Some(ADMIN), Some("{}"));
    assert_eq!(revoke.status, 200, "{revoke:?}");
    browser.wait("shows('jobs/nightly', 'nobody', 'term 4', 'revoked, free in ')");

    Candidate { workerd: &workerd, key: MARKUP, id: MARKUP }.acquire(30_000, Some(MARKUP));
    let markup = json!(MARKUP);
    browser
        .wait(&format!("leader({markup}) === {markup} && row({markup}).querySelector('pre').textContent === {markup}"));
    browser.wait(&format!("picture({markup}).textContent.includes({markup})"));
    assert_eq!(browser.run("return [document.images.length, window.ran ?? null]"), json!([0, null]));
    assert!(
        !browser.run("return document.documentElement.outerHTML").to_string().contains(SESSION),
        "a session is in the page"
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());

    // And if it were taken for markup: it would not run, and the browser would say so.
    browser.run(&format!("document.body.insertAdjacentHTML('beforeend', {markup})"));
    browser.wait("document.images[0].complete");
    assert_eq!(browser.run("return window.ran ?? null"), json!(null));
    let complaints = browser.complaints().join("\n");
    assert!(complaints.contains("Content Security Policy"), "{complaints}");
}

/// Each token sees what it may; the page keeps it over a reload, and forgets it at the end.
#[test]
fn shows_each_token_its_keys() {
    let workerd = Workerd::start(&Setting::default());
    for key in ["team-a/x", "team-a/y", "other"] {
        Candidate { workerd: &workerd, key, id: "node-a" }.acquire(60_000, None);
    }
    let browser = open(&workerd);
    assert_eq!(browser.run("return [seen('form'), seen('section')]"), json!([true, false]));
    for wrong in ["no-such-token-0123456789", "t\u{f6}ken", "t\u{43e}ken"] {
        sign_in(&browser, wrong);
        browser.wait("says('Not signed in: ') && seen('form')");
        assert_eq!(browser.run("return sessionStorage.length"), json!(0));
        browser.run("said().textContent = ''");
    }
    let refusals = browser.complaints();
    assert!(refusals.iter().all(|complaint| complaint.contains("401")), "{refusals:?}");

    let keys = "[...document.querySelectorAll('li h2')].map((key) => key.textContent).join()";
    sign_in(&browser, TEAM);
    browser.wait(&format!("says('live') && {keys} === 'team-a/x,team-a/y'"));
    Candidate { workerd: &workerd, key: "other", id: "node-a" }.release();
    Candidate { workerd: &workerd, key: "team-a/a", id: "node-a" }.acquire(60_000, None);
    browser.wait(&format!("{keys} === 'team-a/a,team-a/x,team-a/y'"));
    browser.command("/refresh", &json!({}));
    browser.wait(&format!("says('live') && {keys} === 'team-a/a,team-a/x,team-a/y'"));

    browser.enter("[type=search]", "y");
    browser.wait("!row('team-a/x').checkVisibility() && row('team-a/y').checkVisibility()");

    browser.click("header button");
    browser.wait(&format!("seen('form') && !seen('section') && {keys} === ''"));
    assert_eq!(
        browser.run("return [sessionStorage.length, document.querySelector('[type=password]').value]"),
        json!([0, ""])
    );
    browser.command("/refresh", &json!({}));
    browser.wait("seen('form')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
