//! Everything around the lanes.

use std::time::Duration;

use super::{ALARM, FAINT, INK, LEFT, Picture, Place, RIGHT, WIDTH, colour, seconds, svg};
use crate::trace::Trace;

/// What hatches mean is written beside them; they differ so that two over each other can be told apart.
const PATTERNS: &str = r##"<defs>
<pattern id="lessor-stopped" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="7" height="7" fill="#8a93a3" fill-opacity="0.16"/>
<line x1="0" y1="0" x2="0" y2="7" stroke="#6b7484" stroke-opacity="0.55" stroke-width="2"/></pattern>
<pattern id="lessor-gone" width="8" height="8" patternUnits="userSpaceOnUse">
<rect width="8" height="8" fill="#4d5566" fill-opacity="0.38"/>
<path d="M0 0L8 8M8 0L0 8" stroke="#2c3340" stroke-opacity="0.5" stroke-width="1"/></pattern>
<pattern id="lessor-cut" width="8" height="6" patternUnits="userSpaceOnUse">
<rect width="8" height="6" fill="#b08a5a" fill-opacity="0.2"/>
<line x1="0" y1="3" x2="5" y2="3" stroke="#7a5c33" stroke-opacity="0.6" stroke-width="1.3"/></pattern>
<pattern id="lessor-alarm" width="10" height="10" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
<rect width="10" height="10" fill="#e5202e" fill-opacity="0.20"/>
<line x1="0" y1="0" x2="0" y2="10" stroke="#c1121f" stroke-opacity="0.30" stroke-width="4"/></pattern>
</defs>
"##;

/// The legend: pictures 26 wide, from 8 above to 8 below their middle.
const SAMPLES: [(&str, &str); 12] = [
    ("answers that it leads", r##"<rect y="-6" width="26" height="12" rx="2" fill="currentColor"/>"##),
    ("two lead at once", r##"<rect y="-8" width="26" height="16" fill="url(#lessor-alarm)" stroke="#c1121f"/>"##),
    (
        "the storage's holder; the lease ends",
        r##"<rect y="-6" width="18" height="12" fill="currentColor" fill-opacity="0.3" stroke="currentColor"/>
<path d="M18 -8V8" stroke="#1b1f27" stroke-width="1.5"/><path d="M20 -5H28L20 5H28Z"/>"##,
    ),
    (
        "a lease taken over before its end",
        r##"<path d="M0 0H18" stroke="currentColor" stroke-width="2" stroke-dasharray="3 2"/>
<path d="M20 -5H28L20 5H28Z"/>"##,
    ),
    (
        "request, applied, reply",
        r##"<path d="M4 -8L10 8" stroke="currentColor" stroke-width="1.3"/>
<circle cx="10" cy="7" r="2.2" fill="currentColor"/>
<path d="M10 8L18 -8" stroke="currentColor" stroke-width="1.3" stroke-dasharray="3 2"/>"##,
    ),
    (
        "lost on the way",
        r##"<path d="M8 -8V3" stroke="currentColor" stroke-width="1.3"/>
<path d="M4.5 0.5L11.5 7.5M11.5 0.5L4.5 7.5" stroke="#1b1f27" stroke-width="1.6"/>"##,
    ),
    (
        "poll of one who does not lead",
        r##"<path d="M3 -3V4M9 -3V4M15 -3V4M21 -3V4" stroke="currentColor" stroke-opacity="0.55"/>"##,
    ),
    ("stands still or lags", r##"<rect y="-7" width="26" height="14" fill="url(#lessor-stopped)"/>"##),
    ("not there", r##"<rect y="-7" width="26" height="14" fill="url(#lessor-gone)"/>"##),
    ("not reached", r##"<rect y="-7" width="26" height="14" fill="url(#lessor-cut)"/>"##),
    (
        "at once: a clock steps, data lost",
        r##"<path d="M4 0L0 8H3L2 14L8 5H4.5L6 0Z" transform="translate(12 -7)" fill="#ffd84d" stroke="#1b1f27"/>"##,
    ),
    (
        "write accepted, refused (term below)",
        r##"<circle cx="6" r="4.5" fill="currentColor"/>
<circle cx="20" r="4.5" fill="#ffffff" stroke="currentColor" stroke-width="1.5"/>
<path d="M17 -3L23 3M23 -3L17 3" stroke="#1b1f27" stroke-width="1.4"/>"##,
    ),
];

impl Picture<'_> {
    fn height(&self) -> f64 {
        self.bottom + 116.0
    }

    /// The title, and what was violated.
    pub(super) fn begin(&mut self, trace: &Trace, key: usize) {
        let height = self.height();
        self.svg.open(
            "svg",
            format_args!(
                "xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" \
             fill=\"{INK}\""
            ),
        );
        self.svg.raw(PATTERNS);
        self.svg.put("rect", format_args!("width=\"{WIDTH}\" height=\"{height:.0}\" fill=\"#ffffff\""), "");
        let mut y = 8.0;
        for line in &self.title {
            y += 19.0;
            self.svg.text(16.0, y, "font-size=\"15\" font-weight=\"bold\"", line);
        }
        let (from, until, end) = (seconds(self.window.from), seconds(self.window.until), seconds(self.scene.end));
        let mut says = format!("key k{key}, {from} to {until} of a run of {end}");
        if trace.candidates.iter().all(|lane| lane.key != key) {
            says.push_str(": nobody campaigns for this key");
        } else if self.scene.broken.is_empty() {
            says.push_str(": no promise was broken");
        }
        if self.window.until > self.scene.end {
            says.push_str("; the grey end shows how things stood when it was over");
        }
        y += 17.0;
        self.svg.text(16.0, y, &format!("font-size=\"12\" fill=\"{FAINT}\""), &says);
        if let Some(broken) = self.scene.broken.first() {
            let height = 24.0 + 16.0 * self.alarm.len() as f64;
            y += 10.0;
            let area = format!("x=\"16\" y=\"{y:.1}\" width=\"{0}\" height=\"{height:.1}\" rx=\"4\"", RIGHT - 16.0);
            let style = format!("fill=\"#fdebec\" stroke=\"{ALARM}\" stroke-width=\"1.5\"");
            self.svg.put("rect", format_args!("{area} {style}"), "");
            self.svg.put(
                "rect",
                format_args!("x=\"16\" y=\"{y:.1}\" width=\"7\" height=\"{height:.1}\" fill=\"{ALARM}\""),
                "",
            );
            let head = format!("Broken: {}, at {}", broken.rule, seconds(broken.at));
            let bold = format!("font-size=\"13\" font-weight=\"bold\" fill=\"{ALARM}\"");
            self.svg.text(34.0, y + 17.0, &bold, &head);
            for (number, line) in self.alarm.iter().enumerate() {
                self.svg.text(34.0, y + 33.0 + 16.0 * number as f64, "font-size=\"12\"", line);
            }
        }
    }

    /// Lanes with their names.
    pub(super) fn backgrounds(&mut self) {
        for (lane, place) in self.lanes.clone().into_iter().enumerate() {
            let middle = place.bar.map_or(place.wire, |bar| bar + 10.0);
            self.background(place, lane % 2 == 1);
            self.svg.put(
                "rect",
                format_args!(
                    "x=\"16\" y=\"{:.1}\" width=\"9\" height=\"14\" rx=\"2\" fill=\"{}\" stroke=\"{}\"",
                    middle - 7.0,
                    colour(lane).0,
                    colour(lane).1
                ),
                "",
            );
            let name = svg::shortened(self.scene.lanes[lane], 12.0, LEFT - 40.0);
            self.svg.text(31.0, middle + 4.0, "font-size=\"12\"", &name);
            let (x1, x2) = (LEFT, RIGHT);
            self.svg.put("line", format_args!(
                "x1=\"{x1}\" y1=\"{middle:.1}\" x2=\"{x2}\" y2=\"{middle:.1}\" stroke=\"#aab1bd\" stroke-width=\"1\""
            ), "");
        }
        let storage = self.storage;
        self.background(storage, false);
        let bold = "font-size=\"12\" font-weight=\"bold\"";
        self.svg.text(16.0, storage.top + 36.0, bold, "storage");
        self.svg.text(16.0, storage.top + 50.0, &format!("fill=\"{FAINT}\""), "who holds the key");
        if let Some(resource) = self.resource {
            self.background(resource, true);
            self.svg.text(16.0, resource.top + 17.0, bold, "resource");
            self.svg.text(16.0, resource.top + 31.0, &format!("fill=\"{FAINT}\""), "writes of leaders");
        }
        for at in self.ticks().0 {
            let (x, y1, y2) = (self.window.x(at), self.top, self.bottom + 5.0);
            self.svg.put(
                "line",
                format_args!(
                    "x1=\"{x:.1}\" y1=\"{y1:.1}\" x2=\"{x:.1}\" y2=\"{y2:.1}\" stroke=\"#d5d9e0\" stroke-width=\"1\""
                ),
                "",
            );
        }
    }

    fn background(&mut self, Place { top, height, .. }: Place, shaded: bool) {
        let fill = if shaded { "#f5f6f9" } else { "#ffffff" };
        let width = WIDTH - 24.0;
        self.svg.put(
            "rect",
            format_args!(
                "x=\"8\" y=\"{top:.1}\" width=\"{width}\" height=\"{height:.1}\" fill=\"{fill}\" stroke=\"#dfe3e9\""
            ),
            "",
        );
    }

    /// Round moments, and how many decimals they need.
    fn ticks(&self) -> (Vec<Duration>, usize) {
        let shown = (self.window.until - self.window.from).as_nanos();
        let steps = (0..20).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u128.pow(power)));
        let step = steps.into_iter().find(|step| shown / step <= 13).unwrap_or(shown);
        let first = self.window.from.as_nanos().div_ceil(step);
        let all = (first..).map(|number| number * step).take_while(|nanos| *nanos <= self.window.until.as_nanos());
        let all = all.filter_map(|nanos| nanos.try_into().ok().map(Duration::from_nanos));
        let decimals = 9_usize.saturating_sub(step.ilog10() as usize);
        (all.collect(), decimals)
    }

    pub(super) fn axis(&mut self) {
        let (ticks, decimals) = self.ticks();
        let y = self.bottom + 18.0;
        let flags: Vec<_> = self.scene.broken.iter().map(|broken| self.window.x(broken.at)).collect();
        for at in ticks {
            let x = self.window.x(at);
            // The time of a violation is there already.
            if flags.iter().all(|flag| (flag - x).abs() > 62.0) {
                let text = format!("{:.decimals$} s", at.as_secs_f64());
                let x = x.min(WIDTH - 4.0 - svg::width(&text, 11.0) / 2.0);
                self.svg.text(x, y, &format!("text-anchor=\"middle\" fill=\"{FAINT}\""), &text);
            }
        }
        self.svg.text(16.0, y, &format!("fill=\"{FAINT}\""), "true time");
    }

    /// The names of violations below their lines.
    pub(super) fn flags(&mut self) {
        let mut row = svg::Row::default();
        for broken in self.violations_seen() {
            let text = seconds(broken.at);
            let wide = svg::width(&text, 11.0) + 10.0;
            let left = (self.window.x(broken.at) - wide / 2.0).min(WIDTH - 8.0 - wide);
            if row.place(left, left, wide).is_some() {
                let (y, tip) = (self.bottom + 5.0, format!("{}: {}", broken.rule, broken.text));
                self.svg.put(
                    "rect",
                    format_args!(
                        "x=\"{left:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"17\" rx=\"3\" fill=\"{ALARM}\""
                    ),
                    &tip,
                );
                self.svg.text(left + 5.0, y + 12.5, "fill=\"#ffffff\" font-weight=\"bold\"", &text);
            }
        }
    }

    pub(super) fn legend(&mut self) {
        let y = self.bottom + 36.0;
        self.svg.open("g", format_args!("font-size=\"11\""));
        self.svg.put(
            "rect",
            format_args!(
                "x=\"8\" y=\"{y:.1}\" width=\"{}\" height=\"70\" rx=\"4\" fill=\"none\" stroke=\"#dfe3e9\"",
                WIDTH - 24.0
            ),
            "",
        );
        for (number, (text, sample)) in SAMPLES.into_iter().enumerate() {
            let x = 20.0 + 290.0 * (number % 4) as f64;
            let y = y + 14.0 + 21.0 * (number / 4) as f64;
            let colour = colour(0).1;
            self.svg.open("g", format_args!("transform=\"translate({x:.1} {y:.1})\" color=\"{colour}\""));
            self.svg.raw(sample);
            self.svg.close("g");
            self.svg.text(x + 36.0, y + 4.0, "", text);
        }
        self.svg.close("g");
    }
}
