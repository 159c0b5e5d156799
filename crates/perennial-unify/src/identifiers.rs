//! Whether the list of identifiers and the sources speak of the same types.

use perennial_base::config::{Config, IdentifierConfig, Spot};
use perennial_base::error::nearest;

/// A type of identifier that only one of the two names: the list, or a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoneIdentifier {
    /// The type.
    pub name: String,
    /// Where it is named.
    pub at: Spot,
    /// The source that maps it; none where the list alone names it.
    pub source: Option<String>,
    /// The type of the other side that it was probably meant to be.
    pub near: Option<String>,
}

/// Types of `[[identity.identifier]]` that no source maps, and types that a source maps and that the list leaves out. No
/// list leaves out nothing: then all types have the rules that hold by their names.
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
        let names = || mapped().map(|(_, (name, _))| name.as_str());
        let lone = names().all(|name| name != identifier.name);
        lone.then(|| LoneIdentifier {
            name: identifier.name.clone(),
            at: identifier.named_at,
            source: None,
            near: nearest(&identifier.name, names()).map(str::to_owned),
        })
    });
    let of_sources = unlisted.iter().filter_map(|identifier| {
        let (source, (name, written)) = mapped().find(|(_, (name, _))| *name == identifier.name)?;
        let names = listed.iter().map(|listed| listed.name.as_str());
        Some(LoneIdentifier {
            name: name.clone(),
            at: written.at,
            source: Some(source.name.clone()),
            near: nearest(name, names).map(str::to_owned),
        })
    });
    of_list.chain(of_sources).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Type, line, column, source and the nearest type.
    type Lone<'a> = (&'a str, usize, usize, Option<&'a str>, Option<&'a str>);

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
                let (source, near) = (lone.source.as_deref(), lone.near.as_deref());
                (lone.name.as_str(), lone.at.line, lone.at.column, source, near)
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_type_that_one_side_alone_names_is_found_with_its_place_and_the_nearest_of_the_other() {
        let list = |names: &[&str]| -> String {
            let one = |name: &&str| format!("[[identity.identifier]]\ntype = \"{name}\"\n");
            names.iter().map(one).collect()
        };
        check("", &[]);
        check(&list(&["email", "crm_id"]), &[]);
        check(
            &list(&["emial", "crm_id"]),
            &[
                ("emial", 10, 8, None, Some("email")),
                ("email", 8, 25, Some("crm"), Some("emial")),
            ],
        );
        check(
            &list(&["email", "crm_id", "phone"]),
            &[("phone", 14, 8, None, None)],
        );
        check(&list(&["email"]), &[("crm_id", 8, 42, Some("crm"), None)]);
    }
}
