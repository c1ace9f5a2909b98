//! What operators do with it.

use lessor_edge_tests::{ADMIN, READER, Setting, Workerd};
use serde_json::json;

use crate::{Candidate, open, sign_in};

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

    // Who would lead it next.
    browser.run(
        "row('job/150').querySelector('details').open = false; row('job/000').querySelector('details').open = true",
    );
    browser.run("row('job/000').scrollIntoView()");
    let waits = |texts: &str| {
        browser.wait(&format!(
            "[{texts}].every((text) => row('job/000').querySelector('details p').textContent.includes(text))"
        ));
    };
    waits("'Nobody waits'");
    for id in ["node-b", "node-c"] {
        let refused = Candidate { workerd: &workerd, key: "job/000", id }.claim(60_000, None);
        assert!(refused["refused"].is_object(), "{refused}");
    }
    waits("'Waiting: node-c (asked ', ' ago), node-b (asked '");

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
