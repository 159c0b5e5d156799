//! The demo lake as its reader finds it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    sync::{LazyLock, atomic::Ordering},
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use perennial_base::UserError;
use tempfile::TempDir;

use super::*;
use crate::calendar::{END, START};

const CUSTOMERS: u64 = 2_000;

/// A lake that several tests read.
static LAKE: LazyLock<Made> = LazyLock::new(|| Made::new(CUSTOMERS, 7, CUSTOMERS_PER_BATCH));

struct Made {
    dir: TempDir,
    summary: DemoSummary,
    progress: Vec<Progress>,
}

impl Made {
    fn new(customers: u64, seed: u64, batch_size: u64) -> Self {
        let dir = TempDir::new().unwrap();
        let options = DemoOptions {
            dir: dir.path().to_owned(),
            customers,
            seed,
        };
        let mut progress = Vec::new();
        let never = AtomicBool::new(false);
        let summary =
            generate_in_batches(&options, batch_size, &never, &mut |step| progress.push(step)).unwrap();
        Self {
            dir,
            summary,
            progress,
        }
    }

    /// Every file, by its path in the folder.
    fn files(&self) -> BTreeMap<PathBuf, PathBuf> {
        let mut folders = vec![self.dir.path().to_owned()];
        let mut files = BTreeMap::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => {
                        let name = entry.path().strip_prefix(self.dir.path()).unwrap().to_owned();
                        files.insert(name, entry.path());
                    }
                }
            }
        }
        files
    }

    fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.files()
            .into_iter()
            .map(|(name, path)| (name, fs::read(path).unwrap()))
            .collect()
    }

    /// The rows of a source.
    fn read(&self, source: Source) -> Vec<RecordBatch> {
        let folder = Path::new("lake").join(source.folder());
        let files = self
            .files()
            .into_iter()
            .filter(|(name, _)| name.starts_with(&folder));
        files.flat_map(|(_, path)| read(&path)).collect()
    }

    fn texts(&self, source: Source, column: &str) -> Vec<Option<String>> {
        self.read(source)
            .iter()
            .flat_map(|batch| texts(batch, column))
            .collect()
    }

    /// Whose each record is.
    fn truth(&self) -> Vec<(String, String, i64)> {
        let rows = |batch: &RecordBatch| {
            let persons = batch["person_id"].as_primitive::<Int64Type>().values().to_vec();
            let keys = texts(batch, "source")
                .into_iter()
                .zip(texts(batch, "record_key"))
                .zip(persons);
            keys.map(|((source, key), person)| (source.unwrap(), key.unwrap(), person))
                .collect::<Vec<_>>()
        };
        read(&self.summary.truth_path).iter().flat_map(rows).collect()
    }
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap())
        .unwrap()
        .build()
        .unwrap();
    reader.map(Result::unwrap).collect()
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let array = arrow::compute::cast(&batch[column], &arrow::datatypes::DataType::Utf8).unwrap();
    array
        .as_string::<i32>()
        .iter()
        .map(|value| value.map(str::to_owned))
        .collect()
}

/// The column by which a source tells its records apart, for the sources whose records concern a person.
const KEYS: [(Source, &str); 8] = [
    (Source::Contacts, "contact_id"),
    (Source::Accounts, "user_id"),
    (Source::Orders, "id"),
    (Source::Events, "event_id"),
    (Source::Newsletter, "subscriber_id"),
    (Source::Interactions, "ticket_id"),
    (Source::Responses, "response_id"),
    (Source::Subscriptions, "subscription_id"),
];

fn below_the_first_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap();
    &text[end..]
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    let first = Made::new(300, 7, 1_000).bytes();
    assert!(
        first == Made::new(300, 7, 1_000).bytes(),
        "two runs with one seed differ"
    );
    let other = Made::new(300, 8, 1_000).bytes();
    for (name, bytes) in &first {
        // The configuration says in its first line what the demo was made of.
        let (mut ours, mut theirs) = (bytes.as_slice(), other.get(name).map(Vec::as_slice));
        if name.ends_with("perennial.toml") {
            assert_ne!(Some(ours), theirs);
            (ours, theirs) = (below_the_first_line(ours), theirs.map(below_the_first_line));
        }
        let fixed = name.ends_with("perennial.toml") || name.ends_with("products.parquet");
        assert_eq!(theirs == Some(ours), fixed, "{}", name.display());
    }
}

#[test]
fn batches_change_files_and_no_rows() {
    let (whole, parts) = (Made::new(500, 7, 500), Made::new(500, 7, 120));
    assert!(parts.summary.files > whole.summary.files);
    assert_eq!(whole.summary.rows, parts.summary.rows);
    let sorted = |made: &Made| made.truth().into_iter().collect::<BTreeSet<_>>();
    assert_eq!(sorted(&whole), sorted(&parts));
    for (source, column) in KEYS
        .into_iter()
        .chain([(Source::OrderItems, "product_id"), (Source::Consents, "email")])
    {
        let sorted = |made: &Made| {
            let mut values = made.texts(source, column);
            values.sort();
            values
        };
        assert!(sorted(&whole) == sorted(&parts), "{} differs", source.name());
    }
}

#[test]
fn the_truth_names_every_record_once() {
    let mut truth: HashMap<String, BTreeSet<String>> = HashMap::new();
    for (source, key, person) in LAKE.truth() {
        assert!(person > 0);
        assert!(
            truth.entry(source).or_default().insert(key.clone()),
            "{key} is there twice"
        );
    }
    for (source, column) in KEYS {
        let landed: BTreeSet<String> = LAKE
            .texts(source, column)
            .into_iter()
            .map(Option::unwrap)
            .collect();
        assert!(
            truth.remove(source.name()).as_ref() == Some(&landed),
            "{}",
            source.name()
        );
    }
    assert!(truth.is_empty());
}

#[test]
fn the_summary_counts_what_is_there() {
    let lake_files = LAKE
        .files()
        .into_iter()
        .filter(|(name, _)| name.starts_with("lake"));
    let sizes: Vec<u64> = lake_files
        .map(|(_, path)| fs::metadata(path).unwrap().len())
        .collect();
    let summary = &LAKE.summary;
    assert_eq!(
        (summary.files, summary.bytes),
        (sizes.len() as u64, sizes.iter().sum())
    );
    assert_eq!(summary.sources.len(), Source::ALL.len());
    for (source, (name, files, rows)) in Source::ALL.into_iter().zip(&summary.sources) {
        assert_eq!(
            (source.name(), *rows),
            (*name, LAKE.read(source).iter().map(|b| b.num_rows() as u64).sum())
        );
        assert!(*files > 0 && *rows > 0, "{name}");
    }
    assert_eq!(
        summary.rows,
        summary.sources.iter().map(|(_, _, rows)| rows).sum::<u64>()
    );
}

#[test]
fn every_month_has_a_partition() {
    let files = LAKE.files();
    for source in [Source::Events, Source::Orders, Source::OrderItems] {
        for month in 0..42 {
            let name = format!("lake/{}", source.file(2023 * 12 + month, 0));
            assert!(files.contains_key(Path::new(&name)), "{name}");
        }
        assert_eq!(LAKE.summary.sources[source as usize].1, 42);
    }
}

#[test]
fn volumes_are_those_of_a_shop() {
    let rows = |source: Source| LAKE.summary.sources[source as usize].2 as f64;
    let persons = CUSTOMERS as f64;
    assert!((12.0..20.0).contains(&(rows(Source::Events) / persons)));
    assert!((2.0..4.0).contains(&(rows(Source::Orders) / persons)));
    assert!((1.9..2.8).contains(&(rows(Source::OrderItems) / rows(Source::Orders))));
    assert!((0.02..0.12).contains(&(rows(Source::Refunds) / rows(Source::Orders))));
}

#[test]
fn times_lie_in_history_and_ascend_in_a_file() {
    for (name, path) in LAKE.files() {
        if !name.starts_with("lake/web") {
            continue;
        }
        let times: Vec<i64> = read(&path)
            .iter()
            .flat_map(|batch| {
                batch["at"]
                    .as_primitive::<TimestampMicrosecondType>()
                    .values()
                    .to_vec()
            })
            .collect();
        assert!(
            times.is_sorted() && times.iter().all(|at| (START..END).contains(at)),
            "{}",
            name.display()
        );
    }
}

#[test]
fn orders_are_worth_their_items() {
    let mut items: HashMap<String, i64> = HashMap::new();
    for batch in LAKE.read(Source::OrderItems) {
        let prices = batch["unit_price"].as_primitive::<Decimal128Type>();
        let quantities = batch["quantity"].as_primitive::<Int32Type>();
        for (row, order) in texts(&batch, "order_id").into_iter().enumerate() {
            let value = i64::from(quantities.value(row)) * i64::try_from(prices.value(row)).unwrap();
            *items.entry(order.unwrap()).or_default() += value;
        }
    }
    let mut totals: HashMap<String, i64> = HashMap::new();
    for batch in LAKE.read(Source::Orders) {
        let column = |name: &str| batch[name].as_primitive::<Int64Type>().values().to_vec();
        let money = column("total_cents").into_iter().zip(column("discount_cents"));
        for (id, (total, discount)) in texts(&batch, "id").into_iter().map(Option::unwrap).zip(money) {
            // Orders of test accounts have no items.
            if let Some(value) = items.get(&id) {
                assert_eq!(total, value - discount, "order {id}");
            }
            totals.insert(id, total);
        }
    }
    assert!(items.keys().all(|order| totals.contains_key(order)));
    for batch in LAKE.read(Source::Refunds) {
        let amounts = batch["amount"].as_primitive::<Decimal128Type>();
        for (row, order) in texts(&batch, "order_id")
            .into_iter()
            .map(Option::unwrap)
            .enumerate()
        {
            let amount = i64::try_from(amounts.value(row)).unwrap();
            assert!((1..=totals[&order]).contains(&amount), "order {order}");
        }
    }
}

/// Holds the distinct values of a column against what must be there and against everything that may be.
#[track_caller]
fn check(source: Source, column: &str, expected: &[&str]) {
    let found: BTreeSet<String> = LAKE.texts(source, column).into_iter().flatten().collect();
    assert_eq!(
        found,
        expected.iter().map(|value| (*value).to_owned()).collect(),
        "{column}"
    );
}

#[test]
fn columns_have_the_values_that_they_should() {
    check(Source::Orders, "currency", &["EUR", "USD"]);
    check(
        Source::Orders,
        "state",
        &["draft", "failed", "cancelled", "pending", "paid", "shipped"],
    );
    check(Source::Spend, "currency", &["EUR", "USD"]);
    check(Source::Rates, "currency", &["USD"]);
    check(Source::Consents, "purpose", &["analytics", "marketing"]);
    check(Source::Responses, "survey", &["csat", "nps"]);
    check(
        Source::Subscriptions,
        "status",
        &["active", "cancelled", "past_due"],
    );
    check(Source::Interactions, "direction", &["inbound", "outbound"]);
    let events = [
        "page_view",
        "login",
        "sign_up",
        "product_view",
        "add_to_cart",
        "checkout",
        "purchase",
    ];
    check(
        Source::Events,
        "name",
        &[&events[..], &["referral_sent", "account_closed"]].concat(),
    );
}

#[test]
fn an_ended_subscription_brings_nothing_and_a_running_one_something() {
    for batch in LAKE.read(Source::Subscriptions) {
        let mrr = batch["mrr"].as_primitive::<Decimal128Type>();
        for (row, status) in texts(&batch, "status").into_iter().enumerate() {
            assert_eq!(mrr.value(row) == 0, status.as_deref() == Some("cancelled"));
        }
    }
}

#[test]
fn a_mailbox_is_shared_and_test_accounts_exist() {
    let persons: HashMap<(String, String), i64> = LAKE
        .truth()
        .into_iter()
        .map(|(source, key, person)| ((source, key), person))
        .collect();
    let orders = LAKE
        .texts(Source::Orders, "id")
        .into_iter()
        .zip(LAKE.texts(Source::Orders, "customer_email"));
    let sharing: BTreeSet<i64> = orders
        .filter(|(_, email)| email.as_deref() == Some("info@kontor-nord.example"))
        .map(|(id, _)| persons[&(Source::Orders.name().to_owned(), id.unwrap())])
        .collect();
    assert!(sharing.len() > 1, "{sharing:?}");
    let emails = LAKE.texts(Source::Accounts, "email");
    assert!(emails.contains(&Some("test@example.com".to_owned())));
}

#[test]
fn devices_are_unknown_until_a_login() {
    let mut logged_in = 0;
    let mut anonymous = 0;
    for batch in LAKE.read(Source::Events) {
        for (name, user) in texts(&batch, "name").into_iter().zip(texts(&batch, "user_id")) {
            match name.as_deref() {
                Some("login" | "sign_up" | "account_closed" | "referral_sent") => assert!(user.is_some()),
                Some("page_view") => assert_eq!(user, None),
                _ if user.is_some() => logged_in += 1,
                _ => anonymous += 1,
            }
        }
    }
    assert!(
        logged_in > CUSTOMERS && anonymous > CUSTOMERS,
        "{logged_in} and {anonymous}"
    );
}

#[test]
fn the_configuration_is_toml_and_names_columns_that_exist() {
    let text = fs::read_to_string(&LAKE.summary.config_path).unwrap();
    let config: toml::Table = text.parse().unwrap();
    let sources = config["source"].as_array().unwrap();
    assert_eq!(sources.len(), Source::ALL.len());
    for table in sources {
        let name = table["name"].as_str().unwrap();
        let source = Source::ALL
            .into_iter()
            .find(|source| source.name() == name)
            .unwrap();
        let columns = LAKE.read(source)[0].schema();
        let keys = ["record_key", "time", "updated_at"]
            .into_iter()
            .filter_map(|key| table.get(key));
        let mapped = ["identifiers", "columns", "traits"]
            .into_iter()
            .filter_map(|key| table.get(key)?.as_table());
        for expression in keys.chain(mapped.flat_map(|map| map.values())) {
            // The longest word of each expression is its column: `upper(country)`, `total_cents / 100.0`.
            let words = expression
                .as_str()
                .unwrap()
                .split(|c: char| !(c.is_alphanumeric() || c == '_'));
            let column = words.max_by_key(|word| word.len()).unwrap();
            assert!(columns.field_with_name(column).is_ok(), "{name}: {column}");
        }
    }
}

#[test]
fn progress_goes_up_to_its_total() {
    let made = Made::new(2_500, 7, 1_200);
    let done = |phase| {
        made.progress
            .iter()
            .filter(move |step| step.phase == phase)
            .map(|step| (step.done, step.total))
    };
    assert_eq!(
        done("customers").collect::<Vec<_>>(),
        [(1_000, 2_500), (2_000, 2_500), (2_500, 2_500)]
    );
    assert_eq!(done("files").collect::<Vec<_>>(), [(1, 3), (2, 3), (3, 3)]);
}

#[test]
fn what_is_there_is_kept_and_what_was_left_unfinished_is_made_anew() {
    let dir = TempDir::new().unwrap();
    let options = DemoOptions {
        dir: dir.path().to_owned(),
        customers: 1,
        seed: 7,
    };
    let left = dir.path().join("lake.unfinished/left.parquet");
    fs::create_dir_all(left.parent().unwrap()).unwrap();
    fs::write(&left, "PAR1").unwrap();
    generate(&options, &mut |_| ()).unwrap();
    assert!(!left.exists() && !dir.path().join("lake/left.parquet").exists());

    let before = fs::read(dir.path().join("truth.parquet")).unwrap();
    let again = generate(&DemoOptions { seed: 8, ..options }, &mut |_| ()).unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
    assert_eq!(fs::read(dir.path().join("truth.parquet")).unwrap(), before);
}

#[test]
fn a_folder_with_anything_else_in_it_is_left_as_it_is() {
    for there in [
        "notes.txt",
        "lake/shop/a.parquet",
        "perennial.toml",
        "_perennial/x",
    ] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join(there);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "somebody's").unwrap();
        let options = DemoOptions {
            dir: dir.path().to_owned(),
            customers: 1,
            seed: 7,
        };
        let refused = generate(&options, &mut |_| ()).unwrap_err();
        assert!(matches!(refused, Error::NotEmpty { .. }), "{there}: {refused}");
        assert!(
            refused.to_string().contains(dir.path().to_str().unwrap()),
            "{refused}"
        );
        assert!(
            refused.hint().is_some_and(|hint| hint.contains("--dir")),
            "{there}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{there}");
        assert_eq!(fs::read_to_string(path).unwrap(), "somebody's");
    }
}

#[test]
fn what_is_stopped_leaves_nothing() {
    let parent = TempDir::new().unwrap();
    let options = DemoOptions {
        dir: parent.path().join("demo"),
        customers: 2_000,
        seed: 7,
    };
    let stop = AtomicBool::new(false);
    let stopped = generate_in_batches(&options, 1_000, &stop, &mut |step| {
        // The files of the first batch are there.
        if step.phase == "files" {
            assert!(options.dir.join("lake.unfinished").exists());
            stop.store(true, Ordering::Relaxed);
        }
    });
    assert!(matches!(stopped, Err(Error::Interrupted)));
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let dir = TempDir::new().unwrap();
    for customers in [0, MOST_CUSTOMERS + 1] {
        let options = DemoOptions {
            dir: dir.path().to_owned(),
            customers,
            seed: 7,
        };
        let error = generate(&options, &mut |_| ()).unwrap_err();
        assert!(matches!(error, Error::Customers { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
