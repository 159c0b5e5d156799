//! A small catalog with every sort of thing in it, and a large one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use parking_lot::Mutex;
use perennial_base::ErrorClass;
use perennial_engine::description::{
    CatalogDescription, ColumnDescription, ForeignKey, FunctionDescription, FunctionKind,
    RelationDescription, RelationKind, RoleDescription, SchemaDescription, SessionFacts,
};
use perennial_engine::error::{Error, Result};

/// The identifiers of `public.customers` and `public.orders`.
pub(super) const CUSTOMERS: i64 = 1_604_927_938;
pub(super) const ORDERS: i64 = 776_031_697;

pub(super) fn description() -> CatalogDescription {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let tags = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let customers = RelationDescription {
        comment: "People.".to_owned(),
        rows: Some(1_000),
        bytes: Some(10_000),
        primary_key: vec!["customer_id".to_owned()],
        ..relation(
            "customers",
            &[
                ("customer_id", DataType::Int64),
                ("email", DataType::Utf8View),
                ("value", DataType::Decimal128(18, 4)),
                ("since", timestamp),
                ("tags", tags),
                ("score", DataType::Float64),
            ],
        )
    };
    let reference = |relation: &str| ForeignKey {
        columns: vec!["customer_id".to_owned()],
        references_schema: "public".to_owned(),
        references_relation: relation.to_owned(),
        references_columns: vec!["customer_id".to_owned()],
    };
    let orders = RelationDescription {
        primary_key: vec!["order_id".to_owned(), "line".to_owned()],
        foreign_keys: vec![reference("customers"), reference("secrets")],
        ..relation(
            "orders",
            &[
                ("order_id", DataType::Utf8),
                ("customer_id", DataType::Int64),
                ("line", DataType::Int64),
            ],
        )
    };
    let active = RelationDescription {
        kind: RelationKind::View,
        definition: Some("SELECT 1".to_owned()),
        ..relation("active", &[("n", DataType::Int32)])
    };
    let things = RelationDescription {
        primary_key: vec!["Id".to_owned()],
        ..relation("things", &[("Id", DataType::Utf8)])
    };
    let taken = relation("things_pkey", &[("a", DataType::Boolean)]);
    let mixed = relation("MixedCase", &[("Some Column", DataType::Date32)]);
    CatalogDescription {
        snapshot: 7,
        schemas: vec![
            schema("public", "Unified customers.", vec![active, customers, orders]),
            schema("raw", "", vec![mixed, things, taken]),
        ],
        functions: vec![
            function("public", "nps", FunctionKind::Aggregate, &["score"]),
            FunctionDescription {
                repeated: Some(1),
                ..function(
                    "public",
                    "steps",
                    FunctionKind::Aggregate,
                    &["ts", "step", "mode"],
                )
            },
            function("pg_catalog", "version", FunctionKind::Scalar, &[]),
        ],
        roles: vec![
            RoleDescription {
                name: "admin".to_owned(),
                owner: true,
            },
            RoleDescription {
                name: "analyst".to_owned(),
                owner: false,
            },
            RoleDescription {
                name: "guest".to_owned(),
                owner: false,
            },
        ],
    }
}

/// Relations with a primary key and as many columns.
pub(super) fn large_description(relations: usize, columns: usize) -> CatalogDescription {
    let names: Vec<String> = (0..columns).map(|column| format!("column_{column}")).collect();
    let columns: Vec<(&str, DataType)> = names.iter().map(|name| (name.as_str(), DataType::Utf8)).collect();
    let relations = (0..relations).map(|number| RelationDescription {
        primary_key: vec!["column_0".to_owned()],
        ..relation(&format!("relation_{number}"), &columns)
    });
    CatalogDescription {
        schemas: vec![schema("public", "", relations.collect())],
        ..description()
    }
}

fn schema(name: &str, comment: &str, relations: Vec<RelationDescription>) -> SchemaDescription {
    SchemaDescription {
        temporary: false,
        name: name.to_owned(),
        comment: comment.to_owned(),
        relations,
    }
}

fn relation(name: &str, columns: &[(&str, DataType)]) -> RelationDescription {
    let column = |(name, data_type): &(&str, DataType)| ColumnDescription {
        name: (*name).to_owned(),
        named_type: None,
        data_type: data_type.clone(),
        nullable: true,
        comment: if *name == "customer_id" {
            "The person.".to_owned()
        } else {
            String::new()
        },
    };
    RelationDescription {
        name: name.to_owned(),
        kind: RelationKind::Table,
        comment: String::new(),
        columns: columns.iter().map(column).collect(),
        rows: None,
        bytes: None,
        definition: None,
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
    }
}

fn function(schema: &str, name: &str, kind: FunctionKind, arguments: &[&str]) -> FunctionDescription {
    FunctionDescription {
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind,
        family: "metrics".to_owned(),
        syntax: format!("{name}({})", arguments.join(", ")),
        description: "Net promoter score.".to_owned(),
        example: None,
        arguments: arguments
            .iter()
            .map(|argument| ((*argument).to_owned(), String::new()))
            .collect(),
        argument_types: vec![None; arguments.len()],
        repeated: None,
        result: None,
    }
}

/// A session of a role.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) user: &'static str,
    pub(super) path: Vec<String>,
    pub(super) catalog: Arc<CatalogDescription>,
    pub(super) changes: Mutex<Vec<(String, String, bool)>>,
}

impl Session {
    pub(super) fn of(user: &'static str) -> Arc<Self> {
        Arc::new(Self {
            user,
            path: vec!["public".to_owned()],
            catalog: Arc::new(description()),
            changes: Mutex::default(),
        })
    }
}

impl SessionFacts for Session {
    fn current_user(&self) -> String {
        self.user.to_owned()
    }

    fn session_user(&self) -> String {
        self.user.to_owned()
    }

    fn backend_pid(&self) -> i32 {
        42
    }

    fn current_schemas(&self) -> Vec<String> {
        self.path.clone()
    }

    fn setting(&self, name: &str) -> Option<String> {
        match name {
            "server_version" => Some("15.8".to_owned()),
            "statement_timeout" => Some("5000".to_owned()),
            _ => None,
        }
    }

    fn change_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        if name == "server_version" {
            return Err(Error::new(
                ErrorClass::InvalidArgument,
                "parameter \"server_version\" cannot be changed",
            ));
        }
        let value = value.unwrap_or("its default").to_owned();
        self.changes.lock().push((name.to_owned(), value.clone(), local));
        Ok(value)
    }

    fn catalog(&self) -> Arc<CatalogDescription> {
        Arc::clone(&self.catalog)
    }

    fn signal(&self, pid: i32, terminate: bool) -> Result<bool> {
        Ok(pid == 43 && !terminate)
    }
}
