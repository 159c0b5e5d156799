//! Which files have landed, and which of them are done being written.

use std::collections::HashMap;

use futures::TryStreamExt;
use glob::{MatchOptions, Pattern};
use object_store::{ObjectMeta, ObjectStoreExt};

use crate::error::{Error, Result};
use crate::store::{Lake, PLATFORM_FOLDER, parse_path};

/// The value that Hive, Spark and their kin write into a path for NULL.
pub const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// How long a file must have been left alone to be settled at the first look, in microseconds.
pub const SETTLING_GRACE: i64 = 2_000_000;

/// Where a source's files are: a folder with all below it, one file, or a pattern of `*`, `?`, `[…]` and `**`.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcePath {
    /// The folder to list: everything up to the first segment with a wildcard.
    prefix: String,
    pattern: Option<Pattern>,
}

impl SourcePath {
    /// Reads a path of the configuration, relative to the lake. `""`, `"."` and `"./"` are the whole lake.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for absolute paths, urls, `..`, malformed patterns, and the platform's own folder.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::InvalidPath {
            path: text.to_owned(),
            reason: reason.to_owned(),
        };
        let mut path = text;
        while let Some(rest) = path.strip_prefix("./") {
            path = rest;
        }
        if path.starts_with('/') || path.contains("://") {
            return Err(refuse("it must be relative to the lake"));
        }
        let path = if path == "." {
            ""
        } else {
            path.trim_end_matches('/')
        };
        let wild = |segment: &&str| segment.contains(['*', '?', '[']);
        let segments: Vec<&str> = path.split('/').collect();
        let fixed = segments.iter().position(wild).unwrap_or(segments.len());
        let prefix = segments.iter().take(fixed).copied().collect::<Vec<_>>().join("/");
        parse_path(&prefix).map_err(|_| refuse("it has \"..\", an empty segment or a control character"))?;
        if segments.first() == Some(&PLATFORM_FOLDER) {
            return Err(refuse("this folder belongs to the platform"));
        }
        if segments.contains(&"..") || (path.contains("//")) {
            return Err(refuse("it has \"..\" or an empty segment"));
        }
        let pattern = match fixed < segments.len() {
            true => Some(Pattern::new(path).map_err(|error| refuse(error.msg))?),
            false => None,
        };
        Ok(Self { prefix, pattern })
    }

    /// The folder (or file) up to the first wildcard, relative to the lake.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a file at `relative` is a candidate of this source: below its folder or of its pattern, not
    /// `*.tmp`, and without a segment below the prefix that begins with `_` or `.`.
    pub fn matches(&self, relative: &str) -> bool {
        let below = match relative.strip_prefix(self.prefix.as_str()) {
            Some(rest) if self.prefix.is_empty() => rest,
            Some("") => "",
            Some(rest) => match rest.strip_prefix('/') {
                Some(rest) => rest,
                None => return false,
            },
            None => return false,
        };
        let hidden = below.split('/').any(|segment| segment.starts_with(['_', '.']));
        let options = MatchOptions {
            require_literal_separator: true,
            ..MatchOptions::new()
        };
        let of_pattern = self
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.matches_with(relative, options));
        !hidden && !relative.ends_with(".tmp") && of_pattern
    }
}

/// A file that a source's path leads to, as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The path relative to the lake.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// The store's tag of the content, where the store gives one.
    pub e_tag: Option<String>,
    /// When the store says that it was written, in microseconds since 1970-01-01 UTC.
    pub last_modified: i64,
    /// The `name=value` folders of its path in order, values decoded; [`HIVE_NULL`] stands for NULL.
    pub partitions: Vec<(String, String)>,
}

impl Landed {
    /// Whether this is, as far as the store tells, the content that `size` and `e_tag` were noted of.
    pub fn unchanged(&self, size: u64, e_tag: Option<&str>) -> bool {
        self.size == size && self.e_tag.as_deref() == e_tag
    }
}

/// Lists the candidates of a source, sorted by path. A folder that does not exist has none.
///
/// # Errors
/// When the store cannot be listed.
pub async fn discover(lake: &Lake, source: &SourcePath) -> Result<Vec<Landed>> {
    let failed = |error: object_store::Error| Error::store("list", source.prefix(), &error);
    let store = lake.store();
    let prefix = lake.path(source.prefix())?;
    let mut found = match source.prefix.is_empty() {
        true => below_root(lake).await?,
        false => list(lake, source.prefix()).await?,
    };
    if source.pattern.is_none() && !source.prefix.is_empty() {
        // A listing is of what is below a name; the name may also be a file.
        match store.head(&prefix).await {
            Ok(file) if !found.iter().any(|meta| meta.location == file.location) => found.push(file),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(candidates(lake, found, |path| source.matches(path)))
}

/// Lists the files of the lake that no source takes, sorted by path: what is in folders of sources is not listed, and
/// neither are the platform's own files nor any other that [`SourcePath::matches`] leaves out of a whole lake. A folder that
/// may not be listed has none.
///
/// # Errors
/// When the store cannot be listed.
pub async fn unclaimed(lake: &Lake, sources: &[SourcePath]) -> Result<Vec<Landed>> {
    let everything = SourcePath::parse("")?;
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let mut whole = sources.iter().filter(|source| source.pattern.is_none());
        if whole.any(|source| is_within(&folder, source.prefix())) {
            continue;
        }
        let mut below = sources.iter().map(SourcePath::prefix);
        let leads = below.any(|prefix| prefix != folder && is_within(prefix, &folder));
        let listed = match folder.is_empty() || leads {
            true => directly_in(lake, &folder).await,
            false => list(lake, &folder).await.map(|files| Folder {
                files,
                ..Folder::default()
            }),
        };
        let listed = match listed {
            Err(Error::NotAllowed { .. }) => continue,
            listed => listed?,
        };
        found.extend(listed.files);
        folders.extend(
            listed
                .folders
                .into_iter()
                .filter(|folder| everything.matches(folder)),
        );
    }
    Ok(candidates(lake, found, |path| {
        everything.matches(path) && !sources.iter().any(|source| source.matches(path))
    }))
}

/// Lists the files of a local lake that no object can be named after, sorted by path, in which what is not allowed is
/// escaped. They are in no other listing. Among them are uploads under way, see [`upload_of`](crate::upload_of).
///
/// # Errors
/// When the folder cannot be listed.
pub async fn unnameable(lake: &Lake) -> Result<Vec<Landed>> {
    let everything = SourcePath::parse("")?;
    let mut found: Vec<Landed> = lake
        .unnameable()
        .await?
        .into_iter()
        .filter(|(path, _)| everything.matches(path))
        .map(|(path, meta)| Landed {
            path,
            size: meta.size,
            e_tag: meta.e_tag,
            last_modified: meta.last_modified.timestamp_micros(),
            partitions: Vec::new(),
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// What is directly in a folder of the lake.
#[derive(Debug, Default)]
struct Folder {
    /// Paths of folders, relative to the lake.
    folders: Vec<String>,
    files: Vec<ObjectMeta>,
}

/// The names of what is directly in a folder of the lake, those of folders with a slash at the end; sorted, without those
/// that no source is meant to see.
///
/// # Errors
/// When the store cannot be listed, or the path is none.
pub async fn names_in(lake: &Lake, folder: &str) -> Result<Vec<String>> {
    let found = directly_in(lake, folder).await?;
    let everything = SourcePath::parse("")?;
    let files = found
        .files
        .iter()
        .filter_map(|file| lake.relative(&file.location));
    // An object of the name of a folder is what makes it in a console.
    let files = files.filter(|path| !found.folders.contains(path));
    let folders = found.folders.iter().map(|folder| format!("{folder}/"));
    let mut names: Vec<String> = files
        .chain(folders)
        .filter(|path| everything.matches(path.trim_end_matches('/')))
        .filter_map(|path| {
            let below = path.strip_prefix(folder)?;
            Some(below.trim_start_matches('/').to_owned())
        })
        .collect();
    names.sort();
    Ok(names)
}

async fn directly_in(lake: &Lake, folder: &str) -> Result<Folder> {
    let listed = lake.store().list_with_delimiter(Some(&lake.path(folder)?)).await;
    let listed = listed.map_err(|error| Error::store("list", folder, &error))?;
    let folders = listed.common_prefixes.iter();
    Ok(Folder {
        folders: folders.filter_map(|folder| lake.relative(folder)).collect(),
        files: listed.objects,
    })
}

/// All objects below the root of the lake but those of the platform, which are far more than what has landed.
async fn below_root(lake: &Lake) -> Result<Vec<ObjectMeta>> {
    let root = directly_in(lake, "").await?;
    let mut found = root.files;
    for folder in root.folders.iter().filter(|folder| *folder != PLATFORM_FOLDER) {
        found.extend(list(lake, folder).await?);
    }
    Ok(found)
}

/// All objects below a folder.
async fn list(lake: &Lake, folder: &str) -> Result<Vec<ObjectMeta>> {
    let listed = lake.store().list(Some(&lake.path(folder)?)).try_collect().await;
    listed.map_err(|error| Error::store("list", folder, &error))
}

/// Whether a path is a folder or below it; every path is below the root.
fn is_within(path: &str, folder: &str) -> bool {
    match path.strip_prefix(folder) {
        Some(rest) => folder.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// Of objects those that are wanted, by path, sorted by it.
fn candidates(lake: &Lake, mut found: Vec<ObjectMeta>, wanted: impl Fn(&str) -> bool) -> Vec<Landed> {
    found.sort_by(|a, b| a.location.cmp(&b.location));
    let mut landed: Vec<Landed> = Vec::with_capacity(found.len());
    for (meta, next) in found.iter().zip(found.iter().skip(1).map(Some).chain([None])) {
        // Consoles of object stores make a folder by an empty object of its name.
        let marker = meta.size == 0
            && next.is_some_and(|next| {
                next.location != meta.location && next.location.prefix_matches(&meta.location)
            });
        let Some(path) = lake.relative(&meta.location) else {
            continue;
        };
        if !marker && wanted(&path) {
            landed.push(Landed {
                size: meta.size,
                e_tag: meta.e_tag.clone(),
                last_modified: meta.last_modified.timestamp_micros(),
                partitions: hive_partitions(&path),
                path,
            });
        }
    }
    landed
}

/// Remembers what a source looked like, to tell a file that is being written from one that is done.
#[derive(Debug, Default)]
pub struct Settling {
    former: HashMap<String, (u64, Option<String>, i64)>,
    waiting: usize,
}

impl Settling {
    /// A memory that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The files of `landed` that are settled: the same in size, tag and time as at the look before, or not
    /// written to for [`SETTLING_GRACE`] before `now` (microseconds UTC). The look is remembered.
    pub fn look(&mut self, landed: Vec<Landed>, now: i64) -> Vec<Landed> {
        let mut seen = HashMap::with_capacity(landed.len());
        let total = landed.len();
        let settled: Vec<_> = landed
            .into_iter()
            .filter(|file| {
                let state = (file.size, file.e_tag.clone(), file.last_modified);
                let same = self.former.get(&file.path) == Some(&state);
                seen.insert(file.path.clone(), state);
                same || now.saturating_sub(file.last_modified) >= SETTLING_GRACE
            })
            .collect();
        self.former = seen;
        self.waiting = total.saturating_sub(settled.len());
        settled
    }

    /// How many files of the last look were not settled.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

/// The `name=value` folders of a path, values decoded from `%XX`.
fn hive_partitions(path: &str) -> Vec<(String, String)> {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders
        .split('/')
        .filter_map(|segment| segment.split_once('='))
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (percent_decoded(name), percent_decoded(value)))
        .collect()
}

/// The text with every `%XX` decoded; as it is when that is not UTF-8.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let hex = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::PutPayload;
    use object_store::memory::InMemory;

    use super::*;

    #[test]
    fn paths_match_what_they_say() {
        #[track_caller]
        fn check(source: &str, file: &str, expected: bool) {
            assert_eq!(
                SourcePath::parse(source).unwrap().matches(file),
                expected,
                "{source} {file}"
            );
        }
        check("crm/contacts/", "crm/contacts/a.parquet", true);
        check("crm/contacts", "crm/contacts/2026/01/a.parquet", true);
        check("./crm/contacts/", "crm/contacts/readme.txt", true);
        check("crm/contacts/", "crm/contacts2/a.parquet", false);
        check("crm/contacts/", "crm/contacts/_SUCCESS", false);
        check("crm/contacts/", "crm/contacts/.a.crc", false);
        check("crm/contacts/", "crm/contacts/_temporary/0/a.parquet", false);
        check("crm/contacts/", "crm/contacts/a.parquet.tmp", false);
        check("_export/", "_export/a.parquet", true);
        check("x.parquet", "x.parquet", true);
        check("x.parquet", "x.parquet/part-0.parquet", true);
        check("x.parquet", "y.parquet", false);
        check("", "a/b.parquet", true);
        check(".", "_perennial/data/t/a.parquet", false);
        check("shop/orders/**/*.parquet", "shop/orders/a.parquet", true);
        check(
            "shop/orders/**/*.parquet",
            "shop/orders/month=1/day=2/a.parquet",
            true,
        );
        check("shop/orders/**/*.parquet", "shop/orders/month=1/a.csv", false);
        check("shop/*/a.parquet", "shop/x/a.parquet", true);
        check("shop/*/a.parquet", "shop/x/y/a.parquet", false);
        check("shop/*/a.parquet", "shop/_x/a.parquet", false);
        check("shop/a-[0-9]?.parquet", "shop/a-1z.parquet", true);
    }

    #[test]
    fn paths_stay_inside_of_the_lake() {
        for bad in [
            "/etc",
            "s3://b/x",
            "../x",
            "a/../b",
            "a/*/../b",
            "a//b",
            "_perennial/data",
            "a/[",
            "a/***b",
            "a\nb",
        ] {
            assert!(
                matches!(SourcePath::parse(bad), Err(Error::InvalidPath { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn hive_folders_become_columns() {
        #[track_caller]
        fn check(path: &str, expected: &[(&str, &str)]) {
            let found = hive_partitions(path);
            let found: Vec<_> = found
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            assert_eq!(found, expected, "{path}");
        }
        check(
            "orders/month=2026-01/day=3/a.parquet",
            &[("month", "2026-01"), ("day", "3")],
        );
        check(
            "orders/city=K%C3%B6ln%2FBonn/a=b.parquet",
            &[("city", "Köln/Bonn")],
        );
        check("orders/x=a=b/=c/y=/a.parquet", &[("x", "a=b"), ("y", "")]);
        check(
            "orders/x=100%/y=%zz/z=%ff/a",
            &[("x", "100%"), ("y", "%zz"), ("z", "%ff")],
        );
        check(
            "orders/month=__HIVE_DEFAULT_PARTITION__/a",
            &[("month", HIVE_NULL)],
        );
        check("month=1.parquet", &[]);
    }

    #[tokio::test]
    async fn discovery_lists_candidates_in_order_and_nothing_else() {
        let store = Arc::new(InMemory::new());
        let lake = Lake::with_store(store, "s3://b", "team").unwrap();
        for (path, content) in [
            ("crm/b.parquet", "bb"),
            ("crm/month=1/a.parquet", "a"),
            ("crm/month=1", ""),
            ("crm/empty", ""),
            ("crm/_SUCCESS", ""),
            ("other/c.parquet", "c"),
        ] {
            let path = lake.path(path).unwrap();
            lake.store()
                .put(&path, PutPayload::from(content.to_owned()))
                .await
                .unwrap();
        }
        let paths = async |source: &str| -> Vec<String> {
            let landed = discover(&lake, &SourcePath::parse(source).unwrap())
                .await
                .unwrap();
            landed.into_iter().map(|file| file.path).collect()
        };
        assert_eq!(
            paths("crm/").await,
            ["crm/b.parquet", "crm/empty", "crm/month=1/a.parquet"]
        );
        assert_eq!(paths("crm/b.parquet").await, ["crm/b.parquet"]);
        assert_eq!(
            paths("**/*.parquet").await,
            ["crm/b.parquet", "crm/month=1/a.parquet", "other/c.parquet"]
        );
        assert!(paths("nowhere/").await.is_empty());
        assert_eq!(
            paths("").await,
            [
                "crm/b.parquet",
                "crm/empty",
                "crm/month=1/a.parquet",
                "other/c.parquet"
            ]
        );
        let left = async |sources: &[&str]| -> Vec<String> {
            let sources = sources.iter().map(|source| SourcePath::parse(source).unwrap());
            let landed = unclaimed(&lake, &sources.collect::<Vec<_>>()).await.unwrap();
            landed.into_iter().map(|file| file.path).collect()
        };
        assert_eq!(left(&["crm/"]).await, ["other/c.parquet"]);
        assert_eq!(
            left(&["crm/month=1/", "other/*.csv"]).await,
            ["crm/b.parquet", "crm/empty", "other/c.parquet"]
        );
        assert_eq!(
            left(&["crm/b.parquet", "crm/*/*.parquet", "other"]).await,
            ["crm/empty"]
        );
        assert!(left(&[""]).await.is_empty());
        assert_eq!(names_in(&lake, "").await.unwrap(), ["crm/", "other/"]);
        assert_eq!(
            names_in(&lake, "crm").await.unwrap(),
            ["b.parquet", "empty", "month=1/"]
        );
    }

    #[test]
    fn a_file_settles_when_it_stops_changing() {
        let file = |size, last_modified| Landed {
            path: "a".into(),
            size,
            e_tag: Some(format!("{size}-{last_modified}")),
            last_modified,
            partitions: Vec::new(),
        };
        let now = 1_000_000_000;
        let mut settling = Settling::new();
        assert!(settling.look(vec![file(10, now)], now).is_empty());
        assert_eq!(settling.waiting(), 1);
        assert!(settling.look(vec![file(20, now + 1)], now + 1).is_empty());
        assert_eq!(settling.look(vec![file(20, now + 1)], now + 2).len(), 1);
        assert_eq!(settling.waiting(), 0);
        // Gone and back: begins anew. Old enough: at once. From the future: two looks.
        assert!(settling.look(Vec::new(), now + 3).is_empty());
        assert!(settling.look(vec![file(20, now + 1)], now + 4).is_empty());
        assert_eq!(
            Settling::new()
                .look(vec![file(1, now)], now + SETTLING_GRACE)
                .len(),
            1
        );
        assert!(Settling::new().look(vec![file(1, now + 99)], now).is_empty());
    }
}
