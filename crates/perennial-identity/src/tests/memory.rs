//! Memory is asked for before it is taken, and too little of it is an error that changes nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use perennial_base::{ErrorClass, UserError};

use crate::{Batch, Error, GraphBuilder, IdentifierRule, PreviousIds, Resolution, Rules, Source};

/// Resolves 30,000 records of 9,000 people within what `grant` grants.
fn resolve(grant: impl FnMut(usize) -> bool + Send + Sync + 'static) -> Result<Resolution, Error> {
    let types = [
        IdentifierRule::new("email").with_limit(3),
        IdentifierRule::new("device"),
    ];
    let rules = Rules::try_new(types.to_vec(), &[])?;
    let sources = vec![Source::persons("people"), Source::facts("visits")];
    let mut builder = GraphBuilder::try_new(&rules, sources, PreviousIds::default())?.within(grant);
    let mut batch = Batch::default();
    for first in (0..30_000_u64).step_by(1_000) {
        batch.clear();
        for row in first..first + 1_000 {
            let person = row * 7_919 % 9_000;
            batch.push(0, &format!("{person}-{}@example.com", row % 3));
            batch.push(1, &format!("device-{}", person / 2 * 5 + row % 5));
            batch.end_row();
        }
        for (row, set) in (first..).zip(builder.sets(&batch)?) {
            builder.record((row % 2) as u16, set, row as i64 % 500, &row.to_string())?;
        }
    }
    builder.resolve()?.publish(1, 0)
}

#[test]
fn too_little_memory_is_an_error_and_enough_changes_nothing() {
    let (asked, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let free = resolve({
        let (asked, most) = (Arc::clone(&asked), Arc::clone(&most));
        move |bytes| {
            asked.fetch_add(1, Ordering::Relaxed);
            most.fetch_max(bytes, Ordering::Relaxed);
            true
        }
    })
    .unwrap();
    let (asked, most) = (asked.load(Ordering::Relaxed), most.load(Ordering::Relaxed));
    let within = resolve(move |bytes| bytes <= most).unwrap();
    assert_eq!(within.customers(), free.customers());
    assert!(within.conflicts().eq(free.conflicts()));
    assert!(within.identities().eq(free.identities()));

    for least in [0, most / 4, most / 2, most - 1] {
        let error = resolve(move |bytes| bytes <= least).unwrap_err();
        assert_eq!(error.class(), ErrorClass::OutOfMemory);
        assert!(error.hint().unwrap().contains("server.memory"), "{error}");
    }
    // Whichever question is answered with no, the run ends with it.
    for refused in 0..asked {
        let mut question = 0;
        let outcome = resolve(move |_| {
            question += 1;
            question != refused + 1
        });
        assert!(matches!(outcome, Err(Error::OutOfMemory { .. })), "{refused}");
    }
}
