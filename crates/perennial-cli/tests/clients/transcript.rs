//! What a suite prints, and how two of them are compared.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

use libtest_mimic::Failed;

/// The words that begin a line which tells what came of a check.
const OUTCOMES: [&str; 3] = ["check", "refused", FAILED];
/// What the client could not do.
const FAILED: &str = "failed";
/// What a hint begins with.
const HINT: &str = "HINT";

/// A suite as it was played: a line `client NAME VERSION`, then `part WORDS` for each thing that is exercised, below it
/// `check NAME<TAB>ANSWER` or `refused NAME<TAB>ERROR` for each observation, `failed NAME<TAB>ERROR` for what the client could
/// not do, and `done` in the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    client: String,
    version: String,
    parts: Vec<String>,
    /// The names of checks in their order, and what came of each.
    names: Vec<String>,
    outcomes: BTreeMap<String, (String, String)>,
}

impl Transcript {
    /// # Errors
    /// When it does not begin or end as it has to, has a line of another kind, or two checks of one name.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let first = lines.next().and_then(|line| line.strip_prefix("client "));
        let (client, version) = first
            .and_then(|client| client.rsplit_once(' '))
            .ok_or("it does not begin with `client NAME VERSION`")?;
        let mut read = Self {
            client: client.to_owned(),
            version: version.to_owned(),
            ..Self::default()
        };
        let mut done = false;
        for line in lines {
            if done {
                return Err(format!("there is a line behind `done`: {line}"));
            }
            match line.split_once(' ') {
                None if line == "done" => done = true,
                Some(("part", words)) => read.parts.push(words.to_owned()),
                Some((outcome, rest)) if OUTCOMES.contains(&outcome) => {
                    let (name, answer) = rest.split_once('\t').ok_or_else(|| format!("no tab: {line}"))?;
                    let told = (outcome.to_owned(), answer.to_owned());
                    if read.outcomes.insert(name.to_owned(), told).is_some() {
                        return Err(format!("two checks are called {name}"));
                    }
                    read.names.push(name.to_owned());
                }
                _ => return Err(format!("what is this line: {line}")),
            }
        }
        if !done {
            return Err("it does not end with `done`".to_owned());
        }
        Ok(read)
    }

    /// How many checks there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// What the client could not do.
    pub(crate) fn failed(&self) -> Vec<String> {
        let failed = |name: &&String| {
            self.outcomes
                .get(*name)
                .is_some_and(|(outcome, _)| outcome == FAILED)
        };
        self.names
            .iter()
            .filter(failed)
            .map(|name| self.shown(name))
            .collect()
    }

    /// The names of the checks whose outcome is not that of `expected`. A hint where `expected` has none is no difference:
    /// remedies are ours.
    pub(crate) fn differences(&self, expected: &Self) -> Vec<String> {
        let more = self
            .names
            .iter()
            .filter(|name| !expected.outcomes.contains_key(*name));
        let differs = |name: &&String| match (self.outcomes.get(*name), expected.outcomes.get(*name)) {
            (Some((outcome, answer)), Some((wanted, right))) => {
                outcome != wanted
                    || answer != right && (right.contains(HINT) || without_hints(answer) != *right)
            }
            _ => true,
        };
        let names = expected.names.iter().chain(more);
        names.filter(differs).cloned().collect()
    }

    /// A check with what was expected and what came.
    pub(crate) fn beside(&self, expected: &Self, name: &str) -> String {
        format!(
            "  {name}\n    expected {}\n    answered {}",
            expected.shown(name),
            self.shown(name)
        )
    }

    fn shown(&self, name: &str) -> String {
        match self.outcomes.get(name) {
            Some((outcome, answer)) => format!("{outcome} {answer}"),
            None => "nothing".to_owned(),
        }
    }

    /// The line of the page of clients: client, version, checks, how many of them differ, and what was exercised.
    pub(crate) fn line(&self, differ: usize) -> String {
        let Self { client, version, .. } = self;
        format!(
            "{client}\t{version}\t{}\t{differ}\t{}",
            self.len(),
            self.parts.join(", ")
        )
    }
}

/// An answer without its hints: ` | HINT …` of a suite, a line of psql.
fn without_hints(answer: &str) -> String {
    let lines = answer.split("\\n").filter(|line| !line.starts_with(HINT));
    let lines: Vec<&str> = lines.collect();
    let joined = lines.join("\\n");
    let fields = joined.split(" | ").filter(|field| !field.starts_with(HINT));
    fields.collect::<Vec<_>>().join(" | ")
}

/// Adds a line to a file.
pub(crate) fn append(file: &str, line: &str) -> Result<(), Failed> {
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    Ok(writeln!(file, "{line}")?)
}

/// The transcript of a script of psql, whose output is marked by lines `== NAME` and `== part WORDS`.
pub(crate) fn of_psql(version: &str, printed: &str) -> Result<String, Failed> {
    let version = version.split_whitespace().nth(2).ok_or("psql has no version")?;
    let mut transcript = format!("client psql {version}\n");
    let mut sections = printed.split("== ");
    if sections.next() != Some("") {
        return Err(format!("something is printed before the first check:\n{printed}").into());
    }
    for section in sections {
        let (name, answer) = section.split_once('\n').unwrap_or((section, ""));
        if name.starts_with("part ") {
            transcript.push_str(&format!("{name}\n"));
        } else {
            transcript.push_str(&format!("check {name}\t{}\n", answer.escape_debug()));
        }
    }
    transcript.push_str("done\n");
    Ok(transcript)
}
