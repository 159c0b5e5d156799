//! What `check` found.

use perennial_base::config::SourceConfig;
use perennial_lake::{FileState, SourceFile, SourceManifest};
use perennial_udf_lifecycle::model::StageDoubt;

use crate::astray::Astray;
use crate::conditions::UnknownStage;
use crate::identifiers::LoneIdentifier;
use crate::keys::DoubtfulKey;
use crate::left_out::Renamed;
use crate::noticed::Noticed;
use crate::rate_doubts::RateDoubts;

/// See the module.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Every source.
    pub sources: Vec<CheckedSource>,
    /// Sources that have another name than in the snapshot.
    pub renamed: Vec<Renamed>,
    /// Files that would be quarantined, as far as their beginning tells.
    pub quarantined: Vec<QuarantinedFile>,
    /// Rejected rows among the first of a file.
    pub rejected: Vec<RejectedRows>,
    /// Values of optional expressions among the first rows of a file that could not be worked out.
    pub lost: Vec<LostValues>,
    /// Identifiers of which no value among the first rows of a file can be used, or most are none of their type.
    pub unusable: Vec<UnusableIdentifier>,
    /// Sources of records that the first rows of overrides name and that the configuration does not have.
    pub unknown_sources: Vec<UnknownSource>,
    /// Types of identifiers that the list or the sources alone name.
    pub lone_identifiers: Vec<LoneIdentifier>,
    /// Segments that compare a lifecycle stage with what is none.
    pub unknown_stages: Vec<UnknownStage>,
    /// Stages that overlap in part, and a preset that they replace.
    pub doubtful_stages: Vec<StageDoubt>,
    /// Keys that may be none.
    pub doubtful_keys: Vec<DoubtfulKey>,
    /// Sources whose path leads to no file.
    pub astray: Vec<Astray>,
    /// Parquet files that no source takes: path and reason.
    pub of_no_source: Vec<(String, String)>,
    /// What is in doubt about exchange rates and landed amounts.
    pub rates: RateDoubts,
    /// What a run would notice, too: sources of which most rows are of no order, and words of persons about records that do
    /// not exist.
    pub noticed: Noticed,
}

/// What there is of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedSource {
    /// The source.
    pub name: String,
    /// Its live files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
}

/// A file that would be quarantined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedFile {
    /// The source.
    pub source: String,
    /// The path of the file.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Rows of a file that would be rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRows {
    /// The source.
    pub source: String,
    /// The path of the file.
    pub path: String,
    /// Each reason with its rows.
    pub reasons: Vec<(String, u64)>,
}

/// Values of one expression of a file that could not be worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostValues {
    /// The source.
    pub source: String,
    /// The path of the file.
    pub path: String,
    /// The key of the mapping.
    pub key: String,
    /// How many.
    pub values: u64,
    /// Why the first.
    pub reason: String,
}

/// An identifier of which no value at the start of a file can be used, or most are none of its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableIdentifier {
    /// The source.
    pub source: String,
    /// The path of the file.
    pub path: String,
    /// The type of the identifier.
    pub name: String,
    /// How many values cannot be used; where some can, how many are none of the type.
    pub values: u64,
    /// How many are given.
    pub of: u64,
    /// One that is none of the type.
    pub value: String,
}

/// A source of which a word of a person speaks, and that the configuration does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSource {
    /// The source of the word.
    pub source: String,
    /// The path of its file.
    pub path: String,
    /// The name that nothing has.
    pub name: String,
    /// The nearest name that a source has.
    pub near: Option<String>,
}

impl CheckReport {
    pub(crate) fn count(&mut self, source: &SourceConfig, manifest: &SourceManifest) {
        let live = || manifest.files.iter().filter(|file| file.state == FileState::Live);
        self.sources.push(CheckedSource {
            name: source.name.clone(),
            files: live().count() as u64,
            rows: live().map(|file| file.landed).sum(),
        });
        let refused = |file: &SourceFile| {
            Some(QuarantinedFile {
                source: source.name.clone(),
                path: file.path.clone(),
                reason: file.reason.clone()?,
            })
        };
        self.quarantined.extend(manifest.files.iter().filter_map(refused));
    }
}
