//! `[[source]]`.

use std::collections::HashMap;

use super::{Names, check_currency, read_zone};
use crate::config::errors::{Place, Problem};
use crate::config::reader::{Reader, Section, Text, did_you_mean};
use crate::config::{Expression, SourceConfig};
use crate::currency;
use crate::error::nearest;
use crate::kind::Kind;
use crate::relation::{self, PERENNIAL, PUBLIC, RAW};

const DEFAULT_MAX_BAD_ROWS: f64 = 0.01;
/// People write their words by hand, and one that is wrong says nothing of the others.
const DEFAULT_MAX_BAD_WORDS: f64 = 0.5;

pub(super) fn read(reader: &mut Reader, root: &Section<'_>) -> Vec<SourceConfig> {
    let mut names = Names::new("source");
    let mut mapped = Mapped::default();
    let mut sources = Vec::new();
    for section in reader.list(root, "source") {
        let name = reader.needed_name(&section, "name");
        if let Some(name) = name {
            names.add(reader, name);
        }
        let source = read_source(reader, &section, name.map_or("", |name| name.text), &mut mapped);
        sources.extend(source);
    }
    sources
}

/// Identifier types and traits seen so far, with the line of their first use: each is a column of `customers`.
#[derive(Default)]
struct Mapped {
    identifiers: HashMap<String, usize>,
    traits: HashMap<String, usize>,
}

fn read_source(
    reader: &mut Reader,
    section: &Section<'_>,
    name: &str,
    mapped: &mut Mapped,
) -> Option<SourceConfig> {
    let kind = read_kind(reader, section);
    let path = reader.needed(
        section,
        "path",
        "add path = \"folder/\": a folder or a glob below the lake's root",
    );
    if let Some(path) = path {
        check_path(reader, section, path);
    }
    check_format(reader, section);
    let record_key = reader.expression(section, "record_key");
    let time = reader.expression(section, "time");
    let updated_at = reader.expression(section, "updated_at");
    let zone = read_zone(reader, section);
    let identifiers = reader.expressions(section, "identifiers");
    let traits = reader.expressions(section, "traits");
    let columns = reader.expressions(section, "columns");
    let filter = reader.expression(section, "where");
    let max_bad_rows = reader
        .number(section, "max_bad_rows", 0.0..=1.0)
        .unwrap_or(match kind {
            Some(Kind::IdentityOverride) => DEFAULT_MAX_BAD_WORDS,
            _ => DEFAULT_MAX_BAD_ROWS,
        });
    let schema = reader.text(section, "schema");
    if let Some(kind) = kind {
        check_moment(reader, section, kind, [&record_key, &time, &updated_at]);
        check_person(reader, section, kind, identifiers.as_deref(), traits.as_deref());
        check_columns(reader, section, kind, columns.as_deref().unwrap_or_default());
        check_written_currency(reader, section, columns.as_deref().unwrap_or_default());
        check_written_survey(reader, section, columns.as_deref().unwrap_or_default());
        check_schema(reader, section, kind, name, schema);
    }
    for (identifier, _) in identifiers.iter().flatten() {
        let (known, other) = (&mut mapped.identifiers, &mapped.traits);
        check_customer_column(
            reader,
            section,
            *identifier,
            ("identifiers", "trait"),
            known,
            other,
        );
    }
    for (name, _) in traits.iter().flatten() {
        let (known, other) = (&mut mapped.traits, &mapped.identifiers);
        check_customer_column(
            reader,
            section,
            *name,
            ("traits", "identifier type"),
            known,
            other,
        );
    }
    let owned = |pairs: Option<Vec<(Text<'_>, Expression)>>| {
        pairs
            .into_iter()
            .flatten()
            .map(|(name, sql)| (name.text.to_owned(), sql))
            .collect::<Vec<_>>()
    };
    let path = path?;
    Some(SourceConfig {
        name: name.to_owned(),
        kind: kind?,
        kind_at: section.place_of("kind").spot(),
        path: path.text.to_owned(),
        path_at: path.place.spot(),
        record_key,
        time,
        updated_at,
        zone,
        identifiers: owned(identifiers),
        traits: owned(traits),
        columns: owned(columns),
        filter,
        max_bad_rows,
        schema: schema.map_or(PUBLIC, |schema| schema.text).to_owned(),
        at: section.place.spot(),
    })
}

fn read_kind(reader: &mut Reader, section: &Section<'_>) -> Option<Kind> {
    let remedy = format!(
        "add kind = \"profile\"; known: {}",
        Kind::ALL.map(Kind::name).join(", ")
    );
    if reader.node(section, "kind").is_none() {
        reader.missing(section, "kind", remedy);
    }
    reader.choice(section, "kind")?.parse().ok()
}

fn check_format(reader: &mut Reader, section: &Section<'_>) {
    if let Some(format) = reader
        .text(section, "format")
        .filter(|format| format.text != "parquet")
    {
        let reason = format!("is \"{}\", which is not supported by this version", format.text);
        let remedy = "land the table's rows as Parquet files, and name their folder in path";
        reader.invalid(section, "format", format.place, reason, remedy);
    }
}

fn check_path(reader: &mut Reader, section: &Section<'_>, path: Text<'_>) {
    let absolute = path.text.starts_with('/') || path.text.contains("://") || path.text.contains('\\');
    let remedy = "write a folder as \"crm/contacts/\" or a glob as \"crm/*.parquet\"";
    if absolute || path.text.split('/').any(|part| part == "..") {
        reader.invalid(section, "path", path.place, "leaves the lake", remedy);
    } else if path.text.split('/').next() == Some("_perennial") {
        reader.invalid(
            section,
            "path",
            path.place,
            "is the folder of Perennial's own tables",
            remedy,
        );
    }
}

/// `time` where the kind has a moment, `updated_at` only where versions of a key exist.
fn check_moment(
    reader: &mut Reader,
    section: &Section<'_>,
    kind: Kind,
    [record_key, time, updated_at]: [&Option<Expression>; 3],
) {
    let given = |key: &str| section.entries.iter().any(|entry| entry.key == key);
    if kind.timed() && !given("time") {
        let remedy = "add time = \"…\": the column or expression that says when a row became true";
        reader.missing(section, "time", remedy);
    } else if !kind.timed() && time.is_some() {
        let remedy = match kind {
            Kind::Spend | Kind::FxRate => "write columns = { date = \"…\" }: the day",
            Kind::OrderItem => "take it out; the time of the order counts",
            _ => "take it out",
        };
        let reason = format!("has no meaning for kind \"{kind}\"");
        reader.invalid(section, "time", &section.place_of("time"), reason, remedy);
    }
    if kind == Kind::Subscription && !given("record_key") {
        let remedy = "add record_key = \"subscription_id\": the rows of one subscription are its changes";
        reader.missing(section, "record_key", remedy);
    }
    if updated_at.is_some() && record_key.is_none() && !given("record_key") {
        let place = section.place_of("updated_at");
        let remedy = "add record_key = \"…\", or take updated_at out";
        reader.invalid(
            section,
            "updated_at",
            &place,
            "orders the versions of a key, and there is none",
            remedy,
        );
    }
}

/// Identifiers where rows concern a person, traits where they describe one.
fn check_person(
    reader: &mut Reader,
    section: &Section<'_>,
    kind: Kind,
    identifiers: Option<&[(Text<'_>, Expression)]>,
    traits: Option<&[(Text<'_>, Expression)]>,
) {
    match identifiers {
        None if kind.person_bearing() => {
            let remedy = "add identifiers = { email = \"…\" }: identifier type to column; \
                          {} says that the source has none";
            reader.missing(section, "identifiers", remedy);
        }
        Some([_, ..]) if !kind.person_bearing() => {
            let remedy = match kind {
                Kind::OrderItem | Kind::Refund => "take them out; the customer is that of the order",
                _ => "take them out",
            };
            let reason = format!("have no meaning for kind \"{kind}\"");
            reader.invalid(
                section,
                "identifiers",
                &section.place_of("identifiers"),
                reason,
                remedy,
            );
        }
        _ => {}
    }
    if kind != Kind::Profile && traits.is_some_and(|traits| !traits.is_empty()) {
        let remedy = "name the source a second time with kind = \"profile\", and map them there";
        let reason = format!("have no meaning for kind \"{kind}\"");
        reader.invalid(section, "traits", &section.place_of("traits"), reason, remedy);
    }
}

fn check_columns(reader: &mut Reader, section: &Section<'_>, kind: Kind, columns: &[(Text<'_>, Expression)]) {
    let known = || kind.columns().iter().map(|column| column.name);
    for (name, _) in columns {
        if known().any(|column| column == name.text) {
            continue;
        }
        let remedy = match name.text {
            key @ ("record_key" | "time" | "updated_at" | "identifiers" | "traits") => {
                format!("{key} is a key of the source itself: write {key} = … on a line of its own")
            }
            text if known().next().is_none() => {
                let instead = if kind == Kind::Profile {
                    "; write it into traits"
                } else {
                    ""
                };
                format!(
                    "kind \"{kind}\" has no columns to map, \"{text}\" stays available in schema raw{instead}"
                )
            }
            text => did_you_mean(text, known(), "column"),
        };
        let (what, label) = (format!("column of kind \"{kind}\""), section.label.clone());
        let problem = Problem::UnknownName {
            what,
            name: name.text.to_owned(),
            section: label,
            remedy,
        };
        reader.report(name.place, problem);
    }
    for column in kind.columns().iter().filter(|column| column.required) {
        // A name that is nearly right has been reported.
        let meant = |name: &str| name == column.name || nearest(name, known()) == Some(column.name);
        if !columns.iter().any(|(name, _)| meant(name.text)) && well_formed(section, column.name) {
            let remedy = format!(
                "add {} = \"…\" to columns: {}",
                column.name,
                column.comment.to_lowercase()
            );
            reader.missing(section, &format!("columns.{}", column.name), remedy);
        }
    }
}

/// A currency that is written out, as in `currency = "'EUR'"`. That of rows is compared in upper case, and a blank one is
/// none.
fn check_written_currency(reader: &mut Reader, section: &Section<'_>, columns: &[(Text<'_>, Expression)]) {
    if let Some((code, place)) = written_out(columns, "currency")
        && !code.is_empty()
        && !currency::is_code(&code.to_uppercase())
    {
        check_currency(reader, section, "columns.currency", code, &place);
    }
}

/// A survey that is written out, as in `survey = "'nps'"`. Others than those of which something is worked out may be served,
/// but one that is nearly one of them is a slip.
fn check_written_survey(reader: &mut Reader, section: &Section<'_>, columns: &[(Text<'_>, Expression)]) {
    const KNOWN: [&str; 3] = ["nps", "csat", "ces"];
    let Some((survey, place)) = written_out(columns, "survey") else {
        return;
    };
    let known = KNOWN.iter().any(|known| known.eq_ignore_ascii_case(survey));
    if let Some(near) = nearest(survey, KNOWN).filter(|_| !known) {
        let reason = format!("is \"{survey}\", of which nothing is worked out");
        let remedy = format!("did you mean \"{near}\"?");
        reader.invalid(section, "columns.survey", &place, reason, remedy);
    }
}

/// The text of a column that is a constant, and its place.
fn written_out<'a>(columns: &'a [(Text<'_>, Expression)], name: &str) -> Option<(&'a str, Place)> {
    let (_, Expression { sql, at }) = columns.iter().find(|(column, _)| column.text == name)?;
    let inner = sql.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    let place = Place::Line {
        line: at.line,
        column: at.column,
    };
    (!inner.contains('\'')).then_some((inner.trim(), place))
}

/// Whether `columns` is a table or absent, and does not hold `name` with a value that was reported already.
fn well_formed(section: &Section<'_>, name: &str) -> bool {
    use crate::config::document::Value;
    match section
        .entries
        .iter()
        .find(|entry| entry.key == "columns")
        .map(|entry| &entry.node.value)
    {
        None => true,
        Some(Value::Table(entries)) => !entries.iter().any(|entry| entry.key == name),
        Some(_) => false,
    }
}

fn check_schema(
    reader: &mut Reader,
    section: &Section<'_>,
    kind: Kind,
    name: &str,
    schema: Option<Text<'_>>,
) {
    if kind != Kind::Table {
        if let Some(schema) = schema {
            let reason = format!("has no meaning for kind \"{kind}\"");
            reader.invalid(section, "schema", schema.place, reason, "take it out");
        }
        return;
    }
    if let Some(schema) = schema {
        let taken =
            [RAW, PERENNIAL, "information_schema"].contains(&schema.text) || schema.text.starts_with("pg_");
        if taken {
            reader.invalid(
                section,
                "schema",
                schema.place,
                "is a schema of the system",
                "choose another name",
            );
        } else {
            reader.plain_name(section, "schema", schema.text, schema.place);
        }
    }
    if schema.is_none_or(|schema| schema.text == PUBLIC) && relation::relation(PUBLIC, name).is_some() {
        let reason = format!("is \"{name}\", a unified relation of schema public");
        let remedy = "choose another name, or add schema = \"reference\"";
        reader.invalid(section, "name", &section.place_of("name"), reason, remedy);
    }
}

/// Identifier types and traits are columns of `customers` and `customer_360`: their names must be free.
fn check_customer_column(
    reader: &mut Reader,
    section: &Section<'_>,
    name: Text<'_>,
    (key, other_what): (&str, &str),
    known: &mut HashMap<String, usize>,
    other: &HashMap<String, usize>,
) {
    if !reader.plain_name(section, &format!("{key}.{}", name.text), name.text, name.place) {
        return;
    }
    if known.contains_key(name.text) {
        return;
    }
    known.insert(name.text.to_owned(), name.place.line());
    let fixed = ["customers", "customer_360"]
        .into_iter()
        .filter_map(|relation| relation::relation(PUBLIC, relation))
        .find(|relation| relation.columns.iter().any(|column| column.name == name.text));
    let path = format!("{key}.{}", name.text);
    if let Some(relation) = fixed {
        let reason = format!("is a column that {} has already", relation.name);
        reader.invalid(section, &path, name.place, reason, "choose another name");
    } else if let Some(line) = other.get(name.text) {
        let reason = format!("is the name of an {other_what} in line {line}").replace("an trait", "a trait");
        let remedy = "customers has one column for each: leave the trait out, or choose another name";
        reader.invalid(section, &path, name.place, reason, remedy);
    }
}
