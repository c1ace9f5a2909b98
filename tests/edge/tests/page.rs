//! The status page in a real browser: Chromium without a window, led by chromedriver. Each wait is for something that the
//! page shows, and has a deadline.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::prelude::*;
use lessor_edge_tests::{ADMIN, Browser, CANDIDATE, READER, Setting, TEAM, Workerd, call, root};
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

    /// Acquires it, which has to be granted: its term.
    #[track_caller]
    fn acquire(&self, ttl_ms: u64, value: Option<&str>) -> u64 {
        let now = self.workerd.call("GET", &self.path(""), Some(READER), None).json();
        let after = &now["lease"]["term"];
        let claim = json!({"id": self.id, "session": self.session(), "ttl_ms": ttl_ms, "value": value, "after": after});
        let answer = self.post("/acquire", &claim);
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
    assert_eq!(a.acquire(2000, Some("http://10.0.0.1")), 1);
    browser.wait("shows('jobs/nightly', 'node-a', 'term 1', 'version 1', 'http://10.0.0.1', ' s of 2 s left')");
    browser.wait("!seen('ul + p')");
    let watch = "
        window.leaders = [];
        const look = () => { if (leaders.at(-1) !== leader('jobs/nightly')) leaders.push(leader('jobs/nightly')); };
        new MutationObserver(look).observe(row('jobs/nightly'), { subtree: true, childList: true });
        look();";
    browser.run(watch);

    // Renewals are not told. For more than two ttls the page asks, and does not take the leader for dead.
    for _ in 0..9 {
        pause(500);
        a.renew(1, 2000, Some("http://10.0.0.1"));
    }
    assert_eq!(browser.run("return leaders"), json!(["node-a"]));

    browser.wait("shows('jobs/nightly', 'nobody', 'expired')");
    pause(200);
    assert_eq!(b.acquire(30_000, Some("http://10.0.0.2")), 2);
    browser.wait("shows('jobs/nightly', 'node-b', 'term 2', 'http://10.0.0.2', ' s of 30 s left')");
    // The observer would not have outlived a load of the page.
    assert_eq!(browser.run("return leaders"), json!(["node-a", "nobody", "node-b"]));
    browser.wait("picture('jobs/nightly').querySelectorAll('rect').length === 2");
    browser.wait("/term 2 by node-b for \\d s, leads; term 1 by node-a for \\d s, expired$/.test(picture('jobs/nightly').ariaLabel)");
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

/// What an operator does: finds what is wrong among many keys, looks at its past, and takes it from its holder.
#[test]
fn an_operator_finds_and_takes() {
    let workerd = Workerd::start(&Setting::default());
    let names: Vec<_> = (0..200).map(|key| format!("job/{key:03}")).collect();
    let many: Vec<_> = names.iter().map(|key| Candidate { workerd: &workerd, key, id: "node-a" }).collect();
    for one in &many {
        one.acquire(60_000, Some(&format!("value of {}", one.key)));
    }
    many[150].release();
    let browser = open(&workerd);
    sign_in(&browser, ADMIN);
    browser.wait("says('live') && document.querySelectorAll('li').length === 200");

    // By key, whether it is in sight or not; by who leads, or what is published.
    browser.enter("[type=search]", "VALUE of job/17");
    browser.wait("[...document.querySelectorAll('li')].filter((item) => !item.hidden).length === 10");
    browser.run("const search = document.querySelector('[type=search]'); search.value = ''; search.oninput()");
    let first = |what: &str| format!("document.querySelector('li h2').textContent === '{what}'");
    browser.wait(&first("job/000"));

    // What nobody leads comes first, and says so in words.
    let order = |by: &str| {
        browser.run(&format!(
            "const order = document.querySelector('[name=order]'); order.value = '{by}'; order.onchange()"
        ));
    };
    browser.run("row('job/150').scrollIntoView()");
    browser.wait("row('job/150').changes.length === 2");
    order("problems");
    browser.run("scrollTo(0, 0)");
    browser.wait(&format!("{} && shows('job/150', 'nobody leads')", first("job/150")));
    many[77].release();
    order("changes");
    browser.wait(&first("job/077"));
    order("key");
    browser.wait(&first("job/000"));

    // Its past, in the reader's own time.
    browser.run("row('job/150').querySelector('details').open = true");
    browser.wait("row('job/150').querySelectorAll('tbody tr').length === 2");
    let cells = browser.run("return [...row('job/150').querySelectorAll('tbody tr')].map((row) => [...row.cells].slice(1).map((cell) => cell.textContent))");
    assert_eq!(cells, json!([["1", "released", "node-a"], ["1", "granted", "node-a"]]));
    let zone = browser.run("return Intl.DateTimeFormat().resolvedOptions().timeZone");
    browser.wait(&format!("document.querySelector('nav small').textContent.endsWith('times of ' + {zone})"));

    // It is asked first; and nothing is taken that was not meant.
    let button = "row('job/001').querySelector('details button')";
    browser.run("row('job/001').scrollIntoView(); row('job/001').querySelector('details').open = true");
    browser.wait(&format!("{button}.checkVisibility()"));
    browser.run(&format!("{button}.click()"));
    browser.wait("document.querySelector('dialog').open && seen('dialog h2')");
    let asked = browser.run("return document.querySelector('dialog h2').textContent");
    assert_eq!(asked, "Take job/001 from node-a, in term 1?");
    browser.click("dialog menu button");
    browser.wait("!document.querySelector('dialog').open");
    assert!(browser.run("return shows('job/001', 'node-a', 'term 1')") == true);
    browser.run(&format!("{button}.click()"));
    browser.click("dialog [value=revoke]");
    browser.wait("shows('job/001', 'nobody', 'term 2', 'revoked, free in ')");
    // At once, from a holder that is gone.
    browser.run(
        "row('job/002').querySelector('details').open = true; row('job/002').querySelector('details button').click()",
    );
    browser.click("dialog [value=now]");
    browser.click("dialog [value=revoke]");
    browser.wait("shows('job/002', 'nobody', 'term 2', 'revoked ')");
    // Of a term that is over.
    browser.run("row('job/003').querySelector('details').open = true; row('job/003').lease.term = 7; row('job/003').querySelector('details button').click()");
    browser.click("dialog [value=revoke]");
    browser.wait("document.querySelector('[role=alert]').textContent.startsWith('job/003 was not revoked: it is in other hands')");
    assert_eq!(browser.complaints(), Vec::<String>::new());

    // Who may not, is not offered it.
    browser.run("sessionStorage.clear()");
    browser.command("/refresh", &json!({}));
    sign_in(&browser, READER);
    browser.wait("says('live') && shows('job/000', 'node-a')");
    browser.run("row('job/000').querySelector('details').open = true");
    browser.wait("row('job/000').querySelectorAll('tbody tr').length === 1");
    assert_eq!(browser.run("return row('job/000').querySelector('details button').checkVisibility()"), false);
}

/// What axe finds: nothing, in all that the page shows.
#[test]
fn is_accessible() {
    let axe = fs::read_to_string(root().join("tests/edge/node_modules/axe-core/axe.min.js"))
        .expect("`tests/run edge` installs it");
    let workerd = Workerd::start(&Setting::default());
    let browser = open(&workerd);
    let check = |what: &str| {
        browser.run(&format!("{axe}; return true"));
        let found = browser.run("return window.axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))");
        assert_eq!(found, json!([]), "{what}");
    };
    check("signed out");
    for key in ["a", "b"] {
        Candidate { workerd: &workerd, key, id: "node-a" }.acquire(60_000, Some("here"));
    }
    Candidate { workerd: &workerd, key: "b", id: "node-a" }.release();
    sign_in(&browser, ADMIN);
    browser.wait("says('live') && shows('a', 'node-a') && shows('b', 'nobody leads')");
    browser.run("row('a').querySelector('details').open = true");
    browser.wait("row('a').querySelectorAll('tbody tr').length === 1");
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.devtools("Emulation.setEmulatedMedia", &features);
        check(scheme);
        browser.resize(360, 700);
        check("narrow");
        browser.run("row('a').querySelector('details button').click()");
        check("the dialog");
        browser.run("document.querySelector('dialog').close()");
        browser.resize(1200, 800);
    }
}

/// The service goes away and comes back: so does the page, and what it shows is what is.
#[test]
fn comes_back_after_the_service() {
    // With a token of which hardly a character may be in a sub-protocol as it is.
    let token = r#"!"%&'() *+,/:;<=>?@[\]{|}~"#;
    let setting = Setting::default();
    let mut tokens: Value = serde_json::from_str(setting.tokens.as_deref().unwrap()).unwrap();
    tokens.as_array_mut().unwrap().push(json!({"token": token, "role": "read"}));
    let mut workerd = Workerd::start(&Setting { tokens: Some(tokens.to_string()), ..setting });
    Candidate { workerd: &workerd, key: "k", id: "node-a" }.acquire(60_000, None);
    let browser = open(&workerd);
    sign_in(&browser, token);
    browser.wait("says('live') && shows('k', 'node-a', 'term 1')");
    let note = "window.states = [];
        new MutationObserver(() => states.push(said().textContent)).observe(said(), { childList: true });";
    browser.run(note);
    workerd.kill();
    browser.wait("says('connecting')");
    workerd.kill_and_restart();
    browser.wait("says('live')");
    let states = browser.run("return states");
    assert_eq!(states[0], "connecting…", "{states}");
    Candidate { workerd: &workerd, key: "k", id: "node-a" }.release();
    browser.wait("shows('k', 'nobody', 'term 1', 'released')");
    Candidate { workerd: &workerd, key: "k", id: "node-b" }.acquire(60_000, None);
    browser.wait("shows('k', 'node-b', 'term 2')");
    browser.wait("/by node-b for .*, leads; term 1 by node-a for .*, released/.test(picture('k').ariaLabel)");

    // What happened while it was away is caught up with.
    workerd.kill_and_restart();
    Candidate { workerd: &workerd, key: "k", id: "node-b" }.release();
    Candidate { workerd: &workerd, key: "k", id: "node-c" }.acquire(60_000, None);
    browser.wait("shows('k', 'node-c', 'term 3') && picture('k').ariaLabel.includes('by node-b for')");
    browser.wait("/leads; term 2 by node-b for .*, released; term 1/.test(picture('k').ariaLabel)");
    let unexpected = |complaint: &String| !complaint.contains("net::ERR_") && !complaint.contains("WebSocket");
    let complaints: Vec<_> = browser.complaints().into_iter().filter(unexpected).collect();
    assert_eq!(complaints, Vec::<String>::new());
}

/// A connection that died without a word is noticed, one that is only silent is left alone, and what comes late changes
/// nothing.
#[test]
fn asks_whether_the_service_is_there() {
    let workerd = Workerd::start(&Setting::default());
    Candidate { workerd: &workerd, key: "k", id: "node-a" }.acquire(60_000, None);
    let browser = open(&workerd);
    browser.run(
        "const { send } = WebSocket.prototype;
        window.sent = [];
        WebSocket.prototype.send = function (text) {
            sent.push(text);
            window.socket = this;
            if (!window.dead) send.call(this, text);
        };
        const now = performance.now.bind(performance);
        window.later = 0;
        performance.now = () => now() + later;",
    );
    sign_in(&browser, READER);
    browser.wait("says('live') && shows('k', 'node-a', ' s of 60 s left')");
    // What is told twice and late is no news.
    let late = json!({"change": {
        "key": "k", "change": "granted", "id": "node-a", "term": 1, "ago_ms": 9000,
        "lease": {"id": null, "term": 1, "version": 0, "ttl_ms": 60000, "time_left_ms": 0, "value": null},
    }});
    browser.run(&format!("socket.onmessage({{ data: {:?} }})", late.to_string()));
    assert_eq!(browser.run("return [leader('k'), picture('k').children.length]"), json!(["node-a", 1]));
    for count in [1, 2] {
        browser.run("later += 31_000");
        browser.wait(&format!("sent.filter((text) => text === 'ping').length === {count}"));
        // On its own clock the lease is over. The service knows better.
        browser.wait("shows('k', 'node-a', ' s of 60 s left')");
        assert_eq!(browser.run("return said().textContent"), "live");
    }
    browser.run(
        "window.dead = true;
        later += 31_000;",
    );
    browser.wait("sent.filter((text) => text === 'ping').length === 3 && says('live')");
    browser.run("later += 31_000");
    browser.wait("says('connecting')");
    browser.run("window.dead = false");
    browser.wait("says('live')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
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

/// Pictures for whoever looks, in `target/edge`; and that it fits small screens.
#[test]
fn has_its_picture_taken() {
    let workerd = Workerd::start(&Setting::default());
    let browser = open(&workerd);
    browser.resize(1100, 960);
    let candidate = |key, id| Candidate { workerd: &workerd, key, id };
    let long = "a-key-without-any-place-to-break-it/".repeat(7);
    candidate(&long, &long[..128]).acquire(3_600_000, Some(&"value".repeat(200)));
    candidate("billing/invoices", "eu-west-1a/pod-7f9c").acquire(45_000, Some("{\"url\": \"https://10.1.4.7:8443\"}"));
    candidate("cron/nightly-report", "node-1").acquire(500, None);
    candidate("queue/emails", "worker-3").acquire(1000, Some("https://worker-3.example.com"));
    for (number, id) in ["node-2", "node-1", "node-3", "node-2", "node-4"].into_iter().enumerate() {
        let scheduler = candidate("scheduler", id);
        scheduler.acquire(20_000, None);
        pause(if number % 2 == 0 { 250 } else { 600 });
        if number < 4 {
            scheduler.release();
            pause(if number == 1 { 350 } else { 30 });
        }
    }
    candidate("cron/nightly-report", "node-2").acquire(60_000, None);
    let gone = candidate("tenants/acme/compaction", "node-1");
    gone.acquire(30_000, None);
    // All of them in sight: only then is it asked for their past.
    browser.resize(1100, 2000);
    sign_in(&browser, READER);
    browser.wait("says('live') && document.querySelectorAll('li').length === 6");
    browser
        .wait("[...document.querySelectorAll('[role=img]')].every((picture) => picture.ariaLabel.startsWith('term'))");
    gone.release();
    browser.wait("shows('tenants/acme/compaction', 'nobody') && shows('queue/emails', 'nobody', 'expired')");

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("edge");
    fs::create_dir_all(&folder).unwrap();
    let mut grounds = Vec::new();
    for (width, height, name) in [(1100, 960, ""), (320, 1500, "-small")] {
        browser.resize(width, height);
        browser.wait(&format!("document.documentElement.scrollWidth <= {width}"));
        browser.wait("document.querySelector('[role=img]').clientWidth > 200");
        for scheme in ["light", "dark"] {
            let wanted = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            browser.devtools("Emulation.setEmulatedMedia", &wanted);
            browser.wait(&format!("matchMedia('(prefers-color-scheme: {scheme})').matches"));
            grounds.push(browser.run("return getComputedStyle(document.documentElement).backgroundColor"));
            let taken = browser.devtools("Page.captureScreenshot", &json!({}));
            let png = BASE64_STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
            fs::write(folder.join(format!("page-{scheme}{name}.png")), png).unwrap();
        }
    }
    assert_ne!(grounds[0], grounds[1]);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
