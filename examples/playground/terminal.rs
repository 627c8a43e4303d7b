//! What the story looks like, and whether it came out as told.

use std::io::{self, IsTerminal as _, Stdout, Write as _};

/// Standard output, and the list of expectations.
#[derive(Debug)]
pub struct Terminal {
    out: Stdout,
    colour: bool,
    held: usize,
    failed: Vec<String>,
}

#[derive(Clone, Copy)]
enum Style {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Terminal {
    pub fn new() -> Self {
        let out = io::stdout();
        // https://no-color.org: any value but an empty one.
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { out, colour, held: 0, failed: Vec::new() }
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Red => "31",
            Style::Green => "32",
            Style::Yellow => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A line as it is.
    // A closed pipe (`| head`) is no reason to fail in the midst of it.
    pub fn line(&self, text: &str) {
        let _ = writeln!(&self.out, "{text}");
    }

    /// A chapter.
    pub fn heading(&self, text: &str) {
        self.line("");
        self.line(&self.paint(Style::Bold, &format!("== {text}")));
    }

    /// A sentence of the story.
    pub fn say(&self, text: &str) {
        const WIDTH: usize = 100;
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let room = lines.last().map_or(0, |line| line.chars().count() + 1 + word.chars().count()) <= WIDTH;
            match lines.last_mut().filter(|line| room || line.is_empty()) {
                Some(line) if line.is_empty() => line.push_str(word),
                Some(line) => line.extend([" ", word]),
                None => lines.push(word.to_owned()),
            }
        }
        self.line("");
        for line in &lines {
            self.line(line);
        }
        self.line("");
    }

    /// A command as one would type it.
    pub fn command(&self, command: &str) {
        self.line(&self.paint(Style::Bold, &format!("$ {command}")));
    }

    /// What a program printed. Errors come last, and may have several lines.
    pub fn output(&self, text: &str) {
        let mut failed = false;
        for line in text.trim_end().lines() {
            failed |= line.starts_with("Error from server") || line.contains(" is invalid: ");
            let line = match line {
                line if failed => self.paint(Style::Red, line),
                line if line.starts_with("Warning:") => self.paint(Style::Yellow, line),
                line => line.to_owned(),
            };
            self.line(&format!("  {line}"));
        }
    }

    /// Notes whether something came as expected.
    pub fn expect(&mut self, what: impl Into<String>, holds: bool) {
        let what = what.into();
        if holds {
            self.held += 1;
            self.line(&self.paint(Style::Dim, &format!("  ok: {what}")));
        } else {
            self.line(&self.paint(Style::Red, &format!("  NOT AS EXPECTED: {what}")));
            self.failed.push(what);
        }
    }

    /// The sum of it; whether every expectation held.
    pub fn conclude(&self) -> bool {
        self.heading("Result");
        if self.failed.is_empty() {
            self.line(&self.paint(Style::Green, &format!("All {} expectations held.", self.held)));
            return true;
        }
        let all = self.held + self.failed.len();
        self.line(&self.paint(Style::Red, &format!("{} of {all} expectations did not hold:", self.failed.len())));
        for what in &self.failed {
            self.line(&format!("  - {what}"));
        }
        false
    }
}

/// Rows with aligned columns; the first row is the head.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
