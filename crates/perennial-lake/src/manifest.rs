//! What a snapshot is: one JSON document that names every file of every table, and every source file consumed.
//!
//! Instants are microseconds since 1970-01-01 UTC in memory and RFC 3339 text in the document. Floating-point
//! bounds are text in the document, because a bound that is parsed one digit too small prunes rows that match.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contract::{Contract, StoredSchema};
use crate::discovery::HIVE_NULL;

/// One committed state of the whole lake. Immutable once committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this document's shape, [`Manifest::FORMAT`].
    pub format: u32,
    /// The snapshot's number: 1 for the first, one more for every commit, without gaps.
    pub number: u64,
    /// The snapshot that this one was made from; none for the first.
    pub parent: Option<u64>,
    /// The writer of that snapshot; none for the first, and in documents that are older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_writer: Option<String>,
    /// When the run that made it asked for the commit.
    #[serde(with = "instant")]
    pub committed_at: i64,
    /// A random id of the commit attempt, chosen by the caller. It tells a lost reply from a lost race.
    pub writer: String,
    /// The hash of the configuration that the tables were made with.
    pub config_hash: String,
    /// Every table by name, `<schema>.<table>` or a bare name as the caller wishes.
    pub tables: BTreeMap<String, TableManifest>,
    /// Every source by name.
    pub sources: BTreeMap<String, SourceManifest>,
    /// Files that landed where no source looks, the first [`Manifest::UNCLAIMED`] by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unclaimed: Vec<SourceFile>,
    /// Fitted models by name, each with its version or its serialised parameters.
    pub models: BTreeMap<String, String>,
    /// How many erasures the tables reflect.
    pub erasure_epoch: u64,
    /// What the run did.
    pub run: RunSummary,
    /// What the next run builds on when it works out no more than what is touched; none when it has to be a full one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
}

/// What is kept between runs besides the tables `internal.…`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// The version of the shape of those tables.
    pub version: u32,
    /// How many groups of records there have ever been; the next one gets this number.
    pub groups: u32,
    /// The moment that the tables describe, microseconds. 0 in snapshots whose tables say so themselves.
    #[serde(default)]
    pub as_of: i64,
}

impl Manifest {
    /// The sources of which no file is served as their mapping does not fit, each with the reason.
    pub fn unfit(&self) -> impl Iterator<Item = (&str, &str)> {
        let sources = self.sources.iter();
        sources.filter_map(|(name, source)| Some((name.as_str(), source.unfit.as_deref()?)))
    }

    /// The shape that this build writes, and the newest that it reads. Since 2 the document is packed.
    pub const FORMAT: u32 = 2;

    /// How many files of no source are kept: a lake may share its bucket with what is none of its business.
    pub const UNCLAIMED: usize = 1_000;

    /// An empty successor of `parent` (or the first manifest): number and parent are set, and everything that a
    /// run carries over (tables, sources, models, erasure epoch) is copied.
    pub fn successor(
        parent: Option<&Self>,
        writer: impl Into<String>,
        config_hash: impl Into<String>,
    ) -> Self {
        let number = parent.map_or(1, |parent| parent.number.saturating_add(1));
        Self {
            format: Self::FORMAT,
            number,
            parent: parent.map(|parent| parent.number),
            parent_writer: parent.map(|parent| parent.writer.clone()),
            committed_at: 0,
            writer: writer.into(),
            config_hash: config_hash.into(),
            tables: parent.map(|parent| parent.tables.clone()).unwrap_or_default(),
            sources: parent.map(|parent| parent.sources.clone()).unwrap_or_default(),
            unclaimed: Vec::new(),
            models: parent.map(|parent| parent.models.clone()).unwrap_or_default(),
            erasure_epoch: parent.map_or(0, |parent| parent.erasure_epoch),
            run: RunSummary::default(),
            state: None,
        }
    }

    /// The paths of all data files that the tables name, relative to the lake.
    pub fn data_files(&self) -> impl Iterator<Item = &str> {
        self.tables
            .values()
            .flat_map(|table| table.files.iter().map(|file| file.path.as_str()))
    }
}

/// One table of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableManifest {
    /// The columns in order, exactly as the data files hold them.
    pub schema: StoredSchema,
    /// The columns that every file is sorted by, ascending, NULLs last; empty when there is no order.
    pub sort: Vec<String>,
    /// The column whose hash chooses the bucket, if the table is bucketed.
    pub partition_by: Option<String>,
    /// The files, in no particular order.
    pub files: Vec<DataFile>,
}

impl TableManifest {
    /// The rows of all files together, without the masked ones.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(DataFile::rows_left).sum()
    }
}

/// One immutable data file of ours.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataFile {
    /// The path relative to the lake: `_perennial/data/<table>/<bucket>-<unique>.parquet`.
    pub path: String,
    /// How many rows it has.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// The store's tag of the content, where the store gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_tag: Option<String>,
    /// The bucket whose rows it holds, if the table is bucketed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u32>,
    /// How many of the rows are masked: later files took their place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub masked: u64,
    /// Whether it was written beside the files of an earlier run; its rows may be of any bucket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delta: bool,
    /// Bounds per column, in the order of the schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnStats>,
}

impl DataFile {
    /// The rows that are not masked.
    pub fn rows_left(&self) -> u64 {
        self.rows.saturating_sub(self.masked)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What is known of one column of one file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnStats {
    /// The column.
    pub name: String,
    /// A value that no value of the column is below; long text is cut. None when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Scalar>,
    /// A value that no value of the column is above; long text is cut and rounded up. None when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Scalar>,
    /// How many NULLs, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nulls: Option<u64>,
    /// How many different values, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<u64>,
}

/// One value of a bound, without an engine's types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scalar {
    /// SQL NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// Every signed and unsigned integer that fits; a larger one is a [`Scalar::Decimal`] of scale 0.
    Int(i64),
    /// Single and double precision.
    #[serde(with = "float")]
    Float(f64),
    /// Text of every encoding.
    Text(String),
    /// Microseconds since 1970-01-01, UTC where the column has a zone.
    Timestamp(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// A decimal: `value` is the unscaled integer in digits, `12345` with scale 2 is 123.45.
    Decimal {
        /// The unscaled integer.
        value: String,
        /// How many digits the type allows.
        precision: u8,
        /// How many of them are behind the point.
        scale: i8,
    },
}

/// One source of a snapshot: the contract that its files keep, and the files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceManifest {
    /// The kind as in the configuration, `profile`, `order`, ….
    pub kind: String,
    /// The columns that the files together have.
    pub contract: Contract,
    /// The names of the hive partition columns that live files have had: expressions may name them when those files have
    /// gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<String>,
    /// The types of identifiers that its rows are mapped to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<String>,
    /// Those of them of which no value is one of its type, where that is known; what is blocked is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused_identifiers: Option<Vec<String>>,
    /// Every file seen, whatever its state.
    pub files: Vec<SourceFile>,
    /// The number that the next file of the source gets; numbers are from 1.
    #[serde(default)]
    pub next_file: u32,
    /// Why none of its files is served: the mapping cannot be planned over their columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfit: Option<String>,
}

/// Whether the rows of a landed file are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Admitted and served.
    #[default]
    Live,
    /// Refused, with a reason.
    Quarantined,
    /// No source takes it.
    Unclaimed,
    /// No longer in the lake; kept only for as long as a run needs to take its rows back.
    Deleted,
}

impl FileState {
    /// The word shown in `perennial.files`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Quarantined => "quarantined",
            Self::Unclaimed => "unclaimed",
            Self::Deleted => "deleted",
        }
    }
}

/// What a file is refused for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// Its bytes or its schema.
    #[default]
    File,
    /// It cannot be read now, as access is denied or it never comes to rest: the next look asks again.
    Access,
    /// The mapping of its source, which needs other columns than it has, or cannot take its values.
    Mapping,
    /// What the mapping makes of its rows: too many are bad.
    Rows,
}

impl Blame {
    fn is_file(&self) -> bool {
        *self == Self::File
    }
}

/// One landed file, and where each of its rows went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceFile {
    /// The path relative to the lake.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The store's tag of the content, where the store gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_tag: Option<String>,
    /// When the store says that it was written.
    #[serde(with = "instant")]
    pub last_modified: i64,
    /// Hive partition columns and values from the path, in the order of the path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<(String, String)>,
    /// Whether its rows are served.
    pub state: FileState,
    /// Why it was quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it was quarantined for; of a file that was not it says nothing.
    #[serde(default, skip_serializing_if = "Blame::is_file")]
    pub blame: Blame,
    /// The row group that the reason is about, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_group: Option<u64>,
    /// How many rows the file has.
    pub landed: u64,
    /// How many of them are served as facts.
    pub unified: u64,
    /// How many are older versions of a key.
    pub superseded: u64,
    /// How many the source's `where` leaves out.
    pub filtered: u64,
    /// How many broke a required expression.
    pub rejected: u64,
    /// The rejected rows by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rejections: BTreeMap<String, u64>,
    /// The values of optional expressions that could not be worked out, by their key in the mapping.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub losses: BTreeMap<String, Loss>,
    /// The number by which stored rows name it; 0 while no rows of it are stored.
    #[serde(default)]
    pub id: u32,
    /// When a run first saw the file.
    #[serde(with = "instant")]
    pub first_seen_at: i64,
    /// Bounds per column, in the order of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stats: Vec<ColumnStats>,
}

/// Values of one expression of a mapping that could not be worked out for some rows of a file, and are NULL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// How many.
    pub values: u64,
    /// The place of the first row in the file, from 0.
    pub row: u64,
    /// Why that one is lost.
    pub reason: String,
}

impl SourceFile {
    /// Quarantines the file.
    pub fn refuse(&mut self, blame: Blame, reason: String) {
        (self.state, self.blame, self.reason) = (FileState::Quarantined, blame, Some(reason));
    }

    /// Values of optional expressions that could not be worked out.
    pub fn values_lost(&self) -> u64 {
        self.losses.values().map(|loss| loss.values).sum()
    }

    /// The value of a hive partition column; none where the path does not name it, and for NULL.
    pub fn partition(&self, name: &str) -> Option<&str> {
        let value = self.partitions.iter().find(|(partition, _)| partition == name);
        value
            .map(|(_, value)| value.as_str())
            .filter(|value| *value != HIVE_NULL)
    }

    /// Whether no row is lost: landed = unified + superseded + filtered + rejected, and the reasons add up to
    /// the rejected rows. A file that is not live serves nothing and has nothing to add up.
    pub fn balanced(&self) -> bool {
        if self.state != FileState::Live {
            return self.unified == 0;
        }
        let wide = |count: u64| u128::from(count);
        let gone = wide(self.unified) + wide(self.superseded) + wide(self.filtered) + wide(self.rejected);
        let reasons: u128 = self.rejections.values().copied().map(wide).sum();
        wide(self.landed) == gone && wide(self.rejected) == reasons
    }
}

/// What one run did, as shown in `perennial.runs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run's id, also part of the names of the files that it wrote.
    pub id: String,
    /// When it began.
    #[serde(with = "instant")]
    pub started_at: i64,
    /// When it asked for the commit.
    #[serde(with = "instant")]
    pub finished_at: i64,
    /// Whether everything was made anew rather than from what changed.
    pub full: bool,
    /// Why everything was made anew; none where that was not in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_full: Option<String>,
    /// Files that were admitted for the first time, or anew.
    pub files_new: u64,
    /// Files that left the lake.
    pub files_removed: u64,
    /// Files that were quarantined.
    pub files_quarantined: u64,
    /// Files that it read.
    #[serde(default)]
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// What it spent its time on, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
}

/// One phase of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What was done.
    pub name: String,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// How many rows, or buckets of customers, were worked on; 0 for phases that do not count.
    pub rows: u64,
}

/// Instants as RFC 3339 text with six digits of the second.
mod instant {
    use perennial_base::clock::{parse_rfc3339, rfc3339};
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        let text = rfc3339(*micros)
            .ok_or_else(|| S::Error::custom(format!("instant {micros} is outside of the calendar")))?;
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_rfc3339(&text).ok_or_else(|| D::Error::custom(format!("\"{text}\" is not an RFC 3339 instant")))
    }
}

/// Floats as their shortest text that reads back to the same bits.
mod float {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| D::Error::custom(format!("\"{text}\" is not a number")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        let mut manifest = Manifest::successor(None, "w1", "c1");
        manifest.committed_at = 1_767_225_600_123_456;
        let scalars = [
            Scalar::Null,
            Scalar::Bool(true),
            Scalar::Int(i64::MIN),
            Scalar::Float(0.1 + 0.2),
            Scalar::Float(f64::MIN_POSITIVE),
            Scalar::Float(1.7976931348623157e308),
            Scalar::Float(f64::NEG_INFINITY),
            Scalar::Text("ü\"\n\u{0}".into()),
            Scalar::Timestamp(-1),
            Scalar::Date(-719_528),
            Scalar::Decimal {
                value: "-99999999999999999999999999999999999999".into(),
                precision: 38,
                scale: -2,
            },
        ];
        let columns = scalars
            .into_iter()
            .map(|scalar| ColumnStats {
                name: "c".into(),
                min: Some(scalar),
                ..ColumnStats::default()
            })
            .collect();
        let file = DataFile {
            path: "_perennial/data/t/0-a.parquet".into(),
            rows: 3,
            columns,
            ..DataFile::default()
        };
        manifest.tables.insert(
            "t".into(),
            TableManifest {
                files: vec![file],
                ..TableManifest::default()
            },
        );
        let source = SourceFile {
            partitions: vec![("month".into(), "2026-01".into())],
            ..SourceFile::default()
        };
        manifest.sources.insert(
            "s".into(),
            SourceManifest {
                files: vec![source],
                ..SourceManifest::default()
            },
        );

        let text = serde_json::to_string(&manifest).unwrap();
        assert!(
            text.contains("\"committed_at\":\"2026-01-01T00:00:00.123456Z\""),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    }

    #[test]
    fn a_successor_carries_over_what_a_run_does_not_touch() {
        let mut first = Manifest::successor(None, "w1", "c1");
        first.models.insert("bgnbd".into(), "1".into());
        first.erasure_epoch = 3;
        let second = Manifest::successor(Some(&first), "w2", "c2");
        assert_eq!((first.number, first.parent), (1, None));
        assert_eq!((second.number, second.parent), (2, Some(1)));
        assert_eq!((second.models, second.erasure_epoch), (first.models, 3));
    }

    #[test]
    fn the_five_numbers_balance_or_say_so() {
        #[track_caller]
        fn check(landed: u64, parts: [u64; 4], reasons: &[(&str, u64)], expected: bool) {
            let [unified, superseded, filtered, rejected] = parts;
            let rejections = reasons
                .iter()
                .map(|(reason, rows)| ((*reason).to_owned(), *rows))
                .collect();
            let file = SourceFile {
                landed,
                unified,
                superseded,
                filtered,
                rejected,
                rejections,
                ..SourceFile::default()
            };
            assert_eq!(file.balanced(), expected);
        }
        check(0, [0, 0, 0, 0], &[], true);
        check(10, [5, 2, 2, 1], &[("time is NULL", 1)], true);
        check(10, [5, 2, 2, 0], &[], false);
        check(10, [5, 2, 2, 1], &[], false);
        check(u64::MAX, [u64::MAX, 1, 0, 0], &[], false);
    }
}
