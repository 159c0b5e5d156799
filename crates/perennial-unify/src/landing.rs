//! What has landed since the snapshot before: files admitted, quarantined, gone.

use std::collections::HashMap;

use perennial_base::Config;
use perennial_base::config::SourceConfig;
use perennial_lake::{
    Contract, FileState, Lake, Landed, Manifest, Settling, SourceFile, SourceManifest, SourcePath, discover,
    inspect,
};

use crate::error::Result;

/// What each source looked like at the last look, so that files still being written are left for the next one.
#[derive(Debug, Default)]
pub struct Looks(HashMap<String, Settling>);

/// The state of all sources.
#[derive(Debug)]
pub(crate) struct Landing {
    /// In the order of the configuration.
    pub(crate) sources: Vec<SourceManifest>,
    pub(crate) files_new: u64,
    pub(crate) files_removed: u64,
    pub(crate) files_quarantined: u64,
    pub(crate) rows_new: u64,
}

impl Looks {
    /// Whether a file of the last look is still being written, as far as can be told.
    pub(crate) fn waiting(&self) -> bool {
        self.0.values().any(|settling| settling.waiting() > 0)
    }
}

impl Landing {
    pub(crate) fn changed(&self) -> bool {
        self.files_new + self.files_removed > 0
    }
}

/// Looks at all sources.
pub(crate) async fn look(
    config: &Config,
    lake: &Lake,
    previous: Option<&Manifest>,
    looks: &mut Looks,
    now: i64,
) -> Result<Landing> {
    let mut landing = Landing {
        sources: Vec::new(),
        files_new: 0,
        files_removed: 0,
        files_quarantined: 0,
        rows_new: 0,
    };
    for source in &config.sources {
        let path = SourcePath::parse(&source.path)?;
        let landed = discover(lake, &path).await?;
        let settled = looks.0.entry(source.name.clone()).or_default().look(landed, now);
        let known = previous.and_then(|previous| previous.sources.get(&source.name));
        let kept = known.filter(|known| known.kind == source.kind.name());
        landing.source(source, lake, kept, settled, now).await?;
    }
    Ok(landing)
}

impl Landing {
    async fn source(
        &mut self,
        source: &SourceConfig,
        lake: &Lake,
        known: Option<&SourceManifest>,
        landed: Vec<Landed>,
        now: i64,
    ) -> Result<()> {
        let before: HashMap<&str, &SourceFile> = known
            .into_iter()
            .flat_map(|known| &known.files)
            .map(|file| (file.path.as_str(), file))
            .collect();
        let mut contract = known.map(|known| known.contract.clone()).unwrap_or_default();
        let mut files = Vec::with_capacity(landed.len());
        for file in landed {
            let unchanged = before.get(file.path.as_str()).filter(|known| {
                file.unchanged(known.size, known.e_tag.as_deref())
                    && file.last_modified == known.last_modified
            });
            if let Some(known) = unchanged {
                files.push((*known).clone());
                continue;
            }
            let first_seen_at = before
                .get(file.path.as_str())
                .map_or(now, |known| known.first_seen_at);
            let admitted = match admit(lake, file, &mut contract, first_seen_at).await {
                Ok(admitted) => admitted,
                // It went or changed while it was looked at: the next look sees what it is then.
                Err(perennial_lake::Error::Replaced { .. } | perennial_lake::Error::NotFound { .. }) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.files_new += 1;
            match admitted.state {
                FileState::Live => self.rows_new += admitted.landed,
                FileState::Quarantined | FileState::Deleted => {
                    self.files_quarantined += 1;
                    tracing::warn!(
                        source = source.name,
                        file = admitted.path,
                        reason = admitted.reason.as_deref().unwrap_or_default(),
                        "file quarantined"
                    );
                }
            }
            files.push(admitted);
        }
        let still: std::collections::HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        self.files_removed += before.keys().filter(|path| !still.contains(*path)).count() as u64;
        self.sources.push(SourceManifest {
            kind: source.kind.name().to_owned(),
            contract,
            files,
        });
        Ok(())
    }
}

/// Judges one file; the contract grows by what it brings.
async fn admit(
    lake: &Lake,
    file: Landed,
    contract: &mut Contract,
    first_seen_at: i64,
) -> perennial_lake::Result<SourceFile> {
    let mut stored = SourceFile {
        path: file.path.clone(),
        size: file.size,
        e_tag: file.e_tag.clone(),
        last_modified: file.last_modified,
        partitions: file.partitions.clone(),
        state: FileState::Quarantined,
        first_seen_at,
        ..SourceFile::default()
    };
    match inspect(lake, &file).await? {
        Ok(facts) => {
            stored.landed = facts.rows;
            match contract.fit(&facts.schema) {
                Ok(extended) => {
                    *contract = extended;
                    stored.state = FileState::Live;
                    stored.stats = facts.stats;
                }
                Err(misfit) => stored.reason = Some(misfit.to_string()),
            }
        }
        Err(rejection) => {
            stored.reason = Some(rejection.to_string());
            stored.row_group = rejection.row_group.map(|group| group as u64);
        }
    }
    Ok(stored)
}
