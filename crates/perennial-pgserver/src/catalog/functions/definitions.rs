//! What objects are: types, definitions and comments as text.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::DataFusionError;
use perennial_engine::error::Result;

use crate::catalog::builtin;
use crate::catalog::cell::Cell;
use crate::catalog::function::{Argument, Arguments, Call, Kind, SystemFunction};
use crate::catalog::model::{Class, Key, Procedure};
use crate::catalog::system::{index_definition, view_definition};
use crate::catalog::text::{qualified, quote_identifier};
use crate::types::PG_TYPE;

pub(super) const FUNCTIONS: &[SystemFunction] = &[
    SystemFunction::reads("format_type", &[&[Kind::Oid, Kind::Int]], "text", format_type).sees_nulls(),
    SystemFunction::reads("oidvectortypes", &[&[Kind::Any]], "text", vector_types),
    SystemFunction::reads(
        "pg_get_expr",
        &[&[Kind::Text, Kind::Oid], &[Kind::Text, Kind::Oid, Kind::Bool]],
        "text",
        |_, arguments| Ok(Cell::owned(arguments.text(0).to_owned())),
    ),
    SystemFunction::reads(
        "pg_get_viewdef",
        &[
            &[Kind::Object],
            &[Kind::Object, Kind::Bool],
            &[Kind::Object, Kind::Int],
        ],
        "text",
        viewdef,
    ),
    SystemFunction::reads(
        "pg_get_ruledef",
        &[&[Kind::Oid], &[Kind::Oid, Kind::Bool]],
        "text",
        ruledef,
    ),
    SystemFunction::reads(
        "pg_get_constraintdef",
        &[&[Kind::Oid], &[Kind::Oid, Kind::Bool]],
        "text",
        constraintdef,
    ),
    SystemFunction::reads(
        "pg_get_indexdef",
        &[&[Kind::Oid], &[Kind::Oid, Kind::Int, Kind::Bool]],
        "text",
        indexdef,
    ),
    SystemFunction::reads(
        "pg_index_column_has_property",
        &[&[Kind::Oid, Kind::Int, Kind::Text]],
        "bool",
        property,
    ),
    SystemFunction::reads("pg_get_functiondef", &[&[Kind::Oid]], "text", functiondef),
    SystemFunction::reads(
        "pg_get_function_arguments",
        &[&[Kind::Oid]],
        "text",
        function_arguments,
    ),
    SystemFunction::reads(
        "pg_get_function_identity_arguments",
        &[&[Kind::Oid]],
        "text",
        function_arguments,
    ),
    SystemFunction::reads("pg_get_function_result", &[&[Kind::Oid]], "text", function_result),
    SystemFunction::reads("pg_get_function_sqlbody", &[&[Kind::Oid]], "text", nothing),
    SystemFunction::reads("pg_get_userbyid", &[&[Kind::Oid]], "name", userbyid),
    SystemFunction::reads("pg_get_partkeydef", &[&[Kind::Oid]], "text", nothing),
    // What calls it in a select list has no rows, see the engine's `sql::partitions`.
    SystemFunction::reads("pg_partition_ancestors", &[&[Kind::Object]], "regclass", nothing),
    SystemFunction::reads("pg_get_partition_constraintdef", &[&[Kind::Oid]], "text", nothing),
    SystemFunction::reads(
        "pg_get_triggerdef",
        &[&[Kind::Oid], &[Kind::Oid, Kind::Bool]],
        "text",
        nothing,
    ),
    SystemFunction::reads("pg_get_statisticsobjdef", &[&[Kind::Oid]], "text", nothing),
    SystemFunction::reads(
        "pg_get_statisticsobjdef_columns",
        &[&[Kind::Oid]],
        "text",
        nothing,
    ),
    SystemFunction::reads(
        "pg_get_serial_sequence",
        &[&[Kind::Text, Kind::Text]],
        "text",
        nothing,
    ),
    SystemFunction::reads(
        "obj_description",
        &[&[Kind::Oid], &[Kind::Oid, Kind::Text]],
        "text",
        obj_description,
    ),
    SystemFunction::reads(
        "col_description",
        &[&[Kind::Oid, Kind::Int]],
        "text",
        col_description,
    ),
    SystemFunction::reads(
        "generate_subscripts",
        &[&[Kind::Any, Kind::Int], &[Kind::Any, Kind::Int, Kind::Bool]],
        "_int4",
        subscripts,
    ),
    SystemFunction::reads("perennial_keywords", &[&[Kind::Text]], "_text", keywords),
    SystemFunction::reads("shobj_description", &[&[Kind::Oid, Kind::Text]], "text", nothing),
];

/// What Perennial has none of, or says nothing about.
fn nothing(_: &Call<'_>, _: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(Cell::Null)
}

/// `-` for no type and `???` for one that does not exist, as PostgreSQL.
fn format_type(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(match arguments.int(0) {
        None => Cell::Null,
        Some(0) => Cell::text("-"),
        Some(oid) => call
            .names()
            .type_name(oid, arguments.int(1))
            .map_or(Cell::text("???"), Cell::owned),
    })
}

/// The types of a vector, by their names.
fn vector_types(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let Argument::List(types) = arguments.at(0) else {
        return Ok(Cell::text(""));
    };
    let types = cast(types, &DataType::Int64).map_err(DataFusionError::from)?;
    let names = call.names();
    let name = |oid: i64| names.type_name(oid, None).unwrap_or_else(|| "???".to_owned());
    let types: Vec<String> = types
        .as_primitive::<Int64Type>()
        .iter()
        .flatten()
        .map(name)
        .collect();
    Ok(Cell::owned(types.join(", ")))
}

fn viewdef(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let names = call.names();
    let class = match arguments.at(0) {
        Argument::Text(name) => Some(names.class(name)?),
        _ => names.model.class(arguments.oid(0)),
    };
    let view = class.filter(|class| class.kind == "v" && !class.system);
    Ok(view.map_or(Cell::Null, |view| Cell::owned(view_definition(view).into_owned())))
}

fn ruledef(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let rule = arguments.oid(0);
    let view = call
        .model()
        .classes
        .iter()
        .find(|class| class.rule != 0 && class.rule == rule);
    Ok(view.map_or(Cell::Null, |view| {
        Cell::owned(format!(
            "CREATE RULE \"_RETURN\" AS\n    ON SELECT TO {} DO INSTEAD {}",
            qualified(&view.schema, &view.name),
            view_definition(view)
        ))
    }))
}

fn constraintdef(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let names = call.names();
    let definition = |key: &Key| {
        let class = names.model.classes.get(key.class)?;
        let columns = listed(class, &key.columns);
        let Some(target) = &key.target else {
            return Some(format!("PRIMARY KEY ({columns})"));
        };
        let referred = names.model.classes.get(target.class)?;
        Some(format!(
            "FOREIGN KEY ({columns}) REFERENCES {}({})",
            names.class_name(referred),
            listed(referred, &target.columns)
        ))
    };
    Ok(names
        .model
        .key(arguments.oid(0))
        .and_then(definition)
        .map_or(Cell::Null, Cell::owned))
}

/// The columns of a key, each quoted if it must be.
fn listed(class: &Class, numbers: &[i64]) -> String {
    class
        .column_names(numbers)
        .into_iter()
        .map(quote_identifier)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The statement that makes the index, or one of its columns by number.
fn indexdef(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let Some((key, class)) = call.model().key_of_index(arguments.oid(0)) else {
        return Ok(Cell::Null);
    };
    Ok(match arguments.int(1) {
        None | Some(0) => Cell::owned(index_definition(key, class)),
        Some(number) => {
            let at = usize::try_from(number - 1).ok();
            let column = at.and_then(|at| class.column_names(&key.columns).get(at).copied());
            // PostgreSQL answers an empty text for a number that the index does not have.
            Cell::owned(column.map(quote_identifier).unwrap_or_default())
        }
    })
}

/// Every column of a b-tree ascends with nulls last.
fn property(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let Some((key, _)) = call.model().key_of_index(arguments.oid(0)) else {
        return Ok(Cell::Null);
    };
    let exists =
        usize::try_from(arguments.oid(1)).is_ok_and(|number| (1..=key.columns.len()).contains(&number));
    if !exists {
        return Ok(Cell::Null);
    }
    Ok(match arguments.text(2).to_ascii_lowercase().as_str() {
        "asc" | "nulls_last" | "orderable" | "returnable" | "search_array" | "search_nulls" => {
            Cell::Bool(true)
        }
        "desc" | "nulls_first" | "distance_orderable" => Cell::Bool(false),
        _ => Cell::Null,
    })
}

fn procedure<'c>(call: &'c Call<'_>, arguments: &Arguments<'_>) -> Option<&'c Procedure> {
    call.names().procedure(arguments.oid(0))
}

fn function_arguments(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let found = procedure(call, arguments);
    let built_in = builtin::function_name(arguments.oid(0)).is_some();
    Ok(match found {
        Some(procedure) => Cell::owned(arguments_of(call, procedure)),
        None if built_in => Cell::text(""),
        None => Cell::Null,
    })
}

/// The arguments as `name type`, the type alone where there is no name, and the last perhaps as `VARIADIC type`.
fn arguments_of(call: &Call<'_>, procedure: &Procedure) -> String {
    let argument = |(index, oid): (usize, &i64)| {
        let name = call.names().type_name(*oid, None).unwrap_or_default();
        let mode = if procedure.variadic && index + 1 == procedure.arguments.len() {
            "VARIADIC "
        } else {
            ""
        };
        match procedure.argument_names.get(index) {
            Some(argument) if !argument.is_empty() => format!("{mode}{} {name}", quote_identifier(argument)),
            _ => format!("{mode}{name}"),
        }
    };
    procedure
        .arguments
        .iter()
        .enumerate()
        .map(argument)
        .collect::<Vec<_>>()
        .join(", ")
}

fn function_result(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(procedure(call, arguments).map_or(Cell::Null, |procedure| Cell::owned(result_of(call, procedure))))
}

fn result_of(call: &Call<'_>, procedure: &Procedure) -> String {
    let name = call.names().type_name(procedure.result, None).unwrap_or_default();
    if procedure.returns_set {
        format!("SETOF {name}")
    } else {
        name
    }
}

fn functiondef(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    Ok(procedure(call, arguments).map_or(Cell::Null, |procedure| {
        Cell::owned(format!(
            "CREATE OR REPLACE FUNCTION {}({})\n RETURNS {}\n LANGUAGE internal\n STABLE PARALLEL SAFE\n\
             AS $function${}$function$\n",
            qualified(&procedure.schema, &procedure.name),
            arguments_of(call, procedure),
            result_of(call, procedure),
            procedure.name
        ))
    }))
}

fn userbyid(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let oid = arguments.oid(0);
    let role = call.model().roles.iter().find(|role| role.oid == oid);
    Ok(Cell::owned(role.map_or_else(
        || format!("unknown (OID={oid})"),
        |role| role.name.clone(),
    )))
}

/// The comment on a relation, schema or function; with a catalog's name, only if the object is in it.
fn obj_description(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let (oid, model) = (arguments.oid(0), call.model());
    let within = |catalog: &str| arguments.len() == 1 || arguments.text(1) == catalog;
    let class = || {
        model
            .class(oid)
            .filter(|_| within("pg_class"))
            .map(|class| &class.comment)
    };
    let namespace = || {
        let found = model.namespaces.iter().find(|namespace| namespace.oid == oid);
        found
            .filter(|_| within("pg_namespace"))
            .map(|namespace| &namespace.comment)
    };
    let procedure = || {
        call.names()
            .procedure(oid)
            .filter(|_| within("pg_proc"))
            .map(|found| &found.description)
    };
    Ok(comment(class().or_else(namespace).or_else(procedure)))
}

fn col_description(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let column = || {
        let class = call.model().class(arguments.oid(0))?;
        class.columns.get(usize::try_from(arguments.oid(1) - 1).ok()?)
    };
    Ok(comment(column().map(|column| &column.comment)))
}

fn comment(text: Option<&String>) -> Cell<'static> {
    text.filter(|text| !text.is_empty())
        .map_or(Cell::Null, |text| Cell::owned(text.clone()))
}

/// The subscripts of an array in a dimension, in the reverse order when that is asked for. They begin at 1, those of the
/// vectors of the catalog at 0.
fn subscripts(call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let (Argument::List(list), Some(dimension)) = (arguments.at(0), arguments.int(1)) else {
        return Ok(Cell::Null);
    };
    let declared = call
        .fields
        .first()
        .and_then(|field| field.metadata().get(PG_TYPE));
    let vector = declared.is_some_and(|name| matches!(name.as_str(), "int2vector" | "oidvector"));
    let first = i64::from(!vector);
    let last = first + along(list, dimension) as i64;
    let ascending = first..last;
    Ok(Cell::Ints(if arguments.bool(2) {
        ascending.rev().collect()
    } else {
        ascending.collect()
    }))
}

/// How long an array is in a dimension.
fn along(list: &ArrayRef, dimension: i64) -> usize {
    match dimension {
        1 => list.len(),
        2.. => match list.as_list_opt::<i32>() {
            Some(nested) if !nested.is_empty() => along(&nested.value(0), dimension - 1),
            _ => 0,
        },
        _ => 0,
    }
}

/// A column of the words of PostgreSQL 15's grammar.
fn keywords(_: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
    let columns = ["word", "catcode", "barelabel", "catdesc", "baredesc"];
    let Some(place) = columns.iter().position(|column| *column == arguments.text(0)) else {
        return Ok(Cell::Null);
    };
    let words = include_str!("../postgres15/keywords.tsv").lines();
    let words = words.filter_map(|line| line.split('\t').nth(place));
    Ok(Cell::Texts(words.map(Cow::Borrowed).collect()))
}
