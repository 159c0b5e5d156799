//! Sources whose path leads to no file, and what was probably meant.

use perennial_base::config::SourceConfig;
use perennial_base::nearest;
use perennial_engine::Engine;
use perennial_lake::{Lake, SourcePath, names_in};

use crate::error::Result;

/// Names of a folder that are told where none is near.
const TOLD: usize = 5;

/// A source whose path leads to no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Astray {
    /// The source.
    pub source: String,
    /// Its path, as it is written.
    pub path: String,
    /// What was probably meant, or what there is.
    pub instead: Instead,
}

/// What there is in the place of a path that leads to no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// The path with the nearest name in the place of the one that is not there.
    Near(String),
    /// A folder that is there, `.` for that of the lake, and some of what is in it.
    Found {
        /// The folder.
        folder: String,
        /// Names in it, those of folders with a slash at the end; none where nothing is in it.
        names: Vec<String>,
    },
}

/// The sources of a snapshot that have no file, as their path leads to none; without a snapshot, of a lake in which no
/// source has one, all.
///
/// # Errors
/// When the lake cannot be listed.
pub async fn sources_astray(engine: &Engine) -> Result<Vec<Astray>> {
    let release = engine.release();
    let has_none = |source: &&SourceConfig| match release.manifest() {
        Some(manifest) => {
            let known = manifest.sources.get(&source.name);
            known.is_some_and(|known| known.files.is_empty())
        }
        None => true,
    };
    let empty = engine.config().sources.iter().filter(has_none);
    astray(engine.lake(), empty).await
}

/// What is there for each of these sources, to whose paths nothing leads.
pub(crate) async fn astray<'a>(
    lake: &Lake,
    sources: impl Iterator<Item = &'a SourceConfig>,
) -> Result<Vec<Astray>> {
    let mut found = Vec::new();
    for source in sources {
        found.push(Astray {
            source: source.name.clone(),
            path: source.path.clone(),
            instead: instead(lake, &source.path).await?,
        });
    }
    Ok(found)
}

/// Follows the path from the root of the lake as far as it leads, and looks around there.
async fn instead(lake: &Lake, path: &str) -> Result<Instead> {
    let parsed = SourcePath::parse(path)?;
    let mut folder = String::new();
    let segments: Vec<&str> = parsed
        .prefix()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for (place, segment) in segments.iter().enumerate() {
        let names = names_in(lake, &folder).await?;
        if names.iter().any(|name| name.trim_end_matches('/') == *segment) {
            folder = joined(&folder, segment);
            continue;
        }
        let Some(near) = nearest(segment, names.iter().map(|name| name.trim_end_matches('/'))) else {
            return Ok(around(folder, names));
        };
        let rest = segments.get(place + 1..).unwrap_or_default();
        let meant = [&[near], rest].concat().join("/");
        // What stands behind the fixed part: a pattern, or the slash of a folder.
        let behind = path
            .trim_start_matches("./")
            .strip_prefix(parsed.prefix())
            .unwrap_or_default();
        let mut meant = joined(&folder, &meant) + behind;
        if names.iter().all(|name| name != near) && !meant.ends_with('/') && behind.is_empty() {
            meant.push('/');
        }
        return Ok(Instead::Near(meant));
    }
    let names = names_in(lake, &folder).await?;
    Ok(around(folder, names))
}

fn around(folder: String, mut names: Vec<String>) -> Instead {
    names.truncate(TOLD);
    let folder = match folder.is_empty() {
        true => ".".to_owned(),
        false => folder + "/",
    };
    Instead::Found { folder, names }
}

fn joined(folder: &str, name: &str) -> String {
    match folder.is_empty() {
        true => name.to_owned(),
        false => format!("{folder}/{name}"),
    }
}
