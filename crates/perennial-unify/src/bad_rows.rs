//! How many bad rows a file may have.

use perennial_base::config::SourceConfig;
use perennial_base::counted;

/// Why a file of so many rows is quarantined, of which these are rejected, each reason with its rows; none where they are
/// few.
///
/// The share is rounded up to a whole row: of a handful of rows that somebody wrote, one may be bad. But where all are, it
/// is the file or the mapping that is wrong and not a row.
pub(crate) fn too_bad<'a>(
    source: &SourceConfig,
    landed: u64,
    rejected: impl Iterator<Item = (&'a str, u64)> + Clone,
) -> Option<String> {
    let bad: u64 = rejected.clone().map(|(_, rows)| rows).sum();
    // A share such as 0.07 is no binary fraction: seven of a hundred are seven.
    let allowed = (source.max_bad_rows * landed as f64 - 1e-9).ceil();
    let none_good = source.max_bad_rows < 1.0 && bad > 0 && bad >= landed;
    if bad as f64 <= allowed && !none_good {
        return None;
    }
    let reasons = rejected.map(|(reason, rows)| format!("{reason} ({})", counted(rows, "row")));
    let reasons: Vec<String> = reasons.collect();
    let told = if bad as f64 <= allowed {
        format!("has no good row among {landed}")
    } else {
        format!(
            "has {} of {landed}, above max_bad_rows = {} of its [[source]]",
            counted(bad, "bad row"),
            source.max_bad_rows
        )
    };
    Some(format!("{told}: {}", reasons.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use perennial_base::Config;

    use super::*;

    /// Whether a file of so many rows is quarantined, of which so many are bad.
    #[track_caller]
    fn check(share: &str, [landed, bad]: [u64; 2], expected: bool) {
        let text = format!(
            "[lake]\nurl = \"lake\"\n[[source]]\nname = \"visits\"\nkind = \"event\"\npath = \"visits/\"\ntime = \"at\"\n\
             identifiers = {{ email = \"mail\" }}\ncolumns = {{ name = \"page\" }}\n{share}\n\
             [server]\nauthentication = \"trust\"\n"
        );
        let config = Config::parse(&text, Path::new("."), &|_| None).unwrap();
        let rejected = [("name is NULL", bad)];
        let rejected = rejected.into_iter().filter(|(_, rows)| *rows > 0);
        let reason = too_bad(&config.sources[0], landed, rejected);
        assert_eq!(reason.is_some(), expected, "{share} {landed} {bad}: {reason:?}");
    }

    #[test]
    fn a_share_of_a_handful_is_one_row() {
        check("", [5, 0], false);
        check("", [5, 1], false);
        check("", [5, 2], true);
        check("", [100, 1], false);
        check("", [100, 2], true);
        check("", [101, 2], false);
        check("max_bad_rows = 0.07", [100, 7], false);
        check("max_bad_rows = 0.07", [100, 8], true);
        // None is none.
        check("max_bad_rows = 0", [1_000, 1], true);
        // No row is good, and no share excuses that but the whole.
        check("", [1, 1], true);
        check("max_bad_rows = 0.9", [4, 4], true);
        check("max_bad_rows = 0.5", [1_000, 1], false);
        check("max_bad_rows = 1", [3, 3], false);
    }
}
