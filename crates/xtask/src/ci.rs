//! `cargo xtask ci`: the steps of CI as a table, the same on a laptop.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::shell::{self, Failed, Repository, output, say};
use crate::{docs, examples, tidy};

/// One step. What is cheap and often wrong comes first.
struct Step {
    name: &'static str,
    what: &'static str,
    /// The command that runs this step alone.
    again: &'static str,
    action: Action,
}

enum Action {
    /// Runs the command in `again`.
    Command,
    Task(fn(&Repository) -> Result<()>),
    /// Compares the working tree with its state before the first step.
    Unchanged,
}

/// Clippy makes one set of artifacts, everything from the tests on the other: a third would cost its own cold build.
const STEPS: &[Step] = &[
    Step {
        name: "lock",
        what: "Cargo.lock fits the manifests",
        again: "cargo tree --locked --workspace --depth 0",
        action: Action::Task(lock_fits),
    },
    Step {
        name: "fmt",
        what: "rustfmt has nothing to change",
        again: "cargo fmt --all --check",
        action: Action::Command,
    },
    Step {
        name: "tidy",
        what: "the rules of the house that need no compiler",
        again: "cargo xtask tidy",
        action: Action::Task(tidy::run),
    },
    Step {
        name: "clippy",
        what: "no warning in any target",
        again: "cargo clippy --locked --workspace --all-targets -- -D warnings",
        action: Action::Command,
    },
    Step {
        name: "test",
        what: "every test, with what it needs installed",
        again: "cargo xtask test",
        action: Action::Command,
    },
    Step {
        name: "docs",
        what: "the generated pages are those of the product",
        again: "cargo xtask docs --check",
        action: Action::Task(docs::check),
    },
    Step {
        name: "examples",
        what: "every example runs and prints what it promises",
        again: "cargo xtask examples",
        action: Action::Task(examples::run),
    },
    Step {
        name: "clean",
        what: "no step has changed the working tree",
        again: "git status --porcelain",
        action: Action::Unchanged,
    },
];

/// Runs the steps named in `arguments`, by default all, and stops at the first that fails. With `--explain` prints them.
pub(crate) fn run(repository: &Repository, arguments: &[String]) -> Result<()> {
    let explain = arguments.iter().any(|argument| argument == "--explain");
    let names: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| *argument != "--explain")
        .collect();
    let steps = select(&names)?;
    if explain {
        for Step {
            name, what, again, ..
        } in steps
        {
            say(format_args!("{name:<10}{what}\n{:10}{again}", ""));
        }
        return Ok(());
    }

    let before = working_tree(repository);
    let mut times = Vec::with_capacity(steps.len());
    for step in steps {
        say(format_args!("==> {}: {}", step.name, step.what));
        let start = Instant::now();
        let result = match step.action {
            Action::Command => repository.run_line(step.again),
            Action::Task(task) => task(repository),
            Action::Unchanged => unchanged(before.as_deref(), working_tree(repository).as_deref()),
        };
        times.push((step.name, start.elapsed()));
        if let Err(error) = result {
            if !error.is::<Failed>() {
                say(format_args!("error: {error:#}"));
            }
            say_times(&times);
            say(format_args!(
                "==> {} failed; run it again with: {}",
                step.name, step.again
            ));
            return Err(Failed {
                command: step.again.to_owned(),
            }
            .into());
        }
    }
    say_times(&times);
    Ok(())
}

fn select(names: &[&str]) -> Result<Vec<&'static Step>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != **name))
    {
        let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!(
            "there is no step \"{unknown}\"; the steps are {}",
            known.join(", ")
        );
    }
    Ok(STEPS
        .iter()
        .filter(|step| names.is_empty() || names.contains(&step.name))
        .collect())
}

fn say_times(times: &[(&str, Duration)]) {
    say("");
    for (name, time) in times {
        say(format_args!("{name:<10}{:>8.1} s", time.as_secs_f64()));
    }
}

fn lock_fits(repository: &Repository) -> Result<()> {
    let tree = ["tree", "--locked", "--workspace", "--depth", "0"];
    shell::call(repository.command("cargo").args(tree).stdout(Stdio::null()))
}

/// What git says has changed, down to the lines; nothing outside of a git checkout.
fn working_tree(repository: &Repository) -> Option<String> {
    let files = output(
        repository
            .command("git")
            .args(["status", "--porcelain", "--untracked-files=all"]),
    )
    .ok()?;
    let lines = output(
        repository
            .command("git")
            .args(["diff", "--no-color", "--no-ext-diff"]),
    )
    .ok()?;
    Some(format!("{files}{lines}"))
}

fn unchanged(before: Option<&str>, after: Option<&str>) -> Result<()> {
    match (before, after) {
        (Some(before), Some(after)) if before == after => Ok(()),
        (Some(before), Some(after)) => {
            let new: Vec<_> = after
                .lines()
                .filter(|line| !before.lines().any(|known| known == *line))
                .collect();
            bail!(
                "a step has changed the working tree; commit what it made, or ignore it:\n{}",
                new.join("\n")
            )
        }
        _ => {
            say("not a git checkout: nothing to compare");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_selected_by_name_in_the_order_of_the_table() {
        let names = |steps: Vec<&Step>| steps.iter().map(|step| step.name).collect::<Vec<_>>();
        assert_eq!(names(select(&["clippy", "fmt"]).unwrap()), ["fmt", "clippy"]);
        assert_eq!(select(&[]).unwrap().len(), STEPS.len());
        assert!(select(&["fnt"]).err().unwrap().to_string().contains("\"fnt\""));
    }

    #[test]
    fn a_changed_tree_names_the_new_lines_only() {
        assert!(unchanged(Some(" M a"), Some(" M a")).is_ok());
        assert!(unchanged(None, None).is_ok());
        let error = unchanged(Some(" M a"), Some(" M a\n?? b"))
            .unwrap_err()
            .to_string();
        assert!(error.ends_with(":\n?? b"), "{error}");
    }
}
