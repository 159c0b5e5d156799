//! What the privilege functions answer.

use super::call::{check, check_error, int, text};
use super::fixture::CUSTOMERS;

#[test]
fn privileges_are_those_of_a_reader() {
    check(
        "has_table_privilege",
        vec![text("customers"), text("SELECT")],
        Some("true"),
    );
    check(
        "has_table_privilege",
        vec![int(CUSTOMERS), text("insert, Select")],
        Some("true"),
    );
    check(
        "has_table_privilege",
        vec![int(CUSTOMERS), text("INSERT")],
        Some("false"),
    );
    check(
        "has_table_privilege",
        vec![int(CUSTOMERS), text("SELECT WITH GRANT OPTION")],
        Some("false"),
    );
    check("has_table_privilege", vec![int(1), text("SELECT")], None);
    check(
        "has_table_privilege",
        vec![text("admin"), int(CUSTOMERS), text("SELECT WITH GRANT OPTION")],
        Some("true"),
    );
    // Every role reads everything, as the README says.
    check(
        "has_table_privilege",
        vec![text("guest"), int(CUSTOMERS), text("SELECT")],
        Some("true"),
    );
    check(
        "has_column_privilege",
        vec![text("public"), text("customers"), text("email"), text("SELECT")],
        Some("true"),
    );
    check(
        "has_table_privilege",
        vec![text("guest"), int(CUSTOMERS), text("SELECT WITH GRANT OPTION")],
        Some("false"),
    );
    check(
        "has_table_privilege",
        vec![text("guest"), text("pg_class"), text("SELECT")],
        Some("true"),
    );
    check(
        "has_table_privilege",
        vec![text("guest"), int(CUSTOMERS), text("DELETE")],
        Some("false"),
    );
    check(
        "has_any_column_privilege",
        vec![int(CUSTOMERS), text("SELECT")],
        Some("true"),
    );
    check(
        "has_column_privilege",
        vec![text("customers"), text("email"), text("SELECT")],
        Some("true"),
    );
    check(
        "has_column_privilege",
        vec![text("customers"), int(77), text("SELECT")],
        None,
    );
    check(
        "has_schema_privilege",
        vec![text("public"), text("USAGE")],
        Some("true"),
    );
    check(
        "has_schema_privilege",
        vec![int(2200), text("CREATE")],
        Some("false"),
    );
    check(
        "has_database_privilege",
        vec![text("perennial"), text("CONNECT, TEMP")],
        Some("true"),
    );
    check(
        "has_function_privilege",
        vec![text("nps(integer)"), text("EXECUTE")],
        Some("true"),
    );
    check("pg_has_role", vec![text("analyst"), text("MEMBER")], Some("true"));
    check(
        "pg_has_role",
        vec![text("admin"), text("guest"), text("USAGE")],
        Some("true"),
    );
    check("pg_has_role", vec![text("guest"), text("USAGE")], Some("false"));
    check_error(
        "has_table_privilege",
        vec![text("nothing"), text("SELECT")],
        "relation \"nothing\" does not exist",
    );
    check_error(
        "has_table_privilege",
        vec![text("customers"), text("EAT")],
        "unrecognized privilege type: \"EAT\"",
    );
    check_error(
        "has_table_privilege",
        vec![text("nobody"), text("customers"), text("SELECT")],
        "role \"nobody\"",
    );
    check_error(
        "has_column_privilege",
        vec![text("customers"), text("nothing"), text("SELECT")],
        "column \"nothing\" of relation \"customers\" does not exist",
    );
}
