//! Tests of `writer`.

use arrow::array::{ArrayRef, Int64Array, StringArray};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::PageIndexPolicy;
use perennial_base::{ErrorClass, UserError};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::discovery::Landed;
use crate::manifest::Scalar;
use crate::testing::{Fault, FaultyStore, Operation};

fn batch(from: i64, rows: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
        (from..from + rows).map(|row| format!("c{row:09}")),
    ));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + rows));
    RecordBatch::try_from_iter([("customer_id", ids), ("value", values)]).unwrap()
}

fn options() -> WriterOptions {
    WriterOptions {
        sort: vec!["customer_id".into()],
        bloom: vec!["customer_id".into()],
        row_group_rows: 1_000,
        ..WriterOptions::default()
    }
}

fn lake(store: Arc<dyn ObjectStore>) -> Lake {
    Lake::with_store(store, "s3://b", "team").unwrap()
}

#[tokio::test]
async fn a_file_has_what_its_description_says() {
    let lake = lake(Arc::new(InMemory::new()));
    let first = batch(0, 1_500);
    let mut writer =
        DataFileWriter::try_new(&lake, "orders", Some(7), "r1-0", first.schema(), &options()).unwrap();
    writer.write(&first).await.unwrap();
    writer.write(&batch(1_500, 1_000)).await.unwrap();
    assert_eq!(writer.rows(), 2_500);
    let file = writer.finish().await.unwrap();
    assert_eq!(file.path, "_perennial/data/orders/7-r1-0.parquet");
    assert_eq!((file.rows, file.bucket), (2_500, Some(7)));
    let bounds: Vec<_> = file
        .columns
        .iter()
        .map(|column| (column.min.clone(), column.max.clone()))
        .collect();
    assert_eq!(
        bounds,
        [
            (
                Some(Scalar::Text("c000000000".into())),
                Some(Scalar::Text("c000002499".into()))
            ),
            (Some(Scalar::Int(0)), Some(Scalar::Int(2_499))),
        ]
    );

    let bytes = lake
        .store()
        .get(&lake.path(&file.path).unwrap())
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(bytes.len() as u64, file.bytes);
    let head = lake.store().head(&lake.path(&file.path).unwrap()).await.unwrap();
    assert_eq!(head.e_tag, file.e_tag);
    let with_index = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, with_index).unwrap();
    let metadata = reader.metadata();
    assert_eq!(metadata.num_row_groups(), 3);
    let sorted = SortingColumn {
        column_idx: 0,
        descending: false,
        nulls_first: false,
    };
    for (index, group) in metadata.row_groups().iter().enumerate() {
        assert_eq!(group.sorting_columns(), Some(&vec![sorted.clone()]));
        assert!(matches!(group.column(1).compression(), Compression::ZSTD(_)));
        let filter = reader
            .get_row_group_column_bloom_filter(index, 0)
            .unwrap()
            .unwrap();
        assert_eq!(filter.check(&"c000000999"), index == 0);
        assert!(
            reader
                .get_row_group_column_bloom_filter(index, 1)
                .unwrap()
                .is_none()
        );
    }
    let rows: usize = reader
        .build()
        .unwrap()
        .map(|batch| batch.unwrap().num_rows())
        .sum();
    assert_eq!(rows, 2_500);

    // What we write, we would also admit.
    let meta = lake.store().head(&lake.path(&file.path).unwrap()).await.unwrap();
    let landed = Landed {
        path: file.path,
        size: meta.size,
        e_tag: meta.e_tag,
        last_modified: 0,
        partitions: Vec::new(),
    };
    assert_eq!(
        crate::inspect(&lake, &landed).await.unwrap().unwrap().stats,
        file.columns
    );
}

#[tokio::test]
async fn no_rows_make_a_file_too() {
    let lake = lake(Arc::new(InMemory::new()));
    let schema = batch(0, 0).schema();
    let file = DataFileWriter::try_new(&lake, "t", None, "r1-0", schema, &options())
        .unwrap()
        .finish()
        .await
        .unwrap();
    assert_eq!(
        (file.rows, file.path.as_str()),
        (0, "_perennial/data/t/all-r1-0.parquet")
    );
}

#[tokio::test]
async fn wrong_names_are_refused() {
    let lake = lake(Arc::new(InMemory::new()));
    let schema = batch(0, 0).schema();
    let attempt = |table: &str, unique: &str, sort: &str| {
        let options = WriterOptions {
            sort: vec![sort.into()],
            ..WriterOptions::default()
        };
        DataFileWriter::try_new(&lake, table, None, unique, Arc::clone(&schema), &options).map(|_| ())
    };
    assert!(attempt("t", "r1", "value").is_ok());
    assert!(matches!(
        attempt("../t", "r1", "value"),
        Err(Error::InvalidPath { .. })
    ));
    assert!(matches!(
        attempt("t", "a/b", "value"),
        Err(Error::InvalidPath { .. })
    ));
    assert!(matches!(
        attempt("", "r1", "value"),
        Err(Error::InvalidPath { .. })
    ));
    assert!(matches!(
        attempt("t", "r1", "missing"),
        Err(Error::Malformed { .. })
    ));

    let mut writer =
        DataFileWriter::try_new(&lake, "t", None, "r1", schema, &WriterOptions::default()).unwrap();
    let other = RecordBatch::try_from_iter([("x", batch(0, 1).column(1).clone())]).unwrap();
    assert!(matches!(writer.write(&other).await, Err(Error::Malformed { .. })));
}

#[tokio::test]
async fn a_full_disk_is_said_with_the_remedy_and_leaves_nothing() {
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let faulty = FaultyStore::new(Arc::clone(&inner)).with_fault(Operation::Put, 1, Fault::Full);
    let lake = lake(Arc::new(faulty));
    let rows = batch(0, 10);
    let mut writer = DataFileWriter::try_new(&lake, "t", None, "r1", rows.schema(), &options()).unwrap();
    writer.write(&rows).await.unwrap();
    let error = writer.finish().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::DiskFull);
    assert_eq!(
        error.to_string(),
        "no space left to write \"_perennial/data/t/all-r1.parquet\""
    );
    assert!(error.hint().unwrap().contains("Free space"));
    assert!(inner.list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failure_at_any_part_is_an_error_and_leaves_nothing() {
    for nth in 1..=5 {
        let folder = tempfile::tempdir().unwrap();
        let store = Lake::open(".", folder.path()).unwrap().store();
        let lake = lake(Arc::new(FaultyStore::new(store).with_fault(
            Operation::Put,
            nth,
            Fault::Full,
        )));
        let options = WriterOptions {
            row_group_rows: 100_000,
            ..WriterOptions::default()
        };
        let mut writer =
            DataFileWriter::try_new(&lake, "t", None, "r1", noise(0).schema(), &options).unwrap();
        let mut outcome = Ok(());
        for seed in 0..27 {
            outcome = writer.write(&noise(seed)).await;
            if outcome.is_err() {
                // A caller that goes on in spite of it gets an error again, not a panic.
                assert!(writer.write(&noise(seed)).await.is_err(), "part {nth}");
                break;
            }
        }
        let finished = writer.finish().await;
        let first = outcome.err().or(finished.err());
        // Opening, two parts of 8 MiB, the rest, the end: five requests.
        assert_eq!(
            first.map(|error| error.class()),
            Some(ErrorClass::DiskFull),
            "part {nth}"
        );
        let left = walk(folder.path());
        assert!(left.is_empty(), "part {nth}: {left:?}");
    }
}

/// 800 kB that do not compress.
fn noise(seed: u64) -> RecordBatch {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = Int64Array::from_iter_values((0..100_000).map(|_| random.next_u64().cast_signed()));
    RecordBatch::try_from_iter([("value", Arc::new(values) as ArrayRef)]).unwrap()
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let below = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => walk(&entry.path()),
        false => vec![entry.file_name().into_string().unwrap()],
    };
    entries.flat_map(below).collect()
}

#[tokio::test]
async fn a_large_file_goes_in_parts_and_an_abandoned_one_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(".", folder.path()).unwrap();
    let options = WriterOptions {
        row_group_rows: 100_000,
        ..WriterOptions::default()
    };
    let begin = |unique: &str| {
        DataFileWriter::try_new(&lake, "t", None, unique, noise(0).schema(), &options).unwrap()
    };
    let mut writer = begin("kept");
    let mut abandoned = begin("abandoned");
    for seed in 0..16 {
        writer.write(&noise(seed)).await.unwrap();
        abandoned.write(&noise(seed)).await.unwrap();
    }
    let file = writer.finish().await.unwrap();
    abandoned.abort().await;
    assert!(file.bytes > 12_000_000);
    assert_eq!(walk(folder.path()), ["all-kept.parquet"]);
}
