//! What the relations hold, against what PostgreSQL 15 holds for the same things.

use super::Relations;
use super::fixture::{self, description};

/// Expected: the same relations made in PostgreSQL 15 and read from its catalogs.
#[test]
fn keys_refer_as_in_postgres() {
    let relations = Relations::of(&description());
    let columns = [
        "contype",
        "conkey",
        "confkey",
        "confupdtype",
        "confmatchtype",
        "conpfeqop",
    ];
    assert_eq!(
        relations.select("pg_constraint", &columns, "conname", "orders_customer_id_fkey"),
        [["f", "[2]", "[1]", "a", "s", "[410]"]]
    );
    assert_eq!(
        relations.select("pg_constraint", &columns, "conname", "orders_pkey"),
        [["p", "[1, 3]", "", " ", " ", ""]]
    );
    let index = relations.select(
        "pg_class",
        &["oid", "relkind", "relam", "relnatts"],
        "relname",
        "orders_pkey",
    );
    assert_eq!(index[0][1..], ["i", "403", "2"]);
    let columns = [
        "indisunique",
        "indisprimary",
        "indkey",
        "indclass",
        "indcollation",
        "indoption",
    ];
    assert_eq!(
        relations.select("pg_index", &columns, "indexrelid", &index[0][0]),
        [["true", "true", "[1, 3]", "[3126, 3124]", "[100, 0]", "[0, 0]"]]
    );
    let columns = [
        "constraint_name",
        "column_name",
        "ordinal_position",
        "position_in_unique_constraint",
    ];
    assert_eq!(
        relations.select(
            "information_schema.key_column_usage",
            &columns,
            "table_name",
            "orders"
        ),
        [
            ["orders_pkey", "order_id", "1", ""],
            ["orders_pkey", "line", "2", ""],
            ["orders_customer_id_fkey", "customer_id", "1", "1"]
        ]
    );
    let columns = ["unique_constraint_name", "match_option", "update_rule"];
    assert_eq!(
        relations.select(
            "information_schema.referential_constraints",
            &columns,
            "constraint_name",
            "orders_customer_id_fkey"
        ),
        [["customers_pkey", "NONE", "NO ACTION"]]
    );
    let columns = ["table_name", "column_name"];
    assert_eq!(
        relations.select(
            "information_schema.constraint_column_usage",
            &columns,
            "constraint_name",
            "orders_customer_id_fkey"
        ),
        [["customers", "customer_id"]]
    );
    // A key that refers to what the role does not see is not shown.
    assert_eq!(
        relations
            .texts("pg_constraint", "contype")
            .iter()
            .filter(|kind| *kind == "f")
            .count(),
        1
    );
}

/// Expected: `information_schema.columns` of PostgreSQL 15 for columns of these types.
#[test]
fn columns_are_described_as_in_postgres() {
    let relations = Relations::of(&description());
    let columns = [
        "column_name",
        "is_nullable",
        "data_type",
        "character_octet_length",
        "numeric_precision",
        "numeric_precision_radix",
        "numeric_scale",
        "datetime_precision",
        "udt_name",
        "dtd_identifier",
    ];
    assert_eq!(
        relations.select("information_schema.columns", &columns, "table_name", "customers"),
        [
            ["customer_id", "NO", "bigint", "", "64", "2", "0", "", "int8", "1"],
            ["email", "YES", "text", "1073741824", "", "", "", "", "text", "2"],
            ["value", "YES", "numeric", "", "18", "10", "4", "", "numeric", "3"],
            [
                "since",
                "YES",
                "timestamp with time zone",
                "",
                "",
                "",
                "",
                "6",
                "timestamptz",
                "4"
            ],
            ["tags", "YES", "ARRAY", "", "", "", "", "", "_text", "5"],
            [
                "score",
                "YES",
                "double precision",
                "",
                "53",
                "2",
                "",
                "",
                "float8",
                "6"
            ],
        ]
    );
    assert_eq!(
        relations.select(
            "information_schema.element_types",
            &["data_type", "udt_name", "dtd_identifier"],
            "object_name",
            "customers"
        ),
        [["text", "text", "a5"]]
    );
    let columns = [
        "data_type",
        "collation_name",
        "udt_schema",
        "udt_name",
        "domain_schema",
        "domain_name",
    ];
    let table_name = relations.select("information_schema.columns", &columns, "table_name", "views");
    assert_eq!(
        table_name[2],
        [
            "name",
            "C",
            "pg_catalog",
            "name",
            "information_schema",
            "sql_identifier"
        ]
    );
    let columns = [
        "domain_name",
        "data_type",
        "character_maximum_length",
        "character_octet_length",
        "numeric_precision",
        "datetime_precision",
        "udt_name",
        "collation_name",
    ];
    assert_eq!(
        relations.select(
            "information_schema.domains",
            &columns,
            "domain_schema",
            "information_schema"
        ),
        [
            ["cardinal_number", "integer", "", "", "32", "", "int4", ""],
            [
                "character_data",
                "character varying",
                "",
                "1073741824",
                "",
                "",
                "varchar",
                "C"
            ],
            ["sql_identifier", "name", "", "", "", "", "name", "C"],
            [
                "time_stamp",
                "timestamp with time zone",
                "",
                "",
                "",
                "2",
                "timestamptz",
                ""
            ],
            [
                "yes_or_no",
                "character varying",
                "3",
                "12",
                "",
                "",
                "varchar",
                "C"
            ],
        ]
    );
}

/// Expected: `pg_attribute` of PostgreSQL 15 for columns of these types.
#[test]
fn attributes_are_those_of_postgres() {
    let relations = Relations::of(&description());
    let customers = fixture::CUSTOMERS.to_string();
    let columns = [
        "attname",
        "atttypid",
        "attlen",
        "attnum",
        "attndims",
        "atttypmod",
        "attbyval",
        "attalign",
        "attstorage",
        "attnotnull",
        "attcollation",
    ];
    assert_eq!(
        relations.select("pg_attribute", &columns, "attrelid", &customers),
        [
            [
                "customer_id",
                "20",
                "8",
                "1",
                "0",
                "-1",
                "true",
                "d",
                "p",
                "true",
                "0"
            ],
            [
                "email", "25", "-1", "2", "0", "-1", "false", "i", "x", "false", "100"
            ],
            [
                "value", "1700", "-1", "3", "0", "1179656", "false", "i", "m", "false", "0"
            ],
            [
                "since", "1184", "8", "4", "0", "-1", "true", "d", "p", "false", "0"
            ],
            [
                "tags", "1009", "-1", "5", "1", "-1", "false", "i", "x", "false", "100"
            ],
            [
                "score", "701", "8", "6", "0", "-1", "true", "d", "p", "false", "0"
            ],
        ]
    );
}

#[test]
fn what_is_described_is_shown() {
    let relations = Relations::of(&description());
    assert_eq!(
        relations.select(
            "pg_class",
            &["relkind", "reltuples", "relpages"],
            "relname",
            "customers"
        ),
        [["r", "1000.0", "2"]]
    );
    assert_eq!(
        relations.select("pg_views", &["definition"], "viewname", "active"),
        [["SELECT 1;"]]
    );
    assert_eq!(
        relations.select("pg_stat_user_tables", &["n_live_tup"], "relname", "customers"),
        [["1000"]]
    );
    assert_eq!(
        relations.select("pg_roles", &["rolsuper", "rolcanlogin"], "rolname", "analyst"),
        [["false", "true"]]
    );
    assert_eq!(
        relations.select("pg_roles", &["oid", "rolcanlogin"], "rolname", "perennial"),
        [["10", "false"]]
    );
    assert_eq!(
        relations.select(
            "pg_proc",
            &["prokind", "pronargs", "proargnames"],
            "proname",
            "nps"
        ),
        [["a", "1", "[score]"]]
    );
    // As PostgreSQL has format(text, VARIADIC "any").
    assert_eq!(
        relations.select(
            "pg_proc",
            &[
                "pronargs",
                "proargtypes",
                "provariadic",
                "proallargtypes",
                "proargmodes",
                "proargnames"
            ],
            "proname",
            "steps"
        ),
        [[
            "3",
            "[2276, 2276, 2276]",
            "2276",
            "[2276, 2276, 2276]",
            "[i, i, v]",
            "[ts, step, ]"
        ]]
    );
    assert_eq!(
        relations.select("pg_proc", &["provariadic", "proargmodes"], "proname", "nps"),
        [["0", ""]]
    );
    // One of PostgreSQL's own, though the description names it too.
    assert_eq!(
        relations.select("pg_proc", &["pronargs"], "proname", "version"),
        [["0"]]
    );
    let comments = relations.texts("pg_description", "description");
    for expected in [
        "People.",
        "The person.",
        "Unified customers.",
        "Net promoter score.",
    ] {
        assert!(comments.iter().any(|comment| comment == expected), "{expected}");
    }
    assert_eq!(
        relations.select(
            "pg_timezone_names",
            &["utc_offset", "is_dst"],
            "name",
            "Asia/Kolkata"
        ),
        [["5 hours 30 mins", "false"]]
    );
    assert_eq!(
        relations.select(
            "information_schema.schemata",
            &["catalog_name"],
            "schema_name",
            "raw"
        ),
        [["perennial"]]
    );
    assert_eq!(relations.texts("pg_trigger", "tgname"), [""; 0]);
    // Clients ask for foreign keys where a relation says that it has triggers: on both ends, and nowhere else.
    let with_triggers = relations.select("pg_class", &["relname"], "relhastriggers", "true");
    assert_eq!(with_triggers, [["customers"], ["orders"]]);
}

#[test]
fn names_that_collide_are_numbered() {
    let relations = Relations::of(&description());
    // A relation is called things_pkey already.
    let names = relations.texts("pg_constraint", "conname");
    assert!(names.contains(&"things_pkey1".to_owned()), "{names:?}");
}
