//! What a run finds out that was probably not meant: it is done all the same.

use std::collections::BTreeSet;
use std::fmt;

use perennial_base::config::{SourceConfig, Spot};
use perennial_base::counted;

/// See the module. A run that works out a part tells of that part, and nothing of orders and facts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Noticed {
    /// Sources of which most rows name an order that does not exist.
    pub of_no_order: Vec<OfNoOrder>,
    /// Facts of the lifecycle, and events that stages name, that no customer has.
    pub idle_facts: Vec<IdleFact>,
    /// Words of persons about what does not exist.
    pub unheard: Vec<Unheard>,
    /// Identifiers of a source of which no value can be used, or most are none of their type.
    pub useless: Vec<Useless>,
    /// Identifiers of a source that have a handful of values in thousands of rows.
    pub few_values: Vec<FewValues>,
    /// Conditions that cannot be worked out for some rows.
    pub undecided: Vec<Undecided>,
    /// Sources most of whose rows are of a time that is probably not meant.
    pub odd_times: Vec<OddTimes>,
    /// Statuses that do not count and that no order has, although orders have one that is near.
    pub unknown_statuses: Vec<UnknownStatus>,
    /// Sources of which `where` leaves no row.
    pub nothing_left: Vec<NothingLeft>,
    /// Whether `[time] as_of` lies before all rows that would make a customer, so that there is none.
    pub nobody_yet: bool,
}

/// A source with rows of which `where` leaves none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NothingLeft {
    /// The source.
    pub source: String,
    /// Where its `where` stands in the file.
    pub at: Spot,
    /// The condition.
    pub sql: String,
    /// Its rows.
    pub rows: u64,
}

/// A source of items or refunds of which most rows name an order that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfNoOrder {
    /// The source.
    pub source: String,
    /// Where its `order_id` stands in the file.
    pub at: Spot,
    /// The expression of it.
    pub order_id: String,
    /// Rows that were looked at.
    pub rows: u64,
    /// Those of them whose order does not exist.
    pub lost: u64,
}

/// A fact of `[lifecycle.facts]`, or an event that a stage asks for by its name, that no customer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleFact {
    /// The fact, or the event.
    pub name: String,
    /// Where it stands in the file.
    pub at: Spot,
    /// The relation whose rows were asked.
    pub relation: String,
    /// The stage that asks for the event.
    pub stage: Option<String>,
}

/// Words of persons of one source that have no effect, as what they name does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheard {
    /// The source of the words.
    pub source: String,
    /// `source` or `record`.
    pub what: &'static str,
    /// How many words.
    pub words: u64,
    /// What they name, the first in the order of the alphabet: `"shop"`, or of records `"17" of shop`. One more than is told.
    pub names: BTreeSet<String>,
    /// The source that was probably meant by the first of them.
    pub near: Option<String>,
}

/// A type of identifier of which no value of a source can be used, or most are none of it, of those that a run has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Useless {
    /// The source.
    pub source: String,
    /// The type of the identifier.
    pub name: String,
    /// Where its expression stands in the file.
    pub at: Spot,
    /// How many values cannot be used; where some can, how many are none of the type.
    pub values: u64,
    /// How many were given.
    pub of: u64,
    /// One of those that are none of the type.
    pub value: String,
}

/// A type of identifier of which a source has a handful of values in thousands of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FewValues {
    /// The source.
    pub source: String,
    /// The type of the identifier.
    pub name: String,
    /// Where its expression stands in the file.
    pub at: Spot,
    /// The expression.
    pub sql: String,
    /// Rows with a value.
    pub rows: u64,
    /// Different values.
    pub different: u64,
}

/// A status of `lifecycle.unpaid_statuses` that no order has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownStatus {
    /// The status, in lower case.
    pub status: String,
    /// The one near it that orders have, and that counts.
    pub near: String,
}

/// A source most of whose rows, of those that were read, are of the future or of a time before 1990.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddTimes {
    /// The source.
    pub source: String,
    /// Where its `time` stands in the file.
    pub at: Spot,
    /// The expression of it.
    pub time: String,
    /// Rows that were read.
    pub rows: u64,
    /// Those of them whose time is odd.
    pub odd: u64,
    /// Whether they are of the future.
    pub late: bool,
    /// The day of one of them, `YYYY-MM-DD`.
    pub first: String,
}

/// A condition of a segment or of a lifecycle fact that cannot be worked out for some rows, which do not fulfil it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// `segment` or `lifecycle fact`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// Where its condition stands in the file.
    pub at: Spot,
    /// How many rows: customers of a segment.
    pub rows: u64,
    /// Why it cannot for the first of them.
    pub reason: String,
}

/// What is told of a moment before everything.
const NOBODY_YET: &str = "there is no customer, as every row is of later than [time] as_of: write a later moment, or take it out to describe the present";

/// Names that are told one by one.
const SHOWN: usize = 3;

impl Noticed {
    /// What there is to say, a text each; `file` is that of the configuration.
    pub fn told(&self, file: &str) -> Vec<String> {
        let placed = |told: String| format!("{file}:{told}");
        let orders = self.of_no_order.iter().map(ToString::to_string).map(placed);
        let facts = self.idle_facts.iter().map(ToString::to_string).map(placed);
        let words = self.unheard.iter().map(ToString::to_string);
        let useless = self.useless.iter().map(ToString::to_string).map(placed);
        let few = self.few_values.iter().map(ToString::to_string).map(placed);
        let times = self.odd_times.iter().map(ToString::to_string).map(placed);
        let statuses = self
            .unknown_statuses
            .iter()
            .map(|unknown| placed(format!(" {unknown}")));
        let undecided = self.undecided.iter().map(ToString::to_string).map(placed);
        let nobody = self.nobody_yet.then(|| placed(format!(" {NOBODY_YET}")));
        let nothing = self.nothing_left.iter().map(ToString::to_string).map(placed);
        nobody
            .into_iter()
            .chain(nothing)
            .chain(orders)
            .chain(facts)
            .chain(words)
            .chain(useless)
            .chain(few)
            .chain(undecided)
            .chain(times)
            .chain(statuses)
            .collect()
    }
}

impl OfNoOrder {
    /// Of a source of so many rows of which so many name an order that does not exist; none where those are not most.
    pub(crate) fn most(source: &SourceConfig, rows: u64, lost: u64) -> Option<Self> {
        let written = source.column("order_id").filter(|_| 2 * lost > rows)?;
        Some(Self {
            source: source.name.clone(),
            at: written.at,
            order_id: written.sql.clone(),
            rows,
            lost,
        })
    }
}

impl Unheard {
    /// Words of a source about what does not exist, of which none is known yet.
    pub(crate) fn none(source: &str, what: &'static str) -> Self {
        Self {
            source: source.to_owned(),
            what,
            words: 0,
            names: BTreeSet::new(),
            near: None,
        }
    }

    /// Notes a word, and what it names.
    pub(crate) fn word(&mut self, names: impl IntoIterator<Item = String>) {
        self.words += 1;
        for name in names {
            self.names.insert(name);
            // One more than is told says that there are others; a million would be memory.
            if self.names.len() > SHOWN + 1 {
                self.names.pop_last();
            }
        }
    }
}

impl fmt::Display for NothingLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            at,
            sql,
            rows,
        } = self;
        write!(
            f,
            "{at}: by where = {sql}, nothing is left of the {} of source \"{source}\": correct the condition",
            counted(*rows, "row")
        )
    }
}

impl fmt::Display for OfNoOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            at,
            order_id,
            rows,
            lost,
        } = self;
        write!(
            f,
            "{at}: by order_id = {order_id}, {lost} of {} of source \"{source}\" {} to no order: is it the record_key of an order?",
            counted(*rows, "row"),
            if *lost == 1 { "belongs" } else { "belong" }
        )
    }
}

impl fmt::Display for IdleFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            at,
            relation,
            stage,
        } = self;
        match stage {
            None => write!(
                f,
                "{at}: no customer has a row of {relation} that fulfils the lifecycle fact \"{name}\": correct the condition, or land such rows"
            ),
            Some(stage) => write!(
                f,
                "{at}: no customer has an event \"{name}\", for which stage \"{stage}\" asks: correct the name, or land such events"
            ),
        }
    }
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            what,
            words,
            names,
            near,
        } = self;
        let first: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
        let more = if names.len() > SHOWN { " and others" } else { "" };
        let (named, does) = match names.len() {
            1 => ((*what).to_owned(), "does"),
            _ => (format!("{what}s"), "do"),
        };
        let remedy = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!(
                "SELECT * FROM perennial.identity_overrides WHERE state = 'unknown {what}' tells which words"
            ),
        };
        write!(
            f,
            "{} of source \"{source}\" {} no effect, as {named} {}{more} {does} not exist: {remedy}",
            counted(*words, "word"),
            if *words == 1 { "has" } else { "have" },
            first.join(", "),
        )
    }
}

impl fmt::Display for UnknownStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, near } = self;
        write!(
            f,
            "no order has the status \"{status}\" of unpaid_statuses, and those with \"{near}\" count: did you mean \"{near}\"?"
        )
    }
}

impl fmt::Display for OddTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            at,
            time,
            rows,
            odd,
            late,
            first,
        } = self;
        let when = if *late { "of the future" } else { "before 1990" };
        write!(
            f,
            "{at}: by time = {time}, {odd} of {} of source \"{source}\" {} {when}, such as {first}: is it read in the unit in which it is written?",
            counted(*rows, "row"),
            if *odd == 1 { "is" } else { "are" }
        )
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            name,
            at,
            rows,
            reason,
        } = self;
        let (rows, are) = match (*what, *rows) {
            ("segment", 1) => ("1 customer".to_owned(), "who is no member"),
            ("segment", rows) => (format!("{rows} customers"), "who are no members"),
            (_, 1) => ("1 row".to_owned(), "which is no such fact"),
            (_, rows) => (format!("{rows} rows"), "which are no such facts"),
        };
        write!(
            f,
            "{at}: {what} \"{name}\" cannot be worked out for {rows}, {are}: {reason}"
        )
    }
}

impl fmt::Display for Useless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            name,
            at,
            values,
            of,
            value,
        } = self;
        match (values, of) {
            (1, 1) => write!(
                f,
                "{at}: the one value of {name} of source \"{source}\", \"{value}\", cannot be used"
            ),
            (values, of) if values == of => write!(
                f,
                "{at}: none of the {of} values of {name} of source \"{source}\" can be used, such as \"{value}\""
            ),
            _ => write!(
                f,
                "{at}: {values} of the {of} values of {name} of source \"{source}\" are none, such as \"{value}\""
            ),
        }?;
        f.write_str(": correct the mapping or the identifier's normalise")
    }
}

impl fmt::Display for FewValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            name,
            at,
            sql,
            rows,
            different,
        } = self;
        write!(
            f,
            "{at}: by {name} = {sql}, {rows} rows of source \"{source}\" have {}, each of which is taken for one person: correct the mapping if it is none",
            counted(*different, "different value")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Unheard;

    #[test]
    fn of_many_words_the_first_names_are_told_and_no_more_are_kept() {
        let told = |records: &[u32]| {
            let mut unheard = Unheard::none("desk", "record");
            for record in records {
                unheard.word([format!("\"{record}\" of crm")]);
            }
            assert!(unheard.names.len() < 5);
            let told = unheard.to_string();
            told.split_once(':').map(|(told, _)| told.to_owned()).unwrap()
        };
        assert_eq!(
            told(&[7, 2, 7]),
            "3 words of source \"desk\" have no effect, as records \"2\" of crm, \"7\" of crm do not exist"
        );
        assert_eq!(
            told(&[9, 8, 7, 6, 5, 9]),
            "6 words of source \"desk\" have no effect, as records \"5\" of crm, \"6\" of crm, \"7\" of crm and others do not exist"
        );
    }
}
