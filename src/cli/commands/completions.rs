//! `completions`: a script that makes a shell complete commands and flags, from the same
//! definitions that the commands are read with.

use anyhow::Context;
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell as Generator;

use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::report::repeat::PROGRAM;

/// The flags of `completions`, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The shells that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

const EXAMPLES: &str = "\
Examples:
  lcic-sync completions bash > ~/.local/share/bash-completion/completions/lcic-sync
  lcic-sync completions zsh > ~/.zfunc/_lcic-sync     ~/.zfunc being in $fpath
  lcic-sync completions fish > ~/.config/fish/completions/lcic-sync.fish";

/// Runs the command.
///
/// # Errors
/// When standard output does not take it.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let shell = match args.shell {
        Shell::Bash => Generator::Bash,
        Shell::Zsh => Generator::Zsh,
        Shell::Fish => Generator::Fish,
    };
    // Into memory first: the generator panics where a pipe breaks.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
    let mut script = String::from_utf8(script).expect("the definitions are text");
    if args.shell == Shell::Bash {
        // The generator spells a name with a hyphen in two ways, so that nothing is completed
        // behind a command (<https://github.com/clap-rs/clap/issues/6421>).
        let wrong = PROGRAM.replace('-', "__subcmd__");
        script = script.replace(&wrong, &PROGRAM.replace('-', "__"));
    }
    let printer = Printer::new(false, 0);
    printer.data(&script).context("standard output")?;
    Ok(Exit::Done)
}
