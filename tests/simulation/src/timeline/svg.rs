//! Text that is an SVG.

use std::fmt::{self, Display, Write};

/// An SVG while it is written. Attributes are ours; whatever comes from a trace goes through [`Escaped`].
#[derive(Debug, Default)]
pub(super) struct Svg(String);

impl Svg {
    /// An element without content but for a tooltip, if that is not empty.
    pub(super) fn put(&mut self, tag: &str, attributes: fmt::Arguments<'_>, tip: &str) {
        if tip.is_empty() {
            self.write(format_args!("<{tag} {attributes}/>\n"));
        } else {
            let tip = Escaped(tip);
            self.write(format_args!("<{tag} {attributes}><title>{tip}</title></{tag}>\n"));
        }
    }

    /// Text, at the left end of its baseline unless the attributes say otherwise.
    pub(super) fn text(&mut self, x: f64, y: f64, attributes: &str, text: &str) {
        let text = Escaped(text);
        self.write(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>\n"));
    }

    pub(super) fn open(&mut self, tag: &str, attributes: fmt::Arguments<'_>) {
        self.write(format_args!("<{tag} {attributes}>\n"));
    }

    pub(super) fn close(&mut self, tag: &str) {
        self.write(format_args!("</{tag}>\n"));
    }

    /// Markup of our own.
    pub(super) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn write(&mut self, what: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(what);
    }
}

/// Text as XML has it. What XML cannot say at all becomes U+FFFD.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            '\t' | '\n' | '\r' => f.write_char(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}

/// About how wide this is in a usual sans-serif, rather more than less.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.59
}

/// As much of it as fits.
pub(super) fn shortened(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let most = (room / (size * 0.59)) as usize;
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Broken into lines, at most so many; what is left over is cut off.
pub(super) fn wrapped(text: &str, size: f64, room: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if lines_fit(line, word, size, room) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let whole = lines.len() <= most;
    lines.truncate(most);
    if let Some(line) = lines.last_mut().filter(|_| !whole) {
        line.push_str(" …");
    }
    lines.iter().map(|line| shortened(line, size, room)).collect()
}

fn lines_fit(line: &str, word: &str, size: f64, room: f64) -> bool {
    width(line, size) + width(word, size) + size * 0.59 <= room
}

/// Where in a row of labels there is still room.
#[derive(Debug, Default)]
pub(super) struct Row(Vec<(f64, f64)>);

impl Row {
    /// The leftmost free place for a label of this width that begins between `first` and `last`.
    pub(super) fn place(&mut self, first: f64, last: f64, width: f64) -> Option<f64> {
        let mut x = first;
        // Sorted, so one pass over what is taken finds the first gap.
        for (left, right) in &self.0 {
            if x < *right && *left < x + width {
                x = *right;
            }
        }
        if x > last.max(first) {
            return None;
        }
        self.take(x, width);
        Some(x)
    }

    /// Nothing else is placed here.
    pub(super) fn take(&mut self, x: f64, width: f64) {
        self.0.push((x, x + width));
        self.0.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
}
