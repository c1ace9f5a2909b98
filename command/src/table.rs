//! Rows with columns of a width.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The widest a column gets that is not the last.
const WIDEST: usize = 48;

/// A line of a table, and how it looks.
pub(crate) struct Row<const COLUMNS: usize> {
    pub(crate) style: Style,
    pub(crate) texts: [String; COLUMNS],
}

/// Writes the heads and the rows, each line cut where the terminal ends; in a pipe nothing is cut.
pub(crate) fn write<const COLUMNS: usize>(
    out: &mut (impl Write + ?Sized),
    heads: [&str; COLUMNS],
    rows: &[Row<COLUMNS>],
    width: Option<usize>,
) -> io::Result<()> {
    let mut widths = heads.map(UnicodeWidthStr::width);
    for row in rows {
        for (width, text) in widths.iter_mut().zip(&row.texts) {
            *width = (*width).max(text.width());
        }
    }
    if width.is_some() {
        for width in widths.iter_mut().take(COLUMNS.saturating_sub(1)) {
            *width = (*width).min(WIDEST);
        }
    }
    line(out, Style::new().bold(), heads, widths, width)?;
    for row in rows {
        line(out, row.style, row.texts.each_ref().map(String::as_str), widths, width)?;
    }
    Ok(())
}

fn line<const COLUMNS: usize>(
    out: &mut (impl Write + ?Sized),
    style: Style,
    texts: [&str; COLUMNS],
    widths: [usize; COLUMNS],
    width: Option<usize>,
) -> io::Result<()> {
    let mut line = String::new();
    for (text, width_here) in texts.into_iter().zip(widths) {
        let text = if width.is_some() { cut(text, width_here) } else { text.to_owned() };
        line.push_str(&text);
        line.extend(std::iter::repeat_n(' ', width_here.saturating_sub(text.width()) + 2));
    }
    let line = line.trim_end();
    let line = width.map_or_else(|| line.to_owned(), |width| cut(line, width));
    writeln!(out, "{style}{line}{style:#}")
}

/// The text, or as much of it as fits, and a sign that it was longer.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |char: &char| {
        let wide = char.width().unwrap_or(0);
        let fits = wide <= left;
        left = if fits { left - wide } else { 0 };
        fits
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns() {
        let row = |texts: [&str; 2]| Row { style: Style::new(), texts: texts.map(str::to_owned) };
        let rows = [row(["a", "long"]), row(["日本", ""])];
        for (width, expected) in [(None, "KEY   VALUE\na     long\n日本\n"), (Some(8), "KEY   V…\na     l…\n日本\n")]
        {
            let mut out = anstream::StripStream::new(Vec::new());
            write(&mut out, ["KEY", "VALUE"], &rows, width).unwrap();
            assert_eq!(String::from_utf8(out.into_inner()).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_too_long() {
        for (text, width, expected) in [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 4, "日…"), ("ab", 1, "…")]
        {
            assert_eq!(cut(text, width), expected);
        }
    }
}
