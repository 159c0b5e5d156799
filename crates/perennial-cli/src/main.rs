//! The binary `perennial`: one file per subcommand.

use std::process::ExitCode;

use clap::Parser;

mod command;
mod exit;
mod show;
mod signals;
mod terminal;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match command::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; clap prints them to the right stream.
            let usage = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(if usage { exit::USAGE } else { exit::DONE });
        }
    };
    terminal::log(&arguments);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(perennial_engine::engine::STACK_BYTES)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            show::problem(
                &format!("the threads of the server cannot be started: {error}"),
                None,
                None,
            );
            return ExitCode::from(exit::ENVIRONMENT);
        }
    };
    let outcome = runtime.block_on(command::run(arguments));
    runtime.shutdown_background();
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => ExitCode::from(exit::report(&error)),
    }
}
