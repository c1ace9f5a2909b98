//! Writes the public API of a crate, a line an item, in an order that stays: what `tests/parts/api` compares.
//!
//! `lessor-api FILE`: the file is what rustdoc writes as JSON.

use std::collections::HashSet;
use std::env;
use std::error::Error;
use std::io::{self, Write};

use public_api::{Builder, PublicItem};

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os().nth(1).ok_or("which file?")?;
    let api = Builder::from_rustdoc_json(file).omit_blanket_impls(true).build()?;
    let items: Vec<(String, &PublicItem)> = api.items().map(|item| (item.to_string(), item)).collect();
    let of_traits: HashSet<_> =
        items.iter().filter(|(line, _)| is_trait_impl(line)).map(|(_, item)| item.id()).collect();
    let mut out = io::stdout().lock();
    for (line, item) in &items {
        let of_a_trait = item.parent_id().is_some_and(|parent| of_traits.contains(&parent));
        if !is_noise(line, of_a_trait) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn is_trait_impl(line: &str) -> bool {
    line.starts_with("impl") && line.contains(" for ")
}

/// That a trait is implemented says which functions there are; and no user names these traits.
fn is_noise(line: &str, of_a_trait: bool) -> bool {
    let unnamed = ["::Freeze for ", "::StructuralPartialEq for ", "::UnsafeUnpin for ", "UnwindSafe for "];
    (of_a_trait && line.contains(" fn ")) || (is_trait_impl(line) && unnamed.iter().any(|name| line.contains(name)))
}
