//! Identifiers, literals, sizes and encodings as PostgreSQL writes them.

use std::borrow::Cow;

/// Keywords that cannot stand as a name everywhere: `pg_get_keywords()` of PostgreSQL 15 without its category U.
const KEYWORDS: &str = " all analyse analyze and any array as asc asymmetric authorization between bigint binary \
bit boolean both case cast char character check coalesce collate collation column concurrently constraint create \
cross current_catalog current_date current_role current_schema current_time current_timestamp current_user dec \
decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze \
from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval into \
is isnull join lateral leading least left like limit localtime localtimestamp national natural nchar none \
normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position \
precision primary real references returning right row select session_user setof similar smallint some substring \
symmetric table tablesample then time timestamp to trailing treat trim true union unique user using values varchar \
variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces \
xmlparse xmlpi xmlroot xmlserialize xmltable ";

/// The encodings of PostgreSQL in the order of their numbers.
const ENCODINGS: [&str; 42] = [
    "SQL_ASCII",
    "EUC_JP",
    "EUC_CN",
    "EUC_KR",
    "EUC_TW",
    "EUC_JIS_2004",
    "UTF8",
    "MULE_INTERNAL",
    "LATIN1",
    "LATIN2",
    "LATIN3",
    "LATIN4",
    "LATIN5",
    "LATIN6",
    "LATIN7",
    "LATIN8",
    "LATIN9",
    "LATIN10",
    "WIN1256",
    "WIN1258",
    "WIN866",
    "WIN874",
    "KOI8R",
    "WIN1251",
    "WIN1252",
    "ISO_8859_5",
    "ISO_8859_6",
    "ISO_8859_7",
    "ISO_8859_8",
    "WIN1250",
    "WIN1253",
    "WIN1254",
    "WIN1255",
    "WIN1257",
    "KOI8U",
    "SJIS",
    "BIG5",
    "GBK",
    "UHC",
    "GB18030",
    "JOHAB",
    "SHIFT_JIS_2004",
];

/// A name as it stands in SQL: quoted if it must be.
pub(crate) fn quote_identifier(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !KEYWORDS.contains(&format!(" {name} "));
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A name with its schema, each quoted if it must be.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier(schema), quote_identifier(name))
}

/// A value as a literal of SQL.
pub(crate) fn quote_literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// The parts of a name with dots, unquoted parts in lower case; none if it is not a name.
pub(crate) fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => {
                let end = rest.find(['.', '"']).unwrap_or(rest.len());
                let (part, tail) = rest.split_at(end);
                (Cow::Owned(part.trim().to_lowercase()), tail)
            }
        };
        if part.is_empty() || (part.contains(char::is_whitespace) && !rest.starts_with('"')) {
            return None;
        }
        parts.push(part.into_owned());
        match tail.trim_start().strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None if tail.trim().is_empty() => return Some(parts),
            None => return None,
        }
    }
}

/// The part behind an opening quote, and what follows the closing one.
fn quoted_part(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut from = 0;
    loop {
        let quote = from + text.get(from..)?.find('"')?;
        if text.get(quote + 1..)?.starts_with('"') {
            from = quote + 2;
            continue;
        }
        let part = text.get(..quote)?;
        return Some((Cow::Owned(part.replace("\"\"", "\"")), text.get(quote + 1..)?));
    }
}

/// A number of bytes for people: as `pg_size_pretty`, which changes the unit at ten times its size and rounds half
/// away from zero.
pub(crate) fn size_pretty(bytes: i64) -> String {
    const UNITS: [(&str, u128, bool, u32); 6] = [
        ("bytes", 10 * 1024, false, 0),
        ("kB", 20 * 1024 - 1, true, 9),
        ("MB", 20 * 1024 - 1, true, 10),
        ("GB", 20 * 1024 - 1, true, 10),
        ("TB", 20 * 1024 - 1, true, 10),
        ("PB", 20 * 1024 - 1, true, 10),
    ];
    let mut size = u128::from(bytes.unsigned_abs());
    let sign = if bytes < 0 { "-" } else { "" };
    for (index, (unit, limit, halved, shift)) in UNITS.into_iter().enumerate() {
        size >>= shift;
        if size < limit || index + 1 == UNITS.len() {
            let shown = if halved { size.div_ceil(2) } else { size };
            return format!("{sign}{shown} {unit}");
        }
    }
    String::new()
}

/// The name of an encoding, empty for a number that none has.
pub(crate) fn encoding_name(number: i64) -> &'static str {
    usize::try_from(number)
        .ok()
        .and_then(|number| ENCODINGS.get(number))
        .copied()
        .unwrap_or_default()
}

/// The number of an encoding, -1 for a name that none has; case and punctuation do not matter.
pub(crate) fn encoding_number(name: &str) -> i64 {
    let plain = |name: &str| -> String {
        name.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    let wanted = match plain(name).as_str() {
        "unicode" => "utf8".to_owned(),
        other => other.to_owned(),
    };
    let found = ENCODINGS.iter().position(|encoding| plain(encoding) == wanted);
    found.and_then(|number| i64::try_from(number).ok()).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected: `quote_ident` and `quote_literal` of PostgreSQL 15.
    #[test]
    fn names_and_literals_are_quoted_as_postgres_does() {
        for (name, expected) in [
            ("customers", "customers"),
            ("MixedCase", "\"MixedCase\""),
            ("a b", "\"a b\""),
            ("select", "\"select\""),
            ("name", "name"),
            ("1a", "\"1a\""),
            ("_a1", "_a1"),
            ("a\"b", "\"a\"\"b\""),
            ("é", "\"é\""),
            ("", "\"\""),
        ] {
            assert_eq!(quote_identifier(name), expected);
        }
        assert_eq!(quote_literal("O'Reilly"), "'O''Reilly'");
        assert_eq!(quote_literal(r"a\b"), r"E'a\\b'");
    }

    #[test]
    fn names_split_at_dots_outside_of_quotes() {
        #[track_caller]
        fn check(text: &str, expected: Option<&[&str]>) {
            assert_eq!(
                split_name(text).as_deref(),
                expected
                    .map(|parts| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
                    .as_deref()
            );
        }
        check("Customers", Some(&["customers"]));
        check("public.\"T.1\"", Some(&["public", "T.1"]));
        check(" \"a\"\"b\" . c ", Some(&["a\"b", "c"]));
        check("a..b", None);
        check("a b", None);
        check("\"open", None);
        check("\"a\"b", None);
        check("", None);
        check(".", None);
    }

    /// Expected: `pg_size_pretty` of PostgreSQL 15.
    #[test]
    fn sizes_are_rounded_as_postgres_does() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (10_751, "10 kB"),
            (10_752, "11 kB"),
            (10_485_247, "10239 kB"),
            (10_485_248, "10 MB"),
            (1_073_741_824, "1024 MB"),
            (-10_752, "-11 kB"),
            (i64::MAX, "8192 PB"),
        ] {
            assert_eq!(size_pretty(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn encodings_have_the_numbers_of_postgres() {
        assert_eq!(
            (encoding_name(6), encoding_name(41), encoding_name(42)),
            ("UTF8", "SHIFT_JIS_2004", "")
        );
        assert_eq!(
            (
                encoding_number("utf-8"),
                encoding_number("UNICODE"),
                encoding_number("klingon")
            ),
            (6, 6, -1)
        );
    }
}
