//! The functions on the catalog and the session, called as a query calls them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field};
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;
use perennial_engine::description::SystemCatalog;

use super::call::{boolean, call, call_with, catalog, check, check_as, check_error, int, null, oid_of, text};
use super::fixture::{CUSTOMERS, ORDERS, Session};

#[test]
fn the_session_answers() {
    check("current_user", vec![], Some("analyst"));
    check("current_database", vec![], Some("perennial"));
    check("current_schema", vec![], Some("public"));
    check(
        "current_schemas",
        vec![boolean(true)],
        Some("[pg_catalog, public]"),
    );
    check("current_schemas", vec![boolean(false)], Some("[public]"));
    check("pg_backend_pid", vec![], Some("42"));
    check("pg_is_in_recovery", vec![], Some("false"));
    check("pg_postmaster_start_time", vec![], Some("1970-01-01T00:00:01Z"));
    check("current_setting", vec![text("statement_timeout")], Some("5000"));
    check("current_setting", vec![text("nothing"), boolean(true)], None);
    check("current_setting", vec![null()], None);
    check_error(
        "current_setting",
        vec![text("nothing")],
        "unrecognized configuration parameter \"nothing\"",
    );
    check("pg_cancel_backend", vec![int(43)], Some("true"));
    check("pg_terminate_backend", vec![int(43)], Some("false"));
    check("txid_current", vec![], Some("7"));
    check("pg_encoding_to_char", vec![int(6)], Some("UTF8"));
    let version = call(&Session::of("analyst"), "version", vec![], 1).unwrap();
    assert!(
        array_value_to_string(&version, 0)
            .unwrap()
            .starts_with("PostgreSQL 15.8 (Perennial ")
    );
}

#[test]
fn settings_change_through_set_config() {
    let session = Session::of("analyst");
    check_as(
        &session,
        "set_config",
        vec![text("a.b"), text("c"), boolean(true)],
        Some("c"),
    );
    check_as(
        &session,
        "set_config",
        vec![text("statement_timeout"), null(), boolean(false)],
        Some("its default"),
    );
    let expected = [("a.b", "c", true), ("statement_timeout", "its default", false)];
    let changes = session.changes.lock().clone();
    assert_eq!(
        changes,
        expected.map(|(name, value, local)| (name.to_owned(), value.to_owned(), local))
    );
    check_error(
        "set_config",
        vec![null(), text("c"), boolean(true)],
        "SET requires parameter name",
    );
    check_error(
        "set_config",
        vec![text("server_version"), text("c"), boolean(true)],
        "cannot be changed",
    );
}

#[test]
fn names_are_read_through_the_search_path() {
    let customers = CUSTOMERS.to_string();
    check("to_regclass", vec![text("customers")], Some(&customers));
    check(
        "to_regclass",
        vec![text("perennial.public.\"customers\"")],
        Some(&customers),
    );
    check("to_regclass", vec![text("nothing")], None);
    check("to_regclass", vec![text("things")], None);
    check("to_regclass", vec![text("pg_class")], Some("1259"));
    check(
        "perennial_regclass_in",
        vec![text("PG_CATALOG.PG_CLASS")],
        Some("1259"),
    );
    check("perennial_regclass_in", vec![text("1259")], Some("1259"));
    check("perennial_regclass_in", vec![text("-")], Some("0"));
    check_error(
        "perennial_regclass_in",
        vec![text("public.nothing")],
        "relation \"public.nothing\" does not exist",
    );
    check_error("perennial_regclass_in", vec![text("a b")], "invalid name syntax");
    check("perennial_regclass_out", vec![int(CUSTOMERS)], Some("customers"));
    check(
        "perennial_regclass_out",
        vec![int(oid_of("pg_class", "relname", "MixedCase"))],
        Some("raw.\"MixedCase\""),
    );
    check("perennial_regclass_out", vec![int(3)], Some("3"));
    check(
        "perennial_regtype_in",
        vec![text("double  precision")],
        Some("701"),
    );
    check(
        "perennial_regtype_in",
        vec![text("numeric(18,4)[]")],
        Some("1231"),
    );
    check(
        "perennial_regtype_in",
        vec![text("timestamp(3) with time zone")],
        Some("1184"),
    );
    check("perennial_regtype_in", vec![text("\"char\"")], Some("18"));
    check("perennial_regtype_in", vec![text("char")], Some("1042"));
    check(
        "perennial_regtype_in",
        vec![text("pg_catalog._int4")],
        Some("1007"),
    );
    check(
        "perennial_regtype_in",
        vec![text("customers[]")],
        Some(&oid_of("pg_type", "typname", "_customers").to_string()),
    );
    check_error(
        "perennial_regtype_in",
        vec![text("klingon")],
        "type \"klingon\" does not exist",
    );
    check(
        "perennial_regtype_out",
        vec![int(1184)],
        Some("timestamp with time zone"),
    );
    check("perennial_regproc_out", vec![int(2406)], Some("int4recv"));
    check("perennial_regproc_in", vec![text("int4recv")], Some("2406"));
    check("perennial_regnamespace_in", vec![text("public")], Some("2200"));
    check("perennial_regrole_out", vec![int(10)], Some("perennial"));
    assert_eq!(
        catalog()
            .object_names(Session::of("analyst"))
            .name("regclass", ORDERS),
        Some("orders".to_owned())
    );
}

#[test]
fn visibility_follows_the_search_path() {
    check("pg_table_is_visible", vec![int(CUSTOMERS)], Some("true"));
    check(
        "pg_table_is_visible",
        vec![int(oid_of("pg_class", "relname", "MixedCase"))],
        Some("false"),
    );
    check("pg_table_is_visible", vec![int(5)], None);
    check("pg_type_is_visible", vec![int(23)], Some("true"));
    check(
        "pg_function_is_visible",
        vec![int(oid_of("pg_proc", "proname", "nps"))],
        Some("true"),
    );
    check("pg_opclass_is_visible", vec![int(1978)], Some("true"));
}

/// Expected: PostgreSQL 15 for the same relations.
#[test]
fn definitions_are_written_as_postgres_does() {
    check(
        "format_type",
        vec![int(1700), int(1_179_656)],
        Some("numeric(18,4)"),
    );
    check("format_type", vec![int(1043), null()], Some("character varying"));
    check("format_type", vec![int(0), int(-1)], Some("-"));
    check("format_type", vec![int(4_000_000), int(-1)], Some("???"));
    check("format_type", vec![null(), null()], None);
    let customers_row = oid_of("pg_type", "typname", "_orders");
    check("format_type", vec![int(customers_row), int(-1)], Some("orders[]"));
    check("pg_get_viewdef", vec![text("active")], Some("SELECT 1;"));
    check(
        "pg_get_viewdef",
        vec![int(oid_of("pg_class", "relname", "active")), boolean(true)],
        Some("SELECT 1;"),
    );
    check("pg_get_viewdef", vec![int(CUSTOMERS)], None);
    let key = |name| vec![int(oid_of("pg_constraint", "conname", name))];
    check(
        "pg_get_constraintdef",
        key("orders_pkey"),
        Some("PRIMARY KEY (order_id, line)"),
    );
    check(
        "pg_get_constraintdef",
        key("things_pkey1"),
        Some("PRIMARY KEY (\"Id\")"),
    );
    check(
        "pg_get_constraintdef",
        key("orders_customer_id_fkey"),
        Some("FOREIGN KEY (customer_id) REFERENCES customers(customer_id)"),
    );
    let index = oid_of("pg_class", "relname", "orders_pkey");
    check(
        "pg_get_indexdef",
        vec![int(index)],
        Some("CREATE UNIQUE INDEX orders_pkey ON public.orders USING btree (order_id, line)"),
    );
    check(
        "pg_get_indexdef",
        vec![int(index), int(2), boolean(true)],
        Some("line"),
    );
    check(
        "pg_get_indexdef",
        vec![int(index), int(3), boolean(true)],
        Some(""),
    );
    check("pg_get_userbyid", vec![int(10)], Some("perennial"));
    check("pg_get_userbyid", vec![int(9)], Some("unknown (OID=9)"));
    let nps = || vec![int(oid_of("pg_proc", "proname", "nps"))];
    check("pg_get_function_arguments", nps(), Some("score \"any\""));
    check("pg_get_function_result", nps(), Some("\"any\""));
    let steps = vec![int(oid_of("pg_proc", "proname", "steps"))];
    let arguments = "ts \"any\", step \"any\", VARIADIC \"any\"";
    check("pg_get_function_arguments", steps, Some(arguments));
    check(
        "obj_description",
        vec![int(CUSTOMERS), text("pg_class")],
        Some("People."),
    );
    check("obj_description", vec![int(CUSTOMERS), text("pg_proc")], None);
    check("obj_description", vec![int(2200)], Some("Unified customers."));
    check(
        "col_description",
        vec![int(CUSTOMERS), int(1)],
        Some("The person."),
    );
    check("col_description", vec![int(CUSTOMERS), int(2)], None);
    check("col_description", vec![int(CUSTOMERS), int(99)], None);
}

#[test]
fn sizes_and_quotes() {
    check("pg_relation_size", vec![text("customers")], Some("10000"));
    check("pg_relation_size", vec![int(CUSTOMERS), text("fsm")], Some("0"));
    check("pg_total_relation_size", vec![int(8)], None);
    check_error(
        "pg_relation_size",
        vec![int(CUSTOMERS), text("side")],
        "invalid fork name",
    );
    check("pg_database_size", vec![text("perennial")], Some("10000"));
    check("pg_size_pretty", vec![int(10_240)], Some("10 kB"));
    check("quote_ident", vec![text("MixedCase")], Some("\"MixedCase\""));
    check("quote_literal", vec![int(42)], Some("'42'"));
    check("quote_nullable", vec![null()], Some("NULL"));
    check("quote_literal", vec![null()], None);
}

/// Vectors of the catalog begin at 0, arrays at 1.
#[test]
fn subscripts_begin_as_in_postgres() {
    let list = || {
        let values = ScalarValue::new_list_nullable(
            &[ScalarValue::Int16(Some(4)), ScalarValue::Int16(Some(5))],
            &DataType::Int16,
        );
        ColumnarValue::Scalar(ScalarValue::List(values))
    };
    check("array_lower", vec![list(), int(1)], Some("1"));
    check("array_upper", vec![list(), int(1)], Some("2"));
    check("array_upper", vec![list(), int(2)], None);
    let empty = ScalarValue::List(ScalarValue::new_list_nullable(&[], &DataType::Int16));
    check("array_upper", vec![ColumnarValue::Scalar(empty), int(1)], None);
    let vector = Field::new("v", list().data_type(), true)
        .with_metadata([("pg_type".to_owned(), "int2vector".to_owned())].into());
    let fields = vec![Arc::new(vector), Arc::new(Field::new("d", DataType::Int64, true))];
    let answer = call_with(
        &Session::of("analyst"),
        "array_upper",
        vec![list(), int(1)],
        fields,
        1,
    )
    .unwrap();
    assert_eq!(array_value_to_string(&answer, 0).unwrap(), "1");
}

#[test]
fn a_column_of_arguments_gives_a_column_of_answers() {
    let oids: ArrayRef = Arc::new(Int64Array::from(vec![Some(CUSTOMERS), None, Some(ORDERS)]));
    let privilege = ColumnarValue::Array(Arc::new(StringViewArray::from(vec!["SELECT"; 3])));
    let answer = call(
        &Session::of("analyst"),
        "has_table_privilege",
        vec![ColumnarValue::Array(oids), privilege],
        3,
    )
    .unwrap();
    let shown: Vec<String> = (0..3)
        .map(|row| array_value_to_string(&answer, row).unwrap())
        .collect();
    assert_eq!(shown, ["true", "", "true"]);
}

#[test]
fn a_call_that_fits_nothing_names_its_types() {
    check_error(
        "pg_get_viewdef",
        vec![boolean(true)],
        "function pg_get_viewdef(boolean) does not exist",
    );
    check_error("version", vec![int(1)], "function version(bigint) does not exist");
}
