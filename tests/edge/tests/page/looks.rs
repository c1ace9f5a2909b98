//! What it looks like, and to whom.

use std::fs;
use std::path::Path;

use base64::prelude::*;
use lessor_edge_tests::{ADMIN, READER, Setting, Workerd, root};
use serde_json::json;

use crate::{Candidate, open, pause, sign_in};

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
