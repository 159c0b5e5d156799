//! The hash of what decides the result of a run.

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    Bound, Config, Expression, IdentifierConfig, Normalise, SourceConfig, StageCondition, StageConfig,
    SurvivorshipRule, Window,
};

/// The version of what a run makes of files and configuration: it goes up when an answer changes, so that a lake is made
/// anew after an update although nothing has landed.
const RUN_VERSION: u32 = 16;

/// 32 hexadecimal digits over everything but `[server]`, `[[role]]`, `lake.refresh`, `lake.keep_…` and the places in the file.
///
/// The canonical text consists of arrays alone, so that no map's order is in it.
pub(super) fn fingerprint(config: &Config) -> String {
    let identity = &config.identity;
    let lifecycle = &config.lifecycle;
    let canonical = json!([
        RUN_VERSION,
        config.lake.url,
        config.zone.name(),
        config.as_of,
        config.currency,
        config.sources.iter().map(source).collect::<Vec<_>>(),
        identity.blocked,
        identity.identifiers.iter().map(identifier).collect::<Vec<_>>(),
        rule(&identity.default_rule),
        identity
            .trait_rules
            .iter()
            .map(|(name, by)| json!([name, rule(by)]))
            .collect::<Vec<_>>(),
        lifecycle.preset,
        window(&lifecycle.active),
        window(&lifecycle.lapse),
        lifecycle.unpaid_statuses,
        lifecycle
            .facts
            .iter()
            .map(|fact| json!([fact.name, fact.relation, fact.predicate.sql]))
            .collect::<Vec<_>>(),
        lifecycle.stages.iter().map(stage).collect::<Vec<_>>(),
        config
            .segments
            .iter()
            .map(|segment| json!([segment.name, segment.description, segment.filter.sql]))
            .collect::<Vec<_>>(),
        config
            .metrics
            .iter()
            .map(|metric| json!([metric.name, metric.sql.sql, metric.unit, metric.description]))
            .collect::<Vec<_>>(),
    ]);
    format!("{:032x}", xxh3_128(canonical.to_string().as_bytes()))
}

fn source(source: &SourceConfig) -> Value {
    json!([
        source.name,
        source.kind.name(),
        source.path,
        sql(source.record_key.as_ref()),
        sql(source.time.as_ref()),
        sql(source.updated_at.as_ref()),
        source.zone.map(|zone| zone.name()),
        expressions(&source.identifiers),
        expressions(&source.traits),
        expressions(&source.columns),
        sql(source.filter.as_ref()),
        source.max_bad_rows,
        source.schema,
    ])
}

fn sql(expression: Option<&Expression>) -> Option<&str> {
    expression.map(|expression| expression.sql.as_str())
}

fn expressions(pairs: &[(String, Expression)]) -> Vec<[&str; 2]> {
    pairs
        .iter()
        .map(|(name, expression)| [name.as_str(), expression.sql.as_str()])
        .collect()
}

fn identifier(identifier: &IdentifierConfig) -> Value {
    let normalise = match &identifier.normalise {
        Normalise::Text => "text".to_owned(),
        Normalise::Email => "email".to_owned(),
        Normalise::EmailGmail => "email_gmail".to_owned(),
        Normalise::Phone(region) => format!("phone:{region}"),
    };
    json!([
        identifier.name,
        normalise,
        identifier.strong,
        identifier.limit,
        identifier.max_customers
    ])
}

fn rule(rule: &SurvivorshipRule) -> Value {
    match rule {
        SurvivorshipRule::MostRecent => json!("most_recent"),
        SurvivorshipRule::MostFrequent => json!("most_frequent"),
        SurvivorshipRule::First => json!("first"),
        SurvivorshipRule::SourcePriority(order) => json!(["source_priority", order]),
        SurvivorshipRule::Longest => json!("longest"),
    }
}

fn window(window: &Window) -> Value {
    match window {
        Window::Fixed(duration) => json!(duration.as_secs_f64()),
        Window::Adaptive {
            gap_multiple,
            min,
            max,
        } => {
            json!([gap_multiple, min.as_secs_f64(), max.as_secs_f64()])
        }
    }
}

fn stage(stage: &StageConfig) -> Value {
    let conditions = |list: &[StageCondition]| list.iter().map(condition).collect::<Vec<_>>();
    let any: Vec<_> = stage.any.iter().map(|group| conditions(group)).collect();
    json!([stage.name, conditions(&stage.conditions), any])
}

fn condition(condition: &StageCondition) -> Value {
    let bound = |bound: &Option<Bound>| match bound {
        None => Value::Null,
        Some(Bound::Number(number)) => json!(["number", number]),
        Some(Bound::Duration(duration)) => json!(["duration", duration.as_secs_f64()]),
        Some(Bound::Word(word)) => json!(["word", word]),
        Some(Bound::Bool(truth)) => json!(["bool", truth]),
    };
    json!([
        condition.fact,
        condition.days,
        condition.name,
        bound(&condition.at_least),
        bound(&condition.at_most),
        bound(&condition.less_than),
        bound(&condition.more_than),
        bound(&condition.equals),
    ])
}
