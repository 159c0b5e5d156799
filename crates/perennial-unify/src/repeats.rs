//! How rows relate to each other that share a value of a column named like a key: versions of one row, the same row that
//! landed again, or rows of their own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::catalog::TableProvider;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use perennial_base::propose::{KeyQuestion, RepeatedKey};
use perennial_engine::Engine;

use crate::error::Result;
use crate::run::READ_MEMORY;

/// Rows that are compared with each other, about: of the rows of a larger table those of some keys, and of these all.
const COMPARED: u64 = 200_000;

/// The answers to questions about a table of so many rows; hive partitions say where a row lies, and are not compared.
///
/// # Errors
/// When the table cannot be read.
pub(crate) async fn repeats(
    engine: &Engine,
    table: &dyn TableProvider,
    rows: u64,
    partitions: &[String],
    questions: Vec<KeyQuestion>,
) -> Result<Vec<RepeatedKey>> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let schema = table.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    let compared: Vec<usize> = (0..names.len())
        .filter(|at| {
            names
                .get(*at)
                .is_some_and(|name| partitions.iter().all(|partition| partition != name))
        })
        .collect();
    let mut keys: Vec<Comparing> = Vec::new();
    for question in questions {
        let Some(at) = place(&question.key) else { continue };
        let asked = Asked {
            version: question.version.as_deref().and_then(place),
            determined: true,
            rows: HashMap::new(),
            question,
        };
        match keys.iter_mut().find(|key| key.at == at) {
            Some(key) => key.asked.push(asked),
            None => keys.push(Comparing {
                at,
                asked: vec![asked],
                keys: HashMap::new(),
            }),
        }
    }
    let every = rows.div_ceil(COMPARED).max(1);
    let state = engine.work_state(READ_MEMORY)?;
    let plan = table.scan(&state, None, &[], None).await?;
    let mut stream = execute_stream(plan, state.task_ctx())?;
    while let Some(batch) = stream.next().await {
        let hashes = Hashes::of(&batch?, &compared)?;
        for key in &mut keys {
            key.take(&hashes, &compared, every);
        }
    }
    let answers = keys.iter().flat_map(|key| key.answers(&names, &compared));
    Ok(answers.collect())
}

/// A hash of the values that each row has in these columns.
pub(crate) fn hashed(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![0; rows];
    create_hashes(columns, &QualityRandomState::with_seed(0), &mut hashes)?;
    Ok(hashes)
}

/// Hashes of a batch: of each column, and of the columns compared together.
struct Hashes {
    columns: Vec<Vec<u64>>,
    rows: Vec<u64>,
}

impl Hashes {
    fn of(batch: &RecordBatch, compared: &[usize]) -> Result<Self> {
        let hash = |arrays: &[ArrayRef]| hashed(arrays, batch.num_rows());
        let columns = batch.columns().iter();
        Ok(Self {
            columns: columns
                .map(|column| hash(std::slice::from_ref(column)))
                .collect::<Result<_>>()?,
            rows: hash(batch.project(compared)?.columns())?,
        })
    }

    fn of_column(&self, column: usize, row: usize) -> u64 {
        let column = self.columns.get(column);
        column
            .and_then(|hashes| hashes.get(row))
            .copied()
            .unwrap_or_default()
    }
}

/// The rows by the values of one column.
struct Comparing {
    at: usize,
    asked: Vec<Asked>,
    keys: HashMap<u64, Rows>,
}

/// A question, and the row that was seen of each key and version.
struct Asked {
    question: KeyQuestion,
    version: Option<usize>,
    determined: bool,
    rows: HashMap<(u64, u64), u64>,
}

/// The rows of one key: how many, the values of the first, and whether another has another one.
struct Rows {
    count: u64,
    first: Box<[u64]>,
    differs: Box<[bool]>,
}

impl Comparing {
    fn take(&mut self, hashes: &Hashes, compared: &[usize], every: u64) {
        if !self.asked.iter().any(|asked| asked.determined) {
            // Nobody asks any more.
            self.keys = HashMap::new();
            return;
        }
        for (row, whole) in hashes.rows.iter().enumerate() {
            let key = hashes.of_column(self.at, row);
            if !key.is_multiple_of(every) {
                continue;
            }
            for asked in self.asked.iter_mut().filter(|asked| asked.determined) {
                let version = asked.version.map_or(0, |version| hashes.of_column(version, row));
                if asked.rows.entry((key, version)).or_insert(*whole) != whole {
                    asked.determined = false;
                    asked.rows = HashMap::new();
                }
            }
            let values = || compared.iter().map(|column| hashes.of_column(*column, row));
            match self.keys.entry(key) {
                Entry::Vacant(place) => {
                    let first: Box<[u64]> = values().collect();
                    place.insert(Rows {
                        count: 1,
                        differs: vec![false; first.len()].into(),
                        first,
                    });
                }
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.count += 1;
                    for ((differs, first), value) in known.differs.iter_mut().zip(&known.first).zip(values())
                    {
                        *differs |= *first != value;
                    }
                }
            }
        }
    }

    fn answers(&self, names: &[&str], compared: &[usize]) -> Vec<RepeatedKey> {
        let several: Vec<&Rows> = self.keys.values().filter(|rows| rows.count > 1).collect();
        let repeated = several.len() as u64;
        let answer = |asked: &Asked| {
            let others = compared
                .iter()
                .enumerate()
                .filter(|(_, column)| **column != self.at && Some(**column) != asked.version);
            let constant = others.filter_map(|(place, column)| {
                let same = several
                    .iter()
                    .filter(|rows| rows.differs.get(place) == Some(&false))
                    .count();
                let name = (*names.get(*column)?).to_owned();
                Some((name, same as f64 / repeated.max(1) as f64))
            });
            RepeatedKey {
                key: asked.question.key.clone(),
                version: asked.question.version.clone(),
                repeated,
                determined: asked.determined,
                constant: constant.collect(),
            }
        };
        self.asked.iter().map(answer).collect()
    }
}
