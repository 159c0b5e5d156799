//! What has to be true of the values that a row needs, beyond that they are there.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Decimal128Type, Float64Type};
use perennial_base::Kind;

use super::MappedColumn;
use crate::overrides::verdict;

/// The answers to the one question whose scale is fixed; those of `csat` and `ces` are an argument of their functions.
const NPS: std::ops::RangeInclusive<f64> = 0.0..=10.0;

/// Why rows of a kind are rejected for what their values are, each with the rows of which it is not so. Of NULL another
/// reason tells.
pub(super) fn sound(
    kind: Kind,
    mapped: &[MappedColumn],
    columns: &[ArrayRef],
) -> Option<(&'static str, BooleanBuffer)> {
    let column = |name: &str| {
        let at = mapped.iter().position(|column| column.name == name)?;
        columns.get(at)
    };
    let each = |array: &ArrayRef, sound: &dyn Fn(usize) -> bool| {
        BooleanBuffer::collect_bool(array.len(), |row| array.is_null(row) || sound(row))
    };
    match kind {
        Kind::FxRate => {
            let array = column("rate")?;
            let rates = array.as_primitive_opt::<Decimal128Type>()?;
            let above = each(array, &|row| rates.value(row) > 0);
            Some(("rate is not above zero", above))
        }
        Kind::IdentityOverride => {
            let array = column("verdict")?;
            let words = array.as_string_opt::<i32>()?;
            let known = each(array, &|row| verdict(words.value(row)).is_some());
            Some(("verdict is neither same nor different", known))
        }
        Kind::Survey => {
            let array = column("score")?;
            let scores = array.as_primitive_opt::<Float64Type>()?;
            let surveys = column("survey")?.as_string_opt::<i32>()?;
            let answers = each(array, &|row| {
                let of_nps = surveys.is_valid(row) && surveys.value(row).trim().eq_ignore_ascii_case("nps");
                let score = scores.value(row);
                !of_nps || NPS.contains(&score) && score.fract() == 0.0
            });
            Some(("score is no answer of nps: a whole number from 0 to 10", answers))
        }
        _ => None,
    }
}
