# Of `cargo metadata --all-features`: for each crate that is published, lines of its name, a Rust version, and the
# features that have to work with it. A feature asks for what its crate promises, or for more if its dependencies do:
# then for the least that any of the crates promises and that suffices.
def parts: split(".") | map(tonumber) | . + [0, 0] | .[:3];
(.packages | map({key: .id, value: .}) | from_entries) as $packages
| (.resolve.nodes | map({key: .id, value: [.deps[].pkg | $packages[.]]}) | from_entries) as $needs
| [.packages[] | select(.source == null and .publish == null)] as $crates
| ($crates | map(.rust_version) | unique_by(parts)) as $promised
| $crates[] | . as $crate
| [ .features | del(.default) | to_entries[]
    | [.value[] | ltrimstr("dep:") | sub("[?]?/.*"; "")] as $names
    | ([$crate, ($needs[$crate.id][] | select(.name as $name | $names | index([$name])))]
        | map(.rust_version | values | parts) | max) as $asked
    | {name: .key, rust: ([$promised[] | select(parts >= $asked)][0] // ($asked | join(".")))} ] as $features
| [.rust_version, $features[].rust] | unique_by(parts)[] | . as $rust
| "\($crate.name) \($rust) \([$features[] | select((.rust | parts) <= ($rust | parts)).name] | join(","))"
