//! Schemas, relations, keys, grants and roles of `information_schema`. Columns, routines and other things that
//! have a type are next door in [`super::standard_columns`].

use arrow::error::ArrowError;
use perennial_engine::description::DATABASE;

use super::System;
use super::classes::view_definition;
use crate::catalog::builtin;
use crate::catalog::builtin::{DATABASE_OWNER, PUBLIC_OID};
use crate::catalog::cell::Cell;
use crate::catalog::model::{Class, Key, Model, OWNER_NAME};
use crate::catalog::shape::INFORMATION_SCHEMA;

pub(super) fn fill(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    fill_schemata(model, system)?;
    fill_tables(model, system)?;
    fill_keys(model, system)?;
    fill_key_columns(model, system)?;
    fill_grants(model, system)?;
    fill_collations(system)
}

/// The name of the database, which is the catalog of everything.
pub(super) fn catalog<T>(_: &T) -> Cell<'_> {
    Cell::text(DATABASE)
}

fn fill_schemata(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    system.fill(
        INFORMATION_SCHEMA,
        "schemata",
        &model.namespaces,
        &[
            ("catalog_name", catalog),
            ("schema_name", |namespace| Cell::text(&namespace.name)),
            ("schema_owner", |namespace| {
                Cell::text(match namespace.oid {
                    PUBLIC_OID => DATABASE_OWNER.1,
                    _ => OWNER_NAME,
                })
            }),
        ],
    )?;
    system.fill(
        INFORMATION_SCHEMA,
        "information_schema_catalog_name",
        &[()],
        &[("catalog_name", catalog)],
    )
}

fn fill_tables(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let relations: Vec<&Class> = model.classes.iter().filter(|class| class.is_relation()).collect();
    system.fill(
        INFORMATION_SCHEMA,
        "tables",
        &relations,
        &[
            ("table_catalog", catalog),
            ("table_schema", |class| Cell::text(&class.schema)),
            ("table_name", |class| Cell::text(&class.name)),
            ("table_type", |class| {
                Cell::text(match class.kind {
                    "v" => "VIEW",
                    _ if class.temporary => "LOCAL TEMPORARY",
                    _ => "BASE TABLE",
                })
            }),
            ("is_insertable_into", |class| {
                Cell::yes(class.temporary && class.kind == "r")
            }),
            ("is_typed", |_| Cell::yes(false)),
        ],
    )?;
    let views: Vec<&Class> = relations.into_iter().filter(|class| class.kind == "v").collect();
    system.fill(
        INFORMATION_SCHEMA,
        "views",
        &views,
        &[
            ("table_catalog", catalog),
            ("table_schema", |class| Cell::text(&class.schema)),
            ("table_name", |class| Cell::text(&class.name)),
            ("view_definition", |class| Cell::Text(view_definition(class))),
            ("check_option", |_| Cell::text("NONE")),
            ("is_updatable", |_| Cell::yes(false)),
            ("is_insertable_into", |_| Cell::yes(false)),
            ("is_trigger_updatable", |_| Cell::yes(false)),
            ("is_trigger_deletable", |_| Cell::yes(false)),
            ("is_trigger_insertable_into", |_| Cell::yes(false)),
        ],
    )
}

/// A key, the relation that has it, and for a foreign key the key and the relation referred to.
struct KeyRow<'m> {
    key: &'m Key,
    class: &'m Class,
    referred: Option<(Option<&'m Key>, &'m Class)>,
}

impl<'m> KeyRow<'m> {
    fn of(model: &'m Model, key: &'m Key) -> Option<Self> {
        let referred = match &key.target {
            Some(target) => {
                let class = model.classes.get(target.class)?;
                let primary = class.primary_key.and_then(|primary| model.keys.get(primary));
                Some((primary.filter(|primary| primary.columns == target.columns), class))
            }
            None => None,
        };
        Some(Self {
            key,
            class: model.classes.get(key.class)?,
            referred,
        })
    }

    /// The relation and the columns that the key makes use of: those referred to, or its own.
    fn used(&self) -> (&'m Class, &'m [i64]) {
        match (&self.key.target, self.referred) {
            (Some(target), Some((_, class))) => (class, &target.columns),
            _ => (self.class, &self.key.columns),
        }
    }
}

fn fill_keys(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let keys: Vec<KeyRow<'_>> = model
        .keys
        .iter()
        .filter_map(|key| KeyRow::of(model, key))
        .collect();
    system.fill(
        INFORMATION_SCHEMA,
        "table_constraints",
        &keys,
        &[
            ("constraint_catalog", catalog),
            ("constraint_schema", |row| Cell::text(&row.class.schema)),
            ("constraint_name", |row| Cell::text(&row.key.name)),
            ("table_catalog", catalog),
            ("table_schema", |row| Cell::text(&row.class.schema)),
            ("table_name", |row| Cell::text(&row.class.name)),
            ("constraint_type", |row| {
                Cell::text(if row.referred.is_some() {
                    "FOREIGN KEY"
                } else {
                    "PRIMARY KEY"
                })
            }),
            ("is_deferrable", |_| Cell::yes(false)),
            ("initially_deferred", |_| Cell::yes(false)),
            ("enforced", |_| Cell::yes(true)),
        ],
    )?;
    system.fill(
        INFORMATION_SCHEMA,
        "constraint_table_usage",
        &keys,
        &[
            ("table_catalog", catalog),
            ("table_schema", |row| Cell::text(&row.used().0.schema)),
            ("table_name", |row| Cell::text(&row.used().0.name)),
            ("constraint_catalog", catalog),
            ("constraint_schema", |row| Cell::text(&row.class.schema)),
            ("constraint_name", |row| Cell::text(&row.key.name)),
        ],
    )?;
    let foreign: Vec<KeyRow<'_>> = keys.into_iter().filter(|row| row.referred.is_some()).collect();
    system.fill(
        INFORMATION_SCHEMA,
        "referential_constraints",
        &foreign,
        &[
            ("constraint_catalog", catalog),
            ("constraint_schema", |row| Cell::text(&row.class.schema)),
            ("constraint_name", |row| Cell::text(&row.key.name)),
            ("unique_constraint_catalog", |row| {
                Cell::maybe(unique_key(row).map(|_| DATABASE))
            }),
            ("unique_constraint_schema", |row| {
                Cell::maybe(unique_key(row).map(|(schema, _)| schema))
            }),
            ("unique_constraint_name", |row| {
                Cell::maybe(unique_key(row).map(|(_, name)| name))
            }),
            ("match_option", |_| Cell::text("NONE")),
            ("update_rule", |_| Cell::text("NO ACTION")),
            ("delete_rule", |_| Cell::text("NO ACTION")),
        ],
    )
}

/// Schema and name of the key that a foreign key refers to.
fn unique_key<'m>(row: &KeyRow<'m>) -> Option<(&'m str, &'m str)> {
    let (key, class) = row.referred?;
    Some((&class.schema, &key?.name))
}

/// One column of a key.
struct KeyColumn<'m> {
    key: &'m Key,
    schema: &'m str,
    class: &'m Class,
    column: &'m str,
    position: i64,
    /// For a foreign key, the place of the column referred to in its key.
    position_in_unique: Option<i64>,
}

fn fill_key_columns(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let keys: Vec<KeyRow<'_>> = model
        .keys
        .iter()
        .filter_map(|key| KeyRow::of(model, key))
        .collect();
    let own: Vec<KeyColumn<'_>> = keys
        .iter()
        .flat_map(|row| columns_of(row, (row.class, &row.key.columns)))
        .collect();
    system.fill(
        INFORMATION_SCHEMA,
        "key_column_usage",
        &own,
        &[
            ("constraint_catalog", catalog),
            ("constraint_schema", |row| Cell::text(row.schema)),
            ("constraint_name", |row| Cell::text(&row.key.name)),
            ("table_catalog", catalog),
            ("table_schema", |row| Cell::text(&row.class.schema)),
            ("table_name", |row| Cell::text(&row.class.name)),
            ("column_name", |row| Cell::text(row.column)),
            ("ordinal_position", |row| Cell::Int(row.position)),
            ("position_in_unique_constraint", |row| {
                Cell::maybe_int(row.position_in_unique)
            }),
        ],
    )?;
    let used: Vec<KeyColumn<'_>> = keys.iter().flat_map(|row| columns_of(row, row.used())).collect();
    system.fill(
        INFORMATION_SCHEMA,
        "constraint_column_usage",
        &used,
        &[
            ("table_catalog", catalog),
            ("table_schema", |row| Cell::text(&row.class.schema)),
            ("table_name", |row| Cell::text(&row.class.name)),
            ("column_name", |row| Cell::text(row.column)),
            ("constraint_catalog", catalog),
            ("constraint_schema", |row| Cell::text(row.schema)),
            ("constraint_name", |row| Cell::text(&row.key.name)),
        ],
    )
}

fn columns_of<'m>(row: &KeyRow<'m>, (class, numbers): (&'m Class, &'m [i64])) -> Vec<KeyColumn<'m>> {
    let referred = row.referred.and_then(|(key, _)| key);
    let wanted = row
        .key
        .target
        .as_ref()
        .map(|target| target.columns.as_slice())
        .unwrap_or_default();
    let columns = class.column_names(numbers).into_iter().zip(1..).enumerate();
    let column = |(index, (column, position)): (usize, (&'m str, i64))| KeyColumn {
        key: row.key,
        schema: &row.class.schema,
        class,
        column,
        position,
        position_in_unique: referred.and_then(|key| {
            let number = wanted.get(index)?;
            key.columns
                .iter()
                .position(|column| column == number)
                .and_then(|at| i64::try_from(at + 1).ok())
        }),
    };
    columns.map(column).collect()
}

/// What a role that may do everything may read: the rights of others are in no catalog but their own.
type Grant<'m> = (&'m str, &'m Class, &'m str);

fn fill_grants(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let owners = || model.roles.iter().filter(|role| role.owner);
    let relations: Vec<&Class> = model
        .classes
        .iter()
        .filter(|class| class.is_relation() && !class.system)
        .collect();
    let tables: Vec<Grant<'_>> = owners()
        .flat_map(|role| relations.iter().map(|class| (role.name.as_str(), *class, "")))
        .collect();
    for name in ["table_privileges", "role_table_grants"] {
        system.fill(
            INFORMATION_SCHEMA,
            name,
            &tables,
            &[
                ("grantor", |_| Cell::text(OWNER_NAME)),
                ("grantee", |(grantee, ..)| Cell::text(grantee)),
                ("table_catalog", catalog),
                ("table_schema", |(_, class, _)| Cell::text(&class.schema)),
                ("table_name", |(_, class, _)| Cell::text(&class.name)),
                ("privilege_type", |_| Cell::text("SELECT")),
                ("is_grantable", |_| Cell::yes(true)),
                ("with_hierarchy", |_| Cell::yes(true)),
            ],
        )?;
    }
    let columns: Vec<Grant<'_>> = tables
        .iter()
        .flat_map(|(grantee, class, _)| {
            class
                .columns
                .iter()
                .map(|column| (*grantee, *class, column.name.as_str()))
        })
        .collect();
    for name in ["column_privileges", "role_column_grants"] {
        system.fill(
            INFORMATION_SCHEMA,
            name,
            &columns,
            &[
                ("grantor", |_| Cell::text(OWNER_NAME)),
                ("grantee", |(grantee, ..)| Cell::text(grantee)),
                ("table_catalog", catalog),
                ("table_schema", |(_, class, _)| Cell::text(&class.schema)),
                ("table_name", |(_, class, _)| Cell::text(&class.name)),
                ("column_name", |(.., column)| Cell::text(column)),
                ("privilege_type", |_| Cell::text("SELECT")),
                ("is_grantable", |_| Cell::yes(true)),
            ],
        )?;
    }
    Ok(())
}

fn fill_collations(system: &mut System) -> Result<(), ArrowError> {
    let collations = builtin::rows("pg_collation");
    system.fill(
        INFORMATION_SCHEMA,
        "collations",
        collations,
        &[
            ("collation_catalog", catalog),
            ("collation_schema", |_| Cell::text("pg_catalog")),
            ("collation_name", |row| Cell::maybe(row.get(1).copied())),
            ("pad_attribute", |_| Cell::text("NO PAD")),
        ],
    )?;
    system.fill(
        INFORMATION_SCHEMA,
        "character_sets",
        &[()],
        &[
            ("character_set_name", |()| Cell::text("UTF8")),
            ("character_repertoire", |()| Cell::text("UCS")),
            ("form_of_use", |()| Cell::text("UTF8")),
            ("default_collate_catalog", catalog),
        ],
    )
}
