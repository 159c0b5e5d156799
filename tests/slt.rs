//! The SQL logic tests: one test per file of `slt/` and engine. `README.md` says what a file looks like.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use perennial_testkit::environment::variable;
use perennial_testkit::servers::{Lake, Servers};
use perennial_testkit::slt::{SltSession, TextError, TextQuery, WireSession};
use sqllogictest::{Runner, default_normalizer, default_validator, strict_column_validator};
use tokio::runtime::Runtime;

const POSTGRES: &str = "PERENNIAL_TEST_POSTGRES";
const BLESS: &str = "PERENNIAL_TEST_BLESS";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    match all_trials(&folder) {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            let problem = format!("cannot read {}: {error}", folder.display());
            libtest_mimic::run(&arguments, vec![Trial::test("slt", || Err(problem.into()))]).exit_code()
        }
    }
}

fn all_trials(folder: &Path) -> std::io::Result<Vec<Trial>> {
    let stage = Arc::new(Stage {
        runtime: Runtime::new()?,
        servers: Servers::default(),
    });
    let mut files = Vec::new();
    find_files(folder, &mut files)?;
    files.sort();
    let mut all = Vec::new();
    for file in &files {
        all.extend(trials(&stage, folder, file)?);
    }
    Ok(all)
}

/// What a file runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Embedded,
    Postgres,
    Wire,
}

impl Engine {
    const ALL: [Self; 3] = [Self::Embedded, Self::Wire, Self::Postgres];

    fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Postgres => "postgres",
            Self::Wire => "wire",
        }
    }
}

/// What the comment block at the top of a file asks for.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    lake: Lake,
    engines: Vec<Engine>,
}

impl Header {
    fn parse(text: &str) -> Result<Self, String> {
        let mut header = Self {
            lake: Lake::Empty,
            engines: Engine::ALL.to_vec(),
        };
        for line in text.lines().map_while(|line| line.strip_prefix('#')) {
            match line.trim().split_once(':') {
                Some(("lake", value)) => {
                    header.lake = match value.trim() {
                        "demo" => Lake::Demo,
                        "empty" => Lake::Empty,
                        other => return Err(format!("there is no lake \"{other}\"; take empty or demo")),
                    }
                }
                Some(("engines", value)) => {
                    let engine = |name: &str| {
                        let found = Engine::ALL.into_iter().find(|engine| engine.name() == name);
                        found.ok_or_else(|| {
                            format!("there is no engine \"{name}\"; take embedded, wire or postgres")
                        })
                    };
                    header.engines = value.split_whitespace().map(engine).collect::<Result<_, _>>()?;
                }
                _ => {}
            }
        }
        Ok(header)
    }
}

/// What the tests share.
struct Stage {
    runtime: Runtime,
    servers: Servers,
}

fn find_files(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
    Ok(())
}

/// The tests of a file. Only files of `pg_compat` ask a real PostgreSQL. A file whose header is wrong is one failing test.
fn trials(stage: &Arc<Stage>, folder: &Path, file: &Path) -> std::io::Result<Vec<Trial>> {
    let path = file.strip_prefix(folder).unwrap_or(file).with_extension("");
    let compared = path.starts_with("pg_compat");
    let name = path
        .iter()
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join("::");
    let header = match Header::parse(&fs::read_to_string(file)?) {
        Ok(header) => header,
        Err(problem) => return Ok(vec![Trial::test(name, move || Err(problem.into()))]),
    };
    let Header { lake, engines } = header;
    let engines = engines
        .into_iter()
        .filter(|engine| compared || *engine != Engine::Postgres);
    let trial = |engine: Engine| {
        let (stage, file) = (Arc::clone(stage), file.to_owned());
        let run = move || run(&stage, engine, lake, &file, compared);
        Trial::ignorable_test(format!("{}::{name}", engine.name()), run)
    };
    Ok(engines.map(trial).collect())
}

fn run(stage: &Stage, engine: Engine, lake: Lake, file: &Path, compared: bool) -> Result<Completion, Failed> {
    let connection_string = match engine {
        Engine::Embedded => String::new(),
        Engine::Wire => stage.servers.of(lake).connection_string(),
        Engine::Postgres => match variable(POSTGRES) {
            Some(connection_string) => connection_string,
            None => return Ok(Completion::ignored_with(format!("{POSTGRES} is not set"))),
        },
    };
    // A lake and its server are made here, outside of the runtime, because they bring their own.
    let server = (engine == Engine::Embedded).then(|| stage.servers.of(lake));
    let mut runner = Runner::new(async || {
        let session: Box<dyn TextQuery> = match server {
            Some(server) => server.embedded_session(),
            None => Box::new(WireSession::connect(&connection_string).await?),
        };
        Ok::<_, TextError>(SltSession::new(engine.name(), session))
    });
    runner.with_column_validator(strict_column_validator);
    let bless = engine == Engine::Embedded && !compared && variable(BLESS).is_some();
    stage.runtime.block_on(async {
        if bless {
            let update = runner.update_test_file(
                file,
                " ",
                default_validator,
                default_normalizer,
                strict_column_validator,
            );
            return update.await.map_err(|error| Failed::from(error.to_string()));
        }
        runner
            .run_file_async(file)
            .await
            .map_err(|error| Failed::from(error.display(false).to_string()))
    })?;
    Ok(Completion::Completed)
}
