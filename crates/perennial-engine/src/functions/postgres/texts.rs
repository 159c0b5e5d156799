//! Functions on text that the engine lacks, or answers otherwise.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;

use super::raised;
use super::rowwise::{Call, Form, Function, Taken, form};

fn text(_: &[DataType]) -> DataType {
    DataType::Utf8
}

fn texts(_: &[DataType]) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// The function that gives a text which a column of a length takes. A third argument says that the column is of type `character`.
pub(crate) const FITS: &str = "perennial_fits";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Any, Bool, Bytes, Int, Text};
    const ALL: &[Function] = &[
        Function::new(
            "format",
            &[Form {
                takes: &[Text, Any],
                variadic: true,
                body: format,
            }],
            text,
        ),
        Function::new(
            "concat",
            &[Form {
                takes: &[Any, Any],
                variadic: true,
                body: concat,
            }],
            text,
        ),
        Function::new(
            "concat_ws",
            &[Form {
                takes: &[Any, Any, Any],
                variadic: true,
                body: concat_ws,
            }],
            text,
        ),
        Function::new("chr", &[form(&[Int], chr)], text),
        Function::new("encode", &[form(&[Bytes, Text], encode)], text),
        Function::new("regexp_split_to_array", &[form(&[Text, Text], split)], texts),
        Function::new("substring_pattern", &[form(&[Text, Text], by_pattern)], text),
        Function::new(FITS, &[form(&[Text, Int, Bool], fitting)], text),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

/// A text that is too long for its column may have nothing but blanks behind what there is room for, and loses them.
fn fitting(call: &Call<'_>) -> Result<ArrayRef> {
    let lengths = call
        .columns
        .get(1)
        .map(|column| column.as_primitive::<Int32Type>());
    let fixed = call.columns.get(2).map(|column| column.as_boolean());
    call.texts(|row| {
        let Some(text) = call.text(0, row) else {
            return Ok(None);
        };
        let length = lengths.map_or(0, |lengths| {
            lengths.value(if lengths.len() == 1 { 0 } else { row })
        });
        let end = text
            .char_indices()
            .nth(usize::try_from(length).unwrap_or_default());
        let Some((fitting, rest)) = end.map(|(end, _)| text.split_at(end)) else {
            return Ok(Some(text.to_owned()));
        };
        if rest.chars().all(|character| character == ' ') {
            return Ok(Some(fitting.to_owned()));
        }
        let fixed = fixed.is_some_and(|fixed| fixed.value(if fixed.len() == 1 { 0 } else { row }));
        let name = if fixed { "character" } else { "character varying" };
        Err(raised(
            ErrorClass::TooLong,
            format!("value too long for type {name}({length})"),
        ))
    })
}

/// `substring(text FROM pattern)`: the part that matches, or its first group.
fn by_pattern(call: &Call<'_>) -> Result<ArrayRef> {
    call.texts(|row| {
        let (Some(text), Some(pattern)) = (call.text(0, row), call.text(1, row)) else {
            return Ok(None);
        };
        let regex = regex(pattern)?;
        let groups = regex.captures(text);
        let part = groups.and_then(|groups| {
            if groups.len() > 1 {
                groups.get(1)
            } else {
                groups.get(0)
            }
        });
        Ok(part.map(|part| part.as_str().to_owned()))
    })
}

fn regex(pattern: &str) -> Result<regex::Regex> {
    regex::Regex::new(pattern).map_err(|_| -> DataFusionError {
        raised(
            ErrorClass::InvalidRegex,
            format!("invalid regular expression: {pattern}"),
        )
    })
}

fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let (Some(text), Some(pattern)) = (call.text(0, row), call.text(1, row)) else {
            lists.append_null();
            continue;
        };
        let regex = regex(pattern)?;
        let mut start = 0;
        for found in regex.find_iter(text) {
            // An empty match splits between characters, not at the ends.
            if found.is_empty() && (found.start() == 0 || found.end() == text.len()) {
                continue;
            }
            lists
                .values()
                .append_value(text.get(start..found.start()).unwrap_or_default());
            start = found.end();
        }
        lists.values().append_value(text.get(start..).unwrap_or_default());
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn chr(call: &Call<'_>) -> Result<ArrayRef> {
    let codes = call
        .columns
        .first()
        .map(|codes| codes.as_primitive::<Int32Type>().clone());
    call.texts(|row| {
        let Some(codes) = codes.as_ref().filter(|codes| codes.is_valid(row)) else {
            return Ok(None);
        };
        match codes.value(row) {
            0 => Err(raised(ErrorClass::TooLarge, "null character not permitted")),
            code => match u32::try_from(code).ok().and_then(char::from_u32) {
                Some(character) => Ok(Some(character.to_string())),
                None => Err(raised(
                    ErrorClass::TooLarge,
                    format!("requested character too large for encoding: {code}"),
                )),
            },
        }
    })
}

fn encode(call: &Call<'_>) -> Result<ArrayRef> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = call.columns.first().map(|bytes| bytes.as_binary::<i32>().clone());
    call.texts(|row| {
        let (Some(bytes), Some(form)) = (
            bytes.as_ref().filter(|bytes| bytes.is_valid(row)),
            call.text(1, row),
        ) else {
            return Ok(None);
        };
        let bytes = bytes.value(row);
        let mut out = String::new();
        match form.to_ascii_lowercase().as_str() {
            "hex" => bytes.iter().for_each(|byte| out.push_str(&format!("{byte:02x}"))),
            "base64" => {
                for chunk in bytes.chunks(3) {
                    let word = chunk
                        .iter()
                        .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
                        << (8 * (3 - chunk.len()));
                    // A line has 76 characters.
                    if !out.is_empty() && (out.len() + 1).is_multiple_of(77) {
                        out.push('\n');
                    }
                    for place in 0..4 {
                        let digit = (word >> (18 - 6 * place)) & 63;
                        let padded = place > chunk.len();
                        out.push(if padded {
                            '='
                        } else {
                            DIGITS.get(digit as usize).map_or('=', |digit| char::from(*digit))
                        });
                    }
                }
            }
            "escape" => {
                for byte in bytes {
                    match byte {
                        0 | 0x80.. => out.push_str(&format!("\\{byte:03o}")),
                        b'\\' => out.push_str("\\\\"),
                        _ => out.push(char::from(*byte)),
                    }
                }
            }
            _ => {
                return Err(raised(
                    ErrorClass::InvalidArgument,
                    format!("unrecognized encoding: \"{form}\""),
                ));
            }
        }
        Ok(Some(out))
    })
}

/// A value as text; `rules::casts` has put the writer around what is none.
fn as_text(column: &ArrayRef) -> Result<StringArray> {
    Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// What is given for a row, or for all of them.
fn argument(texts: &StringArray, row: usize) -> Option<&str> {
    let row = if texts.len() == 1 { 0 } else { row };
    texts.is_valid(row).then(|| texts.value(row))
}

fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    let columns = call.columns.iter().map(as_text).collect::<Result<Vec<_>>>()?;
    call.texts(|row| {
        Ok(Some(
            columns
                .iter()
                .filter_map(|column| argument(column, row))
                .collect(),
        ))
    })
}

fn concat_ws(call: &Call<'_>) -> Result<ArrayRef> {
    let columns = call.columns.iter().map(as_text).collect::<Result<Vec<_>>>()?;
    call.texts(|row| {
        let mut given = columns.iter().map(|column| argument(column, row));
        let Some(between) = given.next().flatten() else {
            return Ok(None);
        };
        let given: Vec<&str> = given.flatten().collect();
        Ok(Some(given.join(between)))
    })
}

fn format(call: &Call<'_>) -> Result<ArrayRef> {
    let invalid = |message: String| -> DataFusionError { raised(ErrorClass::InvalidArgument, message) };
    let columns = call
        .columns
        .iter()
        .skip(1)
        .map(as_text)
        .collect::<Result<Vec<_>>>()?;
    call.texts(|row| {
        let Some(pattern) = call.text(0, row) else {
            return Ok(None);
        };
        let mut out = String::new();
        let mut chars = pattern.chars().peekable();
        let mut next = 0;
        while let Some(character) = chars.next() {
            if character != '%' {
                out.push(character);
                continue;
            }
            if chars.next_if_eq(&'%').is_some() {
                out.push('%');
                continue;
            }
            let mut number = String::new();
            let mut left = chars.next_if_eq(&'-').is_some();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                number.push(digit);
            }
            let mut place = None;
            if chars.next_if_eq(&'$').is_some() {
                place = number
                    .parse::<usize>()
                    .ok()
                    .and_then(|place| place.checked_sub(1));
                number.clear();
                left |= chars.next_if_eq(&'-').is_some();
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
            }
            let place = place.unwrap_or(next);
            next = place + 1;
            let Some(kind) = chars.next() else {
                return Err(invalid("unterminated format() type specifier".to_owned()));
            };
            if !matches!(kind, 's' | 'I' | 'L') {
                return Err(invalid(format!(
                    "unrecognized format() type specifier \"{kind}\""
                )));
            }
            let column = columns
                .get(place)
                .ok_or_else(|| invalid("too few arguments for format()".to_owned()))?;
            let value = argument(column, row);
            let shown = match (kind, value) {
                ('s', value) => value.unwrap_or_default().to_owned(),
                ('I', Some(value)) => quoted_name(value),
                ('I', None) => {
                    return Err(raised(
                        ErrorClass::InvalidArgument,
                        "null values cannot be formatted as an SQL identifier",
                    ));
                }
                (_, Some(value)) => quoted_text(value),
                (_, None) => "NULL".to_owned(),
            };
            let width = number.parse::<usize>().unwrap_or(0).min(1 << 20);
            if left {
                out.push_str(&format!("{shown:<width$}"));
            } else {
                out.push_str(&format!("{shown:>width$}"));
            }
        }
        Ok(Some(out))
    })
}

/// A name as it has to be written: in quotes unless it is of small letters.
fn quoted_name(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .chars()
            .all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn quoted_text(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}
