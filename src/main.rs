//! The binary: parse, run, exit code. Everything else is in the library.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use lcic_sync::cli::args::{Cli, Command};
use lcic_sync::cli::commands::{
    apply, check, completions, config, cron_line, demo, explain, ledger, man, plan, report, runs,
    simulate, whoami,
};
use lcic_sync::cli::exit::Exit;
use lcic_sync::cli::printer::Printer;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.color.write_global();
    exit_of(|| run(cli)).into()
}

/// The exit of what `run` does. A panic, which has told its story by now, is an internal error
/// like any other and not Rust's own 101.
fn exit_of(run: impl FnOnce() -> Result<Exit, (Exit, anyhow::Error)>) -> Exit {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(exit)) => exit,
        Ok(Err((exit, error))) => {
            Printer::new(false, 0).error(&error);
            exit
        }
        Err(_) => Exit::Internal,
    }
}

fn run(cli: Cli) -> Result<Exit, (Exit, anyhow::Error)> {
    // One thread for the loop and its calls; reading and recording have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| (Exit::Internal, error.into()))?;
    let usage = |error| (Exit::Usage, error);
    let done = runtime.block_on(async {
        match cli.command {
            Command::Apply(args) => apply::main(&args).await,
            Command::Plan(args) => plan::main(&args).await,
            Command::Check(args) => check::run(&args).map_err(usage),
            Command::Explain(args) => explain::run(&args).map_err(usage),
            Command::Report(args) => report::run(&args).map_err(usage),
            Command::CronLine(args) => cron_line::run(&args).map_err(usage),
            Command::Config(args) => config::run(&args).map_err(usage),
            Command::Completions(args) => completions::run(&args).map_err(usage),
            Command::Man(args) => man::run(&args).map_err(usage),
            Command::Whoami(args) => whoami::main(&args).await,
            Command::Ledger(args) => ledger::main(&args).await,
            Command::Runs(args) => runs::main(&args),
            Command::Simulate(args) => match simulate::run(args).await {
                Ok(()) => Ok(Exit::Done),
                Err(error) => Err((Exit::Usage, error)),
            },
            Command::Demo(args) => demo::run(&args).await,
        }
    });
    // Reading standard input can't be called off; it must not keep the program.
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_error() {
        assert_eq!(exit_of(|| panic!("on purpose")), Exit::Internal);
        assert_eq!(exit_of(|| Ok(Exit::Locked)), Exit::Locked);
        let refused = || Err((Exit::Usage, anyhow::anyhow!("on purpose")));
        assert_eq!(exit_of(refused), Exit::Usage);
    }
}
