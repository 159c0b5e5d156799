//! The proposal for one folder.

use std::collections::{BTreeSet, HashSet};

use super::kinds::{self, Offer};
use super::sql::{column_sql, expression, time_sql, value_sql};
use super::words::{self, Concept, plain};
use super::{ColumnFacts, ColumnShape, FolderFacts, ProposedSource};
use crate::config::SourceConfig;
use crate::kind::Kind;
use crate::relation::{self, PUBLIC};

/// Share of bad rows of a source that nobody has looked at yet: the default of the configuration.
const MAX_BAD_ROWS: f64 = 0.01;

/// A source in the making.
pub(super) struct Draft<'a> {
    pub(super) facts: &'a FolderFacts,
    pub(super) concepts: Vec<(Concept, &'a str)>,
    pub(super) config: SourceConfig,
    pub(super) reasons: Vec<(String, String)>,
    used: BTreeSet<&'a str>,
}

/// Drafts the source of a folder; `taken` holds the names of the sources before it.
pub(super) fn draft<'a>(facts: &'a FolderFacts, taken: &mut HashSet<String>) -> Draft<'a> {
    let concepts: Vec<(Concept, &str)> = facts
        .columns
        .iter()
        .flat_map(|column| {
            words::concepts(column)
                .into_iter()
                .map(move |concept| (concept, column.name.as_str()))
        })
        .collect();
    let (kind, why) = kinds::overrides(facts).unwrap_or_else(|| {
        kinds::choose(&Offer {
            concepts: &concepts,
            path: &facts.path,
        })
    });
    let mut draft = Draft {
        facts,
        concepts,
        config: SourceConfig {
            name: source_name(&facts.path, kind, taken),
            kind,
            // The root has no name of its own: the files that lie in it are meant.
            path: if facts.path.is_empty() {
                "*.parquet".to_owned()
            } else {
                facts.path.clone()
            },
            record_key: None,
            time: None,
            updated_at: None,
            zone: None,
            identifiers: Vec::new(),
            traits: Vec::new(),
            columns: Vec::new(),
            filter: None,
            max_bad_rows: MAX_BAD_ROWS,
            schema: PUBLIC.to_owned(),
            line: 0,
        },
        reasons: Vec::new(),
        used: BTreeSet::new(),
    };
    draft.reason("kind", why);
    let (files, rows) = (facts.files, facts.rows);
    let plural = if files == 1 { "file" } else { "files" };
    let partitions = match facts.partitions.as_slice() {
        [] => String::new(),
        names => format!(", partitioned by {}", names.join(", ")),
    };
    draft.reason("path", format!("{files} {plural}, {rows} rows{partitions}"));
    if let Some(mixed) = mixed(facts) {
        draft.reason("path", mixed);
    }
    draft.map_key();
    draft.map_time();
    draft.map_identifiers();
    draft.map_traits();
    draft.map_columns();
    draft
}

impl<'a> Draft<'a> {
    pub(super) fn finish(&self) -> ProposedSource {
        let names = self.facts.columns.iter().map(|column| column.name.as_str());
        let unmapped = names
            .filter(|name| !self.used.contains(name))
            .map(str::to_owned)
            .collect();
        ProposedSource {
            config: self.config.clone(),
            reasons: self.reasons.clone(),
            unmapped,
        }
    }

    /// That the folder holds more than one kind of files.
    pub(super) fn mixed_note(&self) -> Option<String> {
        mixed(self.facts).map(|mixed| format!("{}: {mixed}.", self.config.name))
    }

    fn reason(&mut self, key: &str, reason: impl Into<String>) {
        self.reasons.push((key.to_owned(), reason.into()));
    }

    pub(super) fn facts_of(&self, name: &str) -> Option<&'a ColumnFacts> {
        self.facts.columns.iter().find(|column| column.name == name)
    }

    /// The first column that says the concept and is not used as something else.
    fn free(&self, concept: Concept) -> Option<&'a ColumnFacts> {
        let mut named = self
            .concepts
            .iter()
            .filter(|(known, name)| *known == concept && !self.used.contains(name));
        named.next().and_then(|(_, name)| self.facts_of(name))
    }

    fn use_column(&mut self, column: &'a ColumnFacts) {
        self.used.insert(&column.name);
    }

    /// A key is only proposed when it was seen to be unique over all rows; contracts are the exception, for their
    /// rows are changes.
    fn map_key(&mut self) {
        if self.config.kind == Kind::Subscription {
            if let Some(column) = self.free(Concept::SubscriptionId) {
                self.config.record_key = Some(column_sql(column));
                self.reason(
                    "record_key",
                    "names the contract: the rows with one key are its changes",
                );
                self.use_column(column);
                return;
            }
            self.map_contract();
            return;
        }
        let facts = self.facts;
        let preferred = [
            Concept::Key,
            Concept::OrderId,
            Concept::CrmId,
            Concept::UserId,
            Concept::NationalId,
        ];
        let named = |column: &ColumnFacts, concept: Concept| {
            self.concepts
                .iter()
                .any(|(known, name)| *known == concept && *name == column.name)
        };
        let key_like = |column: &&ColumnFacts| {
            let name = plain(&column.name);
            let shaped = matches!(column.shape, ColumnShape::Text | ColumnShape::Int);
            let spelled = ["id", "key", "uuid", "guid", "nr", "number", "nummer"]
                .into_iter()
                .any(|ending| {
                    name == ending
                        || name
                            .strip_suffix(ending)
                            .is_some_and(|start| start.ends_with('_'))
                });
            let concept = preferred.into_iter().any(|concept| named(column, concept));
            // The order of a line or of a refund is not its own key.
            let own = !matches!(self.config.kind, Kind::OrderItem | Kind::Refund)
                || !named(column, Concept::OrderId);
            shaped && own && (spelled || concept)
        };
        let rank = |column: &&ColumnFacts| {
            preferred
                .into_iter()
                .position(|concept| named(column, concept))
                .unwrap_or(preferred.len())
        };
        let unique =
            |column: &&ColumnFacts| column.unique_over_all_rows == Some(true) && column.null_ratio == 0.0;
        let key = facts
            .columns
            .iter()
            .filter(key_like)
            .filter(unique)
            .min_by_key(rank);
        if let Some(column) = key {
            let rows = facts.rows;
            self.config.record_key = Some(column_sql(column));
            self.reason("record_key", format!("unique over all {rows} rows"));
            self.use_column(column);
            return;
        }
        if self.config.kind == Kind::Table {
            return;
        }
        if self.config.kind == Kind::FxRate {
            self.reason(
                "record_key",
                "no record_key: a rate is known by its day and currency",
            );
            return;
        }
        let named: Vec<&ColumnFacts> = facts.columns.iter().filter(key_like).collect();
        let quoted: Vec<String> = named
            .iter()
            .map(|column| format!("\"{}\"", column.name))
            .collect();
        let unchecked = named.iter().any(|column| column.unique_over_all_rows.is_none());
        let why = match quoted.as_slice() {
            [] => "no column is named like a key".to_owned(),
            [..] if unchecked => format!("whether {} is unique is not known", quoted.join(" or ")),
            [only] => format!("{only} is named like a key and is not unique, or has nulls"),
            several => format!("{} are named like keys, and none is unique", several.join(", ")),
        };
        let why = format!("no record_key: {why}: every row counts as its own fact");
        self.reason("record_key", why);
    }

    /// The key of contracts that have no id of their own: that of the rows where there is one, else the person, who is
    /// taken to have one contract at a time.
    fn map_contract(&mut self) {
        if let Some(column) = self.free(Concept::Key) {
            self.config.record_key = Some(column_sql(column));
            self.reason(
                "record_key",
                "taken to name the contract: the rows with one key are its changes",
            );
            self.use_column(column);
            return;
        }
        let persons = [
            Concept::UserId,
            Concept::CrmId,
            Concept::Email,
            Concept::Phone,
            Concept::NationalId,
        ];
        if let Some(column) = persons.into_iter().find_map(|concept| self.free(concept)) {
            self.config.record_key = Some(column_sql(column));
            self.reason(
                "record_key",
                "no column names the contract: a person is taken to have one at a time, of which the rows are the changes",
            );
        }
    }

    fn map_time(&mut self) {
        let kind = self.config.kind;
        if !kind.timed() {
            return;
        }
        let occurred = self.free(Concept::Occurred);
        let updated = self.free(Concept::Updated);
        // A profile says what is true since it was changed; a fact keeps the moment at which it happened.
        let by_name = if kind == Kind::Profile {
            updated.or(occurred)
        } else {
            occurred.or(updated)
        };
        if let Some(column) = by_name {
            let (sql, how) = time_sql(column);
            self.config.time = Some(expression(sql));
            let other = if kind == Kind::Profile && updated.is_some() {
                "when the row was changed last"
            } else {
                "by its name"
            };
            self.reason("time", format!("{other}{how}"));
            self.use_column(column);
            let versions = updated.filter(|other| other.name != column.name);
            if let (Some(other), Some(_)) = (versions, &self.config.record_key) {
                self.config.updated_at = Some(expression(time_sql(other).0));
                self.reason("updated_at", "orders the versions of one key");
                self.use_column(other);
            }
            return;
        }
        let birth = |name: &str| {
            self.concepts
                .iter()
                .any(|(concept, other)| *concept == Concept::Trait("birth_date") && *other == name)
        };
        let mut moments = self.facts.columns.iter().filter(|column| {
            matches!(column.shape, ColumnShape::Date | ColumnShape::Timestamp) && !birth(&column.name)
        });
        if let (Some(only), None) = (moments.next(), moments.next()) {
            self.config.time = Some(column_sql(only));
            self.reason("time", "the only date or time in the rows");
            self.use_column(only);
        } else {
            self.config.time = Some(expression("TIMESTAMP '1970-01-01 00:00:00'".to_owned()));
            self.reason(
                "time",
                "no column says when a row became true: 1970 stands for \"known from the beginning\", so that every \
                 source with real times is newer; first_seen_at and tenure of these customers mean nothing",
            );
        }
    }

    fn map_identifiers(&mut self) {
        if !self.config.kind.person_bearing() {
            return;
        }
        let types = [
            (Concept::UserId, "user_id"),
            (Concept::CrmId, "crm_id"),
            (Concept::NationalId, "national_id"),
            (Concept::Email, "email"),
            (Concept::Phone, "phone"),
            (Concept::AnonymousId, "anonymous_id"),
        ];
        for (concept, name) in types {
            let columns: Vec<&str> = self
                .concepts
                .iter()
                .filter(|(known, _)| *known == concept)
                .map(|(_, column)| *column)
                .collect();
            for (index, column) in columns.into_iter().enumerate() {
                let Some(column) = self.facts_of(column) else {
                    continue;
                };
                let identifier = if index == 0 {
                    name.to_owned()
                } else {
                    format!("{name}_{}", index + 1)
                };
                let why = match concept {
                    Concept::UserId if plain(&column.name) == "customer_id" => {
                        "called user_id, because customer_id is the person that Perennial resolves".to_owned()
                    }
                    Concept::Email => "values with an @".to_owned(),
                    Concept::NationalId => "one number for one person".to_owned(),
                    Concept::AnonymousId => "a browser or device, weaker than a name".to_owned(),
                    _ => "by its name".to_owned(),
                };
                self.config
                    .identifiers
                    .push((identifier.clone(), column_sql(column)));
                self.reason(&format!("identifiers.{identifier}"), why);
                self.use_column(column);
            }
        }
        if self.config.identifiers.is_empty() {
            let key = if self.config.record_key.is_some() {
                ": the record key is unique, so it joins nothing"
            } else {
                ""
            };
            self.reason(
                "identifiers",
                format!("no column points to the same person in another row or source{key}; each row is a customer of its own"),
            );
        }
    }

    /// Adds an identifier that another folder made known.
    pub(super) fn add_identifier(&mut self, name: &str, column: &str, reason: String) {
        if let Some(column) = self.facts_of(column) {
            self.config
                .identifiers
                .insert(0, (name.to_owned(), column_sql(column)));
            self.reasons.retain(|(key, _)| key != "identifiers");
            self.reason(&format!("identifiers.{name}"), reason);
        }
    }

    fn map_traits(&mut self) {
        if self.config.kind != Kind::Profile {
            return;
        }
        let traits: Vec<(&str, &str)> = self
            .concepts
            .iter()
            .filter_map(|(concept, column)| match concept {
                Concept::Trait(name) => Some((*name, *column)),
                _ => None,
            })
            .collect();
        let mut named = HashSet::new();
        for (name, column) in traits {
            let Some(column) = self.facts_of(column) else {
                continue;
            };
            // A second column for the same trait stays unmapped: which one is right is not ours to guess.
            if !self.used.contains(column.name.as_str()) && named.insert(name) {
                self.config.traits.push((name.to_owned(), column_sql(column)));
                self.use_column(column);
            }
        }
        if !self.config.traits.is_empty() {
            self.reason("traits", "by their names");
        }
    }

    fn map_columns(&mut self) {
        let wanted: &[(&str, &[Concept])] = match self.config.kind {
            Kind::Event => &[
                ("name", &[Concept::EventName]),
                ("channel", &[Concept::Channel]),
                ("campaign", &[Concept::Campaign]),
            ],
            Kind::Order => &[
                ("amount", &[Concept::Amount]),
                ("currency", &[Concept::Currency]),
                ("status", &[Concept::Status]),
                ("channel", &[Concept::Channel]),
                ("campaign", &[Concept::Campaign]),
                ("discount", &[Concept::Discount]),
                ("cost", &[Concept::Cost]),
            ],
            Kind::OrderItem => &[
                ("order_id", &[Concept::OrderId]),
                ("product_id", &[Concept::ProductId]),
                ("category", &[Concept::Category]),
                ("quantity", &[Concept::Quantity]),
                ("unit_price", &[Concept::UnitPrice]),
            ],
            Kind::Refund => &[("order_id", &[Concept::OrderId]), ("amount", &[Concept::Amount])],
            Kind::Subscription => &[
                ("plan", &[Concept::Plan]),
                ("mrr", &[Concept::Mrr, Concept::Amount]),
                ("status", &[Concept::Status]),
            ],
            Kind::Survey => &[
                ("survey", &[Concept::Survey]),
                ("score", &[Concept::Score]),
                ("comment", &[Concept::Comment]),
            ],
            Kind::Interaction => &[
                ("channel", &[Concept::Channel]),
                ("type", &[Concept::EventName, Concept::Category]),
                ("direction", &[Concept::Direction]),
                ("outcome", &[Concept::Outcome, Concept::Status]),
                ("sentiment", &[Concept::Sentiment]),
            ],
            Kind::Consent => &[("purpose", &[Concept::Purpose]), ("granted", &[Concept::Granted])],
            Kind::Spend => &[
                ("date", &[Concept::Occurred, Concept::Updated]),
                ("channel", &[Concept::Channel]),
                ("campaign", &[Concept::Campaign]),
                ("amount", &[Concept::Amount, Concept::Cost]),
                ("currency", &[Concept::Currency]),
            ],
            Kind::FxRate => &[
                ("date", &[Concept::Occurred, Concept::Updated]),
                ("currency", &[Concept::Currency]),
                ("rate", &[Concept::Rate]),
            ],
            Kind::IdentityOverride => {
                for wanted in self.config.kind.columns() {
                    if let Some(column) = self.facts_of(wanted.name) {
                        self.config
                            .columns
                            .push((wanted.name.to_owned(), column_sql(column)));
                        self.use_column(column);
                    }
                }
                return;
            }
            Kind::Profile | Kind::Table => &[],
        };
        for (name, concepts) in wanted {
            if let Some(column) = concepts.iter().find_map(|concept| self.free(*concept)) {
                let (sql, why) = value_sql(name, column);
                self.config.columns.push(((*name).to_owned(), expression(sql)));
                if let Some(why) = why {
                    self.reason(&format!("columns.{name}"), why);
                }
                self.use_column(column);
            } else {
                self.fill(name);
            }
        }
    }

    /// Columns that follow from others when no column says them.
    fn fill(&mut self, name: &str) {
        let (sql, why) = match (self.config.kind, name) {
            (Kind::OrderItem, "unit_price") => {
                let Some(amount) = self.free(Concept::Amount) else {
                    return;
                };
                let Some((_, quantity)) = self.config.columns.iter().find(|(name, _)| name == "quantity")
                else {
                    return;
                };
                let sql = format!("{} / nullif({}, 0)", value_sql("amount", amount).0, quantity.sql);
                self.use_column(amount);
                (sql, "the price of the line by its quantity".to_owned())
            }
            (Kind::Survey, "survey") => {
                let mut words = vec![self.facts.path.to_lowercase()];
                words.extend(self.concepts.iter().map(|(_, column)| column.to_lowercase()));
                let named = ["csat", "ces", "nps"]
                    .into_iter()
                    .find(|survey| words.iter().any(|word| word.contains(survey)));
                let why = match named {
                    Some(_) => "by the names of folder and columns",
                    None => "a guess from the scale of 0 to 10",
                };
                (format!("'{}'", named.unwrap_or("nps")), why.to_owned())
            }
            _ => return,
        };
        self.config.columns.push((name.to_owned(), expression(sql)));
        self.reason(&format!("columns.{name}"), why);
    }
}

/// What is said of a folder whose files have little in common, with what to do.
fn mixed(facts: &FolderFacts) -> Option<String> {
    let [first, others @ ..] = facts.unlike.as_slice() else {
        return None;
    };
    let others: Vec<String> = others.iter().map(|file| format!("\"{file}\"")).collect();
    let (folder, file) = first
        .rfind('/')
        .map_or(("", first.as_str()), |slash| first.split_at(slash + 1));
    let stem: String = file
        .chars()
        .take_while(|c| !c.is_ascii_digit() && *c != '.')
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "\"{first}\" and {} have few columns in common, but lie in one folder, which becomes one source: give each \
             kind of file a folder of its own, or a source with a pattern such as path = \"{folder}{stem}*.parquet\"",
            others.join(", ")
        )
    })
}

/// A name for the source from the last folder of its path that is none of `taken`.
fn source_name(path: &str, kind: Kind, taken: &mut HashSet<String>) -> String {
    let last = path
        .split('/')
        .rfind(|part| plain(part).starts_with(|c: char| c.is_ascii_alphabetic()));
    let stem = last.map_or("", |part| part.split('.').next().unwrap_or(part));
    let mut name: String = plain(stem).chars().take(50).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name = kind.name().to_owned();
    }
    if kind == Kind::Table && relation::relation(PUBLIC, &name).is_some() {
        name.push_str("_table");
    }
    let mut free = name.clone();
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = format!("{name}_{number}");
        number += 1;
    }
    free
}
