//! A first look at a lake without a configuration: which folders there are, and what their columns hold.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::compute::{SortOptions, cast, concat, sort_to_indices};
use arrow::datatypes::{DataType, Schema};
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use perennial_base::propose::{ColumnFacts, ColumnShape, FolderFacts, key_questions};
use perennial_engine::Engine;
use perennial_engine::release::source_table;
use perennial_lake::{
    Contract, FileFacts, FileState, Landed, SourceFile, SourceManifest, SourcePath, discover, inspect,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Result;
use crate::nameless::nameless;
use crate::repeats::repeats;

/// Values of a column that are kept as samples, and values that distinctness is estimated from.
const SAMPLES: usize = 200;
const SAMPLED: usize = 10_000;
/// Values that are remembered to see whether a column is a key.
const REMEMBERED: usize = 20_000_000;

/// What a survey found.
#[derive(Debug)]
pub struct Survey {
    /// Facts of each folder that has readable files.
    pub folders: Vec<FolderFacts>,
    /// Files that cannot be read: path and reason.
    pub unreadable: Vec<(String, String)>,
}

/// Looks at all files of the engine's lake.
///
/// # Errors
/// When the lake cannot be listed or read.
pub async fn survey(engine: &Arc<Engine>) -> Result<Survey> {
    let lake = engine.lake();
    let mut unreadable = Vec::new();
    let mut groups = Groups::new();
    for file in discover(lake, &SourcePath::parse("")?).await? {
        match inspect(lake, &file).await {
            Ok(Ok(facts)) => groups.entry(group_of(&file)).or_default().push((file, facts)),
            Ok(Err(rejection)) => unreadable.push((file.path.clone(), rejection.to_string())),
            Err(perennial_lake::Error::Replaced { .. } | perennial_lake::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    merge_root(&mut groups);
    let groups = told_apart(groups);
    let mut folders = Vec::new();
    for (path, files) in groups {
        let mut contract = Contract::default();
        let mut live = Vec::new();
        let mut partitions: Vec<String> = Vec::new();
        let mut likes: Vec<(String, HashSet<String>)> = Vec::new();
        for (file, facts) in files {
            sort_in(&mut likes, &file.path, &facts.schema);
            match contract.fit(&facts.schema) {
                Ok(extended) => contract = extended,
                Err(misfit) => {
                    unreadable.push((file.path, misfit.to_string()));
                    continue;
                }
            }
            for (name, _) in &file.partitions {
                if !partitions.contains(name) {
                    partitions.push(name.clone());
                }
            }
            live.push(SourceFile {
                path: file.path,
                size: file.size,
                partitions: file.partitions,
                state: FileState::Live,
                landed: facts.rows,
                stats: facts.stats,
                ..SourceFile::default()
            });
        }
        let rows = live.iter().map(|file| file.landed).sum();
        let count = live.len();
        let manifest = SourceManifest {
            kind: String::new(),
            contract,
            files: live,
            ..SourceManifest::default()
        };
        let table = source_table(lake, &manifest)?;
        let columns = columns(engine, &table, rows).await?;
        let mut facts = FolderFacts {
            path,
            files: count,
            rows,
            columns,
            partitions,
            repeats: Vec::new(),
            unlike: if likes.len() > 1 {
                likes.into_iter().map(|(path, _)| path).collect()
            } else {
                Vec::new()
            },
        };
        let questions = key_questions(&facts);
        facts.repeats = repeats(engine, &table, rows, &facts.partitions, questions).await?;
        folders.push(facts);
    }
    let nameless = nameless(lake, engine.clock().now()).await?.into_iter();
    unreadable.extend(nameless.map(|(file, reason)| (file.path, reason.to_owned())));
    Ok(Survey { folders, unreadable })
}

/// Puts a file among those of its folder that have at least half of the columns in common with it, each kind of them by
/// its first file and all their columns, and says which kind that is. Columns that come and go over the years make no kind
/// of their own.
fn sort_in(likes: &mut Vec<(String, HashSet<String>)>, path: &str, schema: &Schema) -> usize {
    let names: HashSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let alike =
        |known: &HashSet<String>| known.intersection(&names).count() * 2 >= known.len().min(names.len());
    match likes.iter().position(|(_, known)| alike(known)) {
        Some(kind) => {
            if let Some((_, known)) = likes.get_mut(kind) {
                known.extend(names);
            }
            kind
        }
        None => {
            likes.push((path.to_owned(), names));
            likes.len() - 1
        }
    }
}

type Groups = BTreeMap<String, Vec<(Landed, FileFacts)>>;

/// The groups, with a pattern in the place of a folder for each kind of files in it, where their names tell them apart.
fn told_apart(groups: Groups) -> Groups {
    let mut apart = Groups::new();
    for (folder, files) in groups {
        let patterns = patterns(&folder, &files);
        for (at, file) in files.into_iter().enumerate() {
            let pattern = patterns.as_ref().and_then(|patterns| patterns.get(at));
            let group = pattern.unwrap_or(&folder).clone();
            apart.entry(group).or_default().push(file);
        }
    }
    apart
}

/// For each file of a folder with several kinds of them, the pattern that leads to its kind: `shop/orders_*.parquet`. None
/// where there is one kind, or the files of one are not called differently from those of another.
fn patterns(folder: &str, files: &[(Landed, FileFacts)]) -> Option<Vec<String>> {
    let mut likes = Vec::new();
    let kinds: Vec<usize> = files
        .iter()
        .map(|(file, facts)| sort_in(&mut likes, &file.path, &facts.schema))
        .collect();
    if likes.len() < 2 {
        return None;
    }
    let mut stems: Vec<Option<&str>> = vec![None; likes.len()];
    for ((file, _), kind) in files.iter().zip(&kinds) {
        let name = file.path.strip_prefix(folder)?.strip_suffix(".parquet")?;
        let end = name.find(|c: char| c.is_ascii_digit() || c == '.');
        let own = name.get(..end.unwrap_or(name.len()))?;
        let stem = stems.get_mut(*kind)?;
        *stem = Some(stem.map_or(own, |known| common(known, own)));
    }
    let stems: Vec<&str> = stems.into_iter().collect::<Option<_>>()?;
    // A name that says nothing, a file below the folder, and what a pattern would read in another way.
    let unfit = |stem: &&str| stem.is_empty() || stem.contains(['/', '*', '?', '[']);
    let within = |(at, stem): (usize, &&str)| {
        let mut others = stems.iter().enumerate().filter(|(other, _)| *other != at);
        others.any(|(_, other)| other.starts_with(stem))
    };
    if stems.iter().any(unfit) || stems.iter().enumerate().any(within) {
        return None;
    }
    let pattern = |kind: &usize| Some(format!("{folder}{}*.parquet", stems.get(*kind)?));
    kinds.iter().map(pattern).collect()
}

/// What two names begin with.
fn common<'a>(name: &'a str, other: &str) -> &'a str {
    let same = name.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    let end = same.map(|(letter, _)| letter.len_utf8()).sum();
    name.get(..end).unwrap_or_default()
}

/// Puts the files in the root together where they are all of one kind: then whatever lands beside them is of it too.
fn merge_root(groups: &mut Groups) {
    let mut likes = Vec::new();
    let in_root = |path: &String| !path.contains('/');
    for (file, facts) in groups
        .iter()
        .filter(|(path, _)| in_root(path))
        .flat_map(|(_, files)| files)
    {
        sort_in(&mut likes, &file.path, &facts.schema);
    }
    if likes.len() == 1 {
        let paths: Vec<String> = groups.keys().filter(|path| in_root(path)).cloned().collect();
        let files = paths
            .iter()
            .filter_map(|path| groups.remove(path))
            .flatten()
            .collect();
        groups.insert(String::new(), files);
    }
}

/// The folder of a file without its hive partitions; a file in the root stands for itself.
fn group_of(file: &Landed) -> String {
    let folders: Vec<&str> = file.path.split('/').collect();
    let folders = folders.split_last().map_or(&[][..], |(_, folders)| folders);
    let plain: Vec<&str> = folders
        .iter()
        .copied()
        .take_while(|folder| !folder.contains('='))
        .collect();
    if plain.is_empty() {
        return file.path.clone();
    }
    format!("{}/", plain.join("/"))
}

/// What is gathered about a column while its values go by.
struct Gathering {
    nulls: u64,
    values: u64,
    samples: Vec<String>,
    sampled: HashSet<u64>,
    sampled_values: usize,
    /// None once a value came twice, or there were too many to remember.
    seen: Option<HashSet<u64>>,
    repeated: bool,
    /// The smallest and the largest value so far, each as a column of one row.
    min: Option<ArrayRef>,
    max: Option<ArrayRef>,
}

async fn columns(engine: &Engine, table: &dyn TableProvider, rows: u64) -> Result<Vec<ColumnFacts>> {
    let state = engine.work_state(1 << 30)?;
    let schema = table.schema();
    let mut gathered: Vec<Gathering> = schema
        .fields()
        .iter()
        .map(|field| Gathering {
            nulls: 0,
            values: 0,
            samples: Vec::new(),
            sampled: HashSet::new(),
            sampled_values: 0,
            seen: can_be_key(field.data_type()).then(HashSet::new),
            repeated: false,
            min: None,
            max: None,
        })
        .collect();
    let plan = table.scan(&state, None, &[], None).await?;
    let mut stream = execute_stream(plan, state.task_ctx())?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        for (gathering, column) in gathered.iter_mut().zip(batch.columns()) {
            gathering.nulls += column.null_count() as u64;
            gathering.values += column.len() as u64;
            gathering.bound(column);
            if gathering.seen.is_none() && gathering.sampled_values >= SAMPLED {
                continue;
            }
            let Ok(text) = cast(column, &DataType::Utf8) else {
                continue;
            };
            if let Some(text) = text.as_any().downcast_ref::<StringArray>() {
                gathering.take(text);
            }
        }
    }
    Ok(schema
        .fields()
        .iter()
        .zip(gathered)
        .map(|(field, gathering)| ColumnFacts {
            name: field.name().clone(),
            shape: shape(field.data_type()),
            distinct_ratio: (gathering.sampled_values > 0)
                .then(|| gathering.sampled.len() as f64 / gathering.sampled_values as f64),
            null_ratio: gathering.nulls as f64 / gathering.values.max(1) as f64,
            unique_over_all_rows: match &gathering.seen {
                Some(seen) => Some(gathering.nulls == 0 && seen.len() as u64 == rows),
                None => gathering.repeated.then_some(false),
            },
            samples: gathering.samples,
            min: gathering.min.as_ref().and_then(text_of),
            max: gathering.max.as_ref().and_then(text_of),
        })
        .collect())
}

impl Gathering {
    /// Widens the bounds by the values of a batch. What has no order has no bounds.
    fn bound(&mut self, column: &ArrayRef) {
        for (bound, descending) in [(&mut self.min, false), (&mut self.max, true)] {
            let found = first(column, descending);
            let joined = match (&*bound, &found) {
                (Some(known), Some(new)) => concat(&[known, new])
                    .ok()
                    .and_then(|both| first(&both, descending)),
                _ => None,
            };
            *bound = joined.or_else(|| bound.take()).or(found);
        }
    }

    fn take(&mut self, text: &StringArray) {
        for value in text.iter().flatten() {
            let hash = xxh3_64(value.as_bytes());
            if self.sampled_values < SAMPLED {
                self.sampled_values += 1;
                if self.sampled.insert(hash) && self.samples.len() < SAMPLES {
                    self.samples.push(value.to_owned());
                }
            }
            if let Some(seen) = &mut self.seen {
                if !seen.insert(hash) {
                    self.repeated = true;
                    self.seen = None;
                } else if seen.len() > REMEMBERED {
                    self.seen = None;
                }
            }
        }
    }
}

/// The smallest or largest value that is not null, as a column of one row.
fn first(column: &ArrayRef, descending: bool) -> Option<ArrayRef> {
    let order = SortOptions {
        descending,
        nulls_first: false,
    };
    let place = sort_to_indices(column, Some(order), Some(1)).ok()?;
    let row = place.values().first().copied()? as usize;
    column.is_valid(row).then(|| column.slice(row, 1))
}

fn text_of(one: &ArrayRef) -> Option<String> {
    let text = cast(one, &DataType::Utf8).ok()?;
    let text = text.as_any().downcast_ref::<StringArray>()?;
    text.iter().flatten().next().map(str::to_owned)
}

fn can_be_key(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::FixedSizeBinary(16)
        )
}

fn shape(data_type: &DataType) -> ColumnShape {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnShape::Text,
        DataType::Dictionary(_, value) => shape(value),
        DataType::Boolean => ColumnShape::Bool,
        DataType::Date32 | DataType::Date64 => ColumnShape::Date,
        DataType::Timestamp(_, None) => ColumnShape::WallClock,
        DataType::Timestamp(..) => ColumnShape::Timestamp,
        data_type if data_type.is_integer() => ColumnShape::Int,
        data_type if data_type.is_floating() => ColumnShape::Float,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => ColumnShape::Decimal,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ColumnShape::Binary
        }
        _ => ColumnShape::Nested,
    }
}
