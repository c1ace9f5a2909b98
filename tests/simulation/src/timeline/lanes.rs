//! What happens within a lane.

use std::time::Duration;

use super::scene::{Broken, Fault, Overlap, Reign, Wrote};
use super::{ALARM, BAR, FAINT, INK, LEFT, Picture, Place, RIGHT, colour, in_term, seconds, svg};

/// Text over lines stays readable.
pub(super) const HALO: &str =
    "stroke=\"#ffffff\" stroke-width=\"3\" stroke-linejoin=\"round\" stroke-opacity=\"0.9\" paint-order=\"stroke\"";

/// A flash of lightning, 8 wide and 14 high.
pub(super) const BOLT: &str = "M4 0L0 8H3L2 14L8 5H4.5L6 0Z";

impl<'a> Picture<'a> {
    fn fault_place(&self, fault: &Fault) -> Place {
        fault.lane.map_or(self.storage, |lane| self.lanes[lane])
    }

    pub(super) fn faults(&mut self) {
        for fault in &self.scene.faults {
            let (y, height) = (self.fault_place(fault).top + 1.0, self.fault_place(fault).height - 2.0);
            let who = fault.lane.map_or("storage", |lane| self.scene.lanes[lane]);
            let tip = format!("{who}: {} at {}", fault.name, seconds(fault.from));
            if fault.until <= fault.from {
                let x = self.window.x(fault.from);
                self.svg.put(
                    "path",
                    format_args!(
                        "d=\"M{x:.1} {y:.1}v{height:.1}\" stroke=\"{INK}\" stroke-width=\"1\" stroke-dasharray=\"2 2\""
                    ),
                    &tip,
                );
                continue;
            }
            let has = |words: &[&str]| words.iter().any(|word| fault.name.contains(word));
            let pattern = match fault.lane {
                _ if has(&["crash", "dead"]) => "gone",
                _ if has(&["cut"]) => "cut",
                // The storage has no work that could stand still.
                None => "cut",
                Some(_) => "stopped",
            };
            let (left, right) = self.window.span(fault.from, Some(fault.until));
            let wide = (right - left).max(2.0);
            let tip = format!("{tip}, until {}", seconds(fault.until));
            self.svg.put(
                "rect",
                format_args!(
                    "x=\"{left:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{height:.1}\" \
                 fill=\"url(#lessor-{pattern})\" stroke=\"#6b7484\" stroke-opacity=\"0.6\" stroke-width=\"0.8\""
                ),
                &tip,
            );
        }
    }

    pub(super) fn holds(&mut self) {
        let y = self.storage.bar.unwrap_or(self.storage.top);
        for hold in &self.scene.holds {
            let Some(lane) = hold.lane else { continue };
            let ((fill, line, _), name) = (colour(lane), self.scene.lanes[lane]);
            let (left, right) = self.window.span(hold.from, Some(hold.over()));
            let wide = (right - left).max(1.5);
            let lease = seconds(hold.lease);
            let tip =
                format!("the storage: {name}{} from {}, lease until {lease}", in_term(hold.term), seconds(hold.from));
            self.svg.put(
                "rect",
                format_args!("x=\"{left:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{BAR}\" fill=\"#ffffff\""),
                "",
            );
            self.svg.put(
                "rect",
                format_args!(
                    "x=\"{left:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{BAR}\" fill=\"{fill}\" \
                 fill-opacity=\"0.3\" stroke=\"{line}\" stroke-width=\"1.2\""
                ),
                &tip,
            );
            let number = if hold.term == 0 { String::new() } else { format!("term {}", hold.term) };
            // Without what is said in brackets after it.
            let short = name.split(" (").next().unwrap_or(name);
            let whole = if hold.term == 0 { short.to_owned() } else { format!("{short}, {number}") };
            self.bar_label(left, wide, y, "", &[whole, number, short.to_owned()]);
            let (end, tip) =
                (self.window.x(hold.lease), format!("the lease of {name}{} ends at {lease}", in_term(hold.term)));
            if hold.robbed {
                let below = y + BAR + 9.0;
                self.svg.put("path", format_args!(
                    "d=\"M{right:.1} {0:.1}V{below:.1}H{end:.1}\" fill=\"none\" stroke=\"{line}\" stroke-width=\"2\" \
                     stroke-dasharray=\"4 2\"", y + BAR
                ), &tip);
                self.hourglass(end, below, &tip);
            } else if hold.over() == hold.lease && hold.lease > hold.from && hold.lease <= self.scene.end {
                self.svg.put(
                    "path",
                    format_args!(
                        "d=\"M{end:.1} {0:.1}V{1:.1}\" stroke=\"{INK}\" stroke-width=\"1.6\"",
                        y - 3.0,
                        y + BAR + 3.0
                    ),
                    &tip,
                );
                self.hourglass(end, y + BAR + 9.0, &tip);
            }
        }
    }

    fn hourglass(&mut self, x: f64, y: f64, tip: &str) {
        let (left, upper) = (x - 4.0, y - 5.0);
        self.svg.put("path", format_args!("d=\"M{left:.1} {upper:.1}h8l-8 10h8z\" fill=\"{INK}\""), tip);
    }

    /// The first of these that fits into a bar.
    fn bar_label(&mut self, left: f64, wide: f64, y: f64, style: &str, texts: &[String]) {
        if let Some(text) = texts.iter().find(|text| svg::width(text, 11.0) + 8.0 <= wide) {
            self.svg.text(left + 5.0, y + 14.0, style, text);
        }
    }

    pub(super) fn writes(&mut self) {
        let Some(place) = self.resource else { return };
        // Only where it changes.
        let mut labelled = 0;
        let mut row = svg::Row::default();
        for Wrote { lane, term, at, accepted, .. } in &self.scene.writes {
            let (x, y, (fill, line, _)) = (self.window.x(*at), place.wire, colour(*lane));
            let word = if *accepted { "accepted" } else { "refused" };
            let tip =
                format!("a write of {}{} was {word} at {}", self.scene.lanes[*lane], in_term(*term), seconds(*at));
            let shown = if *accepted { fill } else { "#ffffff" };
            self.svg.put(
                "circle",
                format_args!(
                    "cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"{shown}\" stroke=\"{line}\" stroke-width=\"1.3\""
                ),
                &tip,
            );
            if !accepted {
                let (x, y) = (x - 3.0, y - 3.0);
                self.svg.put(
                    "path",
                    format_args!("d=\"M{x:.1} {y:.1}l6 6m0 -6l-6 6\" stroke=\"{INK}\" stroke-width=\"1.4\""),
                    &tip,
                );
            }
            let text = term.to_string();
            let wide = svg::width(&text, 9.5) + 4.0;
            let left = (x - wide / 2.0).clamp(LEFT, RIGHT - wide);
            if *term > 0 && labelled != *term && row.place(left, left, wide).is_some() {
                labelled = *term;
                self.svg.text(
                    left + wide / 2.0,
                    place.top + 32.0,
                    &format!("font-size=\"9.5\" text-anchor=\"middle\" fill=\"{FAINT}\" {HALO}"),
                    &text,
                );
            }
        }
    }

    /// What is drawn there is how things stood at the end.
    pub(super) fn after_the_end(&mut self) {
        let (left, right) = self.window.span(self.scene.end, None);
        let (wide, y, height) = (right - left, self.top, self.bottom - self.top);
        if wide > 0.5 {
            self.svg.put(
                "rect",
                format_args!(
                    "x=\"{left:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{height:.1}\" fill=\"#dde1e8\""
                ),
                "after the end of the run",
            );
            self.svg.put(
                "path",
                format_args!("d=\"M{left:.1} {y:.1}v{height:.1}\" stroke=\"{INK}\""),
                "the end of the run",
            );
        }
    }

    fn overlap_span(&self, overlap: &Overlap) -> (f64, f64) {
        let (left, right) = self.window.span(overlap.from, overlap.until);
        (left, right.max(left + 4.0))
    }

    pub(super) fn overlaps(&mut self) {
        for overlap in &self.scene.overlaps {
            let ((left, right), y, height) = (self.overlap_span(overlap), self.top, self.bottom - self.top);
            let until = overlap.until.map_or_else(|| "the end of the run".to_owned(), seconds);
            let tip = format!("{} lead at once, from {} until {until}", overlap.leaders, seconds(overlap.from));
            self.svg.put(
                "rect",
                format_args!(
                    "class=\"overlap\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" \
                 fill=\"url(#lessor-alarm)\" stroke=\"{ALARM}\" stroke-width=\"1.5\"",
                    right - left
                ),
                &tip,
            );
        }
    }

    pub(super) fn reigns(&mut self) {
        for Reign { lane, term, from, until } in &self.scene.reigns {
            let Some(y) = self.lanes[*lane].bar else { continue };
            let ((fill, line, ink), name) = (colour(*lane), self.scene.lanes[*lane]);
            let (left, right) = self.window.span(*from, *until);
            let wide = (right - left).max(2.0);
            let end = until.map_or_else(|| "the end of the run".to_owned(), seconds);
            let tip = format!("{name} answers that it leads{}, from {} until {end}", in_term(*term), seconds(*from));
            self.svg.put(
                "rect",
                format_args!(
                    "x=\"{left:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{fill}\" \
                 stroke=\"{line}\" stroke-width=\"1.2\""
                ),
                &tip,
            );
            let number = if *term == 0 { String::new() } else { format!("term {term}") };
            let whole = if *term == 0 { "leads".to_owned() } else { format!("leads, {number}") };
            let texts = [whole, number, if *term == 0 { String::new() } else { term.to_string() }];
            self.bar_label(left, wide, y, &format!("fill=\"{ink}\" font-weight=\"bold\""), &texts);
        }
        // Whose bars it is that must not be there together.
        for overlap in &self.scene.overlaps {
            let (from, until) = (overlap.from, overlap.until.unwrap_or(self.window.until));
            let (left, right) = self.overlap_span(overlap);
            let lasts = |reign: &&Reign| reign.from <= until && reign.until.is_none_or(|end| end >= from);
            for reign in self.scene.reigns.iter().filter(lasts) {
                let (first, last) = self.window.span(reign.from, reign.until);
                let (left, right) = (left.max(first), right.min(last.max(first + 2.0)));
                let y = self.lanes[reign.lane].bar.unwrap_or_default() - 2.0;
                self.svg.put("rect", format_args!(
                    "x=\"{left:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"none\" stroke=\"{ALARM}\" \
                     stroke-width=\"3\"", (right - left).max(2.0), BAR + 4.0
                ), "");
            }
        }
    }

    /// Names over everything else: of faults, and of calls.
    pub(super) fn labels(&mut self) {
        let mut rows: Vec<_> = (0..=self.lanes.len()).map(|_| svg::Row::default()).collect();
        let storage = self.lanes.len();
        // In the storage's lane, messages arrive where candidates have the names of their faults.
        let upper = |place: Place, fault: &Fault| if fault.lane.is_some() { place.top } else { place.bottom() - 17.0 };
        for fault in self.scene.faults.iter().filter(|fault| fault.until <= fault.from) {
            let (x, y) = (self.window.x(fault.from) - 4.0, upper(self.fault_place(fault), fault) + 1.0);
            rows[fault.lane.unwrap_or(storage)].take(x, 10.0);
            let tip = format!("{} at {}", fault.name, seconds(fault.from));
            self.svg.put(
                "path",
                format_args!(
                    "d=\"{BOLT}\" transform=\"translate({x:.1} {y:.1})\" fill=\"#ffd84d\" stroke=\"{INK}\" \
                     stroke-width=\"0.9\""
                ),
                &tip,
            );
        }
        for fault in &self.scene.faults {
            let wide = svg::width(fault.name, 10.0) + 6.0;
            let (left, right) = self.window.span(fault.from, Some(fault.until));
            let (first, last) = if fault.until > fault.from {
                ((left + 3.0).min(RIGHT - wide), right.min(RIGHT - wide))
            } else if left + 6.0 + wide > RIGHT {
                (left - 4.0 - wide, left - 4.0 - wide)
            } else {
                (left + 6.0, left + 6.0)
            };
            let y = upper(self.fault_place(fault), fault) + 12.0;
            if let Some(x) = rows[fault.lane.unwrap_or(storage)].place(first, last, wide) {
                self.svg.text(x, y, &format!("font-size=\"10\" {HALO}"), fault.name);
            }
        }
        self.call_labels();
    }

    pub(super) fn violations_seen(&self) -> impl Iterator<Item = &'a Broken<'a>> + use<'a> {
        let window = self.window;
        self.scene.broken.iter().filter(move |broken| window.sees(broken.at, broken.at))
    }

    pub(super) fn violations(&mut self) {
        for broken in self.violations_seen() {
            let (x, y, height) = (self.window.x(broken.at), self.top, self.bottom - self.top);
            self.svg.put(
                "path",
                format_args!(
                    "class=\"violation\" d=\"M{x:.1} {y:.1}v{height:.1}\" stroke=\"{ALARM}\" stroke-width=\"2.5\""
                ),
                &format!("{}: {}", broken.rule, broken.text),
            );
        }
    }

    /// How long two led at once, above the lanes.
    pub(super) fn overlap_labels(&mut self) {
        let mut row = svg::Row::default();
        for overlap in &self.scene.overlaps {
            let lasted =
                overlap.until.map(|until| until.saturating_sub(overlap.from)).filter(|time| *time > Duration::ZERO);
            let mut text = format!("{} lead at once", overlap.leaders);
            if let Some(lasted) = lasted {
                text += &format!(", for {}", seconds(lasted));
            }
            let wide = svg::width(&text, 11.0) + 12.0;
            let (left, right) = self.overlap_span(overlap);
            let x = ((left + right - wide) / 2.0).clamp(LEFT, RIGHT - wide);
            if row.place(x, x, wide).is_some() {
                let y = self.top - 19.0;
                self.svg.put(
                    "rect",
                    format_args!(
                        "x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"18\" rx=\"3\" fill=\"{ALARM}\""
                    ),
                    "",
                );
                self.svg.text(x + 6.0, y + 13.0, "fill=\"#ffffff\" font-weight=\"bold\"", &text);
            }
        }
    }
}
