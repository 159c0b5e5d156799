//! Memory is asked for before it is taken. Where there is less, texts go elsewhere and nothing else changes; below what has
//! to stay in memory it is an error that says how much that is.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use perennial_base::{ErrorClass, UserError};
use proptest::prelude::*;

use super::seeds;
use crate::{Batch, Error, GraphBuilder, IdentifierRule, PreviousIds, Resolution, Rules, Source, Spill};

/// Elsewhere, which answers no more than `reads` times.
struct Elsewhere {
    bytes: Arc<Mutex<Vec<u8>>>,
    reads: AtomicUsize,
}

impl Spill for Elsewhere {
    fn write(&self, bytes: &[u8]) -> io::Result<u64> {
        let mut held = self.bytes.lock().unwrap();
        held.extend_from_slice(bytes);
        Ok((held.len() - bytes.len()) as u64)
    }

    fn read(&self, start: u64, bytes: &mut [u8]) -> io::Result<()> {
        let left = self
            .reads
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| io::Error::other("the disk is gone"))?;
        let start = start as usize;
        bytes.copy_from_slice(&self.bytes.lock().unwrap()[start..start + bytes.len()]);
        Ok(())
    }
}

/// Many records of some people, made from a seed.
#[derive(Debug, Clone, Copy)]
struct Many {
    records: u64,
    people: u64,
    /// Characters that every value has besides.
    padding: usize,
    /// Different times, so that texts decide about the rest.
    times: u64,
    seed: u64,
}

const MANY: Many = Many {
    records: 30_000,
    people: 9_000,
    padding: 20,
    times: 500,
    seed: 7,
};

impl Many {
    /// Resolves them within what `grant` grants.
    fn resolve(
        self,
        grant: impl FnMut(usize) -> bool + Send + Sync + 'static,
        spill: Option<Elsewhere>,
    ) -> Result<Resolution, Error> {
        let types = [
            IdentifierRule::new("email").with_limit(3),
            IdentifierRule::new("device"),
        ];
        let rules = Rules::try_new(types.to_vec(), &[])?;
        let sources = vec![Source::persons("people"), Source::facts("visits")];
        let mut builder = GraphBuilder::try_new(&rules, sources, PreviousIds::default())?.within(grant);
        if let Some(spill) = spill {
            builder = builder.spilling(spill);
        }
        let padding = "x".repeat(self.padding);
        let mut batch = Batch::default();
        for first in (0..self.records).step_by(1_000) {
            batch.clear();
            for row in first..first + 1_000 {
                let person = (row + self.seed) * 7_919 % self.people;
                batch.push(0, &format!("{person}-{}-{padding}@example.com", row % 3));
                batch.push(1, &format!("device-{}-{padding}", person / 2 * 5 + row % 5));
                batch.end_row();
            }
            for (row, set) in (first..).zip(builder.sets(&batch)?) {
                let time = (row ^ self.seed) % self.times;
                builder.record((row % 2) as u16, set, time as i64, &row.to_string())?;
            }
        }
        builder.resolve()?.publish(1, 0)
    }

    /// What he asks for at most who has no other place, and how often he asks.
    fn asks(self) -> (usize, usize) {
        let (asked, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        self.resolve(
            {
                let (asked, most) = (Arc::clone(&asked), Arc::clone(&most));
                move |bytes| {
                    asked.fetch_add(1, Ordering::Relaxed);
                    most.fetch_max(bytes, Ordering::Relaxed);
                    true
                }
            },
            None,
        )
        .unwrap();
        (most.load(Ordering::Relaxed), asked.load(Ordering::Relaxed))
    }

    /// What has to stay in memory at most: every question is refused once, so that all goes that can.
    fn floor(self) -> usize {
        let most = Arc::new(AtomicUsize::new(0));
        let (held, mut refuse) = (Arc::clone(&most), false);
        let grant = move |bytes| {
            refuse = !refuse;
            if !refuse {
                held.fetch_max(bytes, Ordering::Relaxed);
            }
            !refuse
        };
        self.resolve(grant, Some(elsewhere().0)).unwrap();
        most.load(Ordering::Relaxed)
    }
}

fn elsewhere() -> (Elsewhere, Arc<Mutex<Vec<u8>>>) {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let elsewhere = Elsewhere {
        bytes: Arc::clone(&bytes),
        reads: AtomicUsize::new(usize::MAX),
    };
    (elsewhere, bytes)
}

/// Everything that a run tells.
#[track_caller]
fn assert_same(a: &Resolution, b: &Resolution) {
    assert_eq!(a.customers(), b.customers());
    assert_eq!(a.ids(), b.ids());
    assert!(a.identities().eq(b.identities()));
    assert!(a.links().eq(b.links()));
    assert!(a.conflicts().eq(b.conflicts()));
    (0..a.customers().len() as u32)
        .for_each(|customer| assert!(a.groups_of_customer(customer).eq(b.groups_of_customer(customer))));
    a.intact().unwrap();
    b.intact().unwrap();
}

#[test]
fn too_little_memory_is_an_error_and_enough_changes_nothing() {
    let (most, asked) = MANY.asks();
    let free = MANY.resolve(|_| true, None).unwrap();
    assert_same(&MANY.resolve(move |bytes| bytes <= most, None).unwrap(), &free);
    for least in [0, most / 4, most / 2, most - 1] {
        let error = MANY.resolve(move |bytes| bytes <= least, None).unwrap_err();
        assert_eq!(error.class(), ErrorClass::OutOfMemory);
        assert!(error.hint().unwrap().contains("server.memory"), "{error}");
    }
    // Whichever question is answered with no, the run ends with it.
    for refused in 0..asked {
        let mut question = 0;
        let grant = move |_| {
            question += 1;
            question != refused + 1
        };
        let outcome = MANY.resolve(grant, None);
        assert!(matches!(outcome, Err(Error::OutOfMemory { .. })), "{refused}");
    }
}

#[test]
fn what_cannot_be_read_back_is_an_error_whenever_it_is_read() {
    let (mut refuse, mut limits) = (false, vec![0, 1, 2, 10, 100]);
    limits.extend((1..20).map(|times| times * 5_000));
    let mut ended = 0;
    for reads in limits {
        let (spill, _) = elsewhere();
        spill.reads.store(reads, Ordering::Relaxed);
        let grant = move |_| {
            refuse = !refuse;
            !refuse
        };
        match MANY.resolve(grant, Some(spill)) {
            Err(Error::Spill { cause, .. }) => assert!(cause.contains("the disk is gone")),
            Err(error) => panic!("{error}"),
            Ok(resolution) => {
                // It was enough to find the customers, and is not to tell of them.
                resolution.intact().unwrap();
                assert!(resolution.identities().count() > 0 && resolution.links().count() > 0);
                assert!(resolution.intact().is_err());
                ended += 1;
            }
        }
    }
    assert!(ended < 20, "texts are read while customers are found");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..seeds::config() })]

    /// A part of the memory that is asked for without another place gives the same, or an error that says how much more is
    /// needed; never is that above what has to stay.
    #[test]
    fn any_part_of_the_memory_gives_the_same_or_says_what_is_missing(
        records in 8..24_u64,
        people in 500..20_000_u64,
        padding in 0..100_usize,
        times in prop::sample::select(vec![1, 50, 1_000_000]),
        seed in 0..1_000_000_u64,
        share in 0.2..1.0,
    ) {
        let many = Many { records: records * 1_000, people, padding, times, seed };
        let (most, _) = many.asks();
        let floor = many.floor();
        let budget = (most as f64 * share) as usize;
        let free = many.resolve(|_| true, None).unwrap();
        let (spill, kept) = elsewhere();
        match many.resolve(move |bytes| bytes <= budget, Some(spill)) {
            Ok(within) => {
                assert_same(&within, &free);
                prop_assert!(!kept.lock().unwrap().is_empty());
            }
            Err(error @ Error::OutOfMemory { bytes }) => {
                prop_assert!(budget < bytes && bytes <= floor, "{} {} {}", budget, bytes, floor);
                prop_assert!(error.hint().unwrap().contains("server.memory"));
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
        let (spill, _) = elsewhere();
        assert_same(&many.resolve(move |bytes| bytes <= floor, Some(spill)).unwrap(), &free);
    }
}

/// Texts are what leaves memory, so what stays does not grow with them.
#[test]
fn what_has_to_stay_does_not_grow_with_the_length_of_values() {
    let long = Many { padding: 200, ..MANY };
    assert!(long.asks().0 > MANY.asks().0 + 2_500_000);
    assert!(long.floor() < MANY.floor() + 100_000);
}
