//! Relations, columns, row types, keys and comments of `pg_catalog`.

use std::borrow::Cow;

use arrow::error::ArrowError;

use super::System;
use crate::catalog::builtin::{self, BuiltinType, OWNER};
use crate::catalog::cell::Cell;
use crate::catalog::model::{Attribute, Class, Key, Model, OWNER_NAME};
use crate::catalog::shape::PG_CATALOG;
use crate::catalog::text::quote_identifier;

/// Identifiers of the catalogs that comments and dependencies point into.
const PG_TYPE: i64 = 1247;
const PG_PROC: i64 = 1255;
const PG_CLASS: i64 = 1259;
const PG_CONSTRAINT: i64 = 2606;
const PG_LANGUAGE: i64 = 2612;
const PG_NAMESPACE: i64 = 2615;
const PG_REWRITE: i64 = 2618;

/// The access methods of tables and of keys.
const HEAP: i64 = 2;
const BTREE: i64 = 403;

pub(super) fn fill(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    fill_classes(model, system)?;
    fill_attributes(model, system)?;
    fill_row_types(model, system)?;
    fill_keys(model, system)?;
    fill_comments(model, system)?;
    fill_dependencies(model, system)?;
    fill_views(model, system)
}

fn fill_classes(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    system.fill(
        PG_CATALOG,
        "pg_class",
        &model.classes,
        &[
            ("oid", |class| Cell::Int(class.oid)),
            ("relname", |class| Cell::text(&class.name)),
            ("relnamespace", |class| Cell::Int(class.namespace)),
            ("reltype", |class| Cell::Int(class.row_type)),
            ("relowner", |_| Cell::Int(OWNER)),
            ("relam", |class| {
                Cell::Int(match class.kind {
                    "r" => HEAP,
                    "i" => BTREE,
                    _ => 0,
                })
            }),
            ("relfilenode", |class| {
                Cell::Int(if class.kind == "v" { 0 } else { class.oid })
            }),
            ("relpages", |class| {
                Cell::Int(class.bytes.map_or(0, |bytes| saturated(bytes.div_ceil(8_192))))
            }),
            ("reltuples", |class| {
                Cell::Float(class.rows.map_or(-1.0, |rows| rows as f64))
            }),
            ("relhasindex", |class| Cell::Bool(class.primary_key.is_some())),
            ("relpersistence", |class| {
                Cell::text(if class.temporary { "t" } else { "p" })
            }),
            ("relkind", |class| Cell::text(class.kind)),
            ("relnatts", |class| {
                Cell::Int(saturated(class.columns.len() as u64))
            }),
            ("relhasrules", |class| Cell::Bool(class.kind == "v")),
            ("relhastriggers", |class| Cell::Bool(class.triggers)),
            ("relispopulated", |_| Cell::Bool(true)),
            ("relreplident", |class| {
                Cell::text(if class.kind == "r" && !class.system {
                    "d"
                } else {
                    "n"
                })
            }),
        ],
    )
}

/// One row of `pg_attribute`.
struct AttributeRow<'m> {
    class: &'m Class,
    number: i64,
    attribute: &'m Attribute,
    built_in: Option<&'static BuiltinType>,
}

fn fill_attributes(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let of_class = |class| {
        let columns = Class::columns_with_numbers(class);
        columns.map(move |(number, attribute)| AttributeRow {
            class,
            number,
            attribute,
            built_in: builtin::type_of(attribute.column_type.oid),
        })
    };
    let rows: Vec<AttributeRow<'_>> = model.classes.iter().flat_map(of_class).collect();
    system.fill(
        PG_CATALOG,
        "pg_attribute",
        &rows,
        &[
            ("attrelid", |row| Cell::Int(row.class.oid)),
            ("attname", |row| Cell::text(&row.attribute.name)),
            ("atttypid", |row| Cell::Int(row.attribute.column_type.oid)),
            ("attstattarget", |_| Cell::Int(-1)),
            ("attlen", |row| {
                Cell::Int(row.built_in.map_or(-1, |built_in| built_in.length))
            }),
            ("attnum", |row| Cell::Int(row.number)),
            ("attndims", |row| Cell::Int(row.attribute.column_type.dimensions)),
            ("attcacheoff", |_| Cell::Int(-1)),
            ("atttypmod", |row| Cell::Int(row.attribute.column_type.modifier)),
            ("attbyval", |row| {
                Cell::Bool(row.built_in.is_some_and(|built_in| built_in.by_value))
            }),
            ("attalign", |row| {
                Cell::text(row.built_in.map_or("d", |built_in| built_in.align))
            }),
            ("attstorage", |row| {
                Cell::text(row.built_in.map_or("x", |built_in| built_in.storage))
            }),
            ("attnotnull", |row| Cell::Bool(row.attribute.not_null)),
            ("attislocal", |_| Cell::Bool(true)),
            ("attcollation", |row| {
                Cell::Int(row.built_in.map_or(0, |built_in| built_in.collation))
            }),
        ],
    )
}

/// The type of a relation's rows, or the array over it.
struct RowType<'m> {
    class: &'m Class,
    array: bool,
}

impl RowType<'_> {
    /// The value that PostgreSQL has for the array or for the row.
    fn either<T>(&self, array: T, row: T) -> T {
        if self.array { array } else { row }
    }

    /// The support function of the array or of the row.
    fn support(&self, array: &str, row: &str) -> Cell<'static> {
        Cell::Int(builtin::function_oid(self.either(array, row)).unwrap_or_default())
    }
}

fn fill_row_types(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let relations = model.classes.iter().filter(|class| class.is_relation());
    let rows: Vec<RowType<'_>> = relations
        .flat_map(|class| [false, true].map(|array| RowType { class, array }))
        .collect();
    system.fill(
        PG_CATALOG,
        "pg_type",
        &rows,
        &[
            ("oid", |row| {
                Cell::Int(row.either(row.class.row_array, row.class.row_type))
            }),
            ("typname", |row| {
                Cell::text(row.either(&row.class.row_array_name, &row.class.name))
            }),
            ("typnamespace", |row| Cell::Int(row.class.namespace)),
            ("typowner", |_| Cell::Int(OWNER)),
            ("typlen", |_| Cell::Int(-1)),
            ("typtype", |row| Cell::text(row.either("b", "c"))),
            ("typcategory", |row| Cell::text(row.either("A", "C"))),
            ("typisdefined", |_| Cell::Bool(true)),
            ("typdelim", |_| Cell::text(",")),
            ("typrelid", |row| Cell::Int(row.either(0, row.class.oid))),
            ("typsubscript", |row| row.support("array_subscript_handler", "")),
            ("typelem", |row| Cell::Int(row.either(row.class.row_type, 0))),
            ("typarray", |row| Cell::Int(row.either(0, row.class.row_array))),
            ("typinput", |row| row.support("array_in", "record_in")),
            ("typoutput", |row| row.support("array_out", "record_out")),
            ("typreceive", |row| row.support("array_recv", "record_recv")),
            ("typsend", |row| row.support("array_send", "record_send")),
            ("typanalyze", |row| row.support("array_typanalyze", "")),
            ("typalign", |_| Cell::text("d")),
            ("typstorage", |_| Cell::text("x")),
            ("typtypmod", |_| Cell::Int(-1)),
        ],
    )
}

/// A key with the relations that it names.
struct KeyRow<'m> {
    key: &'m Key,
    class: &'m Class,
    index: Option<&'m Class>,
    target: Option<(&'m Class, &'m [i64])>,
}

impl<'m> KeyRow<'m> {
    fn of(model: &'m Model, key: &'m Key) -> Option<Self> {
        let at = |position: usize| model.classes.get(position);
        let target = match &key.target {
            Some(target) => Some((at(target.class)?, target.columns.as_slice())),
            None => None,
        };
        Some(Self {
            key,
            class: at(key.class)?,
            index: key.index.and_then(at),
            target,
        })
    }

    /// One value for each column of the key, read from the column.
    fn each(&self, value: impl Fn(&Attribute) -> i64) -> Cell<'static> {
        let column = |number: &i64| {
            usize::try_from(number - 1)
                .ok()
                .and_then(|at| self.class.columns.get(at))
        };
        Cell::Ints(self.key.columns.iter().filter_map(column).map(value).collect())
    }

    /// The operators that compare a foreign key with what it refers to.
    fn equalities(&self) -> Cell<'static> {
        if self.target.is_none() {
            return Cell::Null;
        }
        self.each(|column| builtin::equality(column.column_type.oid))
    }
}

fn fill_keys(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let keys: Vec<KeyRow<'_>> = model
        .keys
        .iter()
        .filter_map(|key| KeyRow::of(model, key))
        .collect();
    system.fill(
        PG_CATALOG,
        "pg_constraint",
        &keys,
        &[
            ("oid", |row| Cell::Int(row.key.oid)),
            ("conname", |row| Cell::text(&row.key.name)),
            ("connamespace", |row| Cell::Int(row.class.namespace)),
            ("contype", |row| {
                Cell::text(if row.target.is_some() { "f" } else { "p" })
            }),
            ("convalidated", |_| Cell::Bool(true)),
            ("conrelid", |row| Cell::Int(row.class.oid)),
            ("conindid", |row| {
                Cell::Int(row.index.map_or(0, |index| index.oid))
            }),
            ("confrelid", |row| {
                Cell::Int(row.target.map_or(0, |(class, _)| class.oid))
            }),
            ("confupdtype", |row| {
                Cell::text(if row.target.is_some() { "a" } else { " " })
            }),
            ("confdeltype", |row| {
                Cell::text(if row.target.is_some() { "a" } else { " " })
            }),
            ("confmatchtype", |row| {
                Cell::text(if row.target.is_some() { "s" } else { " " })
            }),
            ("conislocal", |_| Cell::Bool(true)),
            ("connoinherit", |_| Cell::Bool(true)),
            ("conkey", |row| Cell::Ints(row.key.columns.clone())),
            ("confkey", |row| {
                row.target
                    .map_or(Cell::Null, |(_, columns)| Cell::Ints(columns.to_vec()))
            }),
            ("conpfeqop", |row| row.equalities()),
            ("conppeqop", |row| row.equalities()),
            ("conffeqop", |row| row.equalities()),
        ],
    )?;
    let primary: Vec<KeyRow<'_>> = keys.into_iter().filter(|row| row.target.is_none()).collect();
    system.fill(
        PG_CATALOG,
        "pg_index",
        &primary,
        &[
            ("indexrelid", |row| {
                Cell::Int(row.index.map_or(0, |index| index.oid))
            }),
            ("indrelid", |row| Cell::Int(row.class.oid)),
            ("indnatts", |row| {
                Cell::Int(saturated(row.key.columns.len() as u64))
            }),
            ("indnkeyatts", |row| {
                Cell::Int(saturated(row.key.columns.len() as u64))
            }),
            ("indisunique", |_| Cell::Bool(true)),
            ("indisprimary", |_| Cell::Bool(true)),
            ("indimmediate", |_| Cell::Bool(true)),
            ("indisvalid", |_| Cell::Bool(true)),
            ("indisready", |_| Cell::Bool(true)),
            ("indislive", |_| Cell::Bool(true)),
            ("indkey", |row| Cell::Ints(row.key.columns.clone())),
            ("indcollation", |row| {
                row.each(|column| {
                    builtin::type_of(column.column_type.oid).map_or(0, |built_in| built_in.collation)
                })
            }),
            ("indclass", |row| {
                row.each(|column| builtin::operator_class(column.column_type.oid))
            }),
            ("indoption", |row| row.each(|_| 0)),
        ],
    )?;
    system.fill(
        PG_CATALOG,
        "pg_indexes",
        &primary,
        &[
            ("schemaname", |row| Cell::text(&row.class.schema)),
            ("tablename", |row| Cell::text(&row.class.name)),
            ("indexname", |row| Cell::text(&row.key.name)),
            ("indexdef", |row| {
                Cell::owned(index_definition(row.key, row.class))
            }),
        ],
    )
}

/// The statement that would make the index of a primary key.
pub(crate) fn index_definition(key: &Key, class: &Class) -> String {
    let columns: Vec<String> = class
        .column_names(&key.columns)
        .into_iter()
        .map(quote_identifier)
        .collect();
    format!(
        "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
        quote_identifier(&key.name),
        quote_identifier(&class.schema),
        quote_identifier(&class.name),
        columns.join(", ")
    )
}

/// The text of a view as PostgreSQL gives it, with its semicolon.
pub(crate) fn view_definition(class: &Class) -> Cow<'_, str> {
    let definition = class.definition.as_deref().unwrap_or_default().trim_end();
    if definition.is_empty() || definition.ends_with(';') {
        Cow::Borrowed(definition)
    } else {
        Cow::Owned(format!("{definition};"))
    }
}

/// The languages of functions, and what PostgreSQL says of them.
const LANGUAGES: [(i64, &str); 3] = [
    (12, "built-in functions"),
    (13, "dynamically-loaded C functions"),
    (14, "SQL-language functions"),
];

/// A comment on an object: catalog, object, column and text.
type Comment<'m> = (i64, i64, i64, &'m str);

fn fill_comments(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let namespaces = model
        .namespaces
        .iter()
        .map(|it| (PG_NAMESPACE, it.oid, 0, it.comment.as_str()));
    let languages = LANGUAGES.map(|(oid, text)| (PG_LANGUAGE, oid, 0, text));
    let procedures = model
        .procedures
        .iter()
        .map(|it| (PG_PROC, it.oid, 0, it.description.as_str()));
    let of_class = |class| {
        let columns = Class::columns_with_numbers(class);
        let columns = columns.map(|(number, column)| (PG_CLASS, class.oid, number, column.comment.as_str()));
        std::iter::once((PG_CLASS, class.oid, 0, class.comment.as_str())).chain(columns)
    };
    let classes = model.classes.iter().flat_map(of_class);
    let comments: Vec<Comment<'_>> = namespaces
        .chain(languages)
        .chain(procedures)
        .chain(classes)
        .filter(|(.., text)| !text.is_empty())
        .collect();
    system.fill(
        PG_CATALOG,
        "pg_description",
        &comments,
        &[
            ("objoid", |(_, object, ..)| Cell::Int(*object)),
            ("classoid", |(catalog, ..)| Cell::Int(*catalog)),
            ("objsubid", |(.., column, _)| Cell::Int(*column)),
            ("description", |(.., text)| Cell::text(text)),
        ],
    )
}

/// What depends on what: catalog and object, catalog, object and column, and how.
type Dependency = ((i64, i64), (i64, i64, i64), &'static str);

fn fill_dependencies(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let mut dependencies: Vec<Dependency> = Vec::new();
    for class in model
        .classes
        .iter()
        .filter(|class| !class.system && class.is_relation())
    {
        dependencies.push(((PG_CLASS, class.oid), (PG_NAMESPACE, class.namespace, 0), "n"));
        dependencies.push(((PG_TYPE, class.row_type), (PG_CLASS, class.oid, 0), "i"));
        dependencies.push(((PG_TYPE, class.row_array), (PG_TYPE, class.row_type, 0), "i"));
        if class.rule != 0 {
            dependencies.push(((PG_REWRITE, class.rule), (PG_CLASS, class.oid, 0), "i"));
        }
    }
    for row in model.keys.iter().filter_map(|key| KeyRow::of(model, key)) {
        let constraint = (PG_CONSTRAINT, row.key.oid);
        let on = |class: i64| move |number: &i64| (PG_CLASS, class, *number);
        dependencies.extend(
            row.key
                .columns
                .iter()
                .map(on(row.class.oid))
                .map(|on| (constraint, on, "a")),
        );
        if let Some((target, columns)) = row.target {
            dependencies.extend(columns.iter().map(on(target.oid)).map(|on| (constraint, on, "n")));
        } else if let Some(index) = row.index {
            dependencies.push(((PG_CLASS, index.oid), (PG_CONSTRAINT, row.key.oid, 0), "i"));
        }
    }
    system.fill(
        PG_CATALOG,
        "pg_depend",
        &dependencies,
        &[
            ("classid", |((catalog, _), ..)| Cell::Int(*catalog)),
            ("objid", |((_, object), ..)| Cell::Int(*object)),
            ("refclassid", |(_, (catalog, ..), _)| Cell::Int(*catalog)),
            ("refobjid", |(_, (_, object, _), _)| Cell::Int(*object)),
            ("refobjsubid", |(_, (.., column), _)| Cell::Int(*column)),
            ("deptype", |(.., how)| Cell::text(how)),
        ],
    )
}

fn fill_views(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let of_kind =
        |kind: &str| -> Vec<&Class> { model.classes.iter().filter(|class| class.kind == kind).collect() };
    let views = of_kind("v");
    system.fill(
        PG_CATALOG,
        "pg_tables",
        &of_kind("r"),
        &[
            ("schemaname", |class| Cell::text(&class.schema)),
            ("tablename", |class| Cell::text(&class.name)),
            ("tableowner", |_| Cell::text(OWNER_NAME)),
            ("hasindexes", |class| Cell::Bool(class.primary_key.is_some())),
            ("hasrules", |_| Cell::Bool(false)),
            ("hastriggers", |_| Cell::Bool(false)),
            ("rowsecurity", |_| Cell::Bool(false)),
        ],
    )?;
    system.fill(
        PG_CATALOG,
        "pg_views",
        &views,
        &[
            ("schemaname", |class| Cell::text(&class.schema)),
            ("viewname", |class| Cell::text(&class.name)),
            ("viewowner", |_| Cell::text(OWNER_NAME)),
            ("definition", |class| Cell::Text(view_definition(class))),
        ],
    )?;
    let ruled: Vec<&Class> = views.into_iter().filter(|class| class.rule != 0).collect();
    system.fill(
        PG_CATALOG,
        "pg_rewrite",
        &ruled,
        &[
            ("oid", |class| Cell::Int(class.rule)),
            ("rulename", |_| Cell::text("_RETURN")),
            ("ev_class", |class| Cell::Int(class.oid)),
            ("ev_type", |_| Cell::text("1")),
            ("ev_enabled", |_| Cell::text("O")),
            ("is_instead", |_| Cell::Bool(true)),
            ("ev_qual", |_| Cell::text("<>")),
            ("ev_action", |_| Cell::text("<>")),
        ],
    )
}

/// A count in a column that is signed.
fn saturated(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
