//! The configuration of the demo lake.

/// The text of `perennial.toml`.
pub(crate) const TEXT: &str = include_str!("perennial.toml");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use perennial_base::Config;

    use super::*;
    use crate::source::Source;

    #[test]
    fn the_configuration_is_valid() {
        let config = Config::parse(TEXT, Path::new("."), &|_| None);
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
