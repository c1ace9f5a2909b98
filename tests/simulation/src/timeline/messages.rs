//! What went between the candidates and the storage.

use super::scene::{Applied, Call, Weight};
use super::{FAINT, INK, LEFT, Picture, RIGHT, colour, svg};
use crate::story::told;

/// With more polls than this in a picture their lines would hide everything else.
const MANY_POLLS: usize = 60;
/// With more renewals than this their lines are thin.
const MANY_RENEWALS: usize = 60;

impl Picture<'_> {
    pub(super) fn messages(&mut self) {
        let mut calls: Vec<_> = self.scene.calls.iter().collect();
        let count = |weight| self.scene.calls.iter().filter(|call| call.weight == weight).count();
        let (polls, usual) = (count(Weight::Poll), count(Weight::Usual));
        let usual = if usual > MANY_RENEWALS { (0.45, 0.7) } else { (0.7, 1.0) };
        calls.sort_by_key(|call| call.weight);
        for call in calls {
            let tip = told(self.scene.lanes[call.lane], call);
            if call.weight == Weight::Poll && polls > MANY_POLLS {
                let (x, y) = (self.window.x(call.sent), self.lanes[call.lane].wire);
                let line = colour(call.lane).1;
                self.svg.put(
                    "path",
                    format_args!(
                        "d=\"M{x:.1} {0:.1}v7\" stroke=\"{line}\" stroke-width=\"1\" stroke-opacity=\"0.55\"",
                        y - 3.0
                    ),
                    &tip,
                );
            } else {
                self.message(call, usual, &tip);
            }
        }
    }

    fn message(&mut self, call: &Call, usual: (f64, f64), tip: &str) {
        let line = colour(call.lane).1;
        let (wire, storage) = (self.lanes[call.lane].wire, self.storage.wire);
        let (strength, wide) = match call.weight {
            Weight::Poll => (0.3, 0.8),
            Weight::Usual => usual,
            Weight::Change => (1.0, 1.6),
        };
        self.svg.open(
            "g",
            format_args!("fill=\"none\" stroke=\"{line}\" stroke-width=\"{wide}\" stroke-opacity=\"{strength}\""),
        );
        let (sent, dashes) = (self.window.x(call.sent), "stroke-dasharray=\"4 3\"");
        for Applied { at, reply_lost, .. } in &call.applied {
            let x = self.window.x(*at);
            self.svg.put("path", format_args!("d=\"M{sent:.1} {wire:.1}L{x:.1} {storage:.1}\""), tip);
            self.svg.put(
                "circle",
                format_args!(
                    "cx=\"{x:.1}\" cy=\"{storage:.1}\" r=\"{0:.1}\" fill=\"{line}\" fill-opacity=\"{strength}\" \
                     stroke=\"none\"",
                    1.4 + wide / 2.0
                ),
                tip,
            );
            if *reply_lost {
                self.svg.put("path", format_args!("d=\"M{x:.1} {storage:.1}v-12\" {dashes}"), tip);
                self.cross(x, storage - 14.0, tip);
            }
        }
        match (call.replied.map(|at| self.window.x(at)), call.answered()) {
            (Some(replied), Some(Applied { at, .. })) => {
                let from = self.window.x(*at);
                self.svg.put(
                    "path",
                    format_args!("d=\"M{from:.1} {storage:.1}L{replied:.1} {wire:.1}\" {dashes}"),
                    tip,
                );
            }
            // An error that was found out on the way.
            (Some(replied), None) => {
                let middle = (sent + replied) / 2.0;
                self.svg.put(
                    "path",
                    format_args!(
                        "d=\"M{sent:.1} {wire:.1}L{middle:.1} {0:.1}L{replied:.1} {wire:.1}\" {dashes}",
                        wire + 9.0
                    ),
                    tip,
                );
            }
            (None, _) if call.applied.is_empty() => {
                self.svg.put("path", format_args!("d=\"M{sent:.1} {wire:.1}v10\""), tip);
                if call.lost {
                    self.cross(sent, wire + 12.0, tip);
                }
            }
            (None, _) => {}
        }
        self.svg.close("g");
    }

    fn cross(&mut self, x: f64, y: f64, tip: &str) {
        let (x, y) = (x - 3.0, y - 3.0);
        self.svg.put(
            "path",
            format_args!(
                "d=\"M{x:.1} {y:.1}l6 6m0 -6l-6 6\" stroke=\"{INK}\" stroke-width=\"1.6\" stroke-opacity=\"0.9\""
            ),
            tip,
        );
    }

    /// What was asked and answered, where there is room; what matters most comes first.
    pub(super) fn call_labels(&mut self) {
        let mut rows: Vec<_> = self.lanes.iter().map(|_| svg::Row::default()).collect();
        let mut calls: Vec<_> = self.scene.calls.iter().filter(|call| call.weight > Weight::Poll).collect();
        calls.sort_by_key(|call| std::cmp::Reverse(call.weight));
        for call in calls {
            let place = self.lanes[call.lane];
            let mut text = call.operation.to_owned();
            if let Some(applied) = call.answered().or_else(|| call.applied.first()) {
                text = format!("{text}: {}", applied.answers.join(", "));
            } else if call.replied.is_some() {
                text += " failed";
            } else if call.lost {
                text += " lost";
            }
            if call.applied.len() > 1 {
                text = format!("{text} (×{})", call.applied.len());
            }
            let wide = svg::width(&text, 9.5) + 6.0;
            let x = (self.window.x(call.sent) + 4.0).clamp(LEFT, RIGHT - wide);
            if place.bar.is_some() && rows[call.lane].place(x, x, wide).is_some() {
                let fill = if call.weight == Weight::Change { INK } else { FAINT };
                let style = format!("font-size=\"9.5\" fill=\"{fill}\" {}", super::lanes::HALO);
                self.svg.text(x, place.wire + 14.0, &style, &text);
            }
        }
    }
}
