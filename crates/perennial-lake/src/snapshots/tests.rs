//! Tests of `snapshots`.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use perennial_base::UserError;
use proptest::prelude::*;

use super::*;
use crate::leases::Leases;
use crate::manifest::{DataFile, SourceFile, SourceManifest, TableManifest};
use crate::testing::{Fault, Faults, FaultyStore, Operation};

const DAY: i64 = 86_400_000_000;

fn over(store: Arc<dyn ObjectStore>) -> Snapshots {
    Snapshots::new(Lake::with_store(store, "s3://b", "team/lake").unwrap())
}

/// Adds `rows` as a file of its own to whatever is newest, as a run that retries would.
async fn append(snapshots: &Snapshots, writer: &str) -> u64 {
    loop {
        let newest = snapshots.newest().await.unwrap();
        let mut manifest = Manifest::successor(newest.as_ref(), writer, "c");
        let path = format!("{DATA_FOLDER}/t/all-{writer}.parquet");
        manifest
            .tables
            .entry("t".into())
            .or_default()
            .files
            .push(DataFile {
                path,
                rows: 1,
                ..DataFile::default()
            });
        match snapshots.commit(&manifest).await.unwrap() {
            Commit::Done => return manifest.number,
            Commit::Conflict { newest } => assert!(newest >= manifest.number),
        }
    }
}

async fn check_race(snapshots: Snapshots, writers: usize, commits: usize) {
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let snapshots = snapshots.clone();
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for commit in 0..commits {
                    numbers.push(append(&snapshots, &format!("w{writer}-{commit}")).await);
                }
                numbers
            })
        })
        .collect();
    let mut given = Vec::new();
    for task in tasks {
        let numbers = task.await.unwrap();
        assert!(numbers.is_sorted(), "a writer's own commits follow each other");
        given.extend(numbers);
    }
    given.sort_unstable();
    let total = (writers * commits) as u64;
    assert_eq!(
        given,
        (1..=total).collect::<Vec<_>>(),
        "every number is given once"
    );
    assert_eq!(snapshots.list().await.unwrap(), given);
    for number in given {
        let manifest = snapshots.read(number).await.unwrap();
        assert_eq!(manifest.parent, Some(number - 1).filter(|parent| *parent > 0));
        // Nobody's work is lost, nobody's is there twice.
        assert_eq!(manifest.tables["t"].rows(), number);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn racing_writers_give_a_serial_result(writers in 2_usize..9, commits in 1_usize..5, local: bool) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let snapshots = match local {
                true => Snapshots::new(Lake::open(".", folder.path()).unwrap()),
                false => over(Arc::new(InMemory::new())),
            };
            check_race(snapshots, writers, commits).await;
        });
    }
}

#[tokio::test]
async fn a_commit_that_dies_at_any_step_leaves_a_whole_snapshot() {
    for fault in [
        Fault::Die,
        Fault::Refuse,
        Fault::LoseReply,
        Fault::Cut,
        Fault::Full,
    ] {
        for nth in 1..=6 {
            let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let healthy = over(Arc::clone(&store));
            append(&healthy, "first").await;
            let first = healthy.newest().await.unwrap();
            let second = Manifest::successor(first.as_ref(), "second", "c");

            let faulty = over(Arc::new(FaultyStore::new(store).with_fault(
                Operation::Any,
                nth,
                fault,
            )));
            let outcome = faulty.commit(&second).await;
            let after = healthy.newest().await.unwrap().unwrap();
            match &outcome {
                Ok(Commit::Done) => assert_eq!(after, second),
                Ok(Commit::Conflict { .. }) => unreachable!("nobody else commits"),
                // An error leaves either; never a half.
                Err(_) => assert!(Some(&after) == first.as_ref() || after == second),
            }
            // The same commit again, after a restart, takes effect exactly once.
            assert_eq!(
                healthy.commit(&second).await.unwrap(),
                Commit::Done,
                "{fault:?} {nth}"
            );
            assert_eq!(healthy.list().await.unwrap(), [1, 2]);
            assert_eq!(healthy.newest().await.unwrap().as_ref(), Some(&second));
        }
    }
}

#[tokio::test]
async fn a_lost_reply_is_a_success() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let faulty = FaultyStore::new(Arc::clone(&store)).with_fault(Operation::Put, 1, Fault::LoseReply);
    let manifest = Manifest::successor(None, "mine", "c");
    assert_eq!(
        over(Arc::new(faulty)).commit(&manifest).await.unwrap(),
        Commit::Done
    );

    // The same number by another writer is a race lost.
    let theirs = Manifest {
        writer: "theirs".into(),
        ..manifest
    };
    assert_eq!(
        over(store).commit(&theirs).await.unwrap(),
        Commit::Conflict { newest: 1 }
    );
}

/// A writer stands still between its look and its write, others commit, and its number is collected. Snapshots that are
/// left are those from `first_left` on.
async fn check_stalled(others: usize, first_left: u64, expected: fn(&Result<Commit>) -> bool) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let healthy = over(Arc::clone(&store));
    append(&healthy, "first").await;
    let mine = Manifest::successor(healthy.newest().await.unwrap().as_ref(), "mine", "c");
    let faults = Faults::new();
    faults.nth(Operation::Put, 1, Fault::Hold);
    let held = over(faults.wrapper()(Arc::clone(&store)));
    let stalled = tokio::spawn({
        let mine = mine.clone();
        async move { held.commit(&mine).await }
    });
    faults.held().await;
    for other in 0..others {
        append(&healthy, &format!("other{other}")).await;
    }
    for number in 1..first_left {
        let path = healthy.lake.path(&snapshot_path(number)).unwrap();
        store.delete(&path).await.unwrap();
    }
    let before = healthy.newest().await.unwrap();
    faults.let_go();
    let outcome = stalled.await.unwrap();
    assert!(expected(&outcome), "{outcome:?}");
    assert_eq!(healthy.newest().await.unwrap(), before);
}

#[tokio::test]
async fn a_number_that_was_given_and_collected_is_no_success() {
    // Another snapshot comes behind it: the race is lost, and nothing of it is left.
    check_stalled(3, 3, |outcome| {
        matches!(outcome, Ok(Commit::Conflict { newest: 4 }))
    })
    .await;
    // That one is collected, too: nobody knows any more.
    check_stalled(3, 4, |outcome| {
        matches!(outcome, Err(Error::Unconfirmed { number: 2, .. }))
    })
    .await;
    // Nothing was collected.
    check_stalled(1, 1, |outcome| {
        matches!(outcome, Ok(Commit::Conflict { newest: 2 }))
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_is_said() {
    let faulty = FaultyStore::new(Arc::new(InMemory::new())).with_fault(Operation::Put, 1, Fault::Full);
    let error = over(Arc::new(faulty))
        .commit(&Manifest::successor(None, "w", "c"))
        .await
        .unwrap_err();
    assert_eq!(error.class(), perennial_base::ErrorClass::DiskFull);
}

#[tokio::test]
async fn what_breaks_a_rule_is_not_committed() {
    #[track_caller]
    fn check(outcome: Result<Commit>, expected: &str) {
        let text = outcome.unwrap_err().to_string();
        assert!(text.ends_with(expected), "{text}");
    }
    let snapshots = over(Arc::new(InMemory::new()));
    let first = Manifest::successor(None, "w", "c");
    let gap = Manifest {
        number: 3,
        parent: Some(2),
        ..first.clone()
    };
    check(snapshots.commit(&gap).await, "the newest snapshot is 0");
    check(
        snapshots
            .commit(&Manifest {
                parent: Some(7),
                ..first.clone()
            })
            .await,
        "number 1 does not follow its parent",
    );
    check(
        snapshots
            .commit(&Manifest {
                number: 0,
                ..first.clone()
            })
            .await,
        "number 0 does not follow its parent",
    );
    check(
        snapshots
            .commit(&Manifest {
                writer: String::new(),
                ..first.clone()
            })
            .await,
        "it names no writer",
    );
    let mut lossy = first.clone();
    let file = SourceFile {
        path: "crm/a.parquet".into(),
        landed: 10,
        unified: 9,
        ..SourceFile::default()
    };
    lossy.sources.insert(
        "crm".into(),
        SourceManifest {
            files: vec![file],
            ..SourceManifest::default()
        },
    );
    check(
        snapshots.commit(&lossy).await,
        "the rows of \"crm/a.parquet\" do not add up",
    );
    let mut twice = first;
    let files = vec![
        DataFile {
            path: "a".into(),
            ..DataFile::default()
        };
        2
    ];
    twice.tables.insert(
        "t".into(),
        TableManifest {
            files,
            ..TableManifest::default()
        },
    );
    check(snapshots.commit(&twice).await, "the file \"a\" is named twice");
    assert!(snapshots.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_snapshot_is_named() {
    let snapshots = over(Arc::new(InMemory::new()));
    append(&snapshots, "w").await;
    for (content, expected) in [
        ("{", "snapshot 1 is damaged: line 1, column 1"),
        (
            r#"{"format":1,"number":2}"#,
            "snapshot 1 is damaged: it says that it is number 2",
        ),
        (
            r#"{"format":9,"number":1}"#,
            "snapshot 1 has format 9, this version reads up to 2",
        ),
    ] {
        let path = snapshots.lake.path(&snapshot_path(1)).unwrap();
        snapshots
            .lake
            .store()
            .put(&path, PutPayload::from(content))
            .await
            .unwrap();
        assert_eq!(snapshots.newest().await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn readers_learn_of_newer_snapshots_only() {
    let snapshots = over(Arc::new(InMemory::new()));
    assert_eq!(snapshots.newest().await.unwrap(), None);
    for number in 1..=12 {
        append(&snapshots, &format!("w{number}")).await;
    }
    for odd in ["0000.json", "x.json", "00000000000000000099.json.tmp"] {
        let path = snapshots.lake.path(&format!("{FOLDER}/{odd}")).unwrap();
        snapshots.lake.store().put(&path, "".into()).await.unwrap();
    }
    assert_eq!(snapshots.newest().await.unwrap().unwrap().number, 12);
    assert_eq!(snapshots.newest_after(9).await.unwrap().unwrap().number, 12);
    assert_eq!(snapshots.newest_after(12).await.unwrap(), None);
    assert!(matches!(snapshots.read(13).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn garbage_is_what_nobody_can_read() {
    let snapshots = over(Arc::new(InMemory::new()));
    let lake = snapshots.lake.clone();
    let put = async |path: &str| {
        lake.store()
            .put(&lake.path(path).unwrap(), "x".into())
            .await
            .unwrap();
    };
    let mut former: Option<Manifest> = None;
    for number in 1..=5 {
        // Every snapshot replaces the only file of the one before.
        let path = format!("{DATA_FOLDER}/t/all-{number}.parquet");
        put(&path).await;
        let mut manifest = Manifest::successor(former.as_ref(), format!("w{number}"), "c");
        let table = TableManifest {
            files: vec![DataFile {
                path,
                ..DataFile::default()
            }],
            ..TableManifest::default()
        };
        manifest.tables.insert("t".into(), table);
        assert_eq!(snapshots.commit(&manifest).await.unwrap(), Commit::Done);
        former = Some(manifest);
    }
    put("_perennial/data/t/all-orphan.parquet").await;
    put("_perennial/snapshots/x.json.1-1.tmp").await;
    put("_perennial/probe/dead").await;
    put("_perennial/models/kept").await;
    put("crm/a.parquet").await;

    let now = perennial_base::Clock::now(&perennial_base::SystemClock);
    let retention = |keep, pinned: &[u64]| Retention {
        keep,
        min_age: DAY,
        grace: DAY,
        pinned: pinned.iter().copied().collect(),
    };
    assert_eq!(
        snapshots.collect_garbage(&retention(1, &[]), now).await.unwrap(),
        Collected::default()
    );
    assert!(snapshots.orphans(now, DAY).await.unwrap().is_empty());
    let later = now + 2 * DAY;
    let mut orphans = snapshots.orphans(later, DAY).await.unwrap();
    orphans.sort();
    assert_eq!(
        orphans,
        [
            "_perennial/data/t/all-orphan.parquet",
            "_perennial/probe/dead",
            "_perennial/snapshots/x.json.1-1.tmp"
        ]
    );

    let mut collected = snapshots
        .collect_garbage(&retention(2, &[2]), later)
        .await
        .unwrap();
    collected.files.sort();
    assert_eq!(collected.snapshots, [1, 3]);
    assert_eq!(
        collected.files,
        [
            "_perennial/data/t/all-1.parquet",
            "_perennial/data/t/all-3.parquet",
            "_perennial/data/t/all-orphan.parquet",
            "_perennial/probe/dead",
            "_perennial/snapshots/x.json.1-1.tmp"
        ]
    );
    assert_eq!(snapshots.list().await.unwrap(), [2, 4, 5]);
    assert_eq!(
        snapshots
            .collect_garbage(&retention(0, &[]), later)
            .await
            .unwrap()
            .snapshots,
        [2, 4]
    );
    for kept in [
        "_perennial/data/t/all-5.parquet",
        "_perennial/models/kept",
        "crm/a.parquet",
    ] {
        assert!(
            lake.store().head(&lake.path(kept).unwrap()).await.is_ok(),
            "{kept}"
        );
    }
    // A number that was collected is not given again.
    let stale = Manifest {
        number: 2,
        parent: Some(1),
        ..Manifest::successor(None, "stale", "c")
    };
    assert_eq!(
        snapshots.commit(&stale).await.unwrap(),
        Commit::Conflict { newest: 5 }
    );
}

/// Two snapshots, each with a file of its own.
async fn two_snapshots(store: &Arc<InMemory>) -> Snapshots {
    let snapshots = over(Arc::clone(store) as Arc<dyn ObjectStore>);
    let mut former: Option<Manifest> = None;
    for number in 1..=2 {
        let path = format!("{DATA_FOLDER}/t/all-{number}.parquet");
        let location = snapshots.lake.path(&path).unwrap();
        store.put(&location, "x".into()).await.unwrap();
        let mut manifest = Manifest::successor(former.as_ref(), format!("w{number}"), "c");
        manifest.tables.entry("t".into()).or_default().files = vec![DataFile {
            path,
            ..DataFile::default()
        }];
        assert_eq!(snapshots.commit(&manifest).await.unwrap(), Commit::Done);
        former = Some(manifest);
    }
    snapshots
}

/// Everything but the newest snapshot goes.
fn forgetful() -> Retention {
    Retention {
        keep: 1,
        min_age: 0,
        grace: 0,
        pinned: BTreeSet::new(),
    }
}

/// A reader leases at each request of a collector, before it is answered, while another collector runs to its end: what the
/// reader finds it keeps until it gives it up, and then nothing is left.
#[tokio::test]
async fn a_reader_that_leases_at_any_step_of_a_collection_keeps_what_it_finds() {
    let now = perennial_base::Clock::now(&perennial_base::SystemClock) + DAY;
    let (mut found, mut step, mut last) = ([0, 0], 0, false);
    while !last {
        step += 1;
        for others in [false, true] {
            let store = Arc::new(InMemory::new());
            let snapshots = two_snapshots(&store).await;
            let faults = Faults::new();
            let collector = over(faults.wrapper()(Arc::clone(&store) as Arc<dyn ObjectStore>));
            faults.nth(Operation::Any, step, Fault::Hold);
            let retention = forgetful();
            let collecting = tokio::spawn(async move { collector.collect_garbage(&retention, now).await });
            let held = async {
                faults.held().await;
                true
            };
            let ended = async {
                while !collecting.is_finished() {
                    tokio::task::yield_now().await;
                }
                false
            };
            // A collection of fewer requests is the last step.
            let held = tokio::select! { biased; held = held => held, ended = ended => ended };
            last |= !held;
            let reader = Leases::new(snapshots.lake.clone(), "reader");
            reader.publish(&BTreeSet::from([1]), now).await.unwrap();
            let finds = snapshots.contains(1).await.unwrap();
            if others {
                snapshots.collect_garbage(&forgetful(), now).await.unwrap();
            }
            faults.let_go();
            collecting.await.unwrap().unwrap();
            let file = snapshots
                .lake
                .path(&format!("{DATA_FOLDER}/t/all-1.parquet"))
                .unwrap();
            if finds {
                found[usize::from(others)] += 1;
                assert_eq!(snapshots.read(1).await.unwrap().writer, "w1", "step {step}");
                assert!(store.head(&file).await.is_ok(), "step {step}");
                snapshots.collect_garbage(&forgetful(), now).await.unwrap();
                assert!(store.head(&file).await.is_ok(), "step {step}");
            }
            reader.withdraw().await.unwrap();
            snapshots.collect_garbage(&forgetful(), now).await.unwrap();
            assert!(store.head(&file).await.is_err(), "step {step}");
            let left = crate::testing::names(&snapshots.lake, PLATFORM_FOLDER)
                .await
                .unwrap();
            assert_eq!(
                left,
                [format!("{DATA_FOLDER}/t/all-2.parquet"), snapshot_path(2)],
                "step {step}"
            );
        }
    }
    // Before the collector looked, and between its look and its deletion.
    assert!(found[0] >= 5 && found[1] >= 5, "{found:?} of {step}");
}

#[tokio::test]
async fn a_collection_that_dies_at_any_step_is_finished_by_the_next() {
    let now = perennial_base::Clock::now(&perennial_base::SystemClock) + DAY;
    for step in 1.. {
        let store = Arc::new(InMemory::new());
        let snapshots = two_snapshots(&store).await;
        let dying = FaultyStore::new(Arc::clone(&store) as Arc<dyn ObjectStore>);
        let dying = over(Arc::new(dying.with_fault(Operation::Any, step, Fault::Die)));
        let lived = dying.collect_garbage(&forgetful(), now).await.is_ok();
        assert_eq!(snapshots.newest().await.unwrap().unwrap().number, 2);
        snapshots.collect_garbage(&forgetful(), now).await.unwrap();
        let left = crate::testing::names(&snapshots.lake, PLATFORM_FOLDER)
            .await
            .unwrap();
        assert_eq!(left, [format!("{DATA_FOLDER}/t/all-2.parquet"), snapshot_path(2)]);
        if lived {
            assert!(step > 5, "{step}");
            return;
        }
    }
}
