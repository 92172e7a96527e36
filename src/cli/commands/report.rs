//! `report`: makes the page of a run that is kept, again or for the first time.

// Doc comments of flags are help texts of a terminal.
#![allow(rustdoc::invalid_html_tags)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use clap::Args;

use crate::cli::args::ApplyArgs;
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::cli::settings::{Settings, System};
use crate::report::page;

/// The flags of `report`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The run: its id, or its directory
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: PathBuf,

    /// Show it in the browser
    #[arg(long)]
    pub open: bool,

    /// The language of what is told: zh or en [default: by the locale]
    #[arg(long, value_name = "LANG", value_parser = ["zh", "en"])]
    pub lang: Option<String>,

    /// Where the ledger is kept, and the reports below it
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Where the results of runs are kept [default: <state-dir>/reports]
    #[arg(long, value_name = "DIR")]
    pub report_dir: Option<PathBuf>,

    /// Read flags from this file [default: ./lcic-sync.toml where there is one]
    #[arg(long, value_name = "TOML")]
    pub config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Writes report.html beside the run's other files, from these, and prints where it is.

Examples:
  lcic-sync report --open                       the newest run
  lcic-sync report 20261123T223910Z-4v66
  lcic-sync report /srv/reports/20261123T223910Z-4v66
  lcic-sync report --lang zh                    the same page in Chinese";

/// Runs the command.
///
/// # Errors
/// When there is no such run, its files can't be read, or no browser is found.
pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let settings = settings(args)?;
    let directory = directory(&args.run, &settings.report_dir)?;
    let path = page::make(&directory, settings.lang)
        .with_context(|| format!("{}", directory.display()))?;
    let printer = Printer::new(false, 0);
    let line = format!("{}\n", path.display());
    printer.data(&line).context("standard output")?;
    if args.open {
        open(&path)?;
    }
    Ok(Exit::Done)
}

fn settings(args: &ReportArgs) -> anyhow::Result<Settings> {
    let apply = ApplyArgs {
        lang: args.lang.clone(),
        state_dir: args.state_dir.clone(),
        report_dir: args.report_dir.clone(),
        config: args.config.clone(),
        ..ApplyArgs::default()
    };
    Ok(Settings::resolve(&apply, &System)?)
}

/// The directory of the run: as it was named, else below the reports.
fn directory(run: &Path, reports: &Path) -> anyhow::Result<PathBuf> {
    let kept = reports.join(run);
    match [run.to_owned(), kept.clone()]
        .into_iter()
        .find(|path| path.is_dir())
    {
        Some(directory) => Ok(std::path::absolute(directory)?),
        None => bail!(
            "there is no run {}\nhint: the runs that are kept are the directories in {}",
            kept.display(),
            reports.display()
        ),
    }
}

/// Lets the system choose a browser.
fn open(path: &Path) -> anyhow::Result<()> {
    let opener = match cfg!(target_os = "macos") {
        true => "open",
        false => "xdg-open",
    };
    let opened = Command::new(opener)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match opened.with_context(|| format!("--open: {opener}"))? {
        status if status.success() => Ok(()),
        status => bail!("--open: {opener} ended with {status}"),
    }
}
