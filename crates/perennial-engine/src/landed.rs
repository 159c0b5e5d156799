//! What columns that landed are called where they are served.

use perennial_base::Kind;
use perennial_base::config::{Config, SourceConfig};
use perennial_base::relation::{ColumnType, PUBLIC, relation};

/// A column of a unified relation that holds a landed column as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServedAs<'a> {
    pub(crate) relation: &'static str,
    pub(crate) column: &'a str,
}

/// Where a column of a source is served, in the order of its mapping. What an expression makes of it is not it.
pub(crate) fn served_as<'a>(source: &'a SourceConfig, landed: &str) -> Vec<ServedAs<'a>> {
    let Some(name) = source.kind.relation() else {
        return Vec::new();
    };
    let quoted = format!("\"{landed}\"");
    let is_landed = |sql: &str| sql.trim() == landed || sql.trim() == quoted;
    let key = match source.kind {
        Kind::Order => "order_id",
        Kind::Subscription => "subscription_id",
        _ => "record_key",
    };
    let single = [
        (key, &source.record_key),
        ("time", &source.time),
        ("updated_at", &source.updated_at),
    ];
    // Golden records have no key and no time of one source.
    let single = single
        .into_iter()
        .filter(|(column, _)| is_declared(name, column))
        .filter_map(|(column, written)| Some((name, column, written.as_ref()?)));
    let columns = source.columns.iter();
    let columns = columns.map(|(column, written)| (name, column.as_str(), written));
    let best = source.identifiers.iter().chain(&source.traits);
    let best = best.map(|(column, written)| ("customers", column.as_str(), written));
    single
        .chain(columns)
        .chain(best)
        .filter(|(relation, column, written)| is_landed(&written.sql) && has(relation, column))
        .map(|(relation, column, _)| ServedAs { relation, column })
        .collect()
}

/// Whether a relation has a column; customers have those of the configuration, too.
fn has(name: &str, column: &str) -> bool {
    name == "customers" || is_declared(name, column)
}

fn is_declared(name: &str, column: &str) -> bool {
    let declared = relation(PUBLIC, name).map_or(&[][..], |relation| relation.columns);
    declared.iter().any(|declared| declared.name == column)
}

/// What a column of a source says, where it is served as one that is declared.
pub(crate) fn comment(source: &SourceConfig, landed: &str) -> String {
    let served = served_as(source, landed);
    let said = served.iter().find_map(|served| {
        let columns = relation(PUBLIC, served.relation)?.columns.iter();
        let mut columns = columns.filter(|column| column.name == served.column);
        // Money is converted on its way.
        let column = columns.find(|column| column.column_type != ColumnType::Money)?;
        Some((served, Some(column.comment)))
    });
    match said.or_else(|| served.first().map(|served| (served, None))) {
        Some((ServedAs { relation, column }, Some(comment))) => {
            format!("As it landed; served as {relation}.{column}: {comment}")
        }
        Some((ServedAs { relation, column }, None)) => {
            format!("As it landed; served as {relation}.{column}")
        }
        None => "As it landed".to_owned(),
    }
}

/// What a column that a statement names, and that is none, is called where it is served: of the relations that the
/// statement speaks of.
pub(crate) fn called(config: &Config, statement: &str, name: &str) -> Option<String> {
    let words: Vec<&str> = statement
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .collect();
    let spoken = |relation: &str| words.iter().any(|word| word.eq_ignore_ascii_case(relation));
    config.sources.iter().find_map(|source| {
        let served = served_as(source, name);
        let mut served = served.into_iter();
        let served = served.find(|served| {
            let both = served.relation == "customers" && spoken("customer_360");
            served.column != name && (both || spoken(served.relation))
        })?;
        Some(format!(
            "Source \"{}\" maps its column \"{name}\" to \"{}\".",
            source.name, served.column
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = "[lake]\nurl = \"lake\"\n[[source]]\nname = \"shop\"\nkind = \"order\"\npath = \"shop/\"\n\
        record_key = \"number\"\ntime = \"ordered_at\"\nidentifiers = { email = \"mail\" }\n\
        columns = { amount = \"total / 100\", channel = '\"Channel\"' }\n[server]\nauthentication = \"trust\"\n";

    #[test]
    fn a_column_is_served_under_the_name_to_which_it_is_mapped_as_it_is() {
        let config = Config::parse(CONFIG, Path::new("."), &|_| None).unwrap();
        let shop = &config.sources[0];
        for (landed, served) in [
            ("number", "orders.order_id"),
            ("ordered_at", "orders.time"),
            ("mail", "customers.email"),
            ("Channel", "orders.channel"),
            // It is worked out of it.
            ("total", ""),
            ("note", ""),
        ] {
            let found = served_as(shop, landed);
            let found: Vec<String> = found
                .iter()
                .map(|served| format!("{}.{}", served.relation, served.column))
                .collect();
            assert_eq!(found.join(" "), served, "{landed}");
        }
        assert_eq!(
            comment(shop, "Channel"),
            "As it landed; served as orders.channel: Marketing or sales channel"
        );
        assert_eq!(comment(shop, "note"), "As it landed");
    }

    #[test]
    fn golden_records_have_no_key_and_no_time_of_a_source() {
        let people = "[lake]\nurl = \"lake\"\n[[source]]\nname = \"crm\"\nkind = \"profile\"\npath = \"crm/\"\n\
            record_key = \"number\"\ntime = \"at\"\nidentifiers = { crm_id = \"number\" }\ntraits = { name = \"called\" }\n\
            [server]\nauthentication = \"trust\"\n";
        let config = Config::parse(people, Path::new("."), &|_| None).unwrap();
        let said = |landed| comment(&config.sources[0], landed);
        assert_eq!(said("number"), "As it landed; served as customers.crm_id");
        assert_eq!(said("called"), "As it landed; served as customers.name");
        assert_eq!(said("at"), "As it landed");
    }

    #[test]
    fn a_name_is_answered_for_the_relations_of_the_statement_alone() {
        let config = Config::parse(CONFIG, Path::new("."), &|_| None).unwrap();
        let said = |statement, name| called(&config, statement, name);
        assert_eq!(
            said("SELECT ordered_at FROM orders", "ordered_at").as_deref(),
            Some("Source \"shop\" maps its column \"ordered_at\" to \"time\".")
        );
        assert_eq!(
            said("SELECT mail FROM Customer_360", "mail").as_deref(),
            Some("Source \"shop\" maps its column \"mail\" to \"email\".")
        );
        assert_eq!(said("SELECT ordered_at FROM events", "ordered_at"), None);
    }
}
