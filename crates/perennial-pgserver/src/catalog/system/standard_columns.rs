//! What has a type in `information_schema`: columns, elements of arrays, domains, routines and parameters.

use arrow::error::ArrowError;
use perennial_engine::description::DATABASE;

use super::System;
use super::information_schema::catalog;
use crate::catalog::builtin::{self, BuiltinType, PG_CATALOG_OID};
use crate::catalog::cell::Cell;
use crate::catalog::model::{Attribute, Class, Model, Procedure};
use crate::catalog::shape::{Fill, INFORMATION_SCHEMA, PG_CATALOG, base_type};
use crate::catalog::types::{ColumnType, format_builtin};

/// The collation `C`, the only one but the default that a type has.
const COLLATION_C: i64 = 950;
/// The length in bytes that the standard's views give for text without a bound.
const UNBOUNDED_TEXT: i64 = 1 << 30;

pub(super) fn fill(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    fill_columns(model, system)?;
    fill_domains(system)?;
    fill_routines(model, system)
}

/// A type as the standard describes it.
struct Described {
    /// The type below a domain, with the domain's modifier.
    column_type: ColumnType,
    built_in: Option<&'static BuiltinType>,
    collation: i64,
    domain: Option<&'static BuiltinType>,
}

impl Described {
    fn of(column_type: ColumnType) -> Self {
        let declared = builtin::type_of(column_type.oid);
        let collation = declared.map_or(0, |built_in| built_in.collation);
        let Some(domain) = declared.filter(|built_in| built_in.kind == "d") else {
            return Self {
                column_type,
                built_in: declared,
                collation,
                domain: None,
            };
        };
        let built_in = builtin::type_named(base_type(domain.name));
        let oid = built_in.map_or(domain.oid, |base| base.oid);
        Self {
            column_type: ColumnType {
                oid,
                modifier: domain.modifier,
                dimensions: 0,
            },
            built_in,
            collation,
            domain: Some(domain),
        }
    }

    fn is_array(&self) -> bool {
        self.built_in.is_some_and(BuiltinType::is_list)
    }

    /// `ARRAY`, `USER-DEFINED`, or the type as SQL writes it.
    fn data_type(&self) -> Cell<'static> {
        match format_builtin(self.column_type.oid, None) {
            _ if self.is_array() => Cell::text("ARRAY"),
            Some(name) if self.built_in.is_some_and(|it| it.namespace == PG_CATALOG_OID) => Cell::owned(name),
            _ => Cell::text("USER-DEFINED"),
        }
    }

    fn character_length(&self) -> Option<i64> {
        let bounded = [1042, 1043].contains(&self.column_type.oid) && self.column_type.modifier >= 4;
        bounded.then_some(self.column_type.modifier - 4)
    }

    /// Four bytes for each character, the longest that UTF-8 has.
    fn octet_length(&self) -> Option<i64> {
        let text = [25, 1042, 1043].contains(&self.column_type.oid);
        text.then(|| {
            self.character_length()
                .map_or(UNBOUNDED_TEXT, |length| length.saturating_mul(4))
        })
    }

    fn numeric_precision(&self) -> Option<i64> {
        match self.column_type.oid {
            21 => Some(16),
            23 => Some(32),
            20 => Some(64),
            700 => Some(24),
            701 => Some(53),
            _ => self
                .column_type
                .precision_and_scale()
                .map(|(precision, _)| precision),
        }
    }

    fn numeric_radix(&self) -> Option<i64> {
        match self.column_type.oid {
            20 | 21 | 23 | 700 | 701 => Some(2),
            1700 => Some(10),
            _ => None,
        }
    }

    fn numeric_scale(&self) -> Option<i64> {
        match self.column_type.oid {
            20 | 21 | 23 => Some(0),
            _ => self.column_type.precision_and_scale().map(|(_, scale)| scale),
        }
    }

    fn datetime_precision(&self) -> Option<i64> {
        match self.column_type.oid {
            1082 => Some(0),
            1083 | 1114 | 1184 | 1186 | 1266 if self.column_type.modifier < 0 => Some(6),
            1083 | 1114 | 1184 | 1266 => Some(self.column_type.modifier),
            _ => None,
        }
    }

    /// A value that stands only where the collation is not the default.
    fn collation(&self, value: &'static str) -> Cell<'static> {
        Cell::maybe((self.collation == COLLATION_C).then_some(value))
    }

    fn type_name(&self) -> Cell<'static> {
        Cell::maybe(self.built_in.map(|built_in| built_in.name))
    }
}

/// A row that is about something with a type.
trait Typed {
    fn described(&self) -> &Described;
}

/// The names of the type, which every such relation has.
fn name_fills<T: Typed>() -> Vec<Fill<T>> {
    vec![
        ("data_type", |row| row.described().data_type()),
        ("udt_catalog", catalog),
        ("udt_schema", |_| Cell::text(PG_CATALOG)),
        ("udt_name", |row| row.described().type_name()),
    ]
}

/// The measures of the type, which PostgreSQL leaves out where there is no modifier to tell them.
fn measure_fills<T: Typed>() -> Vec<Fill<T>> {
    vec![
        ("character_maximum_length", |row| {
            Cell::maybe_int(row.described().character_length())
        }),
        ("character_octet_length", |row| {
            Cell::maybe_int(row.described().octet_length())
        }),
        ("numeric_precision", |row| {
            Cell::maybe_int(row.described().numeric_precision())
        }),
        ("numeric_precision_radix", |row| {
            Cell::maybe_int(row.described().numeric_radix())
        }),
        ("numeric_scale", |row| {
            Cell::maybe_int(row.described().numeric_scale())
        }),
        ("datetime_precision", |row| {
            Cell::maybe_int(row.described().datetime_precision())
        }),
        ("collation_catalog", |row| row.described().collation(DATABASE)),
        ("collation_schema", |row| row.described().collation(PG_CATALOG)),
        ("collation_name", |row| row.described().collation("C")),
    ]
}

/// The columns of a relation with the names of the type.
fn typed<T: Typed>(own: &[Fill<T>]) -> Vec<Fill<T>> {
    [own, &name_fills()].concat()
}

/// The columns of a relation with the names and the measures of the type.
fn typed_and_measured<T: Typed>(own: &[Fill<T>]) -> Vec<Fill<T>> {
    [own, &name_fills(), &measure_fills()].concat()
}

/// A column of a relation.
struct Column<'m> {
    class: &'m Class,
    number: i64,
    attribute: &'m Attribute,
    described: Described,
}

impl Typed for Column<'_> {
    fn described(&self) -> &Described {
        &self.described
    }
}

fn fill_columns(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let of_class = |class| {
        Class::columns_with_numbers(class).map(move |(number, attribute)| Column {
            class,
            number,
            attribute,
            described: Described::of(attribute.column_type),
        })
    };
    let columns: Vec<Column<'_>> = model
        .classes
        .iter()
        .filter(|class| class.is_relation())
        .flat_map(of_class)
        .collect();
    system.fill(
        INFORMATION_SCHEMA,
        "columns",
        &columns,
        &typed_and_measured(&[
            ("table_catalog", catalog),
            ("table_schema", |row: &Column<'_>| Cell::text(&row.class.schema)),
            ("table_name", |row| Cell::text(&row.class.name)),
            ("column_name", |row| Cell::text(&row.attribute.name)),
            ("ordinal_position", |row| Cell::Int(row.number)),
            ("is_nullable", |row| Cell::yes(!row.attribute.not_null)),
            ("domain_catalog", |row| {
                Cell::maybe(row.described.domain.map(|_| DATABASE))
            }),
            ("domain_schema", |row| {
                Cell::maybe(row.described.domain.map(|_| INFORMATION_SCHEMA))
            }),
            ("domain_name", |row| {
                Cell::maybe(row.described.domain.map(|domain| domain.name))
            }),
            ("dtd_identifier", |row| Cell::owned(row.number.to_string())),
            ("is_self_referencing", |_| Cell::yes(false)),
            ("is_identity", |_| Cell::yes(false)),
            ("identity_cycle", |_| Cell::yes(false)),
            ("is_generated", |_| Cell::text("NEVER")),
            ("is_updatable", |_| Cell::yes(false)),
        ]),
    )?;
    let elements: Vec<Column<'_>> = columns.into_iter().filter_map(element).collect();
    system.fill(
        INFORMATION_SCHEMA,
        "element_types",
        &elements,
        &typed(&[
            ("object_catalog", catalog),
            ("object_schema", |row: &Column<'_>| Cell::text(&row.class.schema)),
            ("object_name", |row| Cell::text(&row.class.name)),
            ("object_type", |_| Cell::text("TABLE")),
            ("collection_type_identifier", |row| {
                Cell::owned(row.number.to_string())
            }),
            ("dtd_identifier", |row| Cell::owned(format!("a{}", row.number))),
        ]),
    )
}

/// The element of a column that is an array.
fn element(column: Column<'_>) -> Option<Column<'_>> {
    let array = column.described.built_in.filter(|built_in| built_in.is_list())?;
    Some(Column {
        described: Described::of(ColumnType::plain(array.element)),
        ..column
    })
}

/// A domain of information_schema.
struct Domain {
    domain: &'static BuiltinType,
    described: Described,
}

impl Typed for Domain {
    fn described(&self) -> &Described {
        &self.described
    }
}

fn fill_domains(system: &mut System) -> Result<(), ArrowError> {
    let domains: Vec<Domain> = builtin::types()
        .iter()
        .filter(|built_in| built_in.kind == "d")
        .map(|domain| Domain {
            domain,
            described: Described::of(ColumnType::plain(domain.oid)),
        })
        .collect();
    system.fill(
        INFORMATION_SCHEMA,
        "domains",
        &domains,
        &typed_and_measured(&[
            ("domain_catalog", catalog),
            ("domain_schema", |_: &Domain| Cell::text(INFORMATION_SCHEMA)),
            ("domain_name", |row| Cell::text(row.domain.name)),
            ("dtd_identifier", |_| Cell::text("1")),
        ]),
    )
}

/// A function with its result, or one of its arguments.
struct Routine<'m> {
    procedure: &'m Procedure,
    /// The number of an argument.
    number: i64,
    described: Described,
}

impl Routine<'_> {
    /// The name that tells functions of one name apart.
    fn specific_name(&self) -> String {
        format!("{}_{}", self.procedure.name, self.procedure.oid)
    }

    fn argument_name(&self) -> Option<&str> {
        let index = usize::try_from(self.number - 1).ok()?;
        let name = self.procedure.argument_names.get(index)?;
        (!name.is_empty()).then_some(name)
    }
}

impl Typed for Routine<'_> {
    fn described(&self) -> &Described {
        &self.described
    }
}

fn fill_routines(model: &Model, system: &mut System) -> Result<(), ArrowError> {
    let routine = |procedure, number, oid| Routine {
        procedure,
        number,
        described: Described::of(ColumnType::plain(oid)),
    };
    let results: Vec<Routine<'_>> = model
        .procedures
        .iter()
        .map(|procedure| routine(procedure, 0, procedure.result))
        .collect();
    system.fill(
        INFORMATION_SCHEMA,
        "routines",
        &results,
        &[
            ("specific_catalog", catalog),
            ("specific_schema", |row: &Routine<'_>| {
                Cell::text(&row.procedure.schema)
            }),
            ("specific_name", |row| Cell::owned(row.specific_name())),
            ("routine_catalog", catalog),
            ("routine_schema", |row| Cell::text(&row.procedure.schema)),
            ("routine_name", |row| Cell::text(&row.procedure.name)),
            ("routine_type", |row| {
                Cell::maybe((row.procedure.kind == "f").then_some("FUNCTION"))
            }),
            ("data_type", |row| row.described.data_type()),
            ("type_udt_catalog", catalog),
            ("type_udt_schema", |_| Cell::text(PG_CATALOG)),
            ("type_udt_name", |row| row.described.type_name()),
            ("dtd_identifier", |_| Cell::text("0")),
            ("routine_body", |_| Cell::text("EXTERNAL")),
            ("external_language", |_| Cell::text("INTERNAL")),
            ("parameter_style", |_| Cell::text("GENERAL")),
            ("is_deterministic", |_| Cell::yes(false)),
            ("sql_data_access", |_| Cell::text("READS")),
            ("schema_level_routine", |_| Cell::yes(true)),
            ("security_type", |_| Cell::text("INVOKER")),
        ],
    )?;
    let arguments = model.procedures.iter().flat_map(|procedure| {
        (1..)
            .zip(&procedure.arguments)
            .map(move |(number, oid)| routine(procedure, number, *oid))
    });
    let parameters: Vec<Routine<'_>> = arguments.collect();
    system.fill(
        INFORMATION_SCHEMA,
        "parameters",
        &parameters,
        &typed(&[
            ("specific_catalog", catalog),
            ("specific_schema", |row: &Routine<'_>| {
                Cell::text(&row.procedure.schema)
            }),
            ("specific_name", |row| Cell::owned(row.specific_name())),
            ("ordinal_position", |row| Cell::Int(row.number)),
            ("parameter_mode", |_| Cell::text("IN")),
            ("is_result", |_| Cell::yes(false)),
            ("as_locator", |_| Cell::yes(false)),
            ("parameter_name", |row| Cell::maybe(row.argument_name())),
            ("dtd_identifier", |row| Cell::owned(row.number.to_string())),
        ]),
    )
}
