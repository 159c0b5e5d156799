//! Whether the list of identifiers and the sources speak of the same types.

use perennial_base::config::{Config, IdentifierConfig, Spot};

/// A type of identifier that only one of the two names: the list, or a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoneIdentifier {
    /// The type.
    pub name: String,
    /// Where it is named.
    pub at: Spot,
    /// The source that maps it; none where the list alone names it.
    pub source: Option<String>,
}

/// Types of `[[identity.identifier]]` that no source maps, and types that a source maps and that the list leaves out. No
/// list leaves out nothing: then all types have the rules that hold by their names. A type that is nearly one of the other
/// side is an error of the configuration.
pub(crate) fn lone_identifiers(config: &Config) -> Vec<LoneIdentifier> {
    let (listed, unlisted): (Vec<&IdentifierConfig>, Vec<&IdentifierConfig>) = config
        .identity
        .identifiers
        .iter()
        .partition(|identifier| identifier.named_at != Spot::default());
    if listed.is_empty() {
        return Vec::new();
    }
    let mapped = || {
        let sources = config.sources.iter();
        sources.flat_map(|source| source.identifiers.iter().map(move |written| (source, written)))
    };
    let of_list = listed.iter().filter_map(|identifier| {
        let lone = mapped().all(|(_, (name, _))| *name != identifier.name);
        lone.then(|| LoneIdentifier {
            name: identifier.name.clone(),
            at: identifier.named_at,
            source: None,
        })
    });
    let of_sources = unlisted.iter().filter_map(|identifier| {
        let (source, (name, written)) = mapped().find(|(_, (name, _))| *name == identifier.name)?;
        Some(LoneIdentifier {
            name: name.clone(),
            at: written.at,
            source: Some(source.name.clone()),
        })
    });
    of_list.chain(of_sources).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Type, line, column and source.
    type Lone<'a> = (&'a str, usize, usize, Option<&'a str>);

    fn check(list: &str, expected: &[Lone<'_>]) {
        let text = format!(
            "[lake]\nurl = \"lake\"\n[[source]]\nname = \"crm\"\nkind = \"profile\"\npath = \"crm/\"\ntime = \"t\"\n\
             identifiers = {{ email = \"mail\", crm_id = \"id\" }}\n{list}[server]\nauthentication = \"trust\"\n"
        );
        let config = Config::parse(&text, Path::new("."), &|_| None).unwrap();
        let lone = lone_identifiers(&config);
        let found: Vec<_> = lone
            .iter()
            .map(|lone| {
                let (name, source) = (lone.name.as_str(), lone.source.as_deref());
                (name, lone.at.line, lone.at.column, source)
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_type_that_one_side_alone_names_is_found_with_its_place() {
        let list = |names: &[&str]| -> String {
            let one = |name: &&str| format!("[[identity.identifier]]\ntype = \"{name}\"\n");
            names.iter().map(one).collect()
        };
        check("", &[]);
        check(&list(&["email", "crm_id"]), &[]);
        check(&list(&["email", "crm_id", "phone"]), &[("phone", 14, 8, None)]);
        check(&list(&["email"]), &[("crm_id", 8, 42, Some("crm"))]);
    }
}
