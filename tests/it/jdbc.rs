//! The JDBC driver, where this machine has it and a JDK to run it.

use std::process::{Command, Output};

use perennial_testkit::environment::{skipped, variable};
use perennial_testkit::{TestLake, TestServer};

const BASICS: &str = include_str!("jdbc/Basics.java");

#[test]
fn pgjdbc_does_what_tools_do_with_it() {
    let Some(class_path) = variable("PERENNIAL_TEST_PGJDBC") else {
        skipped("PERENNIAL_TEST_PGJDBC is not set");
        return;
    };
    for part in std::env::split_paths(&class_path) {
        assert!(
            part.exists(),
            "PERENNIAL_TEST_PGJDBC names {}, which is absent",
            part.display()
        );
    }
    // A Java without a compiler does not run a source file.
    for program in ["javac", "java"] {
        if let Err(error) = Command::new(program).arg("--version").output() {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{program}: {error}");
            skipped(format_args!("there is no {program}"));
            return;
        }
    }
    let server = TestServer::start(TestLake::demo_small());
    let source = server.lake().folder().join("Basics.java");
    std::fs::write(&source, BASICS).unwrap();
    let url = format!(
        "jdbc:postgresql://127.0.0.1:{}/perennial?user=admin",
        server.port()
    );
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new("java")
        .args(["-cp", &class_path])
        .arg(&source)
        .arg(&url)
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(
        status.success() && stdout.ends_with("\ndone\n"),
        "java {status}\n{stdout}\n{stderr}"
    );
}
