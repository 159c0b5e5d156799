//! Files that a snapshot serves and the next one does not know any more.

use std::collections::HashSet;
use std::fmt;

use perennial_base::config::Config;
use perennial_base::counted;
use perennial_lake::{FileState, Manifest, SourceFile};

use crate::landing::Landing;

/// Files of one source that are served no more, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed {
    /// The source.
    pub source: String,
    /// How many.
    pub files: u64,
    /// How many rows of them were served.
    pub rows: u64,
    /// Why.
    pub departure: Departure,
}

/// Why files are served no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    /// Their source is not in the configuration any more, and no other one takes them.
    Source,
    /// They are not in the lake any more.
    Lake,
    /// The path of their source does not lead to them any more, and no other one takes them.
    Path,
}

/// The files that the snapshot before serves and that no source takes now, in the order of their sources' names. Those that
/// are quarantined now are not among them.
pub(crate) fn departed(config: &Config, previous: Option<&Manifest>, landing: &Landing) -> Vec<Departed> {
    let taken: HashSet<&str> = paths(landing.sources.iter().flat_map(|source| &source.files));
    let there: HashSet<&str> = paths(&landing.unclaimed);
    let mut found = Vec::new();
    for (name, source) in previous.into_iter().flat_map(|previous| &previous.sources) {
        let configured = config.sources.iter().any(|source| source.name == *name);
        let of_file = |file: &SourceFile| match there.contains(file.path.as_str()) {
            _ if !configured => Departure::Source,
            true => Departure::Path,
            false => Departure::Lake,
        };
        let gone = || {
            let live = source.files.iter().filter(|file| file.state == FileState::Live);
            live.filter(|file| !taken.contains(file.path.as_str()))
        };
        for departure in [Departure::Source, Departure::Lake, Departure::Path] {
            let files = gone().filter(|file| of_file(file) == departure);
            let (files, rows) = files.fold((0, 0), |(files, rows), file| (files + 1, rows + file.unified));
            if files > 0 {
                found.push(Departed {
                    source: name.clone(),
                    files,
                    rows,
                    departure,
                });
            }
        }
    }
    found
}

fn paths<'a>(files: impl IntoIterator<Item = &'a SourceFile>) -> HashSet<&'a str> {
    files.into_iter().map(|file| file.path.as_str()).collect()
}

impl fmt::Display for Departed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            files,
            rows,
            departure,
        } = self;
        let (has, files) = (if *files == 1 { "has" } else { "have" }, counted(*files, "file"));
        let (is, rows) = (if *rows == 1 { "is" } else { "are" }, counted(*rows, "row"));
        match departure {
            Departure::Source => write!(
                f,
                "source \"{source}\" is not in the configuration any more: {rows} of {files} {is} served no more"
            ),
            Departure::Lake => write!(
                f,
                "{files} of source \"{source}\" {has} left the lake: {rows} {is} served no more"
            ),
            Departure::Path => write!(
                f,
                "the path of source \"{source}\" does not lead to {files} any more: {rows} {is} served no more"
            ),
        }
    }
}
