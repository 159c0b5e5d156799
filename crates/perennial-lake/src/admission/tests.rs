//! Tests of `admission`.

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array,
    ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use object_store::memory::InMemory;
use object_store::{ObjectStore, PutPayload};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::discovery::{SourcePath, discover};
use crate::manifest::Scalar;
use crate::testing::{Fault, FaultyStore, Operation};

/// Every kind of column that sources commonly have, in several row groups.
fn good_file(compression: Compression) -> Vec<u8> {
    let rows = 300_i64;
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..rows {
        if row % 3 > 0 {
            lists.values().append_value(format!("tag {row}"));
        }
        lists.append(row % 7 > 0);
    }
    let names: Vec<_> = (0..rows)
        .map(|row| (row % 5 > 0).then(|| format!("name {row}")))
        .collect();
    let money = Decimal128Array::from_iter_values((0..rows).map(i128::from))
        .with_precision_and_scale(18, 4)
        .unwrap();
    let dictionary: DictionaryArray<Int32Type> = names.iter().map(Option::as_deref).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows))),
        ("name", Arc::new(StringArray::from(names))),
        ("city", Arc::new(dictionary)),
        ("amount", Arc::new(money)),
        (
            "ratio",
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|row| row as f64 / 7.0),
            )),
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(0..rows).with_timezone("UTC")),
        ),
        ("born_on", Arc::new(Date32Array::from_iter_values(0..300))),
        (
            "active",
            Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(row % 2 == 0)))),
        ),
        ("tags", Arc::new(lists.finish())),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    );
    write(&batch.unwrap(), compression)
}

fn write(batch: &RecordBatch, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(100))
        .set_compression(compression)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

async fn put(bytes: Vec<u8>) -> (Lake, Landed) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let lake = Lake::with_store(store, "s3://b", "").unwrap();
    lake.store()
        .put(
            &lake.path("crm/month=1/a.parquet").unwrap(),
            PutPayload::from(bytes),
        )
        .await
        .unwrap();
    let landed = discover(&lake, &SourcePath::parse("crm/").unwrap())
        .await
        .unwrap()
        .remove(0);
    (lake, landed)
}

async fn judged(bytes: Vec<u8>) -> std::result::Result<FileFacts, Rejection> {
    let (lake, landed) = put(bytes).await;
    inspect(&lake, &landed).await.unwrap()
}

#[tokio::test]
async fn a_good_file_is_described() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
    ] {
        let bytes = good_file(compression);
        let size = bytes.len() as u64;
        let facts = judged(bytes).await.unwrap();
        assert_eq!((facts.rows, facts.row_groups, facts.bytes), (300, 3, size));
        assert_eq!(facts.partitions, [("month".to_owned(), "1".to_owned())]);
        let names: Vec<_> = facts
            .schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(
            names,
            [
                "id", "name", "city", "amount", "ratio", "at", "born_on", "active", "tags"
            ]
        );
        let column = |name: &str| {
            facts
                .stats
                .iter()
                .find(|stats| stats.name == name)
                .unwrap()
                .clone()
        };
        assert_eq!(
            (column("id").min, column("id").max),
            (Some(Scalar::Int(0)), Some(Scalar::Int(299)))
        );
        assert_eq!(column("name").nulls, Some(60));
        assert_eq!(column("at").max, Some(Scalar::Timestamp(299)));
        assert_eq!(column("tags").max, None);
    }
}

#[tokio::test]
async fn an_empty_table_is_a_good_file() {
    let batch =
        RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef)])
            .unwrap();
    let facts = judged(write(&batch, Compression::SNAPPY)).await.unwrap();
    assert_eq!((facts.rows, facts.schema.fields().len()), (0, 1));
}

#[tokio::test]
async fn what_is_not_a_parquet_file_says_what_it_is() {
    #[track_caller]
    fn check(outcome: std::result::Result<FileFacts, Rejection>, expected: &str) {
        assert_eq!(outcome.unwrap_err().to_string(), expected);
    }
    let lying = |length: u32| {
        let mut bytes = good_file(Compression::SNAPPY);
        let at = bytes.len() - 8;
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    let size = lying(0).len();
    check(judged(Vec::new()).await, "is empty");
    check(
        judged(b"id,name\n1,x\n".to_vec()).await,
        "is not a Parquet file: begins with \"id,nam\" instead of \"PAR1\"",
    );
    check(
        judged(vec![0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0]).await,
        "is not a Parquet file: begins with the bytes 1f 8b 00 00 00 00 00 00 instead of \"PAR1\"",
    );
    for (text, shown) in [
        ("a\tb\r\n1\t2\r\n", "a\\tb\\r\\n1"),
        ("grün, gelb", "grün,"),
        ("x\n", "x\\n"),
    ] {
        check(
            judged(text.into()).await,
            &format!("is not a Parquet file: begins with \"{shown}\" instead of \"PAR1\""),
        );
    }
    check(
        judged(b"x".to_vec()).await,
        "is not a Parquet file: begins with \"x\" instead of \"PAR1\"",
    );
    check(
        judged(b"PAR1".to_vec()).await,
        "is cut: 4 bytes are fewer than any Parquet file has",
    );
    check(
        judged(b"PARE00000000PARE".to_vec()).await,
        "is encrypted, which is not supported",
    );
    check(
        judged(b"PAR1garbagePAR1".to_vec()).await,
        "is cut: the footer says that it has 1701273954 bytes, the file has 15",
    );
    check(
        judged(lying(u32::MAX)).await,
        &format!("is cut: the footer says that it has 4294967295 bytes, the file has {size}"),
    );
    check(
        judged(lying(i32::MAX as u32)).await,
        &format!("is cut: the footer says that it has 2147483647 bytes, the file has {size}"),
    );
    check(judged(lying(0)).await, "has a damaged footer");
    check(judged(lying(5)).await, "has a damaged footer");
}

#[tokio::test]
async fn a_cut_file_is_refused_wherever_it_is_cut() {
    let whole = good_file(Compression::SNAPPY);
    for length in (0..whole.len()).step_by(97).chain([whole.len() - 1]) {
        let rejection = judged(whole[..length].to_vec()).await.unwrap_err();
        assert!(rejection.reason.starts_with("is "), "{length}: {rejection}");
        // The end of the file is there, the middle is missing.
        let mut spliced = whole[..length].to_vec();
        spliced.extend_from_slice(&whole[whole.len().min(length + 50)..]);
        if let Err(rejection) = judged(spliced).await {
            assert!(!rejection.reason.is_empty());
        }
    }
}

#[tokio::test]
async fn flipped_bits_never_panic() {
    let good: Vec<_> = [Compression::UNCOMPRESSED, Compression::SNAPPY]
        .into_iter()
        .map(good_file)
        .collect();
    let mut outcomes = (0, 0);
    for seed in 0..300 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = good[usize::from(seed % 2 == 0)].clone();
        // Half of the flips hit the footer, where the structure is.
        let from = if seed % 4 < 2 {
            bytes.len().saturating_sub(3_000)
        } else {
            0
        };
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(from..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
        }
        match judged(bytes).await {
            Ok(facts) => {
                assert!(facts.rows <= 300 * 2, "seed {seed}");
                outcomes.0 += 1;
            }
            Err(rejection) => {
                let text = rejection.to_string();
                assert!(
                    !text.is_empty() && text.len() < 700 && !text.contains("Parquet error"),
                    "seed {seed}: {text}"
                );
                outcomes.1 += 1;
            }
        }
    }
    assert!(outcomes.0 > 0 && outcomes.1 > 50, "{outcomes:?}");
}

#[tokio::test]
async fn too_much_of_anything_is_refused() {
    let wide: Vec<(String, ArrayRef)> = (0..1_601)
        .map(|index| {
            (
                format!("c{index}"),
                Arc::new(Int64Array::from(vec![1])) as ArrayRef,
            )
        })
        .collect();
    let rejection = judged(write(
        &RecordBatch::try_from_iter(wide).unwrap(),
        Compression::SNAPPY,
    ))
    .await
    .unwrap_err();
    assert_eq!(rejection.reason, "has 1601 columns, the bound is 1600");

    let mut deep: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    for _ in 0..70 {
        let field = arrow::datatypes::Field::new("s", deep.data_type().clone(), true);
        deep = Arc::new(arrow::array::StructArray::new(
            vec![field].into(),
            vec![deep],
            None,
        ));
    }
    let rejection = judged(write(
        &RecordBatch::try_from_iter([("s", deep)]).unwrap(),
        Compression::SNAPPY,
    ))
    .await
    .unwrap_err();
    assert_eq!(rejection.reason, "has 71 levels of nesting, the bound is 64");
}

#[tokio::test]
async fn a_damaged_page_names_row_group_and_column() {
    let mut bytes = good_file(Compression::SNAPPY);
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(&bytes::Bytes::from(bytes.clone()))
        .unwrap();
    let (start, length) = metadata.row_group(2).column(4).byte_range();
    for at in start + 30..start + length {
        bytes[usize::try_from(at).unwrap()] = 0xff;
    }
    let rejection = judged(bytes).await.unwrap_err();
    assert_eq!(
        (rejection.row_group, rejection.column.as_deref()),
        (Some(2), Some("ratio")),
        "{rejection}"
    );
}

#[tokio::test]
async fn a_store_that_fails_is_not_the_files_fault() {
    let bytes = good_file(Compression::SNAPPY);
    for nth in 1..=6 {
        for fault in [Fault::Refuse, Fault::Die] {
            let (lake, landed) = put(bytes.clone()).await;
            let faulty = FaultyStore::new(lake.store()).with_fault(Operation::Any, nth, fault);
            let faulty = Lake::with_store(Arc::new(faulty), "s3://b", "").unwrap();
            match inspect(&faulty, &landed).await {
                Ok(verdict) => assert!(verdict.is_ok(), "{nth} {fault:?}: {verdict:?}"),
                Err(error) => assert!(
                    matches!(error, Error::Unavailable { .. }),
                    "{nth} {fault:?}: {error}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_or_goes_gets_no_verdict() {
    let (lake, landed) = put(good_file(Compression::SNAPPY)).await;
    let path = lake.path(&landed.path).unwrap();
    lake.store()
        .put(&path, PutPayload::from(good_file(Compression::UNCOMPRESSED)))
        .await
        .unwrap();
    assert!(matches!(
        inspect(&lake, &landed).await,
        Err(Error::Replaced { .. })
    ));
    lake.store().delete(&path).await.unwrap();
    assert!(matches!(
        inspect(&lake, &landed).await,
        Err(Error::NotFound { .. })
    ));
}

fn zstd() -> Compression {
    Compression::ZSTD(parquet::basic::ZstdLevel::default())
}

/// A text of a mebibyte once in the dictionary, and in so many rows: in structs, or as bytes of a fixed width.
fn long_texts(rows: usize, filled: usize, inside: &str) -> Vec<u8> {
    let long = "x".repeat(1 << 20);
    let texts = || (0..rows).map(|row| if row < filled { Some(long.as_str()) } else { None });
    let column: ArrayRef = match inside {
        "struct" => {
            let texts: ArrayRef = Arc::new(texts().collect::<StringArray>());
            let field = arrow::datatypes::Field::new("text", texts.data_type().clone(), true);
            Arc::new(arrow::array::StructArray::new(
                vec![field].into(),
                vec![texts],
                None,
            ))
        }
        _ => {
            let bytes = texts().map(|text| text.map(str::as_bytes));
            let fixed = arrow::array::FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 1 << 20);
            Arc::new(fixed.unwrap())
        }
    };
    let properties = WriterProperties::builder()
        .set_compression(zstd())
        .set_dictionary_page_size_limit(16 << 20)
        .set_max_row_group_row_count(Some(100))
        .build();
    let batch = RecordBatch::try_from_iter_with_nullable([("notes", column, true)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn what_is_copied_when_it_is_read_is_bounded_before() {
    for inside in ["struct", "fixed"] {
        let bomb = long_texts(300, 300, inside);
        assert!(bomb.len() < 250_000, "{inside}: {} bytes", bomb.len());
        assert_eq!(
            judged(bomb).await.unwrap_err().to_string(),
            "unpacks to more than 268435456 bytes (column \"notes\")",
            "{inside}"
        );
        // As many rows by what the dictionaries say, and few values.
        let sparse = judged(long_texts(300, 200, inside)).await;
        assert_eq!(sparse.map(|facts| facts.rows), Ok(300), "{inside}");
    }
    // In pages without a dictionary a text can repeat the one before.
    let repeating = |texts: usize| {
        let texts = (0..texts).map(|row| format!("{}{row}", "x".repeat(1 << 19)));
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let batch = RecordBatch::try_from_iter([("notes", column)]).unwrap();
        let properties = WriterProperties::builder()
            .set_compression(zstd())
            .set_dictionary_enabled(false)
            .set_encoding(parquet::basic::Encoding::DELTA_BYTE_ARRAY)
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        judged(writer.into_inner().unwrap())
    };
    assert_eq!(
        repeating(600).await.unwrap_err().to_string(),
        "unpacks to more than 268435456 bytes (column \"notes\")"
    );
    assert_eq!(repeating(400).await.map(|facts| facts.rows), Ok(400));
}
