//! `cargo xtask bench`: the benches, with the peers that they run beside. CI compiles them, through clippy; nobody fails
//! for being slow.

use anyhow::{Context, Result, bail};

use crate::shell::{Repository, output, say};
use crate::suite;

const PACKAGE: &str = "perennial-benches";

/// Runs the bench named first, with the arguments behind it; without a name lists the benches.
pub(crate) fn run(repository: &Repository, arguments: &[String]) -> Result<()> {
    let names = names(repository)?;
    let Some((name, rest)) = arguments.split_first() else {
        names
            .iter()
            .for_each(|name| say(format_args!("cargo xtask bench {name}")));
        return Ok(());
    };
    if !names.contains(name) {
        bail!(
            "there is no bench \"{name}\"; the benches are {}",
            names.join(", ")
        );
    }
    let mut command = repository.command("cargo");
    command.args(["bench", "--locked", "--package", PACKAGE, "--bench", name]);
    let rest: Vec<_> = rest.iter().filter(|argument| *argument != "--").collect();
    if !rest.is_empty() {
        command.arg("--").args(rest);
    }
    suite::with_tools(&mut command)
}

fn names(repository: &Repository) -> Result<Vec<String>> {
    let metadata = output(repository.command("cargo").args([
        "metadata",
        "--locked",
        "--no-deps",
        "--format-version",
        "1",
    ]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo names no packages")?;
    let package = packages
        .iter()
        .find(|package| package["name"] == PACKAGE)
        .context("the package of the benches is missing")?;
    let targets = package["targets"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let benches = targets.iter().filter(|target| target["kind"][0] == "bench");
    Ok(benches
        .filter_map(|bench| bench["name"].as_str())
        .map(str::to_owned)
        .collect())
}
