//! `cargo xtask bench`: which benches there are. They are run by hand; CI compiles them, through clippy.

use anyhow::{Context, Result};

use crate::shell::{Repository, output, say};

/// Prints the command of every bench.
pub(crate) fn list(repository: &Repository) -> Result<()> {
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
    let mut commands = Vec::new();
    for package in packages {
        let targets = package["targets"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let benches = targets.iter().filter(|target| target["kind"][0] == "bench");
        for (package, bench) in
            benches.filter_map(|bench| Some((package["name"].as_str()?, bench["name"].as_str()?)))
        {
            commands.push(format!("cargo bench --package {package} --bench {bench}"));
        }
    }
    if commands.is_empty() {
        say("there are no benches");
    }
    commands.iter().for_each(say);
    Ok(())
}
