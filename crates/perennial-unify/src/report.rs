//! What a run tells of itself.

use perennial_lake::{Manifest, SourceFile};

use crate::departed::Departed;
use crate::landing::Landing;
use crate::left_out::Renamed;
use crate::lost::by_source;
use crate::noticed::Noticed;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The snapshot committed; none when nothing was new.
    pub snapshot: Option<u64>,
    /// The newest snapshot, where another process has committed it during a run that found nothing more to do.
    pub overtaken: Option<u64>,
    /// Customers in it.
    pub customers: u64,
    /// Files admitted for the first time, or anew.
    pub files_new: u64,
    /// Files of the snapshot before that are read no more: they have left the lake, or no source leads to them.
    pub files_removed: u64,
    /// Those of them that were served: none of their rows is any more.
    pub departed: Vec<Departed>,
    /// All files that are quarantined now: source, path and reason.
    pub quarantined: Vec<(String, String, String)>,
    /// Those of them that the snapshot before did not quarantine for the same reason.
    pub quarantined_anew: Vec<(String, String, String)>,
    /// Files read.
    pub files: u64,
    /// Rows read.
    pub rows: u64,
    /// Whether everything was worked out anew, and not what new files touch alone.
    pub full: bool,
    /// Why, if so.
    pub why_full: Option<String>,
    /// Sources that have another name than in the snapshot before.
    pub renamed: Vec<Renamed>,
    /// What was probably not meant.
    pub noticed: Noticed,
    /// Parquet files that no source takes: path and reason.
    pub unclaimed: Vec<(String, String)>,
    /// Sources of which no file is served as their mapping does not fit, each with the reason.
    pub unfit: Vec<(String, String)>,
    /// Sources with values of optional expressions that could not be worked out, and how many.
    pub values_lost: Vec<(String, u64)>,
}

impl Report {
    /// The report of a run that leaves a snapshot as it is.
    pub(crate) fn unchanged(snapshot: &Manifest) -> Self {
        report(&Landing::default(), Some(snapshot), None, Noticed::default())
    }
}

/// The report of a run before anything of it was worked out, or after it is committed.
pub(crate) fn report(
    landing: &Landing,
    manifest: Option<&Manifest>,
    snapshot: Option<u64>,
    noticed: Noticed,
) -> Report {
    Report {
        snapshot,
        overtaken: None,
        customers: manifest
            .and_then(|manifest| manifest.tables.get("public.customers"))
            .map_or(0, |table| table.rows()),
        files_new: landing.files_new,
        files_removed: landing.files_removed,
        departed: Vec::new(),
        quarantined: manifest.into_iter().flat_map(quarantined).map(named).collect(),
        quarantined_anew: Vec::new(),
        files: 0,
        rows: 0,
        full: false,
        why_full: None,
        renamed: Vec::new(),
        noticed,
        unclaimed: landing.strays(),
        unfit: manifest
            .into_iter()
            .flat_map(Manifest::unfit)
            .map(|(source, why)| (source.to_owned(), why.to_owned()))
            .collect(),
        values_lost: manifest.map(by_source).unwrap_or_default(),
    }
}

/// The quarantined files of a snapshot: source, file and reason.
pub(crate) fn quarantined(manifest: &Manifest) -> impl Iterator<Item = (&str, &SourceFile, &str)> {
    manifest.sources.iter().flat_map(|(name, source)| {
        source
            .files
            .iter()
            .filter_map(move |file| Some((name.as_str(), file, file.reason.as_deref()?)))
    })
}

/// The same as text.
pub(crate) fn named((source, file, reason): (&str, &SourceFile, &str)) -> (String, String, String) {
    (source.to_owned(), file.path.clone(), reason.to_owned())
}

/// Whether a snapshot quarantines the very file for the same reason.
pub(crate) fn knew(previous: &Manifest, source: &str, file: &SourceFile) -> bool {
    let mut known = previous
        .sources
        .get(source)
        .into_iter()
        .flat_map(|known| &known.files);
    known.any(|known| {
        known.path == file.path
            && known.size == file.size
            && known.e_tag == file.e_tag
            && known.last_modified == file.last_modified
            && known.reason == file.reason
    })
}
