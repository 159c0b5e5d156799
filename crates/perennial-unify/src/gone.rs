//! Files whose rows are stored and that are served no more: they have gone, were replaced, or are refused now. A run that
//! does not work out everything takes the groups of those rows, and leaves the rows themselves out. What the rows have tied
//! together stays one group, which is too much and never too little; the next run over everything parts it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Schema, UInt32Type};
use futures::StreamExt;
use perennial_base::Kind;
use perennial_base::config::Config;
use perennial_lake::{FileState, Manifest, RowSet, SourceFile, SourceManifest};

use crate::error::Result;
use crate::landing::Landing;
use crate::ledger;
use crate::stored::Tables;

/// The stored rows of files that are served no more.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    /// Their groups.
    pub(crate) groups: HashSet<u32>,
    /// Where they are in the files of ledgers, by path.
    pub(crate) rows: BTreeMap<String, RowSet>,
}

/// The files of a source that a snapshot serves and that a landing does not have, or not as they were.
pub(crate) fn gone<'a>(
    before: &'a SourceManifest,
    landed: &'a SourceManifest,
) -> impl Iterator<Item = &'a SourceFile> {
    let live = |source: &'a SourceManifest| {
        let files = source.files.iter();
        files.filter(|file| file.state == FileState::Live)
    };
    let kept: HashSet<(&str, u32)> = live(landed).map(|file| (file.path.as_str(), file.id)).collect();
    live(before).filter(move |file| file.id == 0 || !kept.contains(&(file.path.as_str(), file.id)))
}

/// Whether a file of a landing stands there for its stored rows alone.
pub(crate) fn is_gone(file: &SourceFile) -> bool {
    file.state != FileState::Live && file.id > 0
}

/// Puts the files that are served no more among those that landed, so that their stored rows have a place.
pub(crate) fn put_beside(config: &Config, previous: &Manifest, landing: &mut Landing) {
    for (source, landed) in config.sources.iter().zip(&mut landing.sources) {
        let Some(before) = previous
            .sources
            .get(&source.name)
            .filter(|_| source.kind != Kind::Table)
        else {
            continue;
        };
        let gone: Vec<SourceFile> = gone(before, landed).cloned().collect();
        landed.files.extend(gone.into_iter().map(|file| SourceFile {
            state: FileState::Quarantined,
            ..file
        }));
        landed.files.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

/// Takes them away again.
pub(crate) fn take_away(landing: &mut Landing) {
    for source in &mut landing.sources {
        source.files.retain(|file| !is_gone(file));
    }
}

impl Gone {
    /// Finds the rows of the files that [`put_beside`] has put there.
    pub(crate) async fn find(
        stored: &Tables,
        config: &Config,
        previous: &Manifest,
        landing: &Landing,
    ) -> Result<Self> {
        let mut found = Self::default();
        for (source, landed) in config.sources.iter().zip(&landing.sources) {
            let files = landed.files.iter().filter(|file| is_gone(file));
            let gone: HashSet<u32> = files.map(|file| file.id).collect();
            let Some(table) = previous
                .tables
                .get(&ledger::table_of(&source.name))
                .filter(|_| !gone.is_empty())
            else {
                continue;
            };
            let columns = Arc::new(Schema::new(ledger::places()));
            for file in &table.files {
                let mut stream = stored.all(Arc::clone(&columns), file).await?;
                let (mut rows, mut at) = (RowSet::default(), 0);
                while let Some(batch) = stream.next().await {
                    let batch = batch?;
                    let groups = batch.column(0).as_primitive::<UInt32Type>().values();
                    let files = batch.column(1).as_primitive::<UInt32Type>().values();
                    for (group, file) in groups.iter().zip(files) {
                        if gone.contains(file) {
                            found.groups.insert(*group);
                            rows.push(at, at + 1);
                        }
                        at += 1;
                    }
                }
                if !rows.is_empty() {
                    found.rows.insert(file.path.clone(), rows);
                }
            }
        }
        Ok(found)
    }
}
