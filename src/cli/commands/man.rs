//! `man`: the manual, from the same definitions that the commands are read with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::explain::nearest::nearest;

/// The flags of `man`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// The command whose page is printed [default: that of lcic-sync itself]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Option<String>,

    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lcic-sync man apply | man -l -                      read one page
  lcic-sync man --dir ~/.local/share/man/man1         install all of them: man lcic-sync-apply";

/// Runs the command.
///
/// # Errors
/// When there is no such command, or the pages can't be written.
pub fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    let printer = Printer::new(false, 0);
    let program = program();
    if let Some(dir) = &args.dir {
        let pages = pages(&program);
        write(dir, &pages)?;
        printer.say(&format!("{} pages in {}", pages.len(), dir.display()));
        return Ok(Exit::Done);
    }
    let command = match &args.command {
        None => &program,
        Some(name) => program
            .find_subcommand(name)
            .ok_or_else(|| no_such_command(&program, name))?,
    };
    let (_, page) = page(command);
    let page = String::from_utf8(page).expect("the definitions are text");
    printer.data(&page).context("standard output")?;
    Ok(Exit::Done)
}

/// The definitions, with every command knowing its full name.
fn program() -> Command {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    program
}

fn pages(program: &Command) -> Vec<(String, Vec<u8>)> {
    let commands = program.get_subcommands();
    let commands = commands.filter(|command| !command.is_hide_set());
    [page(program)]
        .into_iter()
        .chain(commands.flat_map(pages))
        .collect()
}

/// A page and the name of its file.
fn page(command: &Command) -> (String, Vec<u8>) {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page).expect("memory takes it");
    (man.get_filename(), page)
}

fn write(dir: &Path, pages: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("--dir {}", dir.display()))?;
    for (name, page) in pages {
        let path = dir.join(name);
        fs::write(&path, page).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

fn no_such_command(program: &Command, name: &str) -> anyhow::Error {
    let commands = program.get_subcommands().map(Command::get_name);
    match nearest(name, commands) {
        Some(meant) => anyhow!("no command {name:?}\nhint: did you mean {meant}?"),
        None => anyhow!("no command {name:?}\nhint: lcic-sync --help lists them"),
    }
}
