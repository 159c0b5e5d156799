//! Who gets in, and what the others are told.

use perennial_testkit::slt::TextError;
use perennial_testkit::{TestLake, TestServer};

use crate::support::{connect_with, one};

/// What PostgreSQL 15.20 has stored for "correct horse".
pub(crate) const PASSWORD: &str = "SCRAM-SHA-256$4096:OE668UD5xE0d4gEfJL/Dsg==$crnEVm7+AKHvRGbFb0qF4pu8E9Uj/LIIqVcg3EMrJDk=:cD5O/w2+qUF6spYVX777EntPjbEgcsfsal4FQZFdST8=";

/// A role with that password, and one without.
pub(crate) const CONFIG: &str = r#"
[lake]
url = "./lake"
[server]
authentication = "scram-sha-256"
[[role]]
name = "reader"
password = "SCRAM-SHA-256$4096:OE668UD5xE0d4gEfJL/Dsg==$crnEVm7+AKHvRGbFb0qF4pu8E9Uj/LIIqVcg3EMrJDk=:cD5O/w2+qUF6spYVX777EntPjbEgcsfsal4FQZFdST8="
[[role]]
name = "nobody"
"#;

fn server() -> TestServer {
    TestServer::start(TestLake::of(CONFIG, &[]))
}

fn connection_string(server: &TestServer, user: &str, password: &str, database: &str) -> String {
    format!(
        "host=127.0.0.1 port={} user={user} password='{password}' dbname={database}",
        server.port()
    )
}

#[tokio::test]
async fn a_verifier_of_postgres_lets_its_password_in() {
    let server = server();
    let client = connect_with(&connection_string(
        &server,
        "reader",
        "correct horse",
        "perennial",
    ))
    .await
    .unwrap();
    assert_eq!(one(&client, "SELECT current_user").await, "reader");
    assert_eq!(one(&client, "SELECT session_user").await, "reader");
}

#[tokio::test]
async fn a_wrong_password_an_unknown_role_and_one_without_a_password_are_told_the_same() {
    let server = server();
    for (user, password) in [
        ("reader", "wrong"),
        ("reader", ""),
        ("stranger", "correct horse"),
        ("nobody", "x"),
    ] {
        let refused = connect_with(&connection_string(&server, user, password, "perennial"))
            .await
            .map(drop);
        let expected = TextError {
            sqlstate: "28P01".to_owned(),
            message: format!("password authentication failed for user \"{user}\""),
            detail: None,
            hint: Some(
                "The roles and their passwords are those of [[role]] in the server's configuration."
                    .to_owned(),
            ),
        };
        assert_eq!(refused, Err(expected), "{user}");
    }
}

#[tokio::test]
async fn another_database_is_named_in_the_refusal() {
    let server = server();
    let refused = connect_with(&connection_string(&server, "reader", "correct horse", "postgres")).await;
    let error = refused.map(drop).unwrap_err();
    assert_eq!(
        (error.sqlstate.as_str(), error.message.as_str()),
        ("3D000", "database \"postgres\" does not exist")
    );
    assert!(error.hint.is_some_and(|hint| hint.contains("perennial")));
}

#[tokio::test]
async fn the_database_is_not_told_to_those_who_have_no_password() {
    let server = server();
    let refused = connect_with(&connection_string(&server, "reader", "wrong", "postgres")).await;
    assert_eq!(refused.map(drop).unwrap_err().sqlstate, "28P01");
}
