//! What `--help` says.

use crate::support::{Place, Told};

#[test]
fn every_help_has_examples_that_the_command_line_understands() {
    let place = Place::new();
    // Whatever is run ends at once: there is nothing to read, and nothing is made where something else is.
    place.write("perennial.toml", "[lake");
    place.write("perennial-demo", "");
    let page = place.run(&["commands"]).exits(0).stdout;
    let commands: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## `perennial")?.strip_suffix('`'))
        .collect();
    for command in ["", " demo", " identity", " lifecycle explain", " commands"] {
        assert!(commands.contains(&command), "{command} is not in {commands:?}");
    }
    for command in commands {
        let help = Told::by(place.script(&format!("\"$0\"{command} --help"))).exits(0);
        let examples: Vec<&str> = help
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("  perennial"))
            .collect();
        assert!(
            examples.iter().any(|example| example.starts_with(command)),
            "perennial{command} has no example of its own: {examples:?}"
        );
        for example in examples {
            let told = Told::by(place.script(&format!("\"$0\"{example}")));
            assert!(
                matches!(told.status.code(), Some(0 | 1 | 3)),
                "perennial{example}: {}\n{}",
                told.status,
                told.stderr
            );
        }
    }
}
