//! The reader of oracle folders: a query, and the answers of an independent implementation. `tests/README.md` has the format.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::servers::Lake;

/// A folder of `tests/oracle/`.
#[derive(Debug)]
pub struct Oracle {
    lake: Lake,
    tolerance: Option<f64>,
    cases: Vec<Case>,
}

/// One row of `cases.csv`.
#[derive(Debug)]
pub struct Case {
    /// 1-based.
    pub line: u64,
    /// The query with the cells in their places.
    pub sql: String,
    /// The independent answer; nothing for NULL.
    pub expected: Option<String>,
}

/// A folder that is not in the format.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct OracleError {
    file: &'static str,
    problem: String,
}

const ORIGIN: &str = "ORIGIN.toml";
const CASES: &str = "cases.csv";
const EXPECTED: &str = "expected";
const NOTE: &str = "note";

/// `ORIGIN.toml`. The fields that nobody reads here are read by people, and have to be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Origin {
    query: String,
    #[serde(default)]
    lake: Lake,
    tolerance: Option<f64>,
    tool: String,
    version: String,
    command: String,
    date: String,
    #[serde(default)]
    #[serde(rename = "note")]
    _note: String,
}

impl Oracle {
    /// Reads a folder.
    ///
    /// # Errors
    /// A file is absent or not in the format, the query and the columns do not name the same things, or there is no case.
    pub fn read(folder: &Path) -> Result<Self, OracleError> {
        let read = |file| fs::read_to_string(folder.join(file)).map_err(|error| problem(file, error));
        Self::parse(&read(ORIGIN)?, &read(CASES)?)
    }

    fn parse(origin: &str, cases: &str) -> Result<Self, OracleError> {
        let origin: Origin = toml::from_str(origin).map_err(|error| problem(ORIGIN, error))?;
        let facts = [&origin.tool, &origin.version, &origin.command, &origin.date];
        if facts.iter().any(|fact| fact.trim().is_empty()) {
            return Err(problem(
                ORIGIN,
                "tool, version, command and date say where the answers come from",
            ));
        }
        if origin
            .tolerance
            .is_some_and(|tolerance| !(tolerance.is_finite() && tolerance >= 0.0))
        {
            return Err(problem(ORIGIN, "the tolerance is no finite number of 0 or more"));
        }
        let query = template(&origin.query);

        let mut reader = csv::Reader::from_reader(cases.as_bytes());
        let columns = reader.headers().map_err(|error| problem(CASES, error))?.clone();
        let expected = columns
            .iter()
            .position(|column| column == EXPECTED)
            .ok_or_else(|| problem(CASES, "there is no column \"expected\""))?;
        check_names(
            &query,
            columns
                .iter()
                .filter(|column| ![EXPECTED, NOTE].contains(column))
                .collect(),
        )?;

        let mut read = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| problem(CASES, error))?;
            let cell = |name: &str| {
                let index = columns.iter().position(|column| column == name);
                index.and_then(|index| record.get(index)).unwrap_or_default()
            };
            read.push(Case {
                line: record.position().map_or(0, csv::Position::line),
                sql: fill(&query, cell),
                expected: record
                    .get(expected)
                    .filter(|text| !text.is_empty())
                    .map(str::to_owned),
            });
        }
        if read.is_empty() {
            return Err(problem(CASES, "there is no case"));
        }
        Ok(Self {
            lake: origin.lake,
            tolerance: origin.tolerance,
            cases: read,
        })
    }

    /// The lake that the query asks.
    pub fn lake(&self) -> Lake {
        self.lake
    }

    /// The cases in the order of the file; at least one.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Whether an answer in Postgres' text is that of the oracle: within `tolerance * max(1, |expected|)` where there is a
    /// tolerance, the same text otherwise. NULL agrees with NULL only.
    pub fn agrees(&self, case: &Case, answer: Option<&str>) -> bool {
        match (case.expected.as_deref(), answer, self.tolerance) {
            (None, None, _) => true,
            (Some(expected), Some(answer), None) => expected == answer,
            (Some(expected), Some(answer), Some(tolerance)) => match (expected.parse(), answer.parse()) {
                (Ok(expected), Ok(answer)) => near(expected, answer, tolerance),
                _ => false,
            },
            _ => false,
        }
    }
}

fn near(expected: f64, answer: f64, tolerance: f64) -> bool {
    if expected.is_finite() {
        (answer - expected).abs() <= tolerance * expected.abs().max(1.0)
    } else {
        expected == answer || (expected.is_nan() && answer.is_nan())
    }
}

fn problem(file: &'static str, problem: impl ToString) -> OracleError {
    OracleError {
        file,
        problem: problem.to_string(),
    }
}

/// A piece of a query.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Sql(&'a str),
    /// `{column}`: the cell is SQL.
    Cell(&'a str),
    /// `'{column}'`, without its quotes: the cell is text.
    Text(&'a str),
}

/// Splits a query at `{column}`. Braces around anything but a name, as in an array's text, are SQL.
fn template(query: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = query;
    let mut from = 0;
    while let Some(open) = rest[from..].find('{').map(|at| from + at) {
        let name = rest[open + 1..].split('}').next().unwrap_or_default();
        let close = open + 1 + name.len();
        if !is_name(name) || !rest[close..].starts_with('}') {
            from = open + 1;
            continue;
        }
        let (before, after) = (&rest[..open], &rest[close + 1..]);
        pieces.push(Piece::Sql(before));
        let quoted = before.ends_with('\'') && after.starts_with('\'');
        pieces.push(if quoted {
            Piece::Text(name)
        } else {
            Piece::Cell(name)
        });
        rest = after;
        from = 0;
    }
    pieces.push(Piece::Sql(rest));
    pieces
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_')
}

fn fill<'a>(pieces: &[Piece<'_>], cell: impl Fn(&str) -> &'a str) -> String {
    let mut sql = String::new();
    for piece in pieces {
        match piece {
            Piece::Sql(text) => sql.push_str(text),
            Piece::Cell(name) => match cell(name) {
                "" => sql.push_str("NULL"),
                text => sql.push_str(text),
            },
            Piece::Text(name) => sql.push_str(&cell(name).replace('\'', "''")),
        }
    }
    sql
}

fn check_names(query: &[Piece<'_>], columns: BTreeSet<&str>) -> Result<(), OracleError> {
    let named: BTreeSet<&str> = query
        .iter()
        .filter_map(|piece| match piece {
            Piece::Cell(name) | Piece::Text(name) => Some(*name),
            Piece::Sql(_) => None,
        })
        .collect();
    if let Some(name) = named.difference(&columns).next() {
        return Err(problem(
            CASES,
            format!("the query names \"{name}\", and there is no such column"),
        ));
    }
    if let Some(column) = columns.difference(&named).next() {
        return Err(problem(
            CASES,
            format!("the query does not use the column \"{column}\""),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(query: &str, rest: &str) -> String {
        format!(
            "query = \"{query}\"\ntool = \"t\"\nversion = \"1\"\ncommand = \"c\"\ndate = \"2026-11-22\"\n{rest}\n"
        )
    }

    #[test]
    fn cells_take_their_places() {
        #[track_caller]
        fn check(query: &str, cells: &str, expected: &str) {
            let oracle = Oracle::parse(&origin(query, ""), &format!("a,b,expected\n{cells},1\n")).unwrap();
            assert_eq!(oracle.cases()[0].sql, expected);
            assert_eq!(oracle.cases()[0].line, 2);
        }
        check("SELECT f({a}, {b})", "1,", "SELECT f(1, NULL)");
        check("SELECT f('{a}', '{b}')", "it's,", "SELECT f('it''s', '')");
        check(
            "SELECT f('{1,2}'::int[], {a}, {{b}})",
            "1,2",
            "SELECT f('{1,2}'::int[], 1, {2})",
        );
        check(
            "SELECT {a} FROM (VALUES {b}) AS t(x)",
            "x,\"(1), (2)\"",
            "SELECT x FROM (VALUES (1), (2)) AS t(x)",
        );
        check("SELECT {a} + {b} + {a}", "1,2", "SELECT 1 + 2 + 1");
    }

    #[test]
    fn a_folder_out_of_format_is_no_pass() {
        #[track_caller]
        fn check(origin: &str, cases: &str, part: &str) {
            let error = Oracle::parse(origin, cases)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.contains(part), "{error:?}");
        }
        let good = origin("SELECT {a}", "");
        assert!(Oracle::parse(&good, "a,note,expected\n1,why,1\n").is_ok());
        check(&good, "a,expected\n", "there is no case");
        check(&good, "a\n1\n", "no column \"expected\"");
        check(&good, "b,expected\n1,1\n", "names \"a\"");
        check(&good, "a,b,expected\n1,1,1\n", "does not use the column \"b\"");
        check(&good, "a,expected\n1\n", "cases.csv");
        check("query = \"SELECT 1\"", "expected\n1\n", "ORIGIN.toml");
        check(
            &origin("SELECT {a}", "tolerance = -1.0"),
            "a,expected\n1,1\n",
            "tolerance",
        );
        check(
            &origin("SELECT {a}", "lake = \"lost\""),
            "a,expected\n1,1\n",
            "lost",
        );
        check(
            &origin("SELECT {a}", "tollerance = 1.0"),
            "a,expected\n1,1\n",
            "tollerance",
        );
    }

    #[test]
    fn a_query_asks_the_empty_lake_unless_it_names_another() {
        #[track_caller]
        fn check(rest: &str, lake: Lake) {
            let oracle = Oracle::parse(&origin("SELECT {a}", rest), "a,expected\n1,1\n").unwrap();
            assert_eq!(oracle.lake(), lake);
        }
        check("", Lake::Empty);
        check("lake = \"empty\"", Lake::Empty);
        check("lake = \"demo\"", Lake::Demo);
    }

    #[test]
    fn answers_are_compared_as_the_format_says() {
        #[track_caller]
        fn check(tolerance: &str, expected: &str, answer: Option<&str>, agrees: bool) {
            let cases = format!("a,expected\n1,{expected}\n");
            let oracle = Oracle::parse(&origin("SELECT {a}", tolerance), &cases).unwrap();
            assert_eq!(
                oracle.agrees(&oracle.cases()[0], answer),
                agrees,
                "{expected} {answer:?}"
            );
        }
        let tolerance = "tolerance = 1e-6";
        check("", "1.0", Some("1.0"), true);
        check("", "1.0", Some("1"), false);
        check("", "", None, true);
        check("", "", Some(""), false);
        check("", "0", None, false);
        check(tolerance, "1.0", Some("1"), true);
        check(tolerance, "0.5", Some("0.5000009"), true);
        check(tolerance, "0.5", Some("0.500002"), false);
        check(tolerance, "1e9", Some("1000000999"), true);
        check(tolerance, "1e9", Some("1000002000"), false);
        check(tolerance, "NaN", Some("NaN"), true);
        check(tolerance, "1", Some("NaN"), false);
        check(tolerance, "Infinity", Some("Infinity"), true);
        check(tolerance, "Infinity", Some("-Infinity"), false);
        check(tolerance, "1", Some("Infinity"), false);
        check(tolerance, "1", Some("one"), false);
        check(tolerance, "1", None, false);
    }
}
