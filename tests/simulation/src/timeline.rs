//! A recorded run as a picture: who answered that it leads, who held the key, what was said, and what was wrong.

use std::time::Duration;

use crate::story::seconds;
use crate::trace::Trace;

mod frame;
mod lanes;
mod messages;
mod scene;
mod svg;
#[cfg(test)]
mod tests;

pub use scene::{Applied, Broken, Call, Clash, Fault, Hold, Overlap, Reign, Scene, Weight, Wrote};
use svg::Svg;

/// What to draw.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The key, by number. By default the one that the violation is about, else the first.
    pub key: Option<usize>,
    /// From this true time. By default from the beginning of the last few reigns before the violation, else of the
    /// run.
    pub from: Option<Duration>,
    /// Until this true time. By default until a little after the violation, else until the end of the run.
    pub until: Option<Duration>,
}

/// By default no picture shows more than this.
const LONGEST: Duration = Duration::from_secs(60);
/// No picture shows less than this.
const SHORTEST: Duration = Duration::from_micros(1);

/// Draws a run as an SVG. The same trace is drawn the same, byte by byte.
pub fn draw(trace: &Trace, options: &Options) -> String {
    let key = options.key.or_else(|| scene::key_concerned(trace)).unwrap_or(0);
    let mut scene = Scene::new(trace, key);
    let window = window(&scene, options);
    scene.crop(window);
    let mut picture = Picture::new(&scene, &trace.title, window);
    picture.paint(trace, key);
    picture.svg.finish()
}

fn window(scene: &Scene<'_>, options: &Options) -> Window {
    let (from, until) = match scene.broken.first() {
        None => (Duration::ZERO, scene.end.min(LONGEST)),
        Some(broken) => {
            let earlier = scene.reigns.iter().filter(|reign| reign.from <= broken.at);
            // The third last, and whatever of the others was still going on.
            let began = earlier.clone().rev().nth(2).map_or(Duration::ZERO, |reign| reign.from);
            let running = earlier.filter(|reign| reign.until.is_none_or(|until| until >= broken.at));
            let began = running.fold(began, |began, reign| began.min(reign.from));
            let lease = if scene.lease.is_zero() { LONGEST } else { scene.lease };
            // Causes are rarely older than a few leases; a long reign would only make the end of it small.
            let most = lease.saturating_mul(8).clamp(SHORTEST, LONGEST);
            let before =
                (broken.at.saturating_sub(began).saturating_mul(11) / 10).clamp(lease.min(most), most).min(broken.at);
            let after = if before.is_zero() { SHORTEST } else { (before / 10).min(Duration::from_secs(5)) };
            (broken.at - before, broken.at.saturating_add(after))
        }
    };
    let (mut from, mut until) = (options.from.unwrap_or(from), options.until.unwrap_or(until));
    if from >= until {
        match options.from {
            Some(_) if options.until.is_none() => until = from.saturating_add(LONGEST),
            _ => from = until.saturating_sub(LONGEST),
        }
    }
    from = from.min(Duration::MAX - LONGEST);
    Window { from, until: until.max(from.saturating_add(SHORTEST)) }
}

/// The time that is shown.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Duration,
    until: Duration,
}

impl Window {
    fn sees(self, from: Duration, until: Duration) -> bool {
        from <= self.until && until >= self.from
    }

    /// Where a moment is, also outside of the picture.
    fn x(self, at: Duration) -> f64 {
        // Exact also where the run is long and the window short.
        let since = at.saturating_sub(self.from).as_secs_f64() - self.from.saturating_sub(at).as_secs_f64();
        LEFT + since / (self.until - self.from).as_secs_f64() * (RIGHT - LEFT)
    }

    /// Where the part of a time is that can be seen; `None`: it goes on.
    fn span(self, from: Duration, until: Option<Duration>) -> (f64, f64) {
        let until = until.unwrap_or(self.until);
        (self.x(from).clamp(LEFT, RIGHT), self.x(until).clamp(LEFT, RIGHT))
    }
}

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 140.0;
const RIGHT: f64 = 1184.0;
const INK: &str = "#1b1f27";
const FAINT: &str = "#5a6270";
const ALARM: &str = "#c1121f";

/// Fill, line and text of each candidate: apart for colour-blind people as well (Okabe and Ito), and none of them red.
const COLOURS: [(&str, &str, &str); 7] = [
    ("#0072b2", "#0072b2", "#ffffff"),
    ("#e69f00", "#b57d00", "#1b1f27"),
    ("#009e73", "#008560", "#ffffff"),
    ("#d79bc0", "#b0628f", "#1b1f27"),
    ("#56b4e9", "#2f8fc6", "#1b1f27"),
    ("#f0e442", "#a39a00", "#1b1f27"),
    ("#4d5566", "#4d5566", "#ffffff"),
];

fn colour(lane: usize) -> (&'static str, &'static str, &'static str) {
    COLOURS[lane % COLOURS.len()]
}

fn in_term(term: u64) -> String {
    if term == 0 { String::new() } else { format!(", term {term}") }
}

/// A lane, from its upper edge.
#[derive(Clone, Copy, Debug)]
struct Place {
    top: f64,
    height: f64,
    /// Where messages leave and arrive.
    wire: f64,
    /// The upper edge of its bars, if it has any.
    bar: Option<f64>,
}

impl Place {
    fn bottom(self) -> f64 {
        self.top + self.height
    }
}

const BAR: f64 = 20.0;

#[derive(Debug)]
struct Picture<'a> {
    svg: Svg,
    scene: &'a Scene<'a>,
    window: Window,
    title: Vec<String>,
    /// What is said about the first violation.
    alarm: Vec<String>,
    lanes: Vec<Place>,
    storage: Place,
    resource: Option<Place>,
    /// Of all lanes together.
    top: f64,
    bottom: f64,
}

impl<'a> Picture<'a> {
    fn new(scene: &'a Scene<'a>, title: &str, window: Window) -> Self {
        let title = svg::wrapped(title, 15.0, RIGHT - 16.0, 3);
        let alarm = scene.broken.first().map_or_else(Vec::new, |broken| svg::wrapped(broken.text, 12.0, 1120.0, 4));
        let banner = if scene.broken.is_empty() { 0.0 } else { 30.0 + 16.0 * alarm.len() as f64 };
        let top = 40.0 + 19.0 * title.len() as f64 + banner + if scene.overlaps.is_empty() { 4.0 } else { 26.0 };
        let mut y = top;
        let mut add = |height: f64, wire: f64, bar: Option<f64>| {
            let place = Place { top: y, height, wire: y + wire, bar: bar.map(|bar| y + bar) };
            y += height;
            place
        };
        let lanes = (0..scene.lanes.len()).map(|lane| {
            // A candidate that only waits needs little room.
            let busy = scene.reigns.iter().any(|reign| reign.lane == lane)
                || scene.calls.iter().any(|call| call.lane == lane && call.weight == Weight::Change);
            if busy { add(60.0, 41.0, Some(18.0)) } else { add(34.0, 22.0, None) }
        });
        let lanes = lanes.collect();
        let named = scene.faults.iter().any(|fault| fault.lane.is_none());
        let storage = add(if named { 80.0 } else { 64.0 }, 16.0, Some(23.0));
        let resource = (!scene.writes.is_empty()).then(|| add(38.0, 15.0, None));
        Self { svg: Svg::default(), scene, window, title, alarm, lanes, storage, resource, top, bottom: y }
    }

    /// From back to front.
    fn paint(&mut self, trace: &Trace, key: usize) {
        self.begin(trace, key);
        self.backgrounds();
        // A view of its own cuts off what reaches out of the window.
        let (width, height) = (RIGHT - LEFT, self.bottom - self.top);
        let view = format!("x=\"{LEFT}\" y=\"{0:.1}\" width=\"{width}\" height=\"{height:.1}\"", self.top);
        let shown = format!("viewBox=\"{LEFT} {0:.1} {width} {height:.1}\"", self.top);
        self.svg.open("svg", format_args!("{view} {shown}"));
        self.after_the_end();
        self.faults();
        self.overlaps();
        self.messages();
        self.holds();
        self.reigns();
        self.labels();
        self.violations();
        self.writes();
        self.svg.close("svg");
        self.overlap_labels();
        self.flags();
        self.axis();
        self.legend();
        self.svg.close("svg");
    }
}
