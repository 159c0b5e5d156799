//! What the documents tell a reader to type, typed over the small demo: it runs, and answers what is shown.

use perennial_testkit::{DEMO_QUERIES, TestLake, TestServer};
use tokio_postgres::Client;

use crate::support::{connect, lines, number, one, rows};

const README: &str = include_str!("../../README.md");
/// The generated reference of the functions.
const FUNCTIONS: &str = include_str!("../../udfs/README.md");

/// The blocks of a language in a page.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    page.split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().trim_end())
        .collect()
}

#[tokio::test]
async fn what_the_demo_says_to_try_is_what_the_readme_says_and_answers() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    assert_eq!(blocks(README, "sql")[0], DEMO_QUERIES.join("\n"));
    let [stages, cohorts, scores] = DEMO_QUERIES;

    // Every person is in one stage.
    let stages = rows(&client, stages).await;
    let people: f64 = stages
        .iter()
        .map(|row| row[1].as_deref().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(people, number(&client, "SELECT count(*) FROM customer_360").await);
    assert!(stages.len() >= 5, "{stages:?}");
    assert!(
        stages.iter().all(|row| row.iter().all(Option::is_some)),
        "{stages:?}"
    );

    // A cohort is there as a whole in its own quarter.
    let cohorts = lines(&client, cohorts).await;
    assert_eq!(cohorts.len(), 20);
    let own: Vec<Vec<&str>> = cohorts
        .iter()
        .map(|line| line.split('|').collect::<Vec<_>>())
        .filter(|cells| cells[1] == "0")
        .collect();
    assert!(own.len() >= 4, "{cohorts:?}");
    for cells in own {
        assert_eq!(
            (cells[0], cells[3], cells[5]),
            (cells[2], cells[4], "1"),
            "{cells:?}"
        );
    }

    let scores = lines(&client, scores).await;
    assert!(scores.len() >= 3, "{scores:?}");
    for line in scores {
        let score: f64 = line.rsplit('|').next().unwrap().parse().unwrap();
        assert!((-100.0..=100.0).contains(&score), "{line}");
    }
}

#[tokio::test]
async fn every_statement_of_the_readme_answers_rows() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let statements: Vec<&str> = blocks(README, "sql")
        .into_iter()
        .flat_map(|block| block.split(';'))
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .collect();
    assert!(statements.len() >= 4);
    // The statement of `perennial query`, in quotes on its line.
    let queried = blocks(README, "sh").concat();
    let queried: Vec<&str> = queried
        .lines()
        .filter_map(|line| line.strip_prefix("perennial query \"")?.split('"').next())
        .collect();
    assert_eq!(queried.len(), 1);
    for statement in statements.into_iter().chain(queried) {
        assert!(!lines(&client, statement).await.is_empty(), "{statement}");
    }
}

/// The cells of a drawn table, without its rules and header.
fn drawn(table: &str) -> Vec<String> {
    table
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            cells.join("|")
        })
        .collect()
}

async fn table_functions(client: &Client) -> Vec<String> {
    lines(
        client,
        "SELECT name FROM perennial.functions WHERE kind = 'table' ORDER BY 1",
    )
    .await
}

#[tokio::test]
async fn examples_of_table_functions_answer_what_the_reference_shows() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let names = table_functions(&client).await;
    assert!(!names.is_empty());
    for name in names {
        let section = FUNCTIONS.split(&format!("\n### {name}\n")).nth(1).unwrap();
        let section = section.split("\n### ").next().unwrap();
        let example = blocks(section, "sql")
            .into_iter()
            .find(|block| block.contains("\n+--"))
            .unwrap_or_else(|| panic!("the example of {name} shows no answer"));
        let (sql, table) = example.split_once("\n+--").unwrap();
        let answered = lines(&client, sql).await;
        assert!(!answered.is_empty(), "{name}");
        assert_eq!(answered, drawn(table), "{sql}");
        let told = format!("SELECT example FROM perennial.functions WHERE name = '{name}'");
        assert_eq!(one(&client, &told).await, sql);
    }
}

#[tokio::test]
async fn an_example_in_the_catalog_can_be_run_as_it_stands() {
    let server = TestServer::start(TestLake::demo_small());
    let client = connect(&server).await;
    let examples = lines(&client, "SELECT example FROM perennial.functions ORDER BY name").await;
    assert!(examples.len() > 10);
    for example in examples {
        assert!(!example.contains("```") && !example.contains("+--"), "{example}");
        assert!(!lines(&client, &example).await.is_empty(), "{example}");
    }
}

#[test]
fn families_of_the_reference_stand_in_order() {
    let families: Vec<&str> = FUNCTIONS
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    assert!(families.len() >= 5 && families.is_sorted(), "{families:?}");
    assert!(families.contains(&"retention"), "{families:?}");
}
