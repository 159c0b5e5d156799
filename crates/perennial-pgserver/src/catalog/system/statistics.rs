//! The counters of relations, keys and the database, as far as the catalog knows them: numbers of rows.

use arrow::error::ArrowError;
use perennial_engine::description::DATABASE;

use super::System;
use crate::catalog::cell::Cell;
use crate::catalog::model::{Class, Model};
use crate::catalog::shape::{Fill, PG_CATALOG};

pub(super) fn fill(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let tables: &[Fill<&Class>] = &[
        ("relid", |class| Cell::Int(class.oid)),
        ("schemaname", |class| Cell::text(&class.schema)),
        ("relname", |class| Cell::text(&class.name)),
        ("n_live_tup", |class| {
            Cell::Int(
                class
                    .rows
                    .map_or(0, |rows| i64::try_from(rows).unwrap_or(i64::MAX)),
            )
        }),
        ("n_dead_tup", |_| Cell::Int(0)),
    ];
    let of = |wanted: fn(&Class) -> bool| -> Vec<&Class> {
        model
            .classes
            .iter()
            .filter(|class| class.kind == "r" && wanted(class))
            .collect()
    };
    system.fill(PG_CATALOG, "pg_stat_all_tables", &of(|_| true), tables)?;
    system.fill(
        PG_CATALOG,
        "pg_stat_sys_tables",
        &of(|class| class.system),
        tables,
    )?;
    system.fill(
        PG_CATALOG,
        "pg_stat_user_tables",
        &of(|class| !class.system),
        tables,
    )?;

    let keyed = model.keys.iter().filter(|key| key.target.is_none());
    let indexes: Vec<(&Class, &Class)> = keyed
        .filter_map(|key| Some((model.classes.get(key.class)?, model.classes.get(key.index?)?)))
        .collect();
    let fills: &[Fill<(&Class, &Class)>] = &[
        ("relid", |(table, _)| Cell::Int(table.oid)),
        ("indexrelid", |(_, index)| Cell::Int(index.oid)),
        ("schemaname", |(table, _)| Cell::text(&table.schema)),
        ("relname", |(table, _)| Cell::text(&table.name)),
        ("indexrelname", |(_, index)| Cell::text(&index.name)),
    ];
    system.fill(PG_CATALOG, "pg_stat_all_indexes", &indexes, fills)?;
    system.fill(PG_CATALOG, "pg_stat_user_indexes", &indexes, fills)?;
    system.fill(
        PG_CATALOG,
        "pg_stat_database",
        &[model.database],
        &[
            ("datid", |oid| Cell::Int(*oid)),
            ("datname", |_| Cell::text(DATABASE)),
        ],
    )
}
