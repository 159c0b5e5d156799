//! A query beside runs of other processes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::{ANN, BOB, CONFIG, Place, orders};

#[test]
fn a_query_keeps_what_it_reads_while_another_process_removes_old_snapshots() {
    let place = Place::unified();
    let forgetful = "refresh = \"off\"\nkeep_snapshots = 1\nkeep_for = \"0s\"";
    place.write("perennial.toml", &CONFIG.replace("refresh = \"off\"", forgetful));
    let snapshots = || -> Vec<String> {
        let written = place.written().into_iter();
        let names = written.map(|path| {
            path.strip_prefix(place.path("lake/_perennial"))
                .unwrap()
                .to_owned()
        });
        let names = names.map(|path| path.to_str().unwrap().to_owned());
        names.filter(|name| !name.starts_with("data/")).collect()
    };
    let document = |number: u64| format!("snapshots/{number:020}.json");
    assert_eq!(snapshots(), [document(1)]);

    // Far more than a pipe holds: it waits for its reader in the middle of the answer.
    let sql = "SELECT order_id, n FROM orders, (SELECT unnest(range(0, 200000)) AS n) AS numbers";
    let mut query = place
        .command(&["query", "--format", "csv", sql])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answer = BufReader::new(query.stdout.take().unwrap()).lines();
    assert_eq!(answer.next().unwrap().unwrap(), "order_id,n");
    for number in 2..=3 {
        let bytes = place.parquet(&orders(&[ANN, BOB]));
        place.land(&format!("orders/{number}.parquet"), &bytes);
        place.run(&["unify"]).exits(0);
        let kept = snapshots();
        assert!(
            kept.contains(&document(1)) && kept.contains(&document(number)),
            "{kept:?}"
        );
        assert!(!kept.contains(&document(number - 1)) || number == 2, "{kept:?}");
    }
    assert_eq!(answer.map(Result::unwrap).count(), 400_000);
    assert!(query.wait().unwrap().success());

    let bytes = place.parquet(&orders(&[ANN]));
    place.land("orders/4.parquet", &bytes);
    place.run(&["unify"]).exits(0);
    assert_eq!(snapshots(), [document(4)]);
}
