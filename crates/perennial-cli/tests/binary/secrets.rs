//! Credentials of stores are in nothing that the binary says or writes, whatever the store answers.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::support::{CONFIG, Place, Told};

/// A store that refuses everything, and tells the client all that it was told.
fn indiscreet() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let body = format!("<Error><Message>{}</Message></Error>", head.join(" "));
            let answer = format!(
                "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            // A client that has gone wants no answer.
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    endpoint
}

#[test]
fn credentials_are_in_nothing_that_is_said_or_written() {
    // Of Azure a key is base64.
    const CANARY: &str = "U0VDUkVUQ0FOQVJZU0VDUkVUQ0FOQVJZ";
    let endpoint = indiscreet();
    let account = format!(
        r#"{{"private_key":"{CANARY}","private_key_id":"{CANARY}","client_email":"{CANARY}","disable_oauth":true,"gcs_base_url":"{endpoint}"}}"#
    );
    let stores: [(&str, Vec<(&str, &str)>); 4] = [
        (
            "s3://bucket/shop",
            vec![
                ("AWS_ENDPOINT", &endpoint),
                ("AWS_ALLOW_HTTP", "true"),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_ACCESS_KEY_ID", CANARY),
                ("AWS_SECRET_ACCESS_KEY", CANARY),
                ("AWS_SESSION_TOKEN", CANARY),
            ],
        ),
        (
            "az://container/shop",
            vec![
                ("AZURE_STORAGE_ENDPOINT", &endpoint),
                ("AZURE_ALLOW_HTTP", "true"),
                ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
                ("AZURE_STORAGE_ACCOUNT_KEY", CANARY),
            ],
        ),
        (
            "gs://bucket/shop",
            vec![
                ("GOOGLE_ALLOW_HTTP", "true"),
                ("GOOGLE_SERVICE_ACCOUNT_KEY", &account),
            ],
        ),
        // Settings that cannot be used.
        ("gs://bucket/shop", vec![("GOOGLE_SERVICE_ACCOUNT_KEY", CANARY)]),
    ];
    for (url, environment) in stores {
        let place = Place::new();
        place.write("store.toml", &CONFIG.replace("./lake", url));
        for arguments in [
            vec!["check", "--config", "store.toml"],
            vec!["unify", "--config", "store.toml"],
            vec!["serve", "--config", "store.toml", "--listen", "127.0.0.1:0"],
            vec!["query", "--config", "store.toml", "SELECT * FROM pg_settings"],
            vec!["init", url, "--out", "new.toml"],
        ] {
            let arguments = [arguments, vec!["--log", "trace"]].concat();
            let mut command = place.command(&arguments);
            command
                .env("NO_PROXY", "127.0.0.1")
                .envs(environment.iter().copied());
            let told = Told::by(command);
            assert_ne!(told.status.code(), Some(0), "{url} {arguments:?}");
            for said in [&told.stdout, &told.stderr] {
                assert!(!said.contains(CANARY), "{url} {arguments:?}\n{said}");
            }
            assert!(
                told.stderr.contains("error: "),
                "{url} {arguments:?}\n{}",
                told.stderr
            );
        }
        for file in ["store.toml", "new.toml"] {
            let text = std::fs::read_to_string(place.path(file)).unwrap_or_default();
            assert!(!text.contains(CANARY), "{url} {file}\n{text}");
        }
    }
}
