//! The pictures that the README shows are what the simulator draws today.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lessor_simulation::timeline::{self, Options};
use lessor_simulation::{Plan, Protocol, run};

/// A leader is paused for longer than its lease: under less it still leads when the next one does.
const SEED: u64 = 97;
const FROM: Duration = Duration::from_secs(15);
const UNTIL: Duration = Duration::from_secs(45);

/// To draw them anew: `LESSOR_DRAW=1 cargo test --profile simulation -p lessor-simulation --test pictures`.
#[test]
fn the_pictures_are_what_is_drawn_today() {
    for (protocol, file) in [(Protocol::Less, "less.svg"), (Protocol::Lessor, "lessor.svg")] {
        let outcome = run(Plan::with_defaults(SEED, protocol), true);
        let options = Options { from: Some(FROM), until: Some(UNTIL), ..Options::default() };
        let drawn = timeline::draw(&outcome.trace, &options);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures").join(file);
        if std::env::var_os("LESSOR_DRAW").is_some() {
            fs::write(&file, &drawn).expect("the picture can be written");
        }
        let shown = fs::read_to_string(&file).expect("the picture is there");
        assert!(shown == drawn, "{} is outdated: LESSOR_DRAW=1 draws it anew", file.display());
        let broken = protocol == Protocol::Less;
        assert_eq!(drawn.contains("lead at once, for"), broken, "{protocol:?}");
        assert_eq!(drawn.contains("class=\"violation\""), broken, "{protocol:?}");
    }
}
