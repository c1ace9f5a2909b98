//! The playground in a real browser: what it shows of a link, how it is led, and that its runs are those of the native simulator.

use std::fs;
use std::path::PathBuf;

use lessor_edge_tests::{Browser, Files, root};
use serde_json::{Value, json};

/// Of client-go two lead in it, and a stale write is accepted; of less too.
const SEED: &str = "seed=136";

/// What scripts of these tests may call. Not a part of the page.
const HELP: &str = "
    const find = (part) => document.querySelector(part);
    const named = (name) => find(`[name=${name}]`);
    const said = () => find('#now [role=status]').textContent;
    const stands = () => find('#now p').textContent;
    const at = () => new URLSearchParams(location.hash.slice(1)).get('at');
    const current = () => find('[aria-current]');
    const verdict = (protocol) => find(`[value='${protocol}']`).closest('.row').querySelector('p').textContent;
";

fn files() -> Files {
    let folder: PathBuf = root().join("target/playground");
    assert!(folder.join("simulator/lessor_bg.wasm").exists(), "`tests/setup/workers` builds it");
    Files::serve(folder, "")
}

fn open(files: &Files, fragment: &str) -> Browser {
    let browser = Browser::open(&format!("{}/index.html#{fragment}", files.origin())).help(HELP);
    browser.wait("document.body.dataset.ready === ''");
    browser
}

/// Presses a key while nothing has the focus.
fn press(browser: &Browser, keys: &[&str]) {
    let down = keys.iter().map(|key| json!({"type": "keyDown", "value": key}));
    let up = keys.iter().rev().map(|key| json!({"type": "keyUp", "value": key}));
    let actions: Vec<_> = down.chain(up).collect();
    browser.run("document.activeElement.blur()");
    browser.command("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
}

/// The same seed and faults: the others break, lessor does not.
#[test]
fn a_link_shows_the_break_and_that_lessor_has_none() {
    let files = files();
    let browser = open(&files, &format!("protocol=client-go&{SEED}&at=51.46"));
    browser.wait("said().startsWith('Two lead at once, for 1.9 s')");
    browser.wait("said().includes('p0 was suspended from 24.0 s to 51.5 s.')");
    browser.wait("stands().startsWith('client-go at 51.5 s: p0 leads, reign 1; p2 leads, reign 2. 1 break so far.')");
    browser.wait("find('.flag').textContent === 'two lead at once' && find('figure > svg .clash')");
    browser.wait("verdict('lessor') === '✓ never two leaders'");
    browser.wait("verdict('client-go') === '✕ two led once, for 1.9 s; 1 stale write accepted'");
    browser.wait("verdict('less').startsWith('✕ two led 4 times, for ')");

    browser.click("[value=lessor]");
    browser.wait("stands().startsWith('lessor at 51.5 s: p2 leads, term 2. No break so far.')");
    browser.wait("stands().endsWith('At this moment client-go breaks.')");
    browser.wait("said() === '' && !find('figure > svg .clash') && named('next').disabled");
    assert_eq!(browser.run("return document.querySelectorAll('li.break').length"), 0);

    // Every break of less, one after the other, and round again.
    browser.click("[value=less]");
    let breaks = browser.run(
        "const seen = [];
        for (let turn = 0; turn < 6; turn++) { named('next').click(); seen.push(find('#now strong').textContent.split(',')[0]); }
        return seen",
    );
    let heads: Vec<_> = breaks.as_array().unwrap().iter().map(|head| head.as_str().unwrap()).collect();
    let (two, stale) = ("Two lead at once", "A stale write was accepted");
    assert_eq!(heads, [stale, two, two, two, two, stale]);

    // Nothing but its own files, and nothing that its policy forbids.
    let origin = files.origin();
    let loaded = browser.run("return performance.getEntriesByType('resource').map(({ name }) => name)");
    let loaded: Vec<_> = loaded.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert!(loaded.len() >= 10 && loaded.iter().all(|name| name.starts_with(&origin)), "{loaded:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn runs_and_stops_at_the_break() {
    let files = files();
    let browser = open(&files, &format!("protocol=client-go&{SEED}&at=47"));
    browser.run("named('speed').value = 60");
    browser.click("[name=run]");
    browser.wait("named('run').textContent === 'Run' && at() === '51.453' && said().startsWith('Two lead at once')");
    // It goes on from there, and stops at the next.
    press(&browser, &[" "]);
    browser.wait("named('run').textContent === 'Run' && at() === '51.479' && said().startsWith('A stale write')");
    // And where it is not to stop, it does not, until somebody says so.
    browser.click("[name=stop]");
    press(&browser, &[" "]);
    browser.wait("named('run').textContent === 'Pause' && parseFloat(find('[name=time]').textContent) > 60");
    press(&browser, &[" "]);
    browser.wait("named('run').textContent === 'Run' && at() > 60");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn steps_from_event_to_event() {
    let files = files();
    let browser = open(&files, &format!("protocol=client-go&{SEED}&at=44"));
    let lines = || browser.run("return [at(), current().textContent]");
    browser.click("[name=step]");
    assert_eq!(lines(), json!(["44.852", "44.852 sstorage: p2 holds the key"]));
    press(&browser, &["\u{e014}"]);
    assert_eq!(lines(), json!(["44.865", "44.865 sp2 leads, reign 2"]));
    press(&browser, &["\u{e012}"]);
    assert_eq!(lines(), json!(["44.852", "44.852 sstorage: p2 holds the key"]));
    press(&browser, &["\u{e008}", "\u{e014}"]);
    assert_eq!(lines()[0], "51.453");
    // Each message too: those are between.
    browser.run("named('at').value = 44000; named('at').oninput()");
    browser.click("[name=messages]");
    press(&browser, &["\u{e014}"]);
    assert!(lines()[1].as_str().unwrap().contains("sent at"), "{}", lines());
    // From the list, and from the picture of the whole run.
    browser.run("document.querySelector('li button').click()");
    assert_eq!(browser.run("return Number(at()) < 1"), true);
    browser.run(
        "const strip = find('.row:has([value=less]) svg');
        const { left, width } = strip.getBoundingClientRect();
        strip.dispatchEvent(new PointerEvent('pointerdown', { clientX: left + width / 2 }))",
    );
    browser.wait("stands().startsWith('less at ') && Math.abs(at() - 338) < 3");
    // Keys of what has the focus are its own.
    browser.run("named('seed').focus()");
    let before = browser.run("return at()");
    let right = json!({"actions": [{"type": "key", "id": "keyboard", "actions": [{"type": "keyDown", "value": "\u{e014}"}, {"type": "keyUp", "value": "\u{e014}"}]}]});
    browser.command("/actions", &right);
    assert_eq!(browser.run("return at()"), before);
}

/// Where motion is not wanted nothing glides: it goes from event to event.
#[test]
fn moves_by_events_where_motion_is_not_wanted() {
    let files = files();
    let browser = open(&files, &format!("protocol=client-go&{SEED}&at=44"));
    let features = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.devtools("Emulation.setEmulatedMedia", &features);
    browser.run(
        "window.moments = [];
        new MutationObserver(() => moments.push(current().textContent)).observe(find('[name=time]'), { childList: true });
        named('run').click()",
    );
    browser.wait("named('run').textContent === 'Run' && said().startsWith('Two lead at once')");
    let seen = browser.run("return moments.length === new Set(moments).size && moments");
    let seen: Vec<_> = seen.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!((3..10).contains(&seen.len()), "{seen:?}");
    assert_eq!(seen[0], "44.852 sstorage: p2 holds the key");
}

#[test]
fn a_link_brings_all_back() {
    let files = files();
    let browser = open(&files, "protocol=less&seed=18446744073709551615&at=12.5");
    browser.run(
        "named('candidates').value = '6';
        named('candidates').onchange();
        find('summary').click();
        for (const box of [...document.querySelectorAll('form [type=checkbox]')].slice(0, 2).map(({ value }) => value)) find(`[value='${box}']`).click();
        named('step').click()",
    );
    let shown = "return [stands(), find('summary').textContent, named('seed').value, named('candidates').value,
        document.querySelectorAll('figure .name').length, verdict('less'), document.querySelector('ol').textContent]";
    let before = browser.run(shown);
    let link = browser.run("return location.hash.slice(1)");
    let link = link.as_str().unwrap();
    assert!(link.starts_with("protocol=less&seed=18446744073709551615&candidates=6&without="), "{link}");
    let again = open(&files, link);
    assert_eq!(again.run(shown), before);
    assert_eq!(before[4], 6 + 2, "six candidates, the storage and the resource");

    // Of a story: the page goes there, and back leads to where one was.
    again.click("nav a");
    again.wait("stands().startsWith('client-go at 47.0 s')");
    again.command("/back", &json!({}));
    again.wait("stands().startsWith('less at ')");
    assert_eq!(again.run(shown), before);
}

#[test]
fn says_what_cannot_be_shown() {
    let files = files();
    for (fragment, why) in [
        ("protocol=paxos&seed=1", "protocol is 'paxos', allowed are lessor, less, client-go"),
        ("seed=x", "seed is 'x', allowed are 0 to 18446744073709551615"),
        ("seed=1&candidates=99", "candidates is '99', allowed are 2 to 7"),
        ("seed=1&without=rain", "without is 'rain', allowed are slow, "),
        ("seed=1&at=-1", "at is '-1', allowed are seconds from 0 on"),
    ] {
        let browser = open(&files, fragment);
        let said = browser.run("return find('[role=alert]').textContent");
        assert!(said.as_str().unwrap().starts_with(&format!("This cannot be shown: {why}")), "{said}");
        // It works all the same.
        browser.run("named('seed').value = '136'; find('form').requestSubmit()");
        browser.wait("find('[role=alert]').textContent === '' && verdict('lessor') === '✓ never two leaders'");
    }
}

/// What axe finds: nothing, in all that the page shows; and nothing is wider than the window.
#[test]
fn is_accessible() {
    let axe = fs::read_to_string(root().join("tests/edge/node_modules/axe-core/axe.min.js"))
        .expect("`tests/run edge` installs it");
    let files = files();
    let browser = open(&files, &format!("protocol=client-go&{SEED}&at=51.46"));
    // Its policy lets no script in but its own files: that of the test comes by another way.
    browser.run(&format!("{axe}; return true"));
    let check = |what: &str| {
        let found = browser.run("return window.axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))");
        assert_eq!(found, json!([]), "{what}");
        let wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]");
        assert!(wide[0].as_u64() <= wide[1].as_u64(), "{what}: {wide}");
    };
    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.devtools("Emulation.setEmulatedMedia", &features);
        for width in [1200, 360] {
            browser.resize(width, 800);
            browser.run("find('[value=client-go]').click(); named('messages').checked || named('messages').click(); find('details').open = true");
            check(&format!("{scheme} {width}: a break, and all that can be open"));
            browser.run("find('[value=lessor]').click(); named('messages').click(); find('details').open = false");
            check(&format!("{scheme} {width}: none"));
            browser.run("named('seed').value = 'x'; find('form').requestSubmit()");
            check(&format!("{scheme} {width}: a seed that is none"));
        }
    }
}

/// A seed is the same run here and there, to the last letter of what is told of it.
#[test]
fn its_runs_are_those_of_the_native_simulator() {
    let files = files();
    let browser = open(&files, "seed=0");
    let compare = |protocol: &str, seed: u64, candidates: &str, without: &str| {
        let arguments = json!([protocol, seed.to_string(), candidates, without]);
        let script = format!("return import('/simulator/lessor.js').then(({{ play }}) => play(...{arguments}))");
        let there = browser.run(&script);
        let here = lessor_playground::play(protocol, &seed.to_string(), candidates, without).unwrap();
        let told: Value = serde_json::from_str(&here).expect("it is JSON");
        assert!(told["lines"].as_array().unwrap().len() > 20, "{arguments}");
        assert!(there.as_str() == Some(&here), "{arguments}: {}", told["fingerprint"]);
    };
    for seed in 0..40 {
        for protocol in ["lessor", "less", "client-go"] {
            compare(protocol, seed, "", "");
        }
    }
    compare("lessor", u64::MAX, "7", "lost,frozen");
    compare("less", 136, "2", "suspended");
}
