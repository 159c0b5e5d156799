//! Every section and key of `perennial.toml`, declared once: the reader, the environment and the reference page
//! all go by this list.

use std::fmt::Write;

use super::stage_facts::{Days, STAGE_FACTS};
use crate::kind::Kind;

mod sections;

pub use sections::{AUTHENTICATIONS, KINDS, PRESETS, RULES, SECTIONS};

/// How a section is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `[path]`, once.
    Table,
    /// `[[path]]`, any number of times.
    List,
    /// `key = { … }` within its parent.
    Inline,
}

/// A section and its keys.
#[derive(Debug, Clone, Copy)]
pub struct SectionSpec {
    /// Its path, as `lake` or `identity.identifier`.
    pub path: &'static str,
    /// How it is written.
    pub form: Form,
    /// What it is for.
    pub description: &'static str,
    /// Its keys, in the order of the reference page.
    pub keys: &'static [KeySpec],
    /// What further keys of the user's own are, where there are any.
    pub own_keys: Option<&'static str>,
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// Its name.
    pub name: &'static str,
    /// The type of its value.
    pub value: ValueType,
    /// Its default, as it would be written or in words; empty = the key is needed.
    pub default: &'static str,
    /// Its unit; empty = none.
    pub unit: &'static str,
    /// What it says.
    pub description: &'static str,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A SQL expression over the source's own columns.
    Sql,
    /// A table of SQL expressions by name.
    SqlTable,
    /// A list of texts.
    TextList,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A text such as `10s` or `90 days`.
    Duration,
    /// A duration, or a table with `gap_multiple`, `min` and `max`.
    Window,
    /// A text such as `512MiB` or `20GB`.
    Size,
    /// A number, a duration, a truth value or a word.
    Bound,
    /// A rule's name, or a table with `rule` and `order`.
    Rule,
    /// A list of tables of conditions.
    Conditions,
    /// Part of the design and not of this version; with what to do instead.
    Unsupported(&'static str),
}

impl ValueType {
    /// The type with its article, for messages and the reference page.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Text | Self::Choice(_) => "a text",
            Self::Sql => "a text with a SQL expression",
            Self::SqlTable => "a table of SQL expressions",
            Self::TextList => "a list of texts",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Duration => "a duration",
            Self::Window => "a duration or a table",
            Self::Size => "a size",
            Self::Bound => "a number, a duration, a word or a truth value",
            Self::Rule => "a rule or a table",
            Self::Conditions => "a list of tables of conditions",
            Self::Unsupported(_) => "not supported",
        }
    }

    /// Whether the environment can set it: one value, not a list or a table.
    pub fn scalar(self) -> bool {
        !matches!(
            self,
            Self::SqlTable | Self::TextList | Self::Conditions | Self::Unsupported(_)
        )
    }
}

impl SectionSpec {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static KeySpec> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// All names that may stand directly within this section.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name).chain(self.children())
    }

    /// Names of the sections that stand directly within this one.
    pub fn children(&self) -> impl Iterator<Item = &'static str> {
        let parent = self.path;
        SECTIONS
            .iter()
            .filter(|section| section.form != Form::Inline)
            .filter_map(move |section| {
                let name = match parent {
                    "" => section.path,
                    parent => section.path.strip_prefix(parent)?.strip_prefix('.')?,
                };
                (!name.contains('.')).then_some(name)
            })
    }

    /// How the section is written in a file.
    pub fn header(&self) -> String {
        match self.form {
            Form::Table => format!("[{}]", self.path),
            Form::List => format!("[[{}]]", self.path),
            Form::Inline => format!("\"{}\"", self.path),
        }
    }
}

/// The file itself, as the parent of the sections.
pub const ROOT: SectionSpec = SectionSpec {
    path: "",
    form: Form::Table,
    description: "The configuration file.",
    keys: &[],
    own_keys: None,
};

/// The section of that path.
pub fn section(path: &str) -> Option<&'static SectionSpec> {
    SECTIONS.iter().find(|section| section.path == path)
}

/// The environment variable that overrides a key of a section that stands once.
pub fn environment_name(section: &str, key: &str) -> String {
    format!(
        "PERENNIAL__{}__{}",
        section.replace('.', "__").to_uppercase(),
        key.to_uppercase()
    )
}

/// Every key that the environment can override, with its section.
pub fn environment_keys() -> impl Iterator<Item = (&'static SectionSpec, &'static KeySpec)> {
    SECTIONS
        .iter()
        .filter(|section| section.form == Form::Table)
        .flat_map(|section| section.keys.iter().map(move |key| (section, key)))
        .filter(|(_, key)| key.value.scalar())
}

/// The reference page of the configuration file, in Markdown.
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# perennial.toml\n\nA duration is a number with a unit (`ms`, `s`, `min`, `h`, `d`, `w` or the English word): `10s`, \
         `90 days`. A size is a number with a unit: `20GB` is 20,000,000,000 bytes, `512MiB` is 536,870,912 bytes. \
         An unknown key is an error. Relative paths start at the folder of the file. A variable of the \
         environment named `PERENNIAL__SECTION__KEY` overrides a key that holds one value in a section that \
         stands once, as `PERENNIAL__SERVER__LISTEN`.\n",
    );
    for section in SECTIONS {
        let title = match section.form {
            Form::Inline => section.path.to_owned(),
            Form::Table | Form::List => section.header(),
        };
        push(
            &mut page,
            format_args!("\n## `{title}`\n\n{}\n", section.description),
        );
        if !section.keys.is_empty() {
            page.push_str("\n| key | type | default | unit | meaning |\n|---|---|---|---|---|\n");
        }
        for key in section.keys {
            let default = match key.default {
                "" => "needed".to_owned(),
                default => default.to_owned(),
            };
            let (value, meaning) = match key.value {
                ValueType::Choice(words) => (format!("`{}`", words.join("`, `")), key.description.to_owned()),
                ValueType::Unsupported(remedy) => (
                    "not supported by this version".to_owned(),
                    format!("{}; instead: {remedy}", key.description),
                ),
                value => (value.describe().to_owned(), key.description.to_owned()),
            };
            push(
                &mut page,
                format_args!(
                    "| `{}` | {value} | {default} | {} | {meaning} |\n",
                    key.name, key.unit
                ),
            );
        }
        if let Some(own) = section.own_keys {
            push(&mut page, format_args!("\nEvery other key is {own}.\n"));
        }
        match section.path {
            "source" => push_columns(&mut page),
            "server.access" => page.push_str(ACCESS),
            "lifecycle.stage" => push_facts(&mut page),
            _ => {}
        }
    }
    page
}

/// How somebody says that two records are one person's.
const WORD: &str = r#"
```toml
[[source]]
name = "desk"
kind = "identity_override"
path = "desk/"
record_key = "ticket"
time = "said_at"
columns = { source_a = "source_a", record_a = "record_a", source_b = "source_b", record_b = "record_b", verdict = "verdict" }
```

A file of such words is landed as any other. Here the records `4711` and `4712` of the source `crm` are one person's; a later word on the same two, or a row of the same ticket, takes it back.

```sh
perennial query --format parquet "SELECT 'T-17' AS ticket, TIMESTAMPTZ '2026-02-01 09:30:00Z' AS said_at, 'crm' AS source_a, '4711' AS record_a, 'crm' AS source_b, '4712' AS record_b, 'same' AS verdict" > t-17.parquet
mkdir -p lake/desk && mv t-17.parquet lake/desk/
```
"#;

/// Who may log in, written out.
const ACCESS: &str = r#"
```toml
[server]
listen = "0.0.0.0:5433"
tls_certificate = "server.pem"
tls_key = "server.key"
tls_client_ca = "clients.pem"

# Who runs the server, by its Unix socket.
[[server.access]]
connection = "local"
method = "trust"

# The jobs of one network have certificates.
[[server.access]]
connection = "hostssl"
address = "10.20.0.0/16"
roles = ["loader"]
method = "cert"

# Nobody else is the loader.
[[server.access]]
connection = "host"
address = "all"
roles = ["loader"]
method = "reject"

# Everybody else has a password.
[[server.access]]
connection = "hostssl"
address = "all"
method = "scram-sha-256"
```

TCP is open where a rule is for it. From another address than the loopback nobody is let in without TLS, whatever a rule says, and `trust` of other machines is an error. `check` and `serve` warn of a rule that no connection reaches, as one before it fits all that it fits.
"#;

/// The canonical columns of the kinds.
fn push_columns(page: &mut String) {
    page.push_str(
        "\nThe columns that `columns` may name:\n\n| kind | column | type | null | meaning |\n|---|---|---|---|---|\n",
    );
    for kind in Kind::ALL {
        for column in kind.columns() {
            let (name, sql_type) = (column.name, column.column_type.sql_name());
            let null = if column.required { "rejects the row" } else { "yes" };
            push(
                page,
                format_args!(
                    "| `{kind}` | `{name}` | {sql_type} | {null} | {} |\n",
                    column.comment
                ),
            );
        }
    }
    page.push_str(
        "\nA word of a person, of kind `identity_override`, names each record by its source and its `record_key`, or by \
         `<path>:<row>` in a source without one, rows counted from 0; `time` is when it was said, and of two words that \
         contradict each other the newer counts. `perennial.identity_overrides` tells what became of each.\n",
    );
    page.push_str(WORD);
}

/// The facts of the language of stages.
fn push_facts(page: &mut String) {
    page.push_str("\n| fact | compared with | `days` | what it says |\n|---|---|---|---|\n");
    for fact in STAGE_FACTS {
        let days = match fact.fact_type.days() {
            Days::No => "",
            Days::May => "may be given",
            Days::Must => "needed",
        };
        let named = if fact.fact_type.named() {
            "; `name` picks events"
        } else {
            ""
        };
        let (name, bounds, description) = (fact.name, fact.fact_type.bounds(), fact.description);
        push(
            page,
            format_args!("| `{name}` | {bounds}{named} | {days} | {description} |\n"),
        );
    }
    page.push_str(
        "\nA fact of `[lifecycle.facts]` is a count of its rows, within the last `days` when these are given. \
         A fact that is unknown fulfils no comparison. Lengths of time (`silence`, `tenure`, `returned_within`, \
         `restarted_within`) are half-open, however they are written: a silence that reaches a window has left it.\n\
         \nStages that no customer can be in are errors: those whose conditions exclude each other or ask for what there \
         is not, such as an `nps_latest` of 11 or `closed` without the fact `closing`, and those whose customers are all in \
         earlier stages. The last one is needed, and nobody need be left for it. What depends on values is not told: an \
         amount (`revenue`, `mrr`) may be negative or unknown, so that `mrr = { at_least = 0 }` does not take everybody, \
         and answers of CSAT have no scale of their own; nor are stages that can be fulfilled in very many ways. Of two stages whose ranges of the same facts overlap in \
         part, such as `orders` from 1 to 5 and from 4 to 9, the first counts, and `check` and `unify` warn of them.\n",
    );
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = page.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_keys_are_unique_and_described() {
        for (index, section) in SECTIONS.iter().enumerate() {
            assert!(
                SECTIONS
                    .iter()
                    .skip(index + 1)
                    .all(|other| other.path != section.path),
                "{}",
                section.path
            );
            assert!(section.description.ends_with('.'), "{}", section.path);
            for (index, key) in section.keys.iter().enumerate() {
                assert!(
                    section
                        .keys
                        .iter()
                        .skip(index + 1)
                        .all(|other| other.name != key.name),
                    "{}",
                    key.name
                );
                assert!(!key.description.is_empty(), "{}.{}", section.path, key.name);
            }
        }
        assert_eq!(KINDS, Kind::ALL.map(Kind::name));
    }

    #[test]
    fn the_reference_names_every_section_and_key() {
        let page = reference_markdown();
        for section in SECTIONS {
            let heading = format!("\n## `{}`\n", section.header().trim_matches('"'));
            let (_, rest) = page.split_once(&heading).expect("a heading for each section");
            let part = rest.split("\n## ").next().unwrap_or_default();
            for key in section.keys {
                assert!(
                    part.contains(&format!("\n| `{}` | ", key.name)),
                    "{}.{}",
                    section.path,
                    key.name
                );
            }
        }
    }

    #[test]
    fn the_reference_names_every_column_that_a_mapping_may_fill() {
        let page = reference_markdown();
        for kind in Kind::ALL {
            for column in kind.columns() {
                let row = format!("\n| `{kind}` | `{}` | ", column.name);
                assert!(page.contains(&row), "{kind}.{}", column.name);
            }
        }
    }

    #[test]
    fn environment_names_are_unique() {
        let names: Vec<String> = environment_keys()
            .map(|(section, key)| environment_name(section.path, key.name))
            .collect();
        assert!(
            names
                .iter()
                .enumerate()
                .all(|(at, name)| !names.iter().skip(at + 1).any(|other| other == name))
        );
        assert!(names.contains(&"PERENNIAL__SERVER__LISTEN".to_owned()));
        assert!(names.contains(&"PERENNIAL__IDENTITY__SURVIVORSHIP__DEFAULT".to_owned()));
        assert!(!names.contains(&"PERENNIAL__IDENTITY__BLOCKED".to_owned()));
    }
}
