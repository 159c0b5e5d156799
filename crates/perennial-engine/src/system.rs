//! Schema `perennial`: the platform about itself, worked out from the manifest.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use perennial_base::Config;
use perennial_base::relation::{PERENNIAL, Relation, relation};
use perennial_lake::{FileState, Manifest, SourceFile};
use perennial_udf_metrics::{METRICS, Unit};

use crate::description::{FunctionDescription, FunctionKind};
use crate::error::Result;
use crate::schema::schema;

mod runs;

pub use runs::{Run, listed};
pub(crate) use runs::{Runs, RunsTable};

/// Every computed relation with its rows.
pub(crate) fn relations(
    config: &Config,
    manifest: Option<&Manifest>,
    snapshots: &[Arc<Manifest>],
    functions: &[FunctionDescription],
) -> Result<Vec<(&'static Relation, RecordBatch)>> {
    let mut out = Vec::new();
    let mut add = |name: &str, columns: Vec<ArrayRef>| -> Result<()> {
        if let Some(relation) = relation(PERENNIAL, name) {
            out.push((relation, RecordBatch::try_new(schema(relation), columns)?));
        }
        Ok(())
    };
    add("sources", sources(config, manifest))?;
    add("files", files(manifest))?;
    add("snapshots", snapshot_rows(snapshots))?;
    add("functions", function_rows(functions))?;
    add("metrics", metric_rows(config, functions))?;
    Ok(out)
}

fn text<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringViewArray>())
}

fn owned_text(values: impl IntoIterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringViewArray>())
}

fn count(values: impl IntoIterator<Item = Option<u64>>) -> ArrayRef {
    Arc::new(
        values
            .into_iter()
            .map(|value| value.map(|value| value as i64))
            .collect::<Int64Array>(),
    )
}

fn instant(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(
        values
            .into_iter()
            .collect::<TimestampMicrosecondArray>()
            .with_timezone("UTC"),
    )
}

fn sources(config: &Config, manifest: Option<&Manifest>) -> Vec<ArrayRef> {
    let sources = &config.sources;
    let files = |name: &str| {
        manifest
            .and_then(|manifest| manifest.sources.get(name))
            .map_or(&[][..], |source| source.files.as_slice())
    };
    let of_state = |state: FileState| {
        count(sources.iter().map(|source| {
            Some(
                files(&source.name)
                    .iter()
                    .filter(|file| file.state == state)
                    .count() as u64,
            )
        }))
    };
    let sum = |number: fn(&SourceFile) -> u64| {
        count(sources.iter().map(|source| {
            Some(
                files(&source.name)
                    .iter()
                    .filter(|file| file.state == FileState::Live)
                    .map(number)
                    .sum(),
            )
        }))
    };
    vec![
        text(sources.iter().map(|source| Some(source.name.as_str()))),
        text(sources.iter().map(|source| Some(source.kind.name()))),
        text(sources.iter().map(|source| Some(source.path.as_str()))),
        of_state(FileState::Live),
        of_state(FileState::Quarantined),
        sum(|file| file.landed),
        sum(|file| file.unified),
        sum(|file| file.superseded),
        sum(|file| file.filtered),
        sum(|file| file.rejected),
        sum(SourceFile::values_lost),
        text(sources.iter().map(|source| {
            let manifest = manifest.and_then(|manifest| manifest.sources.get(&source.name));
            manifest.and_then(|source| source.unfit.as_deref())
        })),
    ]
}

fn files(manifest: Option<&Manifest>) -> Vec<ArrayRef> {
    let manifest = manifest.into_iter();
    let rows: Vec<(&str, &SourceFile)> = manifest
        .clone()
        .flat_map(|manifest| &manifest.sources)
        .flat_map(|(name, source)| source.files.iter().map(move |file| (name.as_str(), file)))
        .filter(|(_, file)| file.state != FileState::Deleted)
        .chain(manifest.flat_map(|manifest| manifest.unclaimed.iter().map(|file| ("", file))))
        .collect();
    let number = |number: fn(&SourceFile) -> u64| count(rows.iter().map(|(_, file)| Some(number(file))));
    vec![
        text(rows.iter().map(|(source, _)| Some(*source))),
        text(rows.iter().map(|(_, file)| Some(file.path.as_str()))),
        text(rows.iter().map(|(_, file)| Some(file.state.as_str()))),
        text(rows.iter().map(|(_, file)| file.reason.as_deref())),
        count(rows.iter().map(|(_, file)| file.row_group)),
        number(|file| file.size),
        text(rows.iter().map(|(_, file)| file.e_tag.as_deref())),
        instant(rows.iter().map(|(_, file)| Some(file.last_modified))),
        number(|file| file.landed),
        number(|file| file.unified),
        number(|file| file.superseded),
        number(|file| file.filtered),
        number(|file| file.rejected),
        owned_text(rows.iter().map(|(_, file)| {
            (!file.rejections.is_empty()).then(|| serde_json::json!(file.rejections).to_string())
        })),
        number(SourceFile::values_lost),
        owned_text(
            rows.iter().map(|(_, file)| {
                (!file.losses.is_empty()).then(|| serde_json::json!(file.losses).to_string())
            }),
        ),
        instant(rows.iter().map(|(_, file)| Some(file.first_seen_at))),
    ]
}

fn snapshot_rows(snapshots: &[Arc<Manifest>]) -> Vec<ArrayRef> {
    // What only runs read takes space, and is no table of anybody's.
    let served = |name: &str| !name.starts_with("internal.");
    let files = |number: fn(&perennial_lake::DataFile) -> u64, all: bool| {
        count(snapshots.iter().map(|manifest| {
            let tables = manifest.tables.iter().filter(|(name, _)| all || served(name));
            Some(tables.flat_map(|(_, table)| &table.files).map(number).sum())
        }))
    };
    vec![
        count(snapshots.iter().map(|manifest| Some(manifest.number))),
        count(snapshots.iter().map(|manifest| manifest.parent)),
        instant(snapshots.iter().map(|manifest| Some(manifest.committed_at))),
        count(
            snapshots
                .iter()
                .map(|manifest| Some(manifest.tables.keys().filter(|name| served(name)).count() as u64)),
        ),
        files(|_| 1, true),
        files(perennial_lake::DataFile::rows_left, false),
        files(|file| file.bytes, true),
        text(
            snapshots
                .iter()
                .map(|manifest| Some(manifest.config_hash.as_str())),
        ),
    ]
}

fn function_rows(functions: &[FunctionDescription]) -> Vec<ArrayRef> {
    let own: Vec<&FunctionDescription> = functions
        .iter()
        .filter(|function| function.schema == "public")
        .collect();
    vec![
        text(own.iter().map(|function| Some(function.name.as_str()))),
        text(own.iter().map(|function| {
            Some(match function.kind {
                FunctionKind::Scalar => "scalar",
                FunctionKind::Aggregate => "aggregate",
                FunctionKind::Window => "window",
                FunctionKind::Table => "table",
            })
        })),
        text(own.iter().map(|function| Some(function.family.as_str()))),
        text(own.iter().map(|function| Some(function.syntax.as_str()))),
        text(own.iter().map(|function| Some(function.description.as_str()))),
        text(own.iter().map(|function| function.example_sql())),
    ]
}

/// The measures of `customer_360`, the functions that are metrics, and the configuration's own metrics.
fn metric_rows(config: &Config, functions: &[FunctionDescription]) -> Vec<ArrayRef> {
    let mut rows: Vec<(String, String, Option<String>, &'static str)> = Vec::new();
    if let Some(relation) = relation(perennial_base::relation::PUBLIC, "customer_360") {
        for column in relation.columns {
            let unit = match column.column_type {
                perennial_base::relation::ColumnType::Money => Some(config.currency.clone()),
                perennial_base::relation::ColumnType::Int => Some("count".to_owned()),
                perennial_base::relation::ColumnType::Float => column.unit.map(str::to_owned),
                _ => continue,
            };
            rows.push((
                column.name.to_owned(),
                column.comment.to_owned(),
                unit,
                "built in",
            ));
        }
    }
    for function in functions {
        let unit = METRICS.iter().find(|(name, _)| *name == function.name);
        if let Some((_, unit)) = unit {
            let unit = match unit {
                Unit::Money => config.currency.clone(),
                Unit::Points => "points".to_owned(),
            };
            let definition = format!("{}: {}", function.syntax, function.description);
            rows.push((function.name.clone(), definition, Some(unit), "built in"));
        }
    }
    for metric in &config.metrics {
        let definition = match &metric.description {
            Some(description) => format!("{description}: {}", metric.sql.sql),
            None => metric.sql.sql.clone(),
        };
        rows.push((
            metric.name.clone(),
            definition,
            metric.unit.clone(),
            "the configuration",
        ));
    }
    vec![
        text(rows.iter().map(|row| Some(row.0.as_str()))),
        text(rows.iter().map(|row| Some(row.1.as_str()))),
        text(rows.iter().map(|row| row.2.as_deref())),
        text(rows.iter().map(|row| Some(row.3))),
    ]
}
