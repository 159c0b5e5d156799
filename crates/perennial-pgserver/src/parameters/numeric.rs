//! `numeric` parameters: every digit is kept.

use arrow::datatypes::{DataType, i256};
use datafusion::common::ScalarValue;

use crate::encode::NEGATIVE;
use crate::error::{Error, Result};
use crate::frame::Body;

/// A decimal number as it was written.
struct Decimal {
    negative: bool,
    /// Digits without a point.
    digits: Vec<u8>,
    /// How many of the digits stand behind the point; negative = zeros to append.
    scale: i64,
}

/// Digits that the widest decimal type holds.
const MOST_DIGITS: usize = 76;

pub(super) fn from_text(text: &str, expected: &DataType) -> Result<ScalarValue> {
    let invalid = || Error::invalid_text("numeric", text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if ["nan", "inf", "infinity"]
        .iter()
        .any(|word| unsigned.eq_ignore_ascii_case(word))
    {
        return special(unsigned, text.starts_with('-'), expected);
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().map_err(|_| invalid())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(invalid());
    }
    let scale = fraction.len() as i64 - i64::from(exponent);
    Decimal {
        negative: text.starts_with('-'),
        digits,
        scale,
    }
    .into_scalar(expected, text)
}

pub(super) fn from_binary(body: &mut Body, expected: &DataType) -> Result<ScalarValue> {
    let count = u16::from_be_bytes(body.fixed()?);
    let weight = i16::from_be_bytes(body.fixed()?);
    let sign = u16::from_be_bytes(body.fixed()?);
    let scale = u16::from_be_bytes(body.fixed()?);
    match sign {
        0 | NEGATIVE => {}
        0xC000 => return special("nan", false, expected),
        0xD000 => return special("inf", false, expected),
        0xF000 => return special("inf", true, expected),
        _ => return Err(Error::protocol("invalid sign in numeric")),
    }
    let mut digits = Vec::new();
    for _ in 0..count {
        let group = u16::from_be_bytes(body.fixed()?);
        if group > 9999 {
            return Err(Error::protocol("invalid digit in numeric"));
        }
        digits.extend(format!("{group:04}").bytes());
    }
    // The first group counts 10000^weight; what stands behind the display scale is cut, as `numeric_recv`
    // does.
    let fraction = 4 * (i64::from(count) - 1 - i64::from(weight));
    let surplus = fraction - i64::from(scale);
    let (digits, fraction) = match usize::try_from(surplus) {
        Ok(surplus) => {
            digits.truncate(digits.len().saturating_sub(surplus));
            (digits, i64::from(scale))
        }
        Err(_) => (digits, fraction),
    };
    let fraction = if digits.is_empty() { 0 } else { fraction };
    Decimal {
        negative: sign == NEGATIVE,
        digits,
        scale: fraction,
    }
    .into_scalar(expected, "numeric")
}

/// Not a number and the infinities, which only floats hold.
fn special(word: &str, negative: bool, expected: &DataType) -> Result<ScalarValue> {
    if !matches!(
        expected,
        DataType::Float16 | DataType::Float32 | DataType::Float64
    ) {
        return Err(Error::numeric_overflow("numeric", word));
    }
    let value = match (word.starts_with(['n', 'N']), negative) {
        (true, _) => f64::NAN,
        (false, true) => f64::NEG_INFINITY,
        (false, false) => f64::INFINITY,
    };
    Ok(ScalarValue::Float64(Some(value)))
}

impl Decimal {
    /// The value in the expected decimal type if that holds it exactly, otherwise in the smallest that does.
    fn into_scalar(mut self, expected: &DataType, text: &str) -> Result<ScalarValue> {
        let overflow = || Error::numeric_overflow("numeric", text);
        let leading = self.digits.iter().take_while(|digit| **digit == b'0').count();
        self.digits.drain(..leading);
        let wanted = match expected {
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => Some((usize::from(*precision), i64::from(*scale))),
            _ => None,
        };
        if self.digits.is_empty() {
            self.scale = self.scale.clamp(0, 37);
        }
        if let Some((precision, scale)) = wanted {
            // Zeros at the end say nothing: 1.500 fits two decimals.
            while self.scale > scale && self.digits.last() == Some(&b'0') {
                self.digits.pop();
                self.scale -= 1;
            }
            if self.digits.is_empty() {
                self.scale = scale;
            }
            let missing = usize::try_from(scale - self.scale);
            if let Ok(missing) = missing
                && self.digits.len() + missing <= precision
            {
                self.append_zeros(missing);
                if self.digits.len() <= precision {
                    return self.scalar(expected, precision, scale).ok_or_else(overflow);
                }
            }
        }
        if let Ok(zeros) = usize::try_from(-self.scale) {
            if self.digits.len() + zeros > MOST_DIGITS {
                return Err(overflow());
            }
            self.append_zeros(zeros);
        }
        let precision = self
            .digits
            .len()
            .max(usize::try_from(self.scale).unwrap_or(0) + 1)
            .max(38);
        if precision > MOST_DIGITS {
            return Err(overflow());
        }
        let precision = if precision > 38 { MOST_DIGITS } else { precision };
        let scale = self.scale;
        self.scalar(&DataType::Null, precision, scale)
            .ok_or_else(overflow)
    }

    fn append_zeros(&mut self, zeros: usize) {
        self.digits.extend(std::iter::repeat_n(b'0', zeros));
        self.scale += zeros as i64;
    }

    fn scalar(&self, expected: &DataType, precision: usize, scale: i64) -> Option<ScalarValue> {
        let (precision, scale) = (u8::try_from(precision).ok()?, i8::try_from(scale).ok()?);
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() {
            "0"
        } else {
            std::str::from_utf8(&self.digits).ok()?
        };
        let text = format!("{sign}{digits}");
        Some(match expected {
            DataType::Decimal32(..) => ScalarValue::Decimal32(Some(text.parse().ok()?), precision, scale),
            DataType::Decimal64(..) => ScalarValue::Decimal64(Some(text.parse().ok()?), precision, scale),
            DataType::Decimal256(..) => {
                ScalarValue::Decimal256(Some(i256::from_string(&text)?), precision, scale)
            }
            _ if precision > 38 => ScalarValue::Decimal256(Some(i256::from_string(&text)?), precision, scale),
            _ => ScalarValue::Decimal128(Some(text.parse().ok()?), precision, scale),
        })
    }
}
