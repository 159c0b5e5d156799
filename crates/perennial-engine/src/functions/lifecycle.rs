//! Table functions over `lifecycle_history`.

use datafusion::logical_expr::{DocSection, Documentation};
use perennial_udf_lifecycle::model::StageModel;

use crate::functions::period::PERIODS;
use crate::functions::table::{Arguments, Parameter, literal};

pub(crate) mod lifecycle_at;
pub(crate) mod lifecycle_funnel;
pub(crate) mod stage_transitions;
pub(crate) mod time_in_stage;

const ZONE: Parameter = Parameter {
    name: "zone",
    default: Some(""),
    choices: &[],
    expression: false,
    description: "Zone of the calendar; the lake's by default.",
};

const fn date(name: &'static str, description: &'static str) -> Parameter {
    Parameter {
        name,
        default: Some(""),
        choices: &[],
        expression: true,
        description,
    }
}

const fn period(default: Option<&'static str>, description: &'static str) -> Parameter {
    Parameter {
        name: "period",
        default,
        choices: PERIODS,
        expression: false,
        description,
    }
}

fn documented(parameters: &[Parameter], description: &str, syntax: &str, example: &str) -> Documentation {
    let section = DocSection {
        include: true,
        label: perennial_udf_kit::family::LIFECYCLE,
        description: None,
    };
    let description = format!("{description} The example is of `perennial demo --customers 300`.");
    let mut builder = Documentation::builder(section, description, syntax);
    for parameter in parameters {
        builder = builder.with_argument(parameter.name, parameter.description);
    }
    builder
        .with_sql_example(format!("```sql\n{example}\n```"))
        .build()
}

/// The configured model, whose names and order of stages are asked for here. What is wrong with one is told by `check` and
/// `unify`; reading goes on with the snapshot that there is.
fn model(arguments: &Arguments<'_>) -> StageModel {
    let config = arguments.config();
    let model = config.map(|config| StageModel::unjudged(&config.lifecycle));
    model.and_then(Result::ok).unwrap_or_default()
}

/// `(0, 'a'), (1, 'b')`.
fn numbered<'a>(stages: impl IntoIterator<Item = &'a str>) -> String {
    let rows: Vec<String> = stages
        .into_iter()
        .enumerate()
        .map(|(position, stage)| format!("(CAST({position} AS bigint), {})", literal(stage)))
        .collect();
    rows.join(", ")
}

/// The days of 24 hours from one instant to another, as a float.
fn days(from: &str, to: &str) -> String {
    days_of(&micros(from, to))
}

/// The days of 24 hours of so many microseconds, as a float.
fn days_of(micros: &str) -> String {
    format!("CAST({micros} AS double precision) / 86400000000.0")
}

/// The microseconds from one instant to another, a whole number: their sum does not depend on the order of rows.
fn micros(from: &str, to: &str) -> String {
    let micros = |instant: &str| {
        format!("arrow_cast(arrow_cast({instant}, 'Timestamp(Microsecond, Some(\"UTC\"))'), 'Int64')")
    };
    format!("({} - {})", micros(to), micros(from))
}
