//! The shapes of the system relations: which there are, with which columns of which types, as in PostgreSQL 15.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

use super::builtin;
use super::cell::{Cell, column};
use crate::types::PG_TYPE;

/// The schema of the catalogs proper.
pub(crate) const PG_CATALOG: &str = "pg_catalog";
/// The schema of the standard's views.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// Every system relation that is served.
pub(crate) static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    include_str!("postgres15/relations.tsv")
        .lines()
        .filter_map(Shape::parse)
        .collect()
});

/// One system relation.
#[derive(Debug)]
pub(crate) struct Shape {
    /// `pg_catalog` or `information_schema`.
    pub(crate) schema: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// `r` for a table, `v` for a view.
    pub(crate) kind: &'static str,
    /// Its identifier in PostgreSQL 15.
    pub(crate) oid: i64,
    /// The identifier of its row type.
    pub(crate) row_type: i64,
    /// The identifier of the array over its row type.
    pub(crate) row_array: i64,
    /// Its columns in order.
    pub(crate) columns: Vec<ShapeColumn>,
    /// The columns as Arrow has them.
    pub(crate) arrow: SchemaRef,
}

/// One column of a system relation.
#[derive(Debug)]
pub(crate) struct ShapeColumn {
    /// Its name.
    pub(crate) name: &'static str,
    /// The name of its type in `pg_type`, which can be a domain of information_schema.
    pub(crate) type_name: &'static str,
    /// Whether it never is null.
    pub(crate) not_null: bool,
}

/// How the rows of a relation fill one of its columns.
pub(crate) type Fill<T> = (&'static str, for<'a> fn(&'a T) -> Cell<'a>);

impl Shape {
    /// The relation of a schema and name.
    pub(crate) fn of(schema: &str, name: &str) -> Option<&'static Self> {
        SHAPES
            .iter()
            .find(|shape| shape.schema == schema && shape.name == name)
    }

    /// The relation's rows: those that PostgreSQL has built in, then one for each item. A column without a fill is
    /// null, or its type's zero where the column has no null.
    pub(crate) fn rows<T>(&self, items: &[T], fills: &[Fill<T>]) -> Result<RecordBatch, ArrowError> {
        let built_in = if self.schema == PG_CATALOG {
            builtin::rows(self.name)
        } else {
            &[]
        };
        let columns = self.arrow.fields().iter().enumerate().map(|(index, field)| {
            let built_in = built_in.iter().map(|row| {
                row.get(index)
                    .map_or(Cell::Null, |text| Cell::parse(field.data_type(), text))
            });
            match fills.iter().find(|(name, _)| name == field.name()) {
                Some((_, fill)) => column(field, &mut built_in.chain(items.iter().map(fill))),
                None => column(field, &mut built_in.chain(items.iter().map(|_| Cell::Null))),
            }
        });
        RecordBatch::try_new(Arc::clone(&self.arrow), columns.collect())
    }

    /// Reads a line of the list of relations; none for a comment.
    fn parse(line: &'static str) -> Option<Self> {
        let mut fields = line.split('\t');
        let (schema, name, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let (oid, row_type, row_array) = (
            fields.next()?.parse().ok()?,
            fields.next()?.parse().ok()?,
            fields.next()?.parse().ok()?,
        );
        let columns: Vec<ShapeColumn> = fields.next()?.split(' ').filter_map(ShapeColumn::parse).collect();
        let arrow = Arc::new(Schema::new(
            columns.iter().map(ShapeColumn::field).collect::<Vec<_>>(),
        ));
        Some(Self {
            schema,
            name,
            kind,
            oid,
            row_type,
            row_array,
            columns,
            arrow,
        })
    }
}

impl ShapeColumn {
    fn parse(text: &'static str) -> Option<Self> {
        let (name, type_name) = text.split_once(':')?;
        let (type_name, not_null) = match type_name.strip_suffix('!') {
            Some(type_name) => (type_name, true),
            None => (type_name, false),
        };
        Some(Self {
            name,
            type_name,
            not_null,
        })
    }

    fn field(&self) -> Field {
        field(self.name, self.type_name).with_nullable(!self.not_null)
    }
}

/// The nullable Arrow field that carries a PostgreSQL type.
pub(crate) fn field(name: &str, type_name: &str) -> Field {
    let type_name = base_type(type_name);
    let (data_type, exact) = match type_name.strip_prefix('_') {
        Some(element) => {
            let (element, exact) = scalar(element);
            (list(element), exact)
        }
        None => scalar(type_name),
    };
    let field = Field::new(name, data_type, true);
    if exact {
        field
    } else {
        field.with_metadata(HashMap::from([(PG_TYPE.to_owned(), type_name.to_owned())]))
    }
}

/// The type below a domain of information_schema: what a client is told of the column.
pub(crate) fn base_type(type_name: &str) -> &str {
    match type_name {
        "sql_identifier" => "name",
        "character_data" | "yes_or_no" => "varchar",
        "cardinal_number" => "int4",
        "time_stamp" => "timestamptz",
        other => other,
    }
}

/// The Arrow type of a PostgreSQL type, and whether it alone says which.
fn scalar(type_name: &str) -> (DataType, bool) {
    match type_name {
        "bool" => (DataType::Boolean, true),
        "int2" => (DataType::Int16, true),
        "int4" => (DataType::Int32, true),
        "int8" => (DataType::Int64, true),
        "float4" => (DataType::Float32, true),
        "float8" => (DataType::Float64, true),
        "numeric" => (DataType::Decimal128(38, 0), true),
        "text" => (DataType::Utf8, true),
        "bytea" => (DataType::Binary, true),
        "interval" => (DataType::Interval(IntervalUnit::MonthDayNano), true),
        "timestamptz" => (
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
        "oid" | "xid" | "regproc" | "regclass" | "regtype" | "regnamespace" | "regrole" => {
            (DataType::Int64, false)
        }
        "int2vector" => (list(DataType::Int16), false),
        "oidvector" => (list(DataType::Int64), false),
        _ => (DataType::Utf8, false),
    }
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of relations was taken from a PostgreSQL 15; nothing of it may be lost on the way to Arrow.
    #[test]
    fn every_relation_has_the_columns_of_postgres() {
        let lines: Vec<&str> = include_str!("postgres15/relations.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert_eq!(SHAPES.len(), lines.len());
        for (shape, line) in SHAPES.iter().zip(lines) {
            let columns: Vec<String> = shape
                .columns
                .iter()
                .zip(shape.arrow.fields())
                .map(|(column, field)| {
                    assert_eq!(column.name, field.name());
                    assert_eq!(column.not_null, !field.is_nullable());
                    let mark = if field.is_nullable() { "" } else { "!" };
                    format!("{}:{}{mark}", column.name, column.type_name)
                })
                .collect();
            assert_eq!(columns.join(" "), line.split('\t').nth(6).unwrap());
            assert!(
                shape
                    .columns
                    .iter()
                    .all(|column| builtin::type_named(column.type_name).is_some()
                        || column.type_name == "_pg_statistic")
            );
        }
        assert_eq!(
            Shape::of("pg_catalog", "pg_class").map(|shape| (shape.oid, shape.columns.len())),
            Some((1259, 33))
        );
        assert_eq!(
            Shape::of("information_schema", "columns").map(|shape| shape.columns.len()),
            Some(44)
        );
        assert!(Shape::of("pg_catalog", "pg_authid").is_none());
    }
}
