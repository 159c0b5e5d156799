//! What a client is told when a statement fails, and what the connection can do afterwards.

use perennial_testkit::slt::{TextQuery, TextResult, WireSession};
use perennial_testkit::{TestLake, TestServer};
use tokio::runtime::Runtime;

#[test]
fn a_failed_statement_names_its_class_and_leaves_the_connection_usable() {
    let server = TestServer::start(TestLake::empty());
    Runtime::new().unwrap().block_on(async {
        let mut session = WireSession::connect(&server.connection_string()).await.unwrap();
        #[track_caller]
        fn check(answer: Result<TextResult, perennial_testkit::slt::TextError>, sqlstate: &str) {
            assert_eq!(answer.map_err(|error| error.sqlstate), Err(sqlstate.to_owned()));
        }
        // The codes are those of Appendix A of PostgreSQL's manual.
        check(session.query("SELEC 1").await, "42601");
        check(session.query("SELECT * FROM absent").await, "42P01");
        check(
            session
                .query("SELECT absent FROM (VALUES (1)) AS t(present)")
                .await,
            "42703",
        );
        check(session.query("SELECT absent(1)").await, "42883");
        check(session.query("SELECT 1 / 0").await, "22012");
        let rows = session.query("SELECT 1 AS one").await.unwrap();
        assert!(matches!(rows, TextResult::Rows { rows, .. } if rows == [[Some("1".to_owned())]]));
    });
}
