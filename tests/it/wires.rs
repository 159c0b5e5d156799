//! What goes wrong on the wire to an object store: whatever it is, a run has its effect once, or not at all and says why.
//! Each run is a process of its own, which the environment sends to the store through a proxy.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use perennial_testkit::environment::variable;
use perennial_testkit::{Fault, Faults, Operation, Proxy, Setup, TestLake, Wire};

use crate::layout::{CONFIG, orders};
use crate::stores::{SETTLED, answers, places};

/// Tells the child process which lake it runs on.
const CHILD: &str = "PERENNIAL_TEST_WIRE";
const OUTCOME: &str = "outcome";

/// Method, part of the target, one in how many, and what goes wrong.
type OnTheWire = &'static [(&'static str, &'static str, usize, Wire)];

struct Case {
    name: &'static str,
    faults: OnTheWire,
    /// What the run says.
    says: &'static str,
}

const CASES: [Case; 7] = [
    Case {
        name: "rough",
        faults: &[
            ("GET", ".parquet", 4, Wire::Cut),
            ("GET", "", 3, Wire::Answer(503)),
            ("PUT", "", 4, Wire::Answer(503)),
            ("DELETE", "", 2, Wire::Answer(500)),
        ],
        says: "snapshot 1, quarantined []",
    },
    // The second try meets what the first has made.
    Case {
        name: "done",
        faults: &[
            ("PUT", "/probe/", 2, Wire::Instead(503)),
            ("PUT", "/snapshots/", 2, Wire::Instead(500)),
            ("PUT", "/data/", 3, Wire::Instead(503)),
        ],
        says: "snapshot 1, quarantined []",
    },
    Case {
        name: "lost",
        faults: &[
            ("PUT", "/snapshots/", 1, Wire::Lost),
            ("PUT", "/data/", 3, Wire::Lost),
        ],
        says: "snapshot 1, quarantined []",
    },
    // As S3 answers while another request for the same name is under way.
    Case {
        name: "conflict",
        faults: &[("PUT", "/snapshots/", 2, Wire::Answer(409))],
        says: "snapshot 1, quarantined []",
    },
    Case {
        name: "readonly",
        faults: &[("PUT", "", 1, Wire::Answer(403))],
        says: "not allowed to write",
    },
    Case {
        name: "unlisted",
        faults: &[("GET", "prefix=", 1, Wire::Answer(403))],
        says: "not allowed to list",
    },
    Case {
        name: "unreadable",
        faults: &[("GET", "b.parquet", 1, Wire::Answer(403))],
        says: "snapshot 1, quarantined [\"orders/b.parquet: may not be read: access is denied\"]",
    },
];

/// The variable that says where a store is, and its value for another address.
fn store_of(place: &str) -> (&'static str, String) {
    let name = match place.split_once("://").unwrap().0 {
        "s3" => "AWS_ENDPOINT",
        "az" => "AZURE_STORAGE_ENDPOINT",
        _ => "GOOGLE_SERVICE_ACCOUNT_KEY",
    };
    (name, variable(name).unwrap())
}

/// The address in a variable, which may have more in it.
fn address(value: &str) -> &str {
    let from = value.find("http://").unwrap();
    value[from..].split('"').next().unwrap()
}

#[test]
fn whatever_goes_wrong_on_the_wire_a_run_has_its_effect_once_or_says_why_not() {
    let known = |row: usize| Some(format!("p{row}@example.org"));
    let files: &[(&str, &[u8])] = &[
        ("orders/a.parquet", &orders(&["a1", "a2"], known)),
        ("orders/b.parquet", &orders(&["b1"], known)),
    ];
    let reference = TestLake::of(CONFIG, files);
    reference.unify();
    let expected = answers(&reference, Setup::default());
    assert_eq!(expected.as_ref().map(Vec::len), Ok(3));
    for place in places("wires").into_iter().flatten() {
        let (name, value) = store_of(&place);
        for case in CASES {
            let told = format!("{} at {place}", case.name);
            let lake = TestLake::at(&format!("{place}/{}", case.name), CONFIG, files);
            let proxy = Proxy::new(address(&value));
            for (method, part, every, wire) in case.faults {
                proxy.every(method, part, *every, *wire);
            }
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "wires::child", "--nocapture"])
                .env(CHILD, lake.folder())
                .env(name, value.replace(address(&value), proxy.address()))
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert!(status.success(), "{told}");
            let said = fs::read_to_string(lake.folder().join(OUTCOME)).unwrap();
            assert!(said.starts_with(case.says), "{told}: {said}");
            // What is secret, and where the store is, is nobody's business.
            let key = variable("AZURE_STORAGE_ACCOUNT_KEY").unwrap_or_else(|| "testing".to_owned());
            assert!(
                !said.contains(&key) && !said.contains("127.0.0.1"),
                "{told}: {said}"
            );
            assert!(proxy.went_wrong() > 0, "{told}");
            if case.name == "done" {
                // Create-if-absent has refused: the store's 412, and 409 of Azure.
                assert!(proxy.answered(412) + proxy.answered(409) > 1, "{told}");
            }
            // The wire is mended.
            let report = lake.try_run(Setup::default(), SETTLED).unwrap();
            assert_eq!(report.quarantined, [], "{told}");
            assert_eq!(answers(&lake, Setup::default()), expected, "{told}");
            let snapshots = 1 + usize::from(case.name == "unreadable");
            assert_eq!(lake.names("_perennial/snapshots").len(), snapshots, "{told}");
            assert!(lake.names("_perennial/probe").is_empty(), "{told}");
        }
    }
}

/// Not a test by itself: the process that runs.
#[test]
fn child() {
    let Some(folder) = variable(CHILD) else { return };
    let folder = Path::new(&folder);
    // The store is slow as well.
    let faults = Faults::new();
    faults.every(Operation::Any, 2, Fault::Slow(Duration::from_millis(5)));
    let said = match TestLake::in_folder(folder).try_run(Setup::failing(&faults), SETTLED) {
        Ok(report) => {
            let quarantined: Vec<String> = report
                .quarantined
                .iter()
                .map(|(_, path, reason)| format!("{path}: {reason}"))
                .collect();
            format!(
                "snapshot {}, quarantined {quarantined:?}",
                report.snapshot.unwrap_or(0)
            )
        }
        Err(error) => error,
    };
    fs::write(folder.join(OUTCOME), said).unwrap();
}
