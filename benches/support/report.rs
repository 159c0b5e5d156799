//! What a bench prints: samples, ratios and Markdown tables for `RESULTS.md`.

use std::fmt::Display;
use std::io::Write;

/// Prints a line.
pub fn say(line: impl Display) {
    // A closed pipe ends the reader's interest, not the bench.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Repeated measurements of one thing.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// One more.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle one; not a number without any.
    pub fn median(&self) -> f64 {
        match self.0.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => self.0.get(odd / 2).copied().unwrap_or(f64::NAN),
            even => {
                let at = |index: usize| self.0.get(index).copied().unwrap_or(f64::NAN);
                f64::midpoint(at(even / 2 - 1), at(even / 2))
            }
        }
    }

    /// Median, with the least and the greatest where there is more than one.
    pub fn show(&self) -> String {
        match (self.0.first(), self.0.last()) {
            (Some(least), Some(greatest)) if self.0.len() > 1 => {
                format!("{:.3} ({least:.3}–{greatest:.3})", self.median())
            }
            _ => format!("{:.3}", self.median()),
        }
    }
}

/// A Markdown table.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()],
        }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints it.
    pub fn print(&self) {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            say(format_args!("| {} |", cells.join(" | ")));
            if number == 0 {
                let lines: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                say(format_args!("| {} |", lines.join(" | ")));
            }
        }
    }
}

/// Rows in a form in which two engines agree: numbers to six significant digits, in text order.
pub fn canonical(rows: &[Vec<Option<String>>]) -> Vec<String> {
    let cell = |value: &Option<String>| match value {
        None => "NULL".to_owned(),
        Some(text) => match text.parse::<f64>() {
            Ok(0.0) => "0".to_owned(),
            Ok(number) => format!("{number:.5e}"),
            Err(_) => text.clone(),
        },
    };
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|"))
        .collect();
    lines.sort_unstable();
    lines
}
