//! Functions that make much text of little: `repeat`, `lpad`, `rpad`, `replace`. What they would make is known before it is
//! made, and is refused where it is more than a batch may hold: no pool of memory sees it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use perennial_base::ErrorClass;

use super::raised;
use super::rowwise::{Call, Form, Function, Taken, form};

/// Bytes of all texts of a batch together.
const MOST: usize = 256 << 20;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Taken::{Big, Text};
    const PADS: [&[Taken]; 2] = [&[Text, Big], &[Text, Big, Text]];
    const LPAD: &[Form] = &[form(PADS[0], lpad), form(PADS[1], lpad)];
    const RPAD: &[Form] = &[form(PADS[0], rpad), form(PADS[1], rpad)];
    const ALL: &[Function] = &[
        Function::new("repeat", &[form(&[Text, Big], repeat)], text),
        Function::new("lpad", LPAD, text),
        Function::new("rpad", RPAD, text),
        Function::new("replace", &[form(&[Text, Text, Text], replace)], text),
    ];
    ALL.iter().copied().map(Function::udf).collect()
}

fn text(_: &[DataType]) -> DataType {
    DataType::Utf8
}

/// What is left of [`MOST`] in a batch.
struct Room(usize);

impl Room {
    /// Takes so many bytes.
    fn take(&mut self, bytes: Option<usize>) -> Result<()> {
        match bytes.and_then(|bytes| self.0.checked_sub(bytes)) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(raised(ErrorClass::TooLarge, "requested length too large")),
        }
    }
}

/// A number of a column, or the one for all rows.
fn number(call: &Call<'_>, place: usize, row: usize) -> Option<i64> {
    let numbers = call.columns.get(place)?.as_primitive::<Int64Type>();
    let row = if numbers.len() == 1 { 0 } else { row };
    numbers.is_valid(row).then(|| numbers.value(row))
}

/// Below zero is zero; more than can be is refused by the room.
fn count(number: i64) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    let mut room = Room(MOST);
    call.texts(|row| {
        let (Some(text), Some(times)) = (call.text(0, row), number(call, 1, row)) else {
            return Ok(None);
        };
        room.take(text.len().checked_mul(count(times)))?;
        Ok(Some(if text.is_empty() {
            String::new()
        } else {
            text.repeat(count(times))
        }))
    })
}

fn lpad(call: &Call<'_>) -> Result<ArrayRef> {
    padded(call, |text, fill| fill + text)
}

fn rpad(call: &Call<'_>) -> Result<ArrayRef> {
    padded(call, |text, fill| text.to_owned() + &fill)
}

/// Texts of so many characters: cut at the end, or with the fill, a blank by default, beside them.
fn padded(call: &Call<'_>, beside: fn(&str, String) -> String) -> Result<ArrayRef> {
    let mut room = Room(MOST);
    call.texts(|row| {
        let fill = if call.columns.len() > 2 {
            call.text(2, row)
        } else {
            Some(" ")
        };
        let (Some(text), Some(length), Some(fill)) = (call.text(0, row), number(call, 1, row), fill) else {
            return Ok(None);
        };
        let (length, given) = (count(length), text.chars().count());
        if length <= given {
            let cut: String = text.chars().take(length).collect();
            room.take(Some(cut.len()))?;
            return Ok(Some(cut));
        }
        if fill.is_empty() {
            room.take(Some(text.len()))?;
            return Ok(Some(text.to_owned()));
        }
        let missing = length - given;
        // A character of the fill has four bytes at most.
        let widest = fill.chars().map(char::len_utf8).max().unwrap_or(1);
        room.take(
            missing
                .checked_mul(widest)
                .and_then(|bytes| bytes.checked_add(text.len())),
        )?;
        Ok(Some(beside(text, fill.chars().cycle().take(missing).collect())))
    })
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let mut room = Room(MOST);
    call.texts(|row| {
        let (Some(text), Some(from), Some(to)) = (call.text(0, row), call.text(1, row), call.text(2, row))
        else {
            return Ok(None);
        };
        if from.is_empty() {
            room.take(Some(text.len()))?;
            return Ok(Some(text.to_owned()));
        }
        let found = text.matches(from).count();
        room.take(
            found
                .checked_mul(to.len())
                .and_then(|bytes| bytes.checked_add(text.len())),
        )?;
        Ok(Some(text.replace(from, to)))
    })
}
