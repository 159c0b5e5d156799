//! The relations agree with each other and with PostgreSQL, and the functions on them answer as PostgreSQL does.

mod call;
mod contents;
mod fixture;
mod functions;
mod privileges;

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use perennial_engine::description::CatalogDescription;

use self::fixture::{description, large_description};
use super::builtin;
use super::model::Model;
use super::shape::SHAPES;
use super::system::relations;

/// Every relation by name; those of information_schema with their schema before it.
struct Relations(HashMap<String, RecordBatch>);

impl Relations {
    fn of(description: &CatalogDescription) -> Self {
        let relations = relations(&Model::new(description), 0).unwrap().into_iter();
        let name = |schema: &str, name: &str| {
            if schema == "pg_catalog" {
                name.to_owned()
            } else {
                format!("{schema}.{name}")
            }
        };
        Self(
            relations
                .map(|relation| (name(relation.schema, relation.name), relation.rows))
                .collect(),
        )
    }

    fn ints(&self, relation: &str, column: &str) -> Vec<i64> {
        let column = self.0[relation].column_by_name(column).unwrap();
        column
            .as_primitive::<Int64Type>()
            .iter()
            .map(Option::unwrap_or_default)
            .collect()
    }

    fn texts(&self, relation: &str, column: &str) -> Vec<String> {
        let column = self.0[relation].column_by_name(column).unwrap();
        (0..column.len())
            .map(|row| array_value_to_string(column, row).unwrap())
            .collect()
    }

    /// The rows of a relation where `key` has a value, as the values of `columns`.
    fn select(&self, relation: &str, columns: &[&str], key: &str, value: &str) -> Vec<Vec<String>> {
        let keys = self.texts(relation, key);
        let columns: Vec<Vec<String>> = columns
            .iter()
            .map(|column| self.texts(relation, column))
            .collect();
        let rows = keys.iter().enumerate().filter(|(_, key)| *key == value);
        rows.map(|(row, _)| columns.iter().map(|column| column[row].clone()).collect())
            .collect()
    }

    /// Every value but 0 of a column is among the identifiers of another.
    #[track_caller]
    fn check_reference(&self, relation: &str, column: &str, to: &str, of: &str) {
        let known: HashSet<i64> = self.ints(to, of).into_iter().collect();
        for oid in self.ints(relation, column) {
            assert!(
                oid == 0 || known.contains(&oid),
                "{relation}.{column} = {oid} is not in {to}.{of}"
            );
        }
    }
}

#[test]
fn every_relation_is_there_with_its_columns() {
    let relations = Relations::of(&description());
    assert_eq!(relations.0.len(), SHAPES.len());
    for shape in SHAPES.iter() {
        let name = if shape.schema == "pg_catalog" {
            shape.name.to_owned()
        } else {
            format!("{}.{}", shape.schema, shape.name)
        };
        assert_eq!(relations.0[&name].schema(), shape.arrow);
    }
}

#[test]
fn references_lead_somewhere() {
    let relations = Relations::of(&description());
    for (relation, column, to) in [
        ("pg_class", "relnamespace", "pg_namespace"),
        ("pg_class", "reltype", "pg_type"),
        ("pg_class", "relam", "pg_am"),
        ("pg_class", "relowner", "pg_roles"),
        ("pg_attribute", "attrelid", "pg_class"),
        ("pg_attribute", "atttypid", "pg_type"),
        ("pg_attribute", "attcollation", "pg_collation"),
        ("pg_type", "typnamespace", "pg_namespace"),
        ("pg_type", "typelem", "pg_type"),
        ("pg_type", "typarray", "pg_type"),
        ("pg_type", "typbasetype", "pg_type"),
        ("pg_type", "typrelid", "pg_class"),
        ("pg_type", "typinput", "pg_proc"),
        ("pg_type", "typreceive", "pg_proc"),
        ("pg_type", "typsend", "pg_proc"),
        ("pg_proc", "pronamespace", "pg_namespace"),
        ("pg_proc", "prorettype", "pg_type"),
        ("pg_proc", "prolang", "pg_language"),
        ("pg_aggregate", "aggfnoid", "pg_proc"),
        ("pg_index", "indexrelid", "pg_class"),
        ("pg_index", "indrelid", "pg_class"),
        ("pg_constraint", "connamespace", "pg_namespace"),
        ("pg_constraint", "conrelid", "pg_class"),
        ("pg_constraint", "confrelid", "pg_class"),
        ("pg_constraint", "conindid", "pg_class"),
        ("pg_rewrite", "ev_class", "pg_class"),
        ("pg_description", "classoid", "pg_class"),
        ("pg_range", "rngsubtype", "pg_type"),
        ("pg_range", "rngtypid", "pg_type"),
        ("pg_opclass", "opcintype", "pg_type"),
        ("pg_opclass", "opcfamily", "pg_opfamily"),
        ("pg_operator", "oprcode", "pg_proc"),
        ("pg_operator", "oprleft", "pg_type"),
        ("pg_cast", "castfunc", "pg_proc"),
        ("pg_cast", "castsource", "pg_type"),
        ("pg_database", "datdba", "pg_roles"),
        ("pg_namespace", "nspowner", "pg_roles"),
        ("pg_database", "dattablespace", "pg_tablespace"),
    ] {
        relations.check_reference(relation, column, to, "oid");
    }
    let described: HashSet<i64> = ["pg_class", "pg_namespace", "pg_proc", "pg_language"]
        .iter()
        .flat_map(|it| relations.ints(it, "oid"))
        .collect();
    for object in relations.ints("pg_description", "objoid") {
        assert!(described.contains(&object));
    }
}

#[test]
fn identifiers_are_unique_and_in_the_catalogs_unsigned_range() {
    let relations = Relations::of(&description());
    for relation in [
        "pg_class",
        "pg_type",
        "pg_proc",
        "pg_namespace",
        "pg_constraint",
        "pg_roles",
        "pg_rewrite",
    ] {
        let oids = relations.ints(relation, "oid");
        let distinct: HashSet<&i64> = oids.iter().collect();
        assert_eq!(distinct.len(), oids.len(), "{relation}");
        assert!(oids.iter().all(|oid| (1..1 << 31).contains(oid)), "{relation}");
    }
}

#[test]
fn arrays_and_elements_name_each_other() {
    let relations = Relations::of(&description());
    let types = relations.ints("pg_type", "oid");
    let elements: HashMap<i64, i64> = types
        .iter()
        .copied()
        .zip(relations.ints("pg_type", "typelem"))
        .collect();
    for (oid, array) in types.iter().zip(relations.ints("pg_type", "typarray")) {
        assert!(array == 0 || elements[&array] == *oid, "{oid} {array}");
    }
    assert_eq!(
        relations.select(
            "pg_type",
            &["oid", "typarray", "typreceive", "typcategory"],
            "typname",
            "int4"
        ),
        [["23", "1007", "2406", "N"]]
    );
    let customers = relations.select(
        "pg_type",
        &["typtype", "typcategory", "typreceive"],
        "typname",
        "customers",
    );
    assert_eq!(customers, [["c", "C", "2402"]]);
}

#[test]
fn identifiers_do_not_depend_on_the_order_of_relations_or_on_what_else_there_is() {
    let oids = |description: &CatalogDescription| -> HashMap<String, i64> {
        let relations = Relations::of(description);
        let names = relations
            .texts("pg_class", "relname")
            .into_iter()
            .zip(relations.texts("pg_class", "relnamespace"));
        names
            .map(|(name, namespace)| format!("{namespace}.{name}"))
            .zip(relations.ints("pg_class", "oid"))
            .collect()
    };
    let first = oids(&description());
    assert_eq!(first, oids(&description()));
    let mut turned = description();
    turned.schemas.reverse();
    turned
        .schemas
        .iter_mut()
        .for_each(|schema| schema.relations.reverse());
    assert_eq!(first, oids(&turned));
    let mut fewer = description();
    fewer.schemas[0]
        .relations
        .retain(|relation| relation.name == "orders");
    assert!(oids(&fewer).iter().all(|(name, oid)| first[name] == *oid));
    // Clients keep identifiers: these are those of the first release.
    assert_eq!(
        (first["2200.customers"], first["2200.orders"]),
        (fixture::CUSTOMERS, fixture::ORDERS)
    );
}

#[test]
fn a_large_catalog_is_whole() {
    let relations = Relations::of(&large_description(1_000, 40));
    let of_users = |relation: &str, column: &str| {
        relations
            .ints(relation, column)
            .iter()
            .filter(|oid| **oid >= 16_384)
            .count()
    };
    assert_eq!(of_users("pg_attribute", "attrelid"), 1_000 * 41);
    assert_eq!(of_users("pg_class", "oid"), 2_000);
    assert_eq!(
        relations.ints("pg_type", "oid").len(),
        builtin::types().len() + 2 * SHAPES.len() + 2_000
    );
}
