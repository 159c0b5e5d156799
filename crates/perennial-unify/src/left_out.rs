//! Files that are served, and that another configuration leaves out although they are in the lake as they were.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use futures::{StreamExt, TryStreamExt, stream};
use perennial_base::config::{Config, SourceConfig, Spot};
use perennial_engine::Engine;
use perennial_lake::{FileState, Lake, Manifest, SourceFile};

use crate::astray::{Instead, astray};
use crate::error::{Error, Result};
use crate::landing::Landing;
use crate::reader::still;

/// Files that are asked for at once.
const REQUESTS: usize = 16;

/// Files of one source of the snapshot before that are left out for one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The source that has them in the snapshot.
    pub source: String,
    /// How many.
    pub files: u64,
    /// How many rows of them are served.
    pub rows: u64,
    /// The first of them by path.
    pub first: String,
    /// Why.
    pub cause: Cause,
}

/// Why a configuration leaves files out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The path of their source does not lead to them.
    Path {
        /// Where the path stands in the file.
        at: Spot,
        /// What it was meant to be, where something is near.
        near: Option<String>,
    },
    /// Their source is not in the configuration, and no other one takes them.
    Source,
    /// A source takes them and quarantines them.
    Refused {
        /// Where its `[[source]]` stands in the file.
        at: Spot,
        /// Its name.
        by: String,
        /// Why the first is quarantined.
        reason: String,
    },
}

/// The files that are served now and would not be by this configuration, although nobody has changed them: where the
/// snapshot was made with the same configuration there are none. In the order of their sources' names.
///
/// # Errors
/// When the store cannot be asked whether a file is there.
pub(crate) async fn left_out(
    engine: &Engine,
    previous: Option<&Manifest>,
    landing: &Landing,
) -> Result<Vec<LeftOut>> {
    let config = engine.config();
    let Some(previous) = previous.filter(|previous| previous.config_hash != config.hash) else {
        return Ok(Vec::new());
    };
    let taken = taken(config, landing);
    let mut found = Vec::new();
    for (name, source) in &previous.sources {
        let mut refused: BTreeMap<&str, Vec<(&SourceFile, Cause)>> = BTreeMap::new();
        let mut of_nobody = Vec::new();
        for file in source.files.iter().filter(|file| is_served(file)) {
            match taken.get(file.path.as_str()) {
                None => of_nobody.push(file),
                Some((by, now)) if now.state != FileState::Live && unchanged(file, now) => {
                    let cause = Cause::Refused {
                        at: by.at,
                        by: by.name.clone(),
                        reason: now.reason.clone().unwrap_or_default(),
                    };
                    refused.entry(&by.name).or_default().push((file, cause));
                }
                Some(_) => {}
            }
        }
        let of_nobody = there(engine.lake(), of_nobody).await?;
        if !of_nobody.is_empty() {
            let cause = match config.sources.iter().find(|source| source.name == *name) {
                Some(source) => Cause::Path {
                    at: source.path_at,
                    near: near(engine.lake(), source).await?,
                },
                None => Cause::Source,
            };
            found.extend(LeftOut::of(name, &of_nobody, cause));
        }
        for refused in refused.into_values() {
            let (files, mut causes): (Vec<_>, Vec<_>) = refused.into_iter().unzip();
            found.extend(LeftOut::of(name, &files, causes.swap_remove(0)));
        }
    }
    Ok(found)
}

impl LeftOut {
    /// What to do.
    pub(crate) fn hint(&self) -> String {
        let correct = match &self.cause {
            Cause::Path { near: Some(near), .. } => format!("Did you mean \"{near}\"?"),
            Cause::Path { .. } => "Correct the path.".to_owned(),
            Cause::Source => "Add the source again.".to_owned(),
            Cause::Refused { .. } => "Correct the mapping, or raise max_bad_rows.".to_owned(),
        };
        format!("{correct} If these rows are meant to go, run `perennial unify --allow-removal` once.")
    }

    /// Of files in the order of their paths; none of no file.
    fn of(source: &str, files: &[&SourceFile], cause: Cause) -> Option<Self> {
        Some(Self {
            source: source.to_owned(),
            files: files.len() as u64,
            rows: files.iter().map(|file| file.unified).sum(),
            first: files.first()?.path.clone(),
            cause,
        })
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, first) = (&self.source, &self.first);
        let rows = format!("{} {}", self.rows, if self.rows == 1 { "row" } else { "rows" });
        let served = match self.files {
            1 => format!("\"{first}\", which is served with {rows} and is in the lake as it was"),
            files => format!(
                "{files} files such as \"{first}\", which are served with {rows} and are in the lake as they were"
            ),
        };
        match &self.cause {
            Cause::Path { at, .. } => {
                write!(f, "{at}: path of source \"{source}\" does not lead to {served}")
            }
            Cause::Source => write!(
                f,
                " there is no source \"{source}\" any more, and none takes {served}"
            ),
            Cause::Refused { at, by, reason } => {
                write!(f, "{at}: source \"{by}\" refuses {served}: {reason}")
            }
        }
    }
}

fn is_served(file: &SourceFile) -> bool {
    file.state == FileState::Live && file.unified > 0
}

fn unchanged(before: &SourceFile, now: &SourceFile) -> bool {
    (now.size, &now.e_tag, now.last_modified) == (before.size, &before.e_tag, before.last_modified)
}

/// Refuses a run that would take away what is served because of the configuration alone, unless it `removes`.
///
/// # Errors
/// The first of [`left_out`].
pub(crate) async fn keep_served(
    engine: &Engine,
    previous: Option<&Manifest>,
    landing: &Landing,
    removes: bool,
) -> Result<()> {
    if removes {
        return Ok(());
    }
    let left = left_out(engine, previous, landing).await?;
    left.into_iter()
        .next()
        .map_or(Ok(()), |left| Err(Error::LeftOut(Box::new(left))))
}

/// What the sources of a configuration take, by path; of a file of several sources the one that serves it.
fn taken<'a>(
    config: &'a Config,
    landing: &'a Landing,
) -> HashMap<&'a str, (&'a SourceConfig, &'a SourceFile)> {
    let mut taken = HashMap::new();
    for (source, manifest) in config.sources.iter().zip(&landing.sources) {
        for file in &manifest.files {
            if file.state == FileState::Live || !taken.contains_key(file.path.as_str()) {
                taken.insert(file.path.as_str(), (source, file));
            }
        }
    }
    taken
}

/// Those of the files that are in the lake as they were.
async fn there<'a>(lake: &Lake, files: Vec<&'a SourceFile>) -> Result<Vec<&'a SourceFile>> {
    let asked = files.into_iter().map(|file| async move {
        match still(lake, file).await {
            Ok(()) => Ok(Some(file)),
            Err(Error::Lake(perennial_lake::Error::Replaced { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let answers = stream::iter(asked.collect::<Vec<_>>()).buffered(REQUESTS);
    answers
        .try_filter_map(|file| async move { Ok(file) })
        .try_collect()
        .await
}

/// What a path was meant to be that leads to no file.
async fn near(lake: &Lake, source: &SourceConfig) -> Result<Option<String>> {
    let astray = astray(lake, std::iter::once(source)).await?;
    let instead = astray.into_iter().find_map(|astray| astray.instead);
    Ok(match instead {
        Some(Instead::Near(path)) => Some(path),
        _ => None,
    })
}
