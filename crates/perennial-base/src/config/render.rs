//! Pieces of a configuration file that people read and change.

use super::{Expression, IdentifierConfig, Normalise, RoleConfig, SourceConfig};
use crate::relation::PUBLIC;

/// A text as a TOML value on one line: `"…"`, or `'…'` where that saves escapes (SQL has names in double quotes).
pub fn string(text: &str) -> String {
    let literal = text.contains(['"', '\\']) && !text.contains(|c: char| c == '\'' || c.is_control());
    if literal {
        return format!("'{text}'");
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A table of expressions on one line: `{ email = "email", phone = "tel" }`.
pub fn table(pairs: &[(String, Expression)]) -> String {
    if pairs.is_empty() {
        return "{}".to_owned();
    }
    let entries: Vec<String> = pairs
        .iter()
        .map(|(name, sql)| format!("{} = {}", key(name), string(&sql.sql)))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

/// A comment; line breaks in the text begin further comment lines.
pub fn comment(text: &str) -> String {
    text.lines()
        .map(|line| format!("# {line}\n").replace(|c: char| c.is_control() && c != '\n', " "))
        .collect()
}

/// `[[source]]` with the reason of each key as a comment above it. A reason whose key is not in the source stands
/// there too, for it says why. Reasons of single identifiers, traits and columns have keys such as
/// `columns.amount`.
pub fn source(source: &SourceConfig, reasons: &[(String, String)]) -> String {
    let mut text = String::from("[[source]]\n");
    let optional =
        |expression: &Option<Expression>| expression.as_ref().map(|expression| string(&expression.sql));
    let pairs =
        |pairs: &[(String, Expression)], always: bool| (always || !pairs.is_empty()).then(|| table(pairs));
    let lines = [
        ("name", Some(string(&source.name))),
        ("kind", Some(string(source.kind.name()))),
        ("path", Some(string(&source.path))),
        (
            "schema",
            (source.schema != PUBLIC).then(|| string(&source.schema)),
        ),
        ("record_key", optional(&source.record_key)),
        ("time", optional(&source.time)),
        ("updated_at", optional(&source.updated_at)),
        ("zone", source.zone.map(|zone| string(zone.name()))),
        (
            "identifiers",
            pairs(&source.identifiers, source.kind.person_bearing()),
        ),
        ("traits", pairs(&source.traits, false)),
        ("columns", pairs(&source.columns, false)),
        ("where", optional(&source.filter)),
    ];
    for (name, value) in lines {
        for (reason_key, reason) in reasons {
            let own = reason_key == name;
            let within = reason_key
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.'));
            match within {
                Some(entry) => text.push_str(&comment(&format!("{entry}: {reason}"))),
                None if own => text.push_str(&comment(reason)),
                None => {}
            }
        }
        if let Some(value) = value {
            text.push_str(&format!("{name} = {value}\n"));
        }
    }
    text
}

/// `[[identity.identifier]]` with its reason as a comment.
pub fn identifier(identifier: &IdentifierConfig, reason: &str) -> String {
    let mut text = comment(reason);
    text.push_str(&format!(
        "[[identity.identifier]]\ntype = {}\n",
        string(&identifier.name)
    ));
    match &identifier.normalise {
        Normalise::Text => {}
        Normalise::Email => text.push_str("normalise = \"email\"\n"),
        Normalise::EmailGmail => text.push_str("normalise = \"email_gmail\"\n"),
        Normalise::Phone(region) => text.push_str(&format!("normalise = \"phone:{region}\"\n")),
    }
    if !identifier.strong {
        text.push_str("strong = false\n");
    }
    for (name, value) in [
        ("limit", identifier.limit),
        ("max_customers", identifier.max_customers),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("{name} = {value}\n"));
        }
    }
    text
}

/// `[[role]]` with name, password verifier and ownership, each with its reason as a comment.
pub fn role(role: &RoleConfig) -> String {
    let mut text = String::from("[[role]]\n");
    text.push_str(&comment(
        "who logs in; every other person or program can have a [[role]] of its own",
    ));
    text.push_str(&format!("name = {}\n", string(&role.name)));
    if role.owner {
        text.push_str(&comment("an owner may do everything: it has the connections that are kept for owners, and may stop what others run"));
        text.push_str("owner = true\n");
    }
    if let Some(password) = &role.password {
        text.push_str(&comment("checks the password that init has printed and does not hold it; `perennial password` makes one for another"));
        text.push_str(&format!("password = {}\n", string(password)));
    }
    text
}

/// A key, in quotes where TOML wants them.
fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { name.to_owned() } else { string(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives_a_round_trip() {
        for text in [
            "plain",
            "with \"quotes\" and 'ticks'",
            "back\\slash",
            "line\nbreak",
            "tab\t",
            "bell\u{7}",
            "ünï ☃",
            "",
            "'''\"\"\"",
        ] {
            let document = format!("x = {}\n{} = 1\n", string(text), key(&format!("k{text}")));
            let parsed: toml::Table = document.parse().expect("valid TOML");
            assert_eq!(parsed["x"].as_str(), Some(text));
        }
    }

    #[test]
    fn a_comment_never_leaves_its_lines() {
        assert_eq!(comment("one\ntwo\u{7}"), "# one\n# two \n");
    }
}
