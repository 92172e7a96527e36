//! `ledger undo`: what the users of a run held before it, as a file for `apply`.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use tempfile::NamedTempFile;

use super::ledger::{PlaceArgs, Refusal, look, refused, usage};
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::lang::count;
use crate::ledger::Ledger;
use crate::ledger::amend::Earlier;
use crate::ledger::look::RunRecord;
use crate::model::{Field, PerField};
use crate::report::repeat::Repeat;

/// Stands in the file for a value that was cleared: an empty cell would leave it as it is. Applied
/// without `--clear-token` it is a finding (`null word`), so it never becomes somebody's name.
const CLEARED: &str = "NULL";

/// The flags of `ledger undo`, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct UndoArgs {
    /// The run: its number, or its id (lcic-sync runs)
    #[arg(value_name = "RUN")]
    pub run: String,

    /// The file to write; must not be there yet
    #[arg(long, value_name = "CSV")]
    pub out: PathBuf,

    /// Where the ledger is.
    #[command(flatten)]
    pub place: PlaceArgs,
}

const EXAMPLES: &str = "\
Sends nothing: look at the file, then apply it. A value is in it if that run was the last to change
it, or may have. What a later run has changed again was meant and is left as it is; the ledger
keeps one earlier value for each field, and no more.

What this ledger never knew can't be given back. Those users stand in a second file, beside the
first: for undo.csv in undo-not-known.csv. The exit code is 3 then.

Examples:
  lcic-sync ledger undo 7 --out undo.csv
  lcic-sync plan undo.csv
  lcic-sync apply undo.csv";

/// Runs the command.
///
/// # Errors
/// When there is no such run, and when the files can't be written.
pub(super) fn run(args: &UndoArgs) -> Result<Exit, Refusal> {
    let settings = args.place.settings()?;
    let printer = Printer::new(false, 0);
    let ledger = look(&settings)?;
    let runs = ledger.runs(u32::MAX).map_err(refused)?;
    let is_named = |run: &&RunRecord| run.run_id == args.run || run.run.to_string() == args.run;
    let Some(RunRecord { run, ended_at, .. }) = runs.iter().find(is_named) else {
        return Err(usage(anyhow!(
            "run {}: is not in this ledger\nhint: lcic-sync runs lists them",
            args.run
        )));
    };
    let run = *run;
    if ended_at.is_none() {
        printer.warn(&format!(
            "run {run} has not ended: it is at work, or it was killed; what it changes from now on is not in the file"
        ));
    }
    let later = runs.iter().filter(|later| later.run > run);
    let n_later = later.filter(|later| later.counts.applied > 0).count();

    let not_known = beside(&args.out);
    for path in [&args.out, &not_known] {
        if path.symlink_metadata().is_ok() {
            let path = path.display();
            return Err(usage(anyhow!(
                "{path}: is there already, and is not written over"
            )));
        }
    }
    let written = write(&ledger, run, &args.out, &not_known)?;

    let (out, not_known) = (args.out.display(), not_known.display());
    if written.n_known == 0 {
        printer.say(&format!(
            "run {run} changed nobody whose earlier profile is known: no {out}"
        ));
    } else {
        let users = count(written.n_known, "user");
        printer.say(&format!("{out}: {users}, as they were before run {run}"));
    }
    if written.n_not_known > 0 {
        printer.say(&format!(
            "{not_known}: {} whose earlier value this ledger never knew; they stay as they are",
            count(written.n_not_known, "user"),
        ));
    }
    if n_later > 0 {
        printer.say(&format!(
            "{} since then: what they changed again is not in the file",
            count(n_later as u64, "run"),
        ));
    }
    if written.n_known > 0 {
        let apply = Repeat {
            flags: flags(&args.place, written.has_cleared),
            files: vec![args.out.to_string_lossy().into_owned()],
        };
        printer.say(&format!(
            "Nothing was sent. Look at it, then:\n  {}",
            apply.line()
        ));
    }
    Ok(match written.n_not_known {
        0 => Exit::Done,
        _ => Exit::SomeFailed,
    })
}

/// What `apply` must be given to go to the same ledger and to understand the file.
fn flags(place: &PlaceArgs, has_cleared: bool) -> Vec<(String, Option<String>)> {
    let path = |path: &PathBuf| path.to_string_lossy().into_owned();
    let flags = [
        ("--state-dir", place.state_dir.as_ref().map(path)),
        ("--config", place.config.as_ref().map(path)),
        ("--clear-token", has_cleared.then(|| CLEARED.to_owned())),
    ];
    let given = flags.into_iter().filter(|(_, value)| value.is_some());
    given
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// `undo-not-known.csv` beside `undo.csv`.
fn beside(out: &Path) -> PathBuf {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!("{stem}-not-known.csv"))
}

#[derive(Default)]
struct Written {
    n_known: u64,
    n_not_known: u64,
    has_cleared: bool,
}

/// Writes both files, each only if it has anything in it.
fn write(ledger: &Ledger, run: u32, out: &Path, not_known: &Path) -> Result<Written, Refusal> {
    let mut written = Written::default();
    let mut known = CsvFile::create(out, &["UserId", "Nickname", "Avatar"]).map_err(usage)?;
    let mut unknown = CsvFile::create(not_known, &["UserId", "column"]).map_err(usage)?;
    let mut failed: io::Result<()> = Ok(());
    let told = ledger.undo(run, &mut |user, earlier: PerField<Earlier<'_>>| {
        let cell = |field: Field| match earlier[field] {
            Earlier::Held("") => CLEARED,
            // The word itself can't be told from its meaning here.
            Earlier::Held(CLEARED) | Earlier::NotConcerned | Earlier::NotKnown => "",
            Earlier::Held(value) => value,
        };
        let cells = Field::ALL.map(cell);
        let missing = Field::ALL
            .into_iter()
            .filter(|field| matches!(earlier[*field], Earlier::NotKnown | Earlier::Held(CLEARED)));
        let missing: Vec<Field> = missing.collect();
        let mut add = || {
            if cells != ["", ""] {
                known.add(&[user, cells[0], cells[1]])?;
                written.n_known += 1;
            }
            for field in &missing {
                unknown.add(&[user, field.name()])?;
            }
            Ok(())
        };
        if failed.is_ok() {
            failed = add();
        }
        written.n_not_known += u64::from(!missing.is_empty());
        written.has_cleared |= cells.contains(&CLEARED);
    });
    told.map_err(refused)?;
    failed.context("temporary file").map_err(usage)?;
    if written.n_known > 0 {
        known.keep(out).map_err(usage)?;
    }
    if written.n_not_known > 0 {
        unknown.keep(not_known).map_err(usage)?;
    }
    Ok(written)
}

/// A private CSV file that gets its name when it is whole.
struct CsvFile(csv::Writer<NamedTempFile>);

impl CsvFile {
    fn create(path: &Path, columns: &[&str]) -> anyhow::Result<Self> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(dir).with_context(|| format!("{}", dir.display()))?;
        let mut file = Self(csv::Writer::from_writer(file));
        file.add(columns)
            .with_context(|| format!("{}", dir.display()))?;
        Ok(file)
    }

    fn add(&mut self, cells: &[&str]) -> io::Result<()> {
        Ok(self.0.write_record(cells)?)
    }

    fn keep(self, path: &Path) -> anyhow::Result<()> {
        let keep = || -> io::Result<()> {
            let file = self.0.into_inner().map_err(|error| error.into_error())?;
            file.as_file().sync_all()?;
            file.persist_noclobber(path)?;
            Ok(())
        };
        keep().with_context(|| format!("{}", path.display()))
    }
}
