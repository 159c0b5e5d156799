//! `cargo xtask docs`: the pages that the product writes about itself, from the declarations in its code.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::shell::{Repository, output, say};

/// A page and the subcommand of `perennial` that prints it.
struct Page {
    path: &'static str,
    subcommand: &'static [&'static str],
}

const PAGES: &[Page] = &[
    Page {
        path: "udfs/README.md",
        subcommand: &["functions", "--format", "markdown"],
    },
    Page {
        path: "crates/perennial-cli/CONFIG.md",
        subcommand: &["settings", "--format", "markdown"],
    },
    Page {
        path: "crates/perennial-cli/COMMANDS.md",
        subcommand: &["commands", "--format", "markdown"],
    },
    Page {
        path: "crates/perennial-engine/SETTINGS.md",
        subcommand: &["session-settings", "--format", "markdown"],
    },
    Page {
        path: "crates/perennial-engine/RELATIONS.md",
        subcommand: &["relations", "--format", "markdown"],
    },
];

/// Writes every page.
pub(crate) fn write(repository: &Repository) -> Result<()> {
    for page in PAGES {
        let path = repository.root.join(page.path);
        fs::write(&path, page.print(repository)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        say(page.path);
    }
    Ok(())
}

/// Compares every page with what the product prints and names the first line that differs.
pub(crate) fn check(repository: &Repository) -> Result<()> {
    let mut stale = Vec::new();
    for page in PAGES {
        let printed = page.print(repository)?;
        let written = fs::read_to_string(repository.root.join(page.path)).unwrap_or_default();
        if let Some(line) = first_difference(&written, &printed) {
            stale.push(format!("{}:{line}", page.path));
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!(
        "pages differ from what the product prints, first at {}; run `cargo xtask docs`",
        stale.join(", ")
    )
}

impl Page {
    fn print(&self, repository: &Repository) -> Result<String> {
        let mut command = repository.command("cargo");
        command
            .args(["run", "--quiet", "--locked", "--package", "perennial-cli", "--"])
            .args(self.subcommand);
        let text = output(&mut command)?;
        Ok(format!("{}\n", text.trim_end()))
    }
}

/// The 1-based number of the first line in which two texts differ.
fn first_difference(left: &str, right: &str) -> Option<usize> {
    if left == right {
        return None;
    }
    let equal = left
        .lines()
        .zip(right.lines())
        .take_while(|(left, right)| left == right)
        .count();
    Some(equal + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_a_line_number() {
        #[track_caller]
        fn check(left: &str, right: &str, expected: Option<usize>) {
            assert_eq!(first_difference(left, right), expected);
        }
        check("a\nb\n", "a\nb\n", None);
        check("", "a\n", Some(1));
        check("a\nb\n", "a\nc\n", Some(2));
        check("a\n", "a\nb\n", Some(2));
    }
}
