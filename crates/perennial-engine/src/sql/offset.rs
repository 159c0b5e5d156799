//! Offsets in the text of dates and times, as Postgres reads them: a type without a zone leaves them aside, one with a
//! zone takes them behind a date too. DataFusion's readers apply every offset and want a time before it.

use datafusion::sql::sqlparser::ast::{DataType, TimezoneInfo, Value};

/// The shortest text in front of an offset: a date.
const DATE: usize = 10;

/// Brings the text of a literal into the form that its type is read in.
pub(crate) fn literal(value: &mut Value, data_type: &DataType) {
    let (Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text)) = value else {
        return;
    };
    let Some((local, offset)) = split(text.trim()) else {
        return;
    };
    let read = match data_type {
        DataType::Date => local.get(..DATE).map(str::to_owned),
        DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Some(local.to_owned()),
        DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) if !local.contains(':') => {
            Some(format!("{local} 00:00:00{offset}"))
        }
        _ => None,
    };
    if let Some(read) = read {
        *value = Value::SingleQuotedString(read);
    }
}

/// The wall clock and the offset of a text that has one.
fn split(text: &str) -> Option<(&str, &str)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return (local.len() >= DATE).then_some((local.trim_end(), "+00"));
    }
    let sign = text.rfind(['+', '-']).filter(|sign| *sign >= DATE)?;
    let (local, offset) = (text.get(..sign)?, text.get(sign..)?);
    let digits = offset.get(1..)?;
    let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    numeric.then_some((local.trim_end(), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, data_type: &DataType, expected: &str) {
        let mut value = Value::SingleQuotedString(text.to_owned());
        literal(&mut value, data_type);
        assert_eq!(value, Value::SingleQuotedString(expected.to_owned()));
    }

    #[test]
    fn offsets_are_read_as_postgres_does() {
        let without = DataType::Timestamp(None, TimezoneInfo::None);
        let with = DataType::Timestamp(None, TimezoneInfo::WithTimeZone);
        check(
            "2026-01-02 03:04:05.678901+01",
            &without,
            "2026-01-02 03:04:05.678901",
        );
        check("2026-01-02T03:04:05Z", &without, "2026-01-02T03:04:05");
        check("2026-01-02 03:04:05", &without, "2026-01-02 03:04:05");
        check("2026-01-02 03:04:05-05:30", &DataType::Date, "2026-01-02");
        check("2026-03-29 +01", &DataType::Date, "2026-03-29");
        check("2026-03-29", &DataType::Date, "2026-03-29");
        check("2026-03-29 +01", &with, "2026-03-29 00:00:00+01");
        check("2026-03-29 10:00:00+01", &with, "2026-03-29 10:00:00+01");
        check("soon", &without, "soon");
    }
}
