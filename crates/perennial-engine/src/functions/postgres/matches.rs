//! What a pattern matches, with its groups: `regexp_match`, and the rows of `regexp_matches`.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;
use regex::{Captures, Regex, RegexBuilder};

use super::raised;
use super::rowwise::{Call, Form, Function, Taken, form};

/// Gives the rows of `regexp_matches` as an array.
pub(crate) const ROWS: &str = "perennial_regexp_matches";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::Text;
    const ONE: &[Form] = &[form(&[Text, Text], first), form(&[Text, Text, Text], first)];
    const EACH: &[Form] = &[form(&[Text, Text], rows), form(&[Text, Text, Text], rows)];
    const ALL: &[Function] = &[
        Function::new("regexp_match", ONE, |_| texts()),
        Function::new(ROWS, EACH, |_| list(texts())),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn texts() -> DataType {
    list(DataType::Utf8)
}

/// A pattern, and whether all of its matches are asked for.
struct Pattern {
    regex: Regex,
    all: bool,
}

impl Pattern {
    /// As `parse_re_flags` in regexp.c.
    ///
    /// # Errors
    /// Class `InvalidArgument` for an option that is none, `InvalidRegex` for what is no pattern.
    fn try_new(pattern: &str, options: &str) -> Result<Self> {
        let (mut all, mut literal) = (false, false);
        let (mut fold, mut expanded) = (false, false);
        // By default a point is any character, and ^ and $ are the ends of the text.
        let (mut dot_ends_at_line, mut line_anchors) = (false, false);
        for option in options.chars() {
            match option {
                'g' => all = true,
                'c' => fold = false,
                'i' => fold = true,
                'x' => expanded = true,
                't' => expanded = false,
                'q' => literal = true,
                'm' | 'n' => (dot_ends_at_line, line_anchors) = (true, true),
                's' => (dot_ends_at_line, line_anchors) = (false, false),
                'p' => (dot_ends_at_line, line_anchors) = (true, false),
                'w' => (dot_ends_at_line, line_anchors) = (false, true),
                'e' => {}
                'b' => {
                    let message = "basic regular expressions are not supported";
                    return Err(raised(ErrorClass::Unsupported, message));
                }
                other => {
                    let message = format!("invalid regular expression option: \"{other}\"");
                    return Err(raised(ErrorClass::InvalidArgument, message));
                }
            }
        }
        let escaped = literal.then(|| regex::escape(pattern));
        let regex = RegexBuilder::new(escaped.as_deref().unwrap_or(pattern))
            .case_insensitive(fold)
            .ignore_whitespace(expanded && !literal)
            .dot_matches_new_line(!dot_ends_at_line)
            .multi_line(line_anchors)
            .build()
            .map_err(|error| DataFusionError::Execution(error.to_string()))?;
        Ok(Self { regex, all })
    }
}

/// The pattern of each row; one that stands for all rows is made once.
struct Patterns<'a> {
    call: &'a Call<'a>,
    kept: Option<(String, String, Arc<Pattern>)>,
}

impl<'a> Patterns<'a> {
    fn new(call: &'a Call<'a>) -> Self {
        Self { call, kept: None }
    }

    /// The text and the pattern of a row; none where an argument is NULL.
    fn of(&mut self, row: usize) -> Result<Option<(&'a str, Arc<Pattern>)>> {
        let options = match self.call.columns.len() {
            2 => Some(""),
            _ => self.call.text(2, row),
        };
        let (text, written) = (self.call.text(0, row), self.call.text(1, row));
        let (Some(text), Some(written), Some(options)) = (text, written, options) else {
            return Ok(None);
        };
        if let Some((known, with, pattern)) = &self.kept
            && (known.as_str(), with.as_str()) == (written, options)
        {
            return Ok(Some((text, Arc::clone(pattern))));
        }
        let pattern = Arc::new(Pattern::try_new(written, options)?);
        self.kept = Some((written.to_owned(), options.to_owned(), Arc::clone(&pattern)));
        Ok(Some((text, pattern)))
    }
}

/// The groups of a match, or all of it where the pattern has none.
fn push(texts: &mut ListBuilder<StringBuilder>, found: &Captures<'_>) {
    let skipped = usize::from(found.len() > 1);
    for group in found.iter().skip(skipped) {
        texts.values().append_option(group.map(|group| group.as_str()));
    }
    texts.append(true);
}

fn first(call: &Call<'_>) -> Result<ArrayRef> {
    let mut texts = ListBuilder::new(StringBuilder::new());
    let mut patterns = Patterns::new(call);
    for row in 0..call.rows {
        let Some((text, pattern)) = patterns.of(row)? else {
            texts.append_null();
            continue;
        };
        if pattern.all {
            let message = "regexp_match() does not support the \"global\" option";
            let error = crate::Error::new(ErrorClass::InvalidArgument, message);
            return Err(error.with_hint("Use the regexp_matches function instead.").into());
        }
        match pattern.regex.captures(text) {
            Some(found) => push(&mut texts, &found),
            None => texts.append_null(),
        }
    }
    Ok(Arc::new(texts.finish()))
}

fn rows(call: &Call<'_>) -> Result<ArrayRef> {
    let mut rows = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    let mut patterns = Patterns::new(call);
    for row in 0..call.rows {
        let Some((text, pattern)) = patterns.of(row)? else {
            rows.append_null();
            continue;
        };
        let mut start = 0;
        while let Some(found) = pattern.regex.captures_at(text, start) {
            push(rows.values(), &found);
            let Some(whole) = found.get(0).filter(|_| pattern.all) else {
                break;
            };
            // As `setup_regexp_matches` in regexp.c: behind an empty match it goes on one character later.
            start = match text.get(whole.end()..).and_then(|rest| rest.chars().next()) {
                Some(next) if whole.is_empty() => whole.end() + next.len_utf8(),
                None if whole.is_empty() => break,
                _ => whole.end(),
            };
        }
        rows.append(true);
    }
    Ok(Arc::new(rows.finish()))
}
