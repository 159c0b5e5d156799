//! One file in pieces: runs over the pieces, each of which dies first, give what a run over the file gives.

use arrow::array::{RecordBatch, UInt32Array};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use perennial_testkit::{Fault, Faults, Operation, RunOptions, Setup, TestLake};

use crate::cdnow::{CONFIG, file};
use crate::support::{parquet, seed};
use crate::worlds::{Draws, land};

const OFTEN: &str = "[[segment]]\nname = \"often\"\nwhere = \"orders >= 5\"\n";

/// Files, and runs over them.
const PIECES: usize = 50;

/// How many requests the next run makes, which it does not have to make then.
fn requests(lake: &TestLake) -> u64 {
    let counted = Faults::new();
    lake.copy()
        .try_run(Setup::failing(&counted), RunOptions::SETTLED)
        .unwrap();
    counted.requests(Operation::Any) as u64
}

/// Whether a run dies that has its last request at one of so many, or is past its commit by then.
fn dies(lake: &TestLake, requests: u64, draws: &mut Draws) -> bool {
    let faults = Faults::new();
    faults.nth(Operation::Any, 1 + draws.below(requests) as usize, Fault::Die);
    lake.try_run(Setup::failing(&faults), RunOptions::SETTLED)
        .is_err()
}

/// A web shop's purchases, landed at once and shuffled into fifty files, each of which lands when the one before is unified.
/// The first run over all of them, and the first over each, dies at a request to the store. Shuffle and deaths are of the seed;
/// `cargo xtask soak` tries others.
#[test]
fn purchases_that_land_in_pieces_are_those_that_land_at_once() {
    let Some(bytes) = file() else { return };
    let config = format!("{CONFIG}{OFTEN}");
    let whole = TestLake::of(&config, &[]);
    land(&whole, "purchases/1.parquet", &bytes);
    let mut draws = Draws(seed(50));
    let mut dead = usize::from(dies(&whole, requests(&whole), &mut draws));
    let batches: Vec<RecordBatch> = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))
        .unwrap()
        .build()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let rows = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let mut files = vec![Vec::new(); PIECES];
    for row in 0..rows.num_rows() as u32 {
        files[draws.below(PIECES as u64) as usize].push(row);
    }
    // What belongs to whom, by the shop's own number of a customer: ours is made of where the first purchase stands.
    let queries: Vec<String> = [
        "SELECT i.value, c.orders, c.gross_revenue, c.first_order_at, c.last_order_at, c.median_gap_days, \
         c.lifecycle_stage, c.stage_entered_at FROM customer_360 c JOIN identities i USING (customer_id)",
        "SELECT i.value, h.stage, h.entered_at, h.left_at FROM lifecycle_history h JOIN identities i USING (customer_id)",
        "SELECT i.value, o.time, o.amount FROM orders o JOIN identities i USING (customer_id)",
        "SELECT segment, members FROM segments",
        "SELECT m.segment, i.value FROM segment_members m JOIN identities i USING (customer_id)",
        "SELECT count(*), sum(amount), min(time), max(time) FROM orders",
        "SELECT sum(rows_unified), sum(rows_landed), sum(rows_superseded) FROM perennial.files",
    ]
    .map(str::to_owned)
    .to_vec();
    let (_, at_once) = whole.answers(false, &queries);
    let pieces = TestLake::of(&config, &[]);
    // So many requests at least a run has made so far.
    let (mut least, mut parts) = (u64::MAX, 0);
    for (number, file) in files.iter().enumerate() {
        let piece = arrow::compute::take_record_batch(&rows, &UInt32Array::from(file.clone())).unwrap();
        land(&pieces, &format!("purchases/{number}.parquet"), &parquet(&piece));
        if number == 0 {
            least = requests(&pieces);
        }
        let died = dies(&pieces, least, &mut draws);
        dead += usize::from(died);
        let counted = Faults::new();
        let report = pieces
            .try_run(Setup::failing(&counted), RunOptions::SETTLED)
            .unwrap();
        // Past its commit a run may have nothing left to do for the next one.
        assert!(report.snapshot.is_some() || !died, "the run over file {number}");
        if report.snapshot.is_some() {
            least = least.min(counted.requests(Operation::Any) as u64);
            parts += usize::from(!report.full);
        }
    }
    let (_, kept) = pieces.answers(false, &queries);
    assert!(parts > PIECES / 2, "{parts} runs worked out a part only");
    // A run that has committed may end before it would die.
    assert!(dead > PIECES * 4 / 5, "{dead} runs died");
    for ((query, kept), at_once) in queries.iter().zip(&kept).zip(&at_once) {
        assert!(
            kept == at_once,
            "{query}: {} and {} lines",
            kept.len(),
            at_once.len()
        );
    }
    // Files stay few, however many runs there were.
    let (_, files) = pieces.answers(false, &["SELECT max(files) FROM perennial.snapshots".to_owned()]);
    assert!(files[0][0].parse::<u64>().unwrap() < 26 * 11, "{files:?}");
}
