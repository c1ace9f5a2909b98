//! In pages: tabs, and workers of theirs.

use std::fs;

use lessor_edge_tests::{Browser, CANDIDATE, Files, root};
use serde_json::{Value, json};

use crate::{Host, UNREACHABLE, package, service};

/// A page that runs what it is told in a worker, or by itself.
const PAGE: &str = r#"<!doctype html><title>package</title><script type="module">
const load = `const files = await Promise.all(["web", "wire", "core/lessor", "script"].map((name) => import("${location.origin}/" + name + ".js")));
  const [lessor, wire, { keeps_the_contract }, script] = files;
  const run = (name, ...args) => script[name]({ ...lessor, wire, keeps_the_contract }, ...args);`;
const work = `onmessage = async ({ data: [name, args] }) => {
  try {
    ${load}
    postMessage([await run(name, ...args)]);
  } catch (error) {
    postMessage([undefined, String(error)]);
  }
};`;
const module = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
window.here = (await import(module(`${load} export { run };`))).run;
const worker = new Worker(module(work), { type: "module" });
window.end = () => worker.terminate();
window.inWorker = (name, ...args) =>
  new Promise((done, failed) => {
    worker.onmessage = ({ data: [told, error] }) => (error ? failed(new Error(error)) : done(told));
    worker.onerror = (error) => failed(new Error(error.message));
    worker.postMessage([name, args]);
  });
window.ready = true;
</script>"#;

/// Pages of an origin of their own, with the package.
pub(crate) fn pages() -> Files {
    let script = |name: &str| fs::read(root().join("tests/edge/npm").join(name)).unwrap();
    let files = Files::serve(package("npm-tests"), PAGE).with("script.js", script("package.mjs"));
    ["expect.mjs", "network.mjs", "tabs.mjs"].iter().fold(files, |files, name| files.with(name, script(name)))
}

pub(crate) fn open(pages: &Files) -> Browser {
    let browser = Browser::open(&pages.origin());
    browser.wait("window.ready");
    browser
}

#[test]
fn in_a_page() {
    let pages = pages();
    let workerd = service(Some(format!("https://app.example.com, {}", pages.origin())));
    let browser = open(&pages);
    let page = Host::Page(&browser, "here");
    page.runs();
    page.call("opensAgain", &[]);
    page.call("leavesNothingOpen", &[]);
    page.keeps_the_contract("browser", "", &[UNREACHABLE, "no Harness::freeze_after_loss"]);
    page.keeps_the_contract("http", &workerd.url(), &[]);
    page.hands_over(&workerd);
    page.checks(&workerd.url(), "nobodys", "StorageError: the user lacks a right: unauthenticated (401)");
}

#[test]
fn in_a_worker_of_a_page() {
    let pages = pages();
    let workerd = service(Some("*".into()));
    let browser = open(&pages);
    let worker = Host::Page(&browser, "inWorker");
    worker.runs();
    worker.keeps_the_contract("browser", "", &[UNREACHABLE, "no Harness::freeze_after_loss"]);
    worker.hands_over(&workerd);
}

/// What a page of an origin that is not named is told, and what is to be done.
#[test]
fn pages_that_are_not_let_in() {
    let pages = pages();
    let workerd = service(Some("https://app.example.com".into()));
    let browser = open(&pages);
    let hint = format!("the service's LESSOR_ORIGINS has to name {}", pages.origin());
    Host::Page(&browser, "here").checks(&workerd.url(), CANDIDATE, &hint);
}

/// Of the contexts of one browser one leads: the next one at once when it resigns, and when its lease is over when it was ended without a word.
#[test]
fn one_of_the_tabs() {
    let pages = pages();
    let browser = open(&pages);
    let (page, worker) = (Host::Page(&browser, "here"), Host::Page(&browser, "inWorker"));
    let first = worker.call("leadsOn", &["tabs", "worker"]).as_f64().unwrap();
    browser.run("window.next = here('leadsOn', 'tabs', 'page'); window.next.then((term) => (window.led = term))");
    assert_eq!(browser.run("return window.led ?? null"), Value::Null, "one at a time");
    worker.call("resigns", &[]);
    browser.wait(&format!("window.led > {first}"));

    // Now the other way round; and the one that leads is gone.
    browser.run(
        "window.third = inWorker('leadsOn', 'tabs', 'worker'); window.third.then((term) => (window.ledThird = term))",
    );
    page.call("resigns", &[]);
    browser.wait("window.ledThird > window.led");
    browser.run("window.fourth = here('leadsOn', 'tabs', 'page'); window.fourth.then((term) => (window.ledFourth = term)); window.end()");
    browser.wait("window.ledFourth > window.ledThird");
}

/// What a page leads that is closed, or loaded anew, the next one leads at once, and not when the lease of a minute is over.
///
/// A browser on a busy machine does not always let a page that it ends come to its last words: of three times it has to go well once.
fn is_led_on(kind: &str) {
    assert!((0..3).any(|_| was_led_on(kind)), "a page that is gone leads on, three times");
}

fn was_led_on(kind: &str) -> bool {
    let pages = pages();
    let workerd = service(Some(pages.origin()));
    let browser = Browser::open("about:blank");
    let tabs = [(); 2].map(|()| {
        let tab = browser.open_tab(&pages.origin());
        browser.wait("window.ready");
        tab
    });
    let lead = format!("here('leadsWhileOpen', '{kind}', 'closing', '{}', '{CANDIDATE}')", workerd.url());
    let first = browser.run(&format!("return {lead}")).as_f64().unwrap();
    browser.go_to(&tabs[0]);
    browser.run(&format!("{lead}.then((term) => (window.led = term))"));
    browser.go_to(&tabs[1]);
    browser.close_tab();
    browser.go_to(&tabs[0]);
    if !browser.comes_true(&format!("window.led > {first}")) {
        return false;
    }
    let second = browser.run("return window.led").as_f64().unwrap();

    browser.command("/refresh", &json!({}));
    browser.wait("window.ready");
    browser.run(&format!("{lead}.then((term) => (window.led = term))"));
    browser.comes_true(&format!("window.led > {second}"))
}

#[test]
fn a_page_that_is_closed() {
    is_led_on("browser");
}

#[test]
fn a_page_that_is_closed_over_a_service() {
    is_led_on("http");
}

/// Its script may wait for nothing before it is there, and its module of WebAssembly is in it.
#[test]
fn in_a_service_worker() {
    let worker = "import { Candidate, MemoryStorage } from './inline.js';
        onmessage = async ({ data, source }) => {
          const candidate = new Candidate(new MemoryStorage(), data);
          source.postMessage((await candidate.elected()).term);
        };";
    let files = pages().with("sw.js", worker.into());
    let browser = open(&files);
    let asked = "navigator.serviceWorker.onmessage = ({ data }) => (window.led = data);
        await navigator.serviceWorker.register('/sw.js', { type: 'module' });
        (await navigator.serviceWorker.ready).active.postMessage('k');";
    browser.run(&format!("return (async () => {{ {asked} }})()"));
    browser.wait("window.led === 1");
}
