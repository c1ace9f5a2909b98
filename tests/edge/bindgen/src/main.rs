//! wasm-bindgen's command line, as far as `worker-build` calls it: built from its own library in a third of the time
//! that the original takes.

use std::error::Error;
use std::path::PathBuf;

use lexopt::prelude::*;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let mut bindgen = Bindgen::new();
    let mut folder = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Value(file) => drop(bindgen.input_path(PathBuf::from(file))),
            Long("out-dir") => folder = Some(PathBuf::from(parser.value()?)),
            Long("out-name") => drop(bindgen.out_name(&parser.value()?.string()?)),
            Long("target") => match parser.value()?.string()?.as_str() {
                "module" => drop(bindgen.module(true)?),
                "bundler" => drop(bindgen.bundler(true)?),
                other => return Err(format!("--target is '{other}', allowed are module, bundler").into()),
            },
            Long("typescript") => drop(bindgen.typescript(true)),
            Long("no-typescript") => drop(bindgen.typescript(false)),
            Long("debug") => drop(bindgen.debug(true)),
            Long("no-demangle") => drop(bindgen.demangle(false)),
            Long("keep-debug") => drop(bindgen.keep_debug(true)),
            Long("omit-default-module-path") => drop(bindgen.omit_default_module_path(true)),
            Long("experimental-reset-state-function") => drop(bindgen.reset_state_function(true)),
            Long("force-enable-abort-handler") => drop(bindgen.force_enable_abort_handler(true)),
            other => return Err(other.unexpected().into()),
        }
    }
    bindgen.generate(folder.ok_or("--out-dir is missing")?)?;
    Ok(())
}
