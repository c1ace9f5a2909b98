use std::time::Duration;

use super::{Options, draw};
use crate::random::Random;
use crate::trace::{Entry, Lane, Trace, What};

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Entries in any order.
struct Story(Trace, u64);

impl Story {
    fn new(title: &str, names: &[&str]) -> Self {
        let candidates = names.iter().map(|name| Lane { name: (*name).to_owned(), key: 0 }).collect();
        Self(Trace { title: title.to_owned(), candidates, entries: Vec::new() }, 0)
    }

    fn at(&mut self, at: f64, what: What) {
        self.0.entries.push(Entry { at: s(at), what });
    }

    /// A request that is applied and answered, after `delay` each.
    fn call(&mut self, at: f64, delay: f64, candidate: usize, operation: &'static str, answer: &'static str) -> f64 {
        let call = self.1;
        self.1 += 1;
        self.at(at, What::Sent { call, candidate, operation });
        self.at(at + delay, What::Applied { call, answer });
        self.at(at + 2.0 * delay, What::Replied { call });
        at + delay
    }

    fn holds(&mut self, at: f64, candidate: Option<usize>, term: u64, until: f64) {
        self.at(at, What::Holds { key: 0, candidate, term, until: s(until) });
    }

    fn told(mut self) -> Trace {
        self.0.entries.sort_by_key(|entry| entry.at);
        self.0
    }
}

/// A leader's machine is frozen; it wakes up after another was elected.
fn two_leaders(ends_at_once: bool) -> Trace {
    let mut story =
        Story::new("lessor, seed 4711: freezes, losses, clock steps", &["p0 (run)", "p1 (step)", "p2 (run)"]);
    let at = story.call(0.4, 0.02, 0, "acquire", "granted");
    story.holds(at, Some(0), 6, 3.4);
    story.at(0.45, What::Leads { candidate: 0, term: 6 });
    for step in 0..6 {
        let at = story.call(1.2 + f64::from(step), 0.03, 0, "renew", "extended");
        story.holds(at, Some(0), 6, at + 3.0);
        story.at(at + 0.4, What::Wrote { candidate: 0, term: 6, accepted: true, stale: false });
    }
    for step in 0..16 {
        let (at, lane) = (0.7 + f64::from(step) * 0.55, 1 + step as usize % 2);
        if !(3.0..4.3).contains(&at) {
            story.call(at, 0.02, lane, "acquire", "held");
        }
    }
    story.at(3.0, What::Fault { candidate: Some(1), fault: "cut off", until: s(4.3) });
    for at in [3.2, 4.0] {
        let call = story.1;
        story.1 += 1;
        story.at(at, What::Sent { call, candidate: 1, operation: "acquire" });
        story.at(at, What::Lost { call, request: true });
    }
    story.at(5.1, What::Fault { candidate: Some(2), fault: "clock steps", until: s(5.1) });
    story.at(6.6, What::Fault { candidate: Some(0), fault: "frozen", until: s(11.0) });
    story.at(2.2, What::Fault { candidate: Some(2), fault: "crashed", until: s(3.6) });
    story.at(7.8, What::Fault { candidate: None, fault: "clock steps forward", until: s(7.8) });
    let call = story.1;
    story.1 += 1;
    story.at(8.2, What::Sent { call, candidate: 2, operation: "acquire" });
    story.at(8.3, What::Applied { call, answer: "granted" });
    story.holds(8.3, Some(2), 7, 11.3);
    story.at(8.3, What::Lost { call, request: false });
    story.at(8.9, What::Applied { call, answer: "granted" });
    story.at(9.0, What::Replied { call });
    story.at(9.0, What::Leads { candidate: 2, term: 7 });
    story.at(9.3, What::Wrote { candidate: 2, term: 7, accepted: true, stale: false });
    let text = "p2 in term 7 leads while p0 in term 6 still does".to_owned();
    story.at(9.0, What::Broken { rule: "one leader", text });
    if !ends_at_once {
        story.at(9.5, What::Wrote { candidate: 0, term: 6, accepted: false, stale: true });
        story.at(9.6, What::Follows { candidate: 0 });
        story.at(9.9, What::Replied { call: 99 });
    }
    let mut trace = story.told();
    if ends_at_once {
        trace.entries.retain(|entry| entry.at <= s(9.0));
    }
    trace
}

fn dense() -> Trace {
    let names: Vec<_> = (0..7).map(|number| format!("p{number} (run)")).collect();
    let mut story = Story::new("seven candidates", &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut random = Random::stream(1, "dense", 0);
    for candidate in 0..7 {
        for poll in 0..120 {
            let at = f64::from(poll) * 0.5 + random.fraction() * 0.1;
            if candidate != ((at / 15.0) as usize) * 2 {
                story.call(at, 0.02, candidate, "acquire", "held");
            }
        }
        for _ in 0..2 {
            let at = random.fraction() * 55.0;
            let fault = random.choose(&["paused", "cut off (requests)", "crashed", "starved", "suspended"]);
            story.at(at, What::Fault { candidate: Some(candidate), fault, until: s(at + random.fraction() * 6.0) });
        }
        let at = random.fraction() * 55.0;
        story.at(at, What::Fault { candidate: Some(candidate), fault: "clock steps", until: s(at) });
    }
    for reign in 0..4 {
        let (lane, term, from) = (reign * 2, 3 + reign as u64, reign as f64 * 15.0 + 0.8);
        let at = story.call(from, 0.02, lane, "acquire", "granted");
        story.holds(at, Some(lane), term, at + 4.0);
        story.at(at + 0.02, What::Leads { candidate: lane, term });
        for renewal in 1..8 {
            let at = story.call(from + f64::from(renewal) * 1.3, 0.02, lane, "renew", "extended");
            story.holds(at, Some(lane), term, at + 4.0);
            story.at(at + 0.3, What::Wrote { candidate: lane, term, accepted: true, stale: false });
        }
        story.at(from + 12.4, What::Follows { candidate: lane });
    }
    story.at(33.0, What::Fault { candidate: None, fault: "refuses", until: s(35.0) });
    story.told()
}

/// Balanced tags, quoted attributes, known entities, no characters that XML does not have.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut parts = svg.split('<');
    assert_eq!(parts.next(), Some(""), "something before the first tag");
    for part in parts {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "{text}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "before {text}");
        } else {
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.split([' ', '/']).next().unwrap();
            assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic()), "{tag}");
            if !tag.ends_with('/') {
                open.push(name);
            }
            let attributes = tag[name.len()..].trim_end_matches('/').split('"');
            for attribute in attributes.step_by(2).map(str::trim).filter(|attribute| !attribute.is_empty()) {
                assert!(attribute.ends_with('=') && !attribute.contains(' '), "{tag}");
            }
        }
        assert!(!open.is_empty() || text.trim().is_empty(), "{text} after the end");
    }
    assert!(open.is_empty(), "{open:?} are open");
    for after in svg.split('&').skip(1) {
        let entity = after.split(';').next().unwrap();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&entity), "&{entity}");
    }
    let wrong = |c: char| (c.is_control() && c != '\n') || ['\u{fffe}', '\u{ffff}'].contains(&c);
    assert!(!svg.contains(wrong), "a character that is not XML");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "not a number");
}

fn whole(key: usize) -> Options {
    Options { key: Some(key), from: Some(Duration::ZERO), until: Some(s(10.0)) }
}

/// The number of this attribute in the first element of this class.
fn number(svg: &str, class: &str, attribute: &str) -> f64 {
    let element = svg.split(&format!("class=\"{class}\"")).nth(1).expect("there is one");
    let element = element.split('>').next().unwrap();
    let value = element.split(&format!(" {attribute}=\"")).nth(1).expect("it has that");
    value.split('"').next().unwrap().parse().unwrap()
}

#[test]
fn well_formed() {
    for trace in [two_leaders(false), two_leaders(true), dense()] {
        assert_well_formed(&draw(&trace, &Options::default()));
        assert_well_formed(&draw(&trace, &whole(0)));
    }
}

#[test]
fn hostile_text_is_escaped() {
    const HOSTILE: &str = "\"'><b>&amp;\u{0}\u{1b}\u{85}\u{fffe}\r\n]]>";
    let mut story = Story::new(HOSTILE, &[HOSTILE, "b"]);
    story.call(0.5, 0.1, 0, HOSTILE, HOSTILE);
    story.holds(0.6, Some(0), 1, 2.0);
    story.at(0.7, What::Leads { candidate: 0, term: 1 });
    story.at(0.8, What::Wrote { candidate: 0, term: 1, accepted: false, stale: true });
    story.at(0.9, What::Fault { candidate: Some(0), fault: HOSTILE, until: s(1.5) });
    story.at(0.9, What::Fault { candidate: None, fault: HOSTILE, until: s(0.9) });
    story.at(1.9, What::Broken { rule: HOSTILE, text: HOSTILE.to_owned() });
    let svg = draw(&story.told(), &Options::default());
    assert_well_formed(&svg);
    assert!(svg.contains("&quot;&#39;&gt;&lt;b&gt;&amp;amp;\u{fffd}\u{fffd}\u{fffd}\u{fffd}"), "{svg}");
}

#[test]
fn two_leaders_are_a_band_over_the_full_height() {
    let svg = draw(&two_leaders(false), &whole(0));
    let close = |attribute, expected: f64| {
        let found = number(&svg, "overlap", attribute);
        assert!((found - expected).abs() < 0.2, "{attribute} is {found}, not {expected}");
    };
    // From 9.0 s to 9.6 s of 10 s, which are 1044 wide and begin at 140.
    close("x", 140.0 + 0.9 * 1044.0);
    close("width", 0.06 * 1044.0);
    let view = svg.split("<svg ").nth(2).unwrap().split('>').next().unwrap();
    let (y, height) = (number(&svg, "overlap", "y"), number(&svg, "overlap", "height"));
    assert!(view.contains(&format!(" y=\"{y:.1}\"")) && view.contains(&format!(" height=\"{height:.1}\"")));
    assert!(svg.contains("2 lead at once, for 0.600 s"));
}

#[test]
fn an_overlap_at_the_end_of_the_run_can_be_seen() {
    let svg = draw(&two_leaders(true), &Options::default());
    assert!(number(&svg, "overlap", "width") > 20.0);
}

#[test]
fn one_after_the_other_is_no_overlap() {
    let mut story = Story::new("", &["a", "b"]);
    story.at(1.0, What::Leads { candidate: 0, term: 1 });
    story.at(2.0, What::Leads { candidate: 1, term: 2 });
    story.at(2.0, What::Follows { candidate: 0 });
    story.at(3.0, What::Leads { candidate: 1, term: 3 });
    story.at(4.0, What::Follows { candidate: 1 });
    assert!(!draw(&story.told(), &Options::default()).contains("class=\"overlap\""));
}

#[test]
fn whatever_is_missing_it_does_not_panic() {
    assert_well_formed(&draw(&Trace::default(), &Options::default()));
    assert_well_formed(&draw(&two_leaders(false), &whole(7)));
    let backwards = Options { key: None, from: Some(s(9.0)), until: Some(s(3.0)) };
    assert_well_formed(&draw(&two_leaders(false), &backwards));
    let late = Options { key: None, from: Some(Duration::MAX), until: None };
    // Nothing before it, nobody known, and times beyond all bounds.
    let mut story = Story::new("", &[]);
    story.at(0.0, What::Broken { rule: "", text: String::new() });
    story.at(0.0, What::Leads { candidate: 3, term: 0 });
    story.at(0.0, What::Applied { call: 3, answer: "" });
    story.at(0.0, What::Replied { call: 3 });
    story.at(0.0, What::Holds { key: 0, candidate: Some(3), term: 0, until: Duration::MAX });
    story.at(0.0, What::Fault { candidate: None, fault: "", until: Duration::MAX });
    let mut trace = story.told();
    assert_well_formed(&draw(&trace, &Options::default()));
    trace.entries.push(Entry { at: Duration::MAX, what: What::Broken { rule: "", text: String::new() } });
    assert_well_formed(&draw(&trace, &late));
    trace.entries.rotate_right(1);
    assert_well_formed(&draw(&trace, &Options::default()));
}

#[test]
fn the_violation_is_in_the_window() {
    for at in [0.0, 0.001, 3.0, 500.0, 1e6] {
        let mut story = Story::new("", &["a", "b"]);
        story.at(0.0, What::Leads { candidate: 0, term: 1 });
        for reign in 0..5 {
            story.at(at * 0.9 + f64::from(reign) * at * 0.01, What::Leads { candidate: 1, term: 2 });
        }
        story.at(at, What::Broken { rule: "one leader", text: "two".to_owned() });
        story.at(at + 1000.0, What::Follows { candidate: 1 });
        let svg = draw(&story.told(), &Options::default());
        let line = svg.split("class=\"violation\" d=\"M").nth(1).expect("it is drawn");
        let x: f64 = line.split(' ').next().unwrap().parse().unwrap();
        assert!((140.0..1180.0).contains(&x), "{x} at {at}");
        assert!(x > 1000.0 || at == 0.0, "most of the picture is what led to it: {x} at {at}");
    }
}

#[test]
fn of_a_long_reign_the_last_leases_are_shown() {
    let mut story = Story::new("", &["a", "b"]);
    story.at(0.0, What::Leads { candidate: 0, term: 1 });
    for renewal in 0..250 {
        story.holds(f64::from(renewal) * 2.0, Some(0), 1, f64::from(renewal) * 2.0 + 3.0);
    }
    story.at(500.0, What::Broken { rule: "", text: String::new() });
    let svg = draw(&story.told(), &Options::default());
    assert!(svg.contains("key k0, 476.000 s to 502.400 s"), "{svg}");
}

#[test]
fn half_a_window_is_completed() {
    let shown = |from: Option<f64>, until: Option<f64>| {
        let options = Options { key: None, from: from.map(s), until: until.map(s) };
        draw(&two_leaders(false), &options).split("key k0, ").nth(1).unwrap()[..18].to_owned()
    };
    assert_eq!(shown(Some(2.0), None), "2.000 s to 9.900 s");
    assert_eq!(shown(None, Some(3.0)), "0.000 s to 3.000 s");
    // Beyond what is shown by default.
    assert_eq!(shown(Some(11.0), None), "11.000 s to 71.000");
    let mut story = Story::new("", &["a"]);
    story.at(500.0, What::Broken { rule: "", text: String::new() });
    let early = Options { key: None, from: None, until: Some(s(100.0)) };
    assert!(draw(&story.told(), &early).contains("key k0, 40.000 s to 100.000 s"));
}

#[test]
fn the_same_trace_is_drawn_the_same() {
    assert_eq!(draw(&two_leaders(false), &Options::default()), draw(&two_leaders(false), &Options::default()));
    assert_eq!(draw(&dense(), &Options::default()), draw(&dense(), &Options::default()));
}

#[test]
fn the_key_is_the_one_that_the_violation_is_about() {
    let key = |text: &str, last: What| {
        let mut story = Story::new("", &["p0 (run)", "p0 (run)", "p1 (run)", "p1 (run)"]);
        for (number, lane) in story.0.candidates.iter_mut().enumerate() {
            lane.key = number % 2;
        }
        story.at(1.0, What::Leads { candidate: 3, term: 8 });
        story.at(1.5, What::Leads { candidate: 0, term: 9 });
        story.at(2.0, last);
        story.at(2.0, What::Broken { rule: "", text: text.to_owned() });
        let svg = draw(&story.told(), &Options::default());
        svg.split("key k").nth(1).unwrap()[..1].to_owned()
    };
    let wrote = |candidate| What::Wrote { candidate, term: 1, accepted: true, stale: false };
    let batch = || What::Sent { call: 1, candidate: 0, operation: "batch" };
    assert_eq!(key("nobody leads k1 after all", wrote(0)), "1", "named");
    assert_eq!(key("nobody leads k5", wrote(3)), "1", "there is no such key, but something was just done");
    assert_eq!(key("granted while p1 in term 8 leads", batch()), "1", "a batch is for any of them");
    assert_eq!(key("granted while p0 in term 9 leads", batch()), "0");
    assert_eq!(key("something", wrote(1)), "1");
}

#[test]
fn every_message_tells_what_became_of_it() {
    let svg = draw(&two_leaders(false), &whole(0));
    for tip in [
        "<title>p0 (run): acquire, sent at 0.400 s; applied at 0.420 s: granted; replied at 0.440 s</title>",
        "<title>p1 (step): acquire, sent at 3.200 s; the request was lost</title>",
        "<title>p2 (run): acquire, sent at 8.200 s; applied at 8.300 s: granted, the reply was lost; \
         applied at 8.900 s: granted; replied at 9.000 s</title>",
    ] {
        assert!(svg.contains(tip), "{tip}");
    }
    // The lease of the leader that was replaced, and the one that replaced it.
    assert!(svg.contains("the lease of p0 (run), term 6 ends at 9.230 s"));
    assert!(svg.contains("the storage: p2 (run), term 7 from 8.300 s"));
}
