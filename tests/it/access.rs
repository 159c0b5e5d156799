//! Who may log in from where and how, as the rules of the configuration say.

use perennial_testkit::slt::TextError;
use perennial_testkit::{TestLake, TestServer};

use crate::login::PASSWORD;
use crate::programs::ended;
use crate::support::{connect_with, one};
use crate::tls::{Certificates, psql};

/// The rules of a table that was played on PostgreSQL 15.18, too, with these lines of `pg_hba.conf`:
///
/// ```text
/// local      all  reader                         scram-sha-256
/// hostssl    all  loader         127.0.0.1/32    cert
/// host       all  loader         all             reject
/// hostnossl  all  guest          127.0.0.0/8     trust
/// hostssl    all  reader,nobody  samehost        scram-sha-256
/// ```
const RULES: &str = r#"
[[server.access]]
connection = "local"
roles = ["reader"]
method = "scram-sha-256"
[[server.access]]
connection = "hostssl"
address = "127.0.0.1/32"
roles = ["loader"]
method = "cert"
[[server.access]]
connection = "host"
address = "all"
roles = ["loader"]
method = "reject"
[[server.access]]
connection = "hostnossl"
address = "127.0.0.0/8"
roles = ["guest"]
method = "trust"
[[server.access]]
connection = "hostssl"
address = "samehost"
roles = ["reader", "nobody"]
method = "scram-sha-256"
"#;

/// Where clients find the server: by its name, with TLS or without, or by its socket.
const TLS: &str = "host=localhost hostaddr=127.0.0.1 sslmode=require";
const CLEAR: &str = "host=localhost hostaddr=127.0.0.1 sslmode=disable";
const PREFER: &str = "host=localhost hostaddr=127.0.0.1 sslmode=prefer";
const ALLOW: &str = "host=localhost hostaddr=127.0.0.1 sslmode=allow";
const SOCKET: &str = "host=SOCKET";

/// How, whose certificate, user, password, and what PostgreSQL says: the refusal, or nothing where it lets in.
const TABLE: &[(&str, &str, &str, &str, &str)] = &[
    (TLS, "loader", "loader", "", ""),
    (
        TLS,
        "",
        "loader",
        "",
        "connection requires a valid client certificate",
    ),
    (
        TLS,
        "reader",
        "loader",
        "",
        "certificate authentication failed for user \"loader\"",
    ),
    (
        TLS,
        "unnamed",
        "loader",
        "",
        "certificate authentication failed for user \"loader\"",
    ),
    (
        CLEAR,
        "",
        "loader",
        "",
        "pg_hba.conf rejects connection for host \"127.0.0.1\", user \"loader\", database \"perennial\", no encryption",
    ),
    (PREFER, "loader", "loader", "", ""),
    (CLEAR, "", "guest", "", ""),
    (
        TLS,
        "",
        "guest",
        "",
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"guest\", database \"perennial\", SSL encryption",
    ),
    (PREFER, "", "guest", "", ""),
    (TLS, "", "reader", "correct horse", ""),
    // The first rule that fits counts: a certificate is not asked for, and does not take the place of the password.
    (
        TLS,
        "reader",
        "reader",
        "wrong",
        "password authentication failed for user \"reader\"",
    ),
    (
        CLEAR,
        "",
        "reader",
        "correct horse",
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"reader\", database \"perennial\", no encryption",
    ),
    (ALLOW, "", "reader", "correct horse", ""),
    (
        TLS,
        "",
        "nobody",
        "wrong",
        "password authentication failed for user \"nobody\"",
    ),
    (
        TLS,
        "",
        "outsider",
        "wrong",
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"outsider\", database \"perennial\", SSL encryption",
    ),
    (
        TLS,
        "",
        "unknown",
        "wrong",
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"unknown\", database \"perennial\", SSL encryption",
    ),
    (SOCKET, "", "reader", "correct horse", ""),
    (
        SOCKET,
        "",
        "reader",
        "wrong",
        "password authentication failed for user \"reader\"",
    ),
    (
        SOCKET,
        "",
        "guest",
        "",
        "no pg_hba.conf entry for host \"[local]\", user \"guest\", database \"perennial\", no encryption",
    ),
];

/// `server` is `[server]` and its keys.
fn serve(server: &str, rules: &str) -> TestServer {
    let roles: String = ["loader", "guest", "nobody", "outsider"]
        .map(|name| format!("[[role]]\nname = \"{name}\"\n"))
        .concat();
    let reader = format!("[[role]]\nname = \"reader\"\npassword = \"{PASSWORD}\"\n");
    let config = format!("[lake]\nurl = \"./lake\"\n{server}{rules}{roles}{reader}");
    TestServer::start(TestLake::of(&config, &[]))
}

#[test]
fn rules_let_in_and_refuse_whom_those_of_postgres_do_in_its_words() {
    let Some(certificates) = Certificates::new() else {
        return;
    };
    for (name, subject) in [
        ("loader", "/CN=loader"),
        ("reader", "/CN=reader"),
        ("unnamed", "/O=Acme"),
    ] {
        if certificates.subject(name, subject, "ca").is_none() {
            return;
        }
    }
    let (folder, ca) = (tempfile::tempdir().unwrap(), certificates.file("ca.pem"));
    let socket = folder.path().display().to_string();
    let settings = format!("tls_client_ca = \"{ca}\"\nunix_socket = \"{socket}\"\n");
    let server = serve(&(certificates.settings("server") + &settings), RULES);
    for (how, certificate, user, password, refusal) in TABLE {
        let mut target = format!(
            "{} port={} dbname=perennial user={user} password='{password}'",
            how.replace("SOCKET", &socket),
            server.port()
        );
        let none = folder.path().join("none").display().to_string();
        let [pem, key] = match *certificate {
            "" => [none.clone(), none],
            name => ["pem", "key"].map(|end| certificates.file(&format!("{name}.{end}"))),
        };
        target.push_str(&format!(" sslcert='{pem}' sslkey='{key}'"));
        let Some((status, stdout, stderr)) = ended(&mut psql(&target, "SELECT current_user")) else {
            return;
        };
        let told = stderr.lines().next().unwrap_or_default();
        let told = told.split_once("FATAL:  ").map_or(told, |(_, told)| told);
        assert_eq!(told, *refusal, "{target}");
        assert_eq!(status.success(), refusal.is_empty(), "{target}");
        assert_eq!(
            stdout.trim_end(),
            if refusal.is_empty() { user } else { "" },
            "{target}"
        );
    }
}

/// What a client without TLS is told.
async fn told(server: &TestServer, user: &str) -> TextError {
    let target = format!(
        "host=127.0.0.1 port={} user={user} password=x dbname=perennial",
        server.port()
    );
    connect_with(&target).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn a_refusal_names_the_place_of_the_rules_and_not_who_exists() {
    let rules = "[[server.access]]\nconnection = \"host\"\naddress = \"10.0.0.0/8\"\nmethod = \"scram-sha-256\"\n\
                 [[server.access]]\nconnection = \"host\"\naddress = \"::1\"\nmethod = \"scram-sha-256\"\n\
                 [[server.access]]\nconnection = \"host\"\naddress = \"all\"\nroles = [\"guest\", \"loader\"]\nmethod = \"reject\"\n";
    let server = serve("", rules);
    let expected = |message: String| {
        TextError {
        sqlstate: "28000".to_owned(),
        message,
        detail: None,
        hint: Some(
            "The rules are those of [[server.access]] in the server's perennial.toml; the first that fits counts."
                .to_owned(),
        ),
    }
    };
    for user in ["reader", "stranger"] {
        let message = format!(
            "no pg_hba.conf entry for host \"127.0.0.1\", user \"{user}\", database \"perennial\", no encryption"
        );
        assert_eq!(told(&server, user).await, expected(message));
    }
    let message = "pg_hba.conf rejects connection for host \"127.0.0.1\", user \"guest\", database \"perennial\", no encryption";
    assert_eq!(told(&server, "guest").await, expected(message.to_owned()));
}

#[tokio::test]
async fn a_rule_for_all_roles_asks_strangers_for_a_password_as_anybody() {
    let rules = "[[server.access]]\nconnection = \"host\"\naddress = \"samehost\"\nroles = [\"guest\"]\nmethod = \"trust\"\n\
                 [[server.access]]\nconnection = \"host\"\naddress = \"127.0.0.0/8\"\nmethod = \"scram-sha-256\"\n";
    let server = serve("", rules);
    for user in ["nobody", "stranger", "reader"] {
        let refused = told(&server, user).await;
        assert_eq!(
            refused.message,
            format!("password authentication failed for user \"{user}\"")
        );
        assert_eq!(refused.sqlstate, "28P01");
    }
    let target = format!(
        "host=127.0.0.1 port={} user=guest dbname=perennial",
        server.port()
    );
    let client = connect_with(&target).await.unwrap();
    assert_eq!(one(&client, "SELECT current_user").await, "guest");
}
