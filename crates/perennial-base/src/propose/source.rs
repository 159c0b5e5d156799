//! The proposal for one folder.

use std::collections::{BTreeSet, HashSet};

use super::kinds::{self, Offer};
use super::moments::{named_moment, says_zone};
use super::sql::{column_sql, expression, literal, quote, time_sql, trait_sql, value_sql};
use super::words::{self, Concept, plain};
use super::{ColumnFacts, FolderFacts, ProposedSource};
use crate::config::{SourceConfig, Spot};
use crate::error::counted;
use crate::kind::Kind;
use crate::relation::{self, PUBLIC};

/// Share of bad rows of a source that nobody has looked at yet: the default of the configuration.
const MAX_BAD_ROWS: f64 = 0.01;

/// States of orders that are none yet.
const BASKETS: &[&str] = &[
    "draft",
    "cart",
    "basket",
    "abandoned",
    "checkout",
    "quote",
    "entwurf",
    "warenkorb",
    "angebot",
];
/// States that are told beside the mapping; more are no states.
const MOST_STATES: usize = 12;

/// A source in the making.
pub(super) struct Draft<'a> {
    pub(super) facts: &'a FolderFacts,
    pub(super) concepts: Vec<(Concept, &'a str)>,
    pub(super) config: SourceConfig,
    pub(super) reasons: Vec<(String, String)>,
    /// What orders the versions of the key, where several have landed.
    pub(super) versions_by: Option<&'a ColumnFacts>,
    used: BTreeSet<&'a str>,
}

/// Drafts the source of a folder; `taken` holds the names of the sources before it.
pub(super) fn draft<'a>(facts: &'a FolderFacts, taken: &mut HashSet<String>) -> Draft<'a> {
    let concepts = words::of_folder(facts);
    let (kind, why) = kinds::overrides(facts).unwrap_or_else(|| {
        kinds::choose(&Offer {
            concepts: &concepts,
            facts,
        })
    });
    let (name, named) = source_name(&facts.path, kind, taken);
    let mut draft = Draft {
        facts,
        concepts,
        config: SourceConfig {
            name,
            kind,
            kind_at: Spot::default(),
            // The root has no name of its own: the files that lie in it are meant.
            path: if facts.path.is_empty() {
                "*.parquet".to_owned()
            } else {
                facts.path.clone()
            },
            path_at: Spot::default(),
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
            at: Spot::default(),
        },
        reasons: Vec::new(),
        versions_by: None,
        used: BTreeSet::new(),
    };
    draft.reason("name", named);
    draft.reason("kind", why);
    let (files, rows) = (facts.files as u64, facts.rows);
    let partitions = match facts.partitions.as_slice() {
        [] => String::new(),
        names => format!(", partitioned by {}", names.join(", ")),
    };
    draft.reason(
        "path",
        format!("{}, {}{partitions}", counted(files, "file"), counted(rows, "row")),
    );
    if let Some(mixed) = mixed(facts) {
        draft.reason("path", mixed);
    }
    draft.map_key();
    draft.map_time();
    draft.map_identifiers();
    draft.map_traits();
    draft.map_columns();
    draft.map_states();
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

    pub(super) fn reason(&mut self, key: &str, reason: impl Into<String>) {
        self.reasons.push((key.to_owned(), reason.into()));
    }

    pub(super) fn facts_of(&self, name: &str) -> Option<&'a ColumnFacts> {
        self.facts.columns.iter().find(|column| column.name == name)
    }

    /// The first column that says the concept and is not used as something else.
    pub(super) fn free(&self, concept: Concept) -> Option<&'a ColumnFacts> {
        let mut named = self
            .concepts
            .iter()
            .filter(|(known, name)| *known == concept && !self.used.contains(name));
        named.next().and_then(|(_, name)| self.facts_of(name))
    }

    pub(super) fn use_column(&mut self, column: &'a ColumnFacts) {
        self.used.insert(&column.name);
    }

    fn map_time(&mut self) {
        let kind = self.config.kind;
        if !kind.timed() {
            return;
        }
        let occurred = self.free(Concept::Occurred);
        let updated = self.free(Concept::Updated);
        // A profile says what is true since it was changed; a fact keeps the moment at which it happened.
        let profile = kind == Kind::Profile;
        let chosen = if profile {
            updated.or(occurred)
        } else {
            occurred.or(updated)
        };
        let Some(column) = chosen else {
            self.untimed();
            return;
        };
        let (sql, how) = time_sql(column);
        self.config.time = Some(expression(sql));
        let why = if profile && updated.is_some() {
            "when the row was changed last"
        } else if named_moment(column) {
            "by its name"
        } else {
            "the only date or time in the rows"
        };
        let others: Vec<String> = self
            .concepts
            .iter()
            .filter(|(concept, name)| *concept == Concept::Occurred && *name != column.name && !profile)
            .map(|(_, name)| format!("\"{name}\""))
            .collect();
        let beside = if others.is_empty() {
            String::new()
        } else {
            format!("; there are {} too", others.join(", "))
        };
        self.reason("time", format!("{why}{how}{beside}"));
        self.use_column(column);
        self.map_versions(column);
        if !says_zone(column) {
            self.reason(
                "zone",
                "times without a zone are read in the zone of [time], UTC where that is not set: write zone = \"…\" where \
                 the system writes other clocks' time",
            );
        }
    }

    /// No column says when the rows became true, or not in a form that is known.
    fn untimed(&mut self) {
        let named = self.facts.columns.iter().find(|column| named_moment(column));
        let unread = match named.and_then(|column| Some((column, column.samples.first()?))) {
            Some((column, sample)) => format!(
                "; \"{}\" is named like a time and holds \"{sample}\", which is no form that is read by itself: write what makes \
                 a time of it, such as time = \"to_timestamp({}, '%d/%m/%Y')\"",
                column.name,
                quote(&column.name)
            ),
            None => String::new(),
        };
        self.config.time = Some(expression("TIMESTAMP '1970-01-01 00:00:00'".to_owned()));
        self.reason(
            "time",
            format!(
                "no column says when a row became true: 1970 stands for \"known from the beginning\", so that every source \
                 with real times is newer; first_seen_at and tenure of these customers mean nothing{unread}"
            ),
        );
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
            let why = if self.config.kind != Kind::Profile {
                "no column points to a person: the rows are nobody's".to_owned()
            } else {
                let key = if self.config.record_key.is_some() {
                    ": the record key is unique, so it joins nothing"
                } else {
                    ""
                };
                format!(
                    "no column points to the same person in another row or source{key}; each row is a customer of its own"
                )
            };
            self.reason("identifiers", why);
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
                let (sql, why) = trait_sql(name, column);
                self.config.traits.push((name.to_owned(), expression(sql)));
                if let Some(why) = why {
                    self.reason(&format!("traits.{name}"), why);
                }
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
                ("type", &[Concept::EventName, Concept::Topic, Concept::Category]),
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
                let mut by_name = Vec::new();
                for wanted in self.config.kind.columns() {
                    if let Some(column) = self.facts_of(wanted.name) {
                        self.config
                            .columns
                            .push((wanted.name.to_owned(), column_sql(column)));
                        by_name.push(wanted.name);
                        self.use_column(column);
                    }
                }
                self.reason_by_name(&by_name);
                return;
            }
            Kind::Profile | Kind::Table => &[],
        };
        let mut by_name = Vec::new();
        for (name, concepts) in wanted {
            if let Some(column) = concepts.iter().find_map(|concept| self.free(*concept)) {
                let (sql, why) = value_sql(name, column);
                self.config.columns.push(((*name).to_owned(), expression(sql)));
                match why {
                    Some(why) => self.reason(&format!("columns.{name}"), why),
                    None => by_name.push(*name),
                }
                self.use_column(column);
            } else {
                self.fill(name);
            }
        }
        self.reason_by_name(&by_name);
    }

    /// The reason of columns that are taken as they are.
    fn reason_by_name(&mut self, columns: &[&str]) {
        let by = match columns {
            [] => return,
            [_] => "by its name, and its values are of a type that fits",
            _ => "by their names, and their values are of types that fit",
        };
        self.reason("columns", format!("{}: {by}", columns.join(", ")));
    }

    /// What the sampled states of orders say: a basket that was left is no order.
    fn map_states(&mut self) {
        if self.config.kind != Kind::Order {
            return;
        }
        let named = self
            .concepts
            .iter()
            .find(|(concept, _)| *concept == Concept::Status);
        let Some(column) = named.and_then(|(_, name)| self.facts_of(name)) else {
            return;
        };
        let states: Vec<&str> = column.samples.iter().map(String::as_str).collect();
        if (1..=MOST_STATES).contains(&states.len()) {
            self.reason(
                "columns.status",
                format!(
                    "sampled: {}; those that are no purchase belong into unpaid_statuses of [lifecycle]",
                    states.join(", ")
                ),
            );
        }
        let baskets: Vec<String> = states
            .iter()
            .filter(|state| BASKETS.contains(&state.trim().to_lowercase().as_str()))
            .map(|state| format!("{} IS DISTINCT FROM {}", quote(&column.name), literal(state)))
            .collect();
        if !baskets.is_empty() && baskets.len() < states.len() {
            self.config.filter = Some(expression(baskets.join(" AND ")));
            self.reason("where", "a basket that was left, or an offer, is no order");
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
    let pattern = match stem.as_str() {
        "" => String::new(),
        stem => format!(", or a source with a pattern such as path = \"{folder}{stem}*.parquet\""),
    };
    (!others.is_empty()).then(|| {
        format!(
            "\"{first}\" and {} have few columns in common, but lie in one folder, which becomes one source: give each \
             kind of file a folder of its own{pattern}",
            others.join(", ")
        )
    })
}

/// Files of their own that have the same columns as an earlier one: parts of one table, or the same rows again.
pub(super) fn alike(drafts: &[Draft<'_>]) -> Vec<String> {
    let columns = |draft: &Draft<'_>| -> BTreeSet<String> {
        let columns = draft.facts.columns.iter();
        columns.map(|column| column.name.clone()).collect()
    };
    let several = |path: &str| path.ends_with('/') || path.contains('*');
    let file = |draft: &&Draft<'_>| !several(&draft.facts.path) && draft.config.kind != Kind::Table;
    let mut groups: Vec<(BTreeSet<String>, Vec<&str>)> = Vec::new();
    for draft in drafts.iter().filter(file) {
        let (columns, path) = (columns(draft), draft.facts.path.as_str());
        match groups.iter_mut().find(|(known, _)| *known == columns) {
            Some((_, paths)) => paths.push(path),
            None => groups.push((columns, vec![path])),
        }
    }
    let several = groups.into_iter().filter(|(_, paths)| paths.len() > 1);
    several
        .map(|(_, paths)| {
            let paths: Vec<String> = paths.iter().map(|path| format!("\"{path}\"")).collect();
            format!(
                "{} have the same columns and are a source each: where they are parts of one table, write one source with a \
                 pattern for its path; where one repeats rows of another, leave it out; where two systems wrote them, \
                 equal ids in them may be of two persons.",
                paths.join(", ")
            )
        })
        .collect()
}

/// A name for the source from the last folder of its path that is none of `taken`, and why it has that one.
fn source_name(path: &str, kind: Kind, taken: &mut HashSet<String>) -> (String, String) {
    let last = path
        .split('/')
        .rfind(|part| plain(part).starts_with(|c: char| c.is_ascii_alphabetic()));
    let stem = last.map_or("", |part| part.split('.').next().unwrap_or(part));
    let mut name: String = plain(stem).chars().take(50).collect();
    let mut why = "after its path";
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name = kind.name().to_owned();
        why = "after its kind, as the path has no word";
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
    let why = match free == name {
        true => why.to_owned(),
        false => format!("{why}, with a number, as another source has that name"),
    };
    (free, why)
}
