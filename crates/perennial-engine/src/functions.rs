//! The single registration list of SQL functions, and what their declarations say about them.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use datafusion::execution::SessionState;
use datafusion::logical_expr::{AggregateUDF, Documentation, ScalarUDF, WindowUDF};

use crate::description::{FunctionDescription, FunctionKind};

pub(crate) mod cohort_retention;
pub(crate) mod explain_identity;
pub(crate) mod lifecycle;
pub(crate) mod or_empty;
pub(crate) mod period;
pub(crate) mod postgres;
pub(crate) mod series;
pub(crate) mod single_value;
pub mod table;
pub(crate) mod together;

/// Every function set of Perennial.
pub(crate) fn sets() -> Vec<perennial_udf_kit::FunctionSet> {
    vec![
        perennial_udf_behavior::functions(),
        perennial_udf_identity::functions(),
        perennial_udf_lifecycle::functions(),
        perennial_udf_metrics::functions(),
        perennial_udf_predict::functions(),
    ]
}

/// Whether an aggregate is one of Perennial's.
pub(crate) fn is_own_aggregate(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let all = sets().into_iter().flat_map(|set| set.aggregate);
        all.map(|function| function.name().to_owned()).collect()
    });
    NAMES.contains(name)
}

/// Descriptions of Perennial's own functions, by family and name.
pub fn own_descriptions() -> Vec<FunctionDescription> {
    let mut all = Vec::new();
    for set in sets() {
        all.extend(set.scalar.iter().filter_map(scalar));
        all.extend(set.aggregate.iter().filter_map(aggregate));
        all.extend(set.window.iter().filter_map(window));
    }
    for function in table::TABLE_FUNCTIONS {
        all.push(describe(
            "public",
            function.name,
            FunctionKind::Table,
            &function.described(),
        ));
    }
    all.sort_by(|a, b| (&a.family, &a.name).cmp(&(&b.family, &b.name)));
    all
}

/// Descriptions of all functions of a session, the engine's own included.
pub(crate) fn descriptions(state: &SessionState) -> Vec<FunctionDescription> {
    let mut all = own_descriptions();
    let own: HashSet<String> = all.iter().map(|function| function.name.clone()).collect();
    let builtin = |name: &str| !own.contains(name);
    let mut rest = Vec::new();
    for function in state
        .scalar_functions()
        .values()
        .filter(|function| builtin(function.name()))
    {
        rest.extend(
            function
                .documentation()
                .map(|doc| describe("pg_catalog", function.name(), FunctionKind::Scalar, doc)),
        );
    }
    for function in state
        .aggregate_functions()
        .values()
        .filter(|function| builtin(function.name()))
    {
        rest.extend(
            function
                .documentation()
                .map(|doc| describe("pg_catalog", function.name(), FunctionKind::Aggregate, doc)),
        );
    }
    for function in state
        .window_functions()
        .values()
        .filter(|function| builtin(function.name()))
    {
        rest.extend(
            function
                .documentation()
                .map(|doc| describe("pg_catalog", function.name(), FunctionKind::Window, doc)),
        );
    }
    rest.sort_by(|a, b| a.name.cmp(&b.name));
    rest.dedup_by(|a, b| a.name == b.name && a.kind == b.kind);
    all.extend(rest);
    all
}

fn scalar(function: &Arc<ScalarUDF>) -> Option<FunctionDescription> {
    function
        .documentation()
        .map(|doc| describe("public", function.name(), FunctionKind::Scalar, doc))
}

fn aggregate(function: &Arc<AggregateUDF>) -> Option<FunctionDescription> {
    function
        .documentation()
        .map(|doc| describe("public", function.name(), FunctionKind::Aggregate, doc))
}

fn window(function: &Arc<WindowUDF>) -> Option<FunctionDescription> {
    function
        .documentation()
        .map(|doc| describe("public", function.name(), FunctionKind::Window, doc))
}

/// The SQL types of the arguments in a declaration such as `nps(score numeric [, strict boolean]) → double precision`,
/// and of its answer. An argument of a table function that says none is a constant in text.
fn types(
    kind: FunctionKind,
    syntax: &str,
    arguments: &[(String, String)],
) -> (Vec<Option<String>>, Option<String>) {
    let (call, result) = syntax.split_once('→').map_or((syntax, None), |(call, result)| {
        (call, Some(result.trim().to_owned()))
    });
    let list = call.split_once('(').map_or("", |(_, rest)| rest);
    let list = list.split_once(')').map_or(list, |(list, _)| list);
    let declared: Vec<(&str, &str)> = list
        .split([',', '[', ']'])
        .filter_map(|argument| argument.trim().trim_end_matches('…').trim_end().split_once(' '))
        .filter(|(_, sql_type)| !sql_type.contains("=>"))
        .collect();
    let text = || (kind == FunctionKind::Table).then(|| "text".to_owned());
    let of = |name: &str| {
        let found = declared.iter().find(|(declared, _)| *declared == name);
        found
            .map(|(_, sql_type)| (*sql_type).trim().to_owned())
            .or_else(text)
    };
    (arguments.iter().map(|(name, _)| of(name)).collect(), result)
}

/// The place of the argument that a declaration such as `f(step boolean [, step boolean …] [, mode text])` repeats.
fn repeated(syntax: &str, arguments: &[(String, String)]) -> Option<usize> {
    let (before, _) = syntax.split_once('…')?;
    let declared = before.rsplit(['(', ',', '[']).next()?.trim();
    arguments
        .iter()
        .position(|(name, _)| declared.split(' ').next() == Some(name.as_str()))
}

fn describe(schema: &str, name: &str, kind: FunctionKind, doc: &Documentation) -> FunctionDescription {
    let arguments = doc.arguments.clone().unwrap_or_default();
    let own = schema == "public";
    let (argument_types, result) = if own {
        types(kind, &doc.syntax_example, &arguments)
    } else {
        (vec![None; arguments.len()], None)
    };
    let repeated = own.then(|| repeated(&doc.syntax_example, &arguments)).flatten();
    FunctionDescription {
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind,
        family: doc.doc_section.label.to_owned(),
        syntax: doc.syntax_example.clone(),
        description: doc.description.trim().to_owned(),
        example: doc.sql_example.clone(),
        arguments,
        argument_types,
        repeated,
        result,
    }
}
