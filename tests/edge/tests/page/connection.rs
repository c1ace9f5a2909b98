//! A service that goes away, and one that says nothing.

use lessor_edge_tests::{READER, Setting, Workerd};
use serde_json::{Value, json};

use crate::{Candidate, open, sign_in};

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
