//! Links between Markdown files lead somewhere.

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

pub(crate) fn relative_links_resolve(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.ending(&[".md"]) {
        for (line, link) in links(text) {
            if let Some(problem) = problem(tree, path, link) {
                findings.push(Finding::new(
                    path,
                    line,
                    format!("the link \"{link}\" {problem}; correct it"),
                ));
            }
        }
    }
    findings
}

fn problem(tree: &Tree, from: &str, link: &str) -> Option<String> {
    let scheme = link
        .split_once(':')
        .is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric()));
    if scheme {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        Some(from.to_owned())
    } else {
        resolve(from, file)
    };
    let Some(target) = target else {
        return Some("leaves the repository".to_owned());
    };
    if !target.is_empty() && !tree.paths.contains(&target) {
        return Some("leads nowhere".to_owned());
    }
    let text = tree
        .files
        .get(&target)
        .filter(|_| target.ends_with(".md") && !anchor.is_empty())?;
    (!anchors(text).any(|known| known == anchor)).then(|| format!("names a heading that {target} lacks"))
}

/// The path from the root of a link in the file `from`, or nothing where it climbs above the root.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The targets of `[text](target)` outside of code, with their line numbers.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(line, text)| {
        text.split("](").skip(1).filter_map(move |rest| {
            let target = rest.split([')', ' ']).next()?;
            Some((line, target.trim_matches(['<', '>'])))
        })
    })
}

/// The anchors that a renderer gives to the headings: lower case, spaces to hyphens, punctuation gone.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
}

/// The lines outside of fenced code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .filter(move |(_, line)| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_files_folders_and_headings() {
        #[track_caller]
        fn check(link: &str, expected: Option<&str>) {
            let text = format!("# The Map: of it\n```md\n[x](nowhere.md)\n```\nsee [it]({link}).\n");
            let tree = Tree {
                paths: ["README.md", "crates", "crates/README.md"]
                    .map(String::from)
                    .to_vec(),
                files: [
                    ("crates/README.md".into(), text),
                    ("README.md".into(), "## Start\n".into()),
                ]
                .into(),
                ..Tree::default()
            };
            let found = relative_links_resolve(&tree);
            match expected {
                None => assert_eq!(found, []),
                Some(part) => {
                    assert_eq!(found.len(), 1, "{found:?}");
                    assert!(found[0].line == 5 && found[0].message.contains(part), "{found:?}");
                }
            }
        }
        check("../README.md", None);
        check("..", None);
        check("../crates/", None);
        check("../README.md#start", None);
        check("#the-map-of-it", None);
        check("https://example.org/x.md", None);
        check("mailto:a@example.org", None);
        check("../LICENCE", Some("leads nowhere"));
        check("../../x.md", Some("leaves the repository"));
        check("#the-mop", Some("names a heading"));
        check("../README.md#end", Some("names a heading that README.md lacks"));
    }
}
