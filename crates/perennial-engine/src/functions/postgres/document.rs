//! JSON as a tree, and as Postgres writes it. Numbers keep the digits that they have.

use std::borrow::Cow;

use datafusion::common::Result;
use perennial_base::ErrorClass;

use super::raised;

/// A value, with the text that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node<'a> {
    pub(super) raw: &'a str,
    pub(super) value: Json<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// Digits as jsonb has them.
    Number(Cow<'a, str>),
    Text(String),
    Array(Vec<Node<'a>>),
    /// The members in the order of the text.
    Object(Vec<(String, Node<'a>)>),
}

/// Levels of nesting.
const DEEPEST: usize = 1_000;

/// Reads a document.
///
/// # Errors
/// Class `InvalidText`.
pub(super) fn read(text: &str) -> Result<Node<'_>> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
    };
    let node = reader.node();
    reader.blanks();
    node.filter(|_| reader.at == text.len())
        .ok_or_else(|| raised(ErrorClass::InvalidText, "invalid input syntax for type json"))
}

/// A text as `json` keeps it, or as `jsonb` does where `binary`.
pub(crate) fn stored(text: &str, binary: bool) -> Result<String> {
    let node = read(text)?;
    Ok(if binary { node.jsonb() } else { text.to_owned() })
}

/// None wherever the text is no JSON.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// Goes over a byte that may be there.
    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn node(&mut self) -> Option<Node<'a>> {
        self.blanks();
        let start = self.at;
        self.depth += 1;
        let value = match self.peek() {
            _ if self.depth > DEEPEST => None,
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string().map(Json::Text),
            _ => self.word(),
        }?;
        self.depth -= 1;
        let raw = self.text.get(start..self.at)?;
        Some(Node { raw, value })
    }

    fn object(&mut self) -> Option<Json<'a>> {
        self.at += 1;
        let mut members = Vec::new();
        if self.take(b'}') {
            return Some(Json::Object(members));
        }
        loop {
            self.blanks();
            let key = self.string()?;
            if !self.take(b':') {
                return None;
            }
            members.push((key, self.node()?));
            if self.take(b'}') {
                return Some(Json::Object(members));
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn array(&mut self) -> Option<Json<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.node()?);
            if self.take(b']') {
                return Some(Json::Array(items));
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        while !matches!(self.peek(), b'"' | 0) {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn word(&mut self) -> Option<Json<'a>> {
        let start = self.at;
        while !matches!(self.peek(), b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r' | 0) {
            self.at += 1;
        }
        match self.text.get(start..self.at)? {
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            "null" => Some(Json::Null),
            number => is_number(number).then(|| Json::Number(plain(number))),
        }
    }
}

/// Whether digits are a number of JSON, which starts with no zero or point.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let number = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && digits(fraction) && digits(exponent)
}

/// A number without exponent. One of very many digits stays as it is.
fn plain(number: &str) -> Cow<'_, str> {
    const MOST: i32 = 20_000;
    let Some((digits, exponent)) = number.split_once(['e', 'E']) else {
        return Cow::Borrowed(number);
    };
    let Some(exponent) = exponent
        .parse::<i32>()
        .ok()
        .filter(|exponent| exponent.abs() < MOST)
    else {
        return Cow::Borrowed(number);
    };
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).unwrap_or_default() + i64::from(exponent);
    let (whole, fraction) = match usize::try_from(point) {
        Ok(point) if point >= all.len() => (format!("{all:0<point$}"), String::new()),
        Ok(point) if point > 0 => {
            let (whole, fraction) = all.split_at(point);
            (whole.to_owned(), fraction.to_owned())
        }
        _ => {
            let zeros = usize::try_from(-point).unwrap_or_default();
            ("0".to_owned(), format!("{}{all}", "0".repeat(zeros)))
        }
    };
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    Cow::Owned(if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    })
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The members as jsonb has them: shorter keys first, and of members of one key the last.
pub(super) fn members<'n, 'a>(members: &'n [(String, Node<'a>)]) -> Vec<(&'n str, &'n Node<'a>)> {
    let mut sorted: Vec<(&str, &Node<'_>)> = Vec::with_capacity(members.len());
    sorted.extend(members.iter().map(|(key, node)| (key.as_str(), node)));
    sorted.sort_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
    let mut kept: Vec<(&str, &Node<'_>)> = Vec::with_capacity(sorted.len());
    for (key, node) in sorted {
        match kept.last_mut() {
            Some(last) if last.0 == key => *last = (key, node),
            _ => kept.push((key, node)),
        }
    }
    kept
}

impl<'a> Node<'a> {
    /// A member; of several of one key the last.
    pub(super) fn member(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Json::Object(members) => members
                .iter()
                .rev()
                .find(|(known, _)| known == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// An element; a place below zero counts from the end.
    pub(super) fn element(&self, place: i64) -> Option<&Self> {
        let Json::Array(items) = &self.value else {
            return None;
        };
        items.get(from_end(place, items.len())?)
    }

    /// As jsonb.
    pub(super) fn jsonb(&self) -> String {
        let mut out = String::with_capacity(self.raw.len());
        self.write(None, &mut out);
        out
    }

    /// Over several lines.
    pub(super) fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(Some(0), &mut out);
        out
    }

    fn write(&self, indent: Option<usize>, out: &mut String) {
        let inner = indent.map(|indent| indent + 1);
        let line = |out: &mut String, indent: Option<usize>| {
            if let Some(indent) = indent {
                out.push('\n');
                out.push_str(&"    ".repeat(indent));
            }
        };
        let next = |out: &mut String, place: usize| {
            if place > 0 {
                out.push_str(if inner.is_some() { "," } else { ", " });
            }
            line(out, inner);
        };
        match &self.value {
            Json::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    next(out, place);
                    item.write(inner, out);
                }
                line(out, indent);
                out.push(']');
            }
            Json::Object(all) => {
                out.push('{');
                for (place, (key, node)) in members(all).into_iter().enumerate() {
                    next(out, place);
                    out.push_str(&quoted(key));
                    out.push_str(": ");
                    node.write(inner, out);
                }
                line(out, indent);
                out.push('}');
            }
            Json::Text(text) => out.push_str(&quoted(text)),
            Json::Number(digits) => out.push_str(digits),
            Json::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Json::Null => out.push_str("null"),
        }
    }

    /// As `->>` gives it: text without its quotes, NULL for null.
    pub(super) fn plain(&self, shown: impl Fn(&Self) -> String) -> Option<String> {
        match &self.value {
            Json::Null => None,
            Json::Text(text) => Some(text.clone()),
            _ => Some(shown(self)),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Number(_) => "number",
            Json::Text(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        }
    }

    /// `self @> other`: each member and element of the other has one here that contains it. An array contains a value that is
    /// an element of it.
    pub(super) fn contains(&self, other: &Node<'_>) -> bool {
        let of_elements = !matches!(&other.value, Json::Array(_) | Json::Object(_));
        match &self.value {
            Json::Array(items) if of_elements => items.iter().any(|item| item.holds(other)),
            _ => self.holds(other),
        }
    }

    fn holds(&self, other: &Node<'_>) -> bool {
        match (&self.value, &other.value) {
            (Json::Object(_), Json::Object(wanted)) => wanted
                .iter()
                .all(|(key, wanted)| self.member(key).is_some_and(|found| found.holds(wanted))),
            (Json::Array(items), Json::Array(wanted)) => wanted
                .iter()
                .all(|wanted| items.iter().any(|item| item.holds(wanted))),
            (Json::Number(one), Json::Number(other)) => trimmed(one) == trimmed(other),
            (Json::Null, Json::Null) => true,
            (Json::Bool(one), Json::Bool(other)) => one == other,
            (Json::Text(one), Json::Text(other)) => one == other,
            _ => false,
        }
    }
}

/// The place of an element; below zero it counts from the end.
pub(super) fn from_end(place: i64, length: usize) -> Option<usize> {
    let place = if place < 0 {
        place + i64::try_from(length).ok()?
    } else {
        place
    };
    usize::try_from(place).ok()
}

/// A number without zeros at the end of its fraction.
fn trimmed(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}
