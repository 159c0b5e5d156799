//! What somebody who may read tries beside reading: nothing is read or written that is no relation of the lake.

use std::path::Path;

use crate::fault::{Fault, run};

/// Where statements try to write to.
const TARGET: &str = "/tmp/perennial-fault";
/// Refused as what a reader may not do, or as what there is not.
const REFUSED: &[&str] = &["42501", "25006", "0A000", "42P01", "42883"];
/// The same, of words that are not in the grammar.
const UNREAD: &[&str] = &["42501", "25006", "0A000", "42601"];

pub(crate) fn faults() -> Vec<Fault> {
    const PLACEHOLDER: &str = "it takes a name with a point as a placeholder";
    vec![
        refused(
            "external_table",
            UNREAD,
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        ),
        refused(
            "foreign_table",
            UNREAD,
            "CREATE FOREIGN TABLE t (line text) SERVER files",
        ),
        refused("copy_to_a_path", REFUSED, "COPY orders TO '/tmp/perennial-fault'"),
        refused(
            "copy_of_a_query_to_a_path",
            REFUSED,
            "COPY (SELECT 1) TO '/tmp/perennial-fault'",
        ),
        refused(
            "copy_to_parquet",
            UNREAD,
            "COPY orders TO '/tmp/perennial-fault' STORED AS PARQUET",
        ),
        refused(
            "copy_to_a_program",
            REFUSED,
            "COPY orders TO PROGRAM 'cat > /tmp/perennial-fault'",
        ),
        refused("copy_from_a_path", REFUSED, "COPY orders FROM '/etc/passwd'"),
        refused("path_as_a_name", REFUSED, "SELECT * FROM \"/etc/passwd\""),
        refused("path_as_a_text", REFUSED, "SELECT * FROM '/etc/passwd'")
            .postgres(&["42601"], "a text is no name there"),
        refused("url_as_a_name", REFUSED, "SELECT * FROM \"file:///etc/passwd\""),
        refused(
            "lake_as_a_name",
            REFUSED,
            "SELECT * FROM \"lake/shop/orders.parquet\"",
        ),
        refused("read_csv", REFUSED, "SELECT * FROM read_csv('/etc/passwd')"),
        refused(
            "read_parquet",
            REFUSED,
            "SELECT * FROM read_parquet('/etc/passwd')",
        ),
        refused(
            "parquet_metadata",
            REFUSED,
            "SELECT * FROM parquet_metadata('/etc/passwd')",
        ),
        refused("glob", REFUSED, "SELECT * FROM glob('/*')"),
        refused("pg_read_file", REFUSED, "SELECT pg_read_file('/etc/passwd')"),
        refused("pg_ls_dir", REFUSED, "SELECT pg_ls_dir('/')"),
        refused("lo_import", REFUSED, "SELECT lo_import('/etc/passwd')"),
        refused("passwords", REFUSED, "SELECT rolpassword FROM pg_authid"),
        refused("drop", REFUSED, "DROP TABLE orders"),
        refused("drop_cascade", REFUSED, "DROP SCHEMA public CASCADE"),
        refused("replace", REFUSED, "CREATE OR REPLACE VIEW orders AS SELECT 1"),
        refused("alter", REFUSED, "ALTER TABLE orders DROP COLUMN amount"),
        refused("insert", REFUSED, "INSERT INTO orders (order_id) VALUES ('x')"),
        refused("update", REFUSED, "UPDATE orders SET amount = 0"),
        refused("delete", REFUSED, "DELETE FROM orders"),
        refused("truncate", REFUSED, "TRUNCATE orders"),
        refused(
            "delete_in_a_query",
            UNREAD,
            "WITH gone AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM gone",
        ),
        refused("explained_delete", REFUSED, "EXPLAIN ANALYZE DELETE FROM orders"),
        refused(
            "table_of_a_query",
            REFUSED,
            "CREATE TABLE t AS SELECT * FROM orders",
        ),
        refused("select_into", REFUSED, "SELECT * INTO t FROM orders"),
        refused("schema", REFUSED, "CREATE SCHEMA s"),
        refused("database", REFUSED, "CREATE DATABASE d"),
        refused("role", REFUSED, "CREATE ROLE r SUPERUSER"),
        refused("own_rights", REFUSED, "ALTER ROLE reader SUPERUSER"),
        refused("extension", REFUSED, "CREATE EXTENSION file_fdw"),
        refused("load", UNREAD, "LOAD '/tmp/perennial-fault.so'")
            .postgres(&["42501", "58P01"], "it looks for the file first"),
        refused(
            "function",
            UNREAD,
            "CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/lib/x.so', 'f'",
        ),
        refused(
            "engine_setting",
            &["42704", "55P02", "42501"],
            "SET datafusion.execution.batch_size = 1",
        )
        .postgres(&["= "], PLACEHOLDER),
        refused(
            "engine_setting_of_names",
            &["42704", "55P02", "42501"],
            "SET datafusion.catalog.default_schema = 'x'",
        )
        .postgres(&["= "], PLACEHOLDER),
        refused(
            "engine_setting_by_function",
            &["42704", "55P02", "42501"],
            "SELECT set_config('datafusion.runtime.memory_limit', '100G', false)",
        )
        .postgres(&["= 100G"], PLACEHOLDER),
        refused(
            "server_setting",
            &["42704", "55P02", "42501"],
            "SET max_connections = 1",
        ),
        refused("alter_system", UNREAD, "ALTER SYSTEM SET max_connections = 1"),
        refused("authorization", UNREAD, "SET SESSION AUTHORIZATION admin")
            .postgres(&["22023"], "there is no such role"),
        refused("another_role", &["42501", "42704", "22023"], "SET ROLE boss"),
    ]
}

/// A statement that is refused, and leaves files as they are.
fn refused(name: &'static str, expected: &[&'static str], sql: &'static str) -> Fault {
    Fault::new("reader", name, expected, move |server| {
        let before = server.files()?;
        let outcome = run(server, sql)?;
        if server.files()? != before {
            return Ok(format!("{outcome}, and files have changed"));
        }
        if Path::new(TARGET).exists() {
            return Ok(format!("{outcome}, and {TARGET} is there"));
        }
        Ok(outcome)
    })
}
