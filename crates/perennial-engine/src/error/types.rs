//! Types in messages, by the names of Postgres.

use datafusion::arrow::datatypes::DataType;
use perennial_udf_kit::parameters::type_name;

/// A text with the names of Postgres for the types that it names as the planner does; what stands in quotes is left as it
/// is.
pub(super) fn named_in(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let inside_of_a_word = before.is_alphanumeric() || before == '_';
        let taken = match first {
            // An apostrophe begins no quotation.
            '\'' | '"' if !inside_of_a_word => quoted(rest, first),
            first if first.is_ascii_uppercase() && !inside_of_a_word => {
                let written = written_type(rest);
                if let Ok(data_type) = written.parse::<DataType>() {
                    out.push_str(&type_name(&data_type));
                    rest = rest.get(written.len()..).unwrap_or_default();
                    before = ' ';
                    continue;
                }
                first.len_utf8()
            }
            first => first.len_utf8(),
        };
        let (part, behind) = rest.split_at(taken);
        out.push_str(part);
        before = part.chars().next_back().unwrap_or(' ');
        rest = behind;
    }
    out
}

/// How long the quotation is that the text begins with; one character where it does not end.
fn quoted(text: &str, quote: char) -> usize {
    let end = text.get(1..).and_then(|rest| rest.find(quote));
    end.map_or(1, |end| end + 2)
}

/// The word that the text begins with, and the brackets behind it.
fn written_type(text: &str) -> &str {
    let word = text
        .find(|next: char| !next.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    let mut depth = 0_usize;
    for (at, next) in text.char_indices().skip(word) {
        match next {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let end = if at > word { at + 1 } else { word };
            return text.get(..end).unwrap_or(text);
        }
    }
    text.get(..word).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::named_in;

    // The right side is `format_type` of PostgreSQL 15 for the type in question.
    #[test]
    fn types_have_the_names_of_postgres() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(named_in(text), expected);
        }
        check(
            "cannot infer common argument type for comparison operation Timestamp(µs, \"UTC\") < Int64",
            "cannot infer common argument type for comparison operation timestamp with time zone < bigint",
        );
        check(
            "Timestamp(ns) + Decimal128(18, 4)",
            "timestamp without time zone + numeric",
        );
        check("Struct(\"c0\": Utf8View, \"c1\": Int64)", "record");
        check(
            "List(Utf8View) of Float64, Boolean",
            "text[] of double precision, boolean",
        );
        check(
            "it isn't Utf8: 'Int64' and \"Float64\" are values, MyInt64 is a name",
            "it isn't text: 'Int64' and \"Float64\" are values, MyInt64 is a name",
        );
        check("Unknown(Int64 (Utf8", "Unknown(bigint (text");
        check("", "");
    }
}
