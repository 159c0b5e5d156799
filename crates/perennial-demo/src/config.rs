//! The configuration of the demo lake.

use std::fs;
use std::path::Path;

use crate::DemoOptions;

/// The text of `perennial.toml` below its first line.
const TEXT: &str = include_str!("perennial.toml");

/// The text of `perennial.toml`, with what the demo was made of in its first line.
pub(crate) fn text(options: &DemoOptions) -> String {
    let (customers, seed) = (options.customers, options.seed);
    format!("# Made by `perennial demo --customers {customers} --seed {seed}`.\n{TEXT}")
}

/// How many people the business of an existing demo knows, and its seed; none where the folder does not say.
pub fn made_with(folder: &Path) -> Option<(u64, u64)> {
    let text = fs::read_to_string(folder.join("perennial.toml")).ok()?;
    let told = text
        .lines()
        .next()?
        .strip_prefix("# Made by `perennial demo --customers ")?;
    let (customers, seed) = told.strip_suffix("`.")?.split_once(" --seed ")?;
    Some((customers.parse().ok()?, seed.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use perennial_base::Config;

    use super::*;
    use crate::source::Source;

    #[test]
    fn the_configuration_is_valid() {
        let options = DemoOptions {
            dir: ".".into(),
            customers: 300,
            seed: 7,
        };
        let config = Config::parse(&text(&options), Path::new("."), &|_| None);
        assert!(
            config.is_ok(),
            "{}",
            config.err().map(|error| error.to_string()).unwrap_or_default()
        );
    }

    #[test]
    fn every_source_is_configured_with_its_folder() {
        for source in Source::ALL {
            let name = format!("name = \"{}\"\n", source.name());
            let path = format!("path = \"{}/\"\n", source.folder());
            let table = TEXT.split("[[source]]").find(|table| table.contains(&name));
            assert!(
                table.is_some_and(|table| table.contains(&path)),
                "{}",
                source.name()
            );
        }
    }
}
