//! Says things, as loudly as was asked for. Standard output carries data that a pipe wants
//! (`--json`), standard error carries talk; on a quiet night nothing is said at all unless a
//! person is needed.
//!
//! Talk goes through the [`Screen`] that the progress bar is drawn on, and so do log lines:
//! nothing tears the bar.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Mutex;

use anyhow::Context;
use tracing::subscriber::set_global_default;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::exit::Exit;
use super::log_file::LogFile;
use super::settings::{Environment, SettingsError};
use super::unattended::{LogFormat, Unattended};
use crate::lang::Lang;
use crate::progress::screen::Screen;
use crate::progress::{self, Face};
use crate::report::words::clean;

/// More changes than this are confirmed once by who sits at the terminal. Chosen: nearly a minute
/// at the usual pace, and more than one mends by hand.
pub const CONFIRM_ABOVE: u64 = 1000;

/// See the module.
#[derive(Clone)]
pub struct Printer {
    screen: Screen,
    lang: Lang,
    quiet: bool,
    verbose: u8,
    /// What is said is logged, too: there is a log beside the screen.
    is_logged: bool,
}

impl Printer {
    /// A printer on the standard error of this process.
    pub fn new(quiet: bool, verbose: u8) -> Self {
        Self::on(Screen::stderr(), quiet, verbose)
    }

    /// A printer on this screen.
    pub fn on(screen: Screen, quiet: bool, verbose: u8) -> Self {
        Self {
            screen,
            lang: Lang::En,
            quiet,
            verbose,
            is_logged: false,
        }
    }

    /// The same, in this language.
    pub fn speaking(self, lang: Lang) -> Self {
        Self { lang, ..self }
    }

    /// The same, but what it says also goes into the log, however quiet it is.
    pub fn logged(self, is_logged: bool) -> Self {
        Self { is_logged, ..self }
    }

    /// The language that it speaks.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Where it says things; progress belongs there, too.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// The face of progress that fits this process.
    pub fn face(&self, progress: bool) -> Face {
        progress::resolve(is_terminal(&io::stderr()), self.quiet, !progress)
    }

    /// Says what is good to know.
    pub fn say(&self, text: &str) {
        if self.is_logged {
            info!("{text}");
        }
        self.show(text);
    }

    fn show(&self, text: &str) {
        if !self.quiet {
            self.screen.line(text);
        }
    }

    /// Says what only the curious want to know.
    pub fn detail(&self, text: &str) {
        if self.verbose > 0 {
            self.say(text);
        }
    }

    /// Says what may need a person later.
    pub fn warn(&self, text: &str) {
        if self.is_logged {
            warn!("{text}");
        }
        self.show(&format!("{}{text}", self.lang.warning()));
    }

    /// Says what went wrong, however quiet it shall be: the chain of causes on one line, hints on
    /// lines of their own.
    pub fn error(&self, error: &anyhow::Error) {
        if self.is_logged {
            error!("{}", on_one_line(error));
        }
        self.screen.line(&in_words(error));
    }

    /// Says the last words of a run. A quiet run has none unless a person is needed.
    pub fn last_words(&self, words: &str, exit: Exit) {
        if !self.quiet || exit != Exit::Done {
            self.screen.text(words);
        }
    }

    /// Writes data to standard output. A reader that has gone is not an error: it has seen what
    /// it wanted.
    ///
    /// # Errors
    /// When it can't be written for another reason, a full disk for example.
    pub fn data(&self, text: &str) -> io::Result<()> {
        self.screen
            .bars()
            .suspend(|| write_data(&mut io::stdout().lock(), text))
    }

    /// Asks whether to go on; anything but y or yes is no, and so is an end of input.
    pub fn confirm(&self, question: &str) -> bool {
        self.confirm_with(question, &mut io::stdin().lock())
    }

    fn confirm_with(&self, question: &str, answers: &mut impl BufRead) -> bool {
        self.screen.text(&format!("{question} [y/N] "));
        let mut answer = String::new();
        // An answer that can't be read is no consent.
        let read = answers.read_line(&mut answer).unwrap_or(0);
        if read == 0 {
            self.screen.line("");
        }
        matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }
}

/// Whether a person has to be asked before `changes` are sent. Nothing ever asks where nobody
/// could answer: both the question and the answer need a terminal.
pub fn must_ask(changes: u64, is_loopback: bool, yes: bool) -> bool {
    let is_terminal = is_terminal(&io::stderr()) && io::stdin().is_terminal();
    asks(changes, is_loopback, yes, is_terminal)
}

fn asks(changes: u64, is_loopback: bool, yes: bool, is_terminal: bool) -> bool {
    changes > CONFIRM_ABOVE && !is_loopback && !yes && is_terminal
}

/// The question for [`Printer::confirm`].
pub fn question(changes: u64, rows: u64, place: &str, lang: Lang) -> String {
    lang.question(lang.changes(changes), lang.rows(rows), place)
}

/// A terminal that can move its cursor.
fn is_terminal(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn write_data(out: &mut impl Write, text: &str) -> io::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// `error: a: b: c`, and below it the hints of any of them.
fn in_words(error: &anyhow::Error) -> String {
    let mut causes = Vec::new();
    let mut hints = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let mut lines = text.lines();
        causes.extend(lines.next().map(clean));
        hints.extend(lines.map(clean));
    }
    // What repeats its cause says it once.
    causes.dedup_by(|cause, before| before.ends_with(cause.as_str()));
    let first = format!("error: {}", causes.join(": "));
    [vec![first], hints].concat().join("\n")
}

/// An error and its hints, where there is one line for all.
pub fn on_one_line(error: &anyhow::Error) -> String {
    let words = in_words(error);
    let words = words.strip_prefix("error: ").unwrap_or(&words);
    words.replace('\n', "; ")
}

/// Sends log lines to the screen. `-v` shows this program's own at `info`, `-vv` at `debug`,
/// `-vvv` at `trace`; of libraries only warnings, because a trace of theirs would show keys and
/// people. `LCIC_SYNC_LOG` or `RUST_LOG` say it more precisely.
///
/// # Errors
/// When one of the two variables is no list of filters.
pub fn start_logging(
    printer: &Printer,
    environment: &dyn Environment,
) -> Result<(), SettingsError> {
    let filter = filter(printer.quiet, printer.verbose, environment)?;
    let screen = BoxMakeWriter::new(printer.screen.clone());
    log_to(screen, filter, LogFormat::Text);
    Ok(())
}

/// The same for a run, which may have a log file instead. That gets `info` without being asked.
///
/// # Errors
/// Those of [`start_logging`], and when the file can't be opened.
pub fn start_log(
    printer: &Printer,
    unattended: &Unattended,
    environment: &dyn Environment,
) -> anyhow::Result<()> {
    let (writer, quiet, verbose) = match &unattended.log_file {
        None => {
            let screen = BoxMakeWriter::new(printer.screen.clone());
            (screen, printer.quiet, printer.verbose)
        }
        Some(path) => {
            let file = LogFile::open(path).with_context(|| format!("{}", path.display()))?;
            let file = BoxMakeWriter::new(Mutex::new(file));
            (file, false, printer.verbose.max(1))
        }
    };
    let filter = filter(quiet, verbose, environment)?;
    log_to(writer, filter, unattended.log_format);
    Ok(())
}

fn log_to(writer: BoxMakeWriter, filter: EnvFilter, format: LogFormat) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .log_internal_errors(false);
    // A second start in one process (a test) keeps the first.
    let _ = match format {
        LogFormat::Text => set_global_default(builder.finish()),
        LogFormat::Json => set_global_default(builder.json().flatten_event(true).finish()),
    };
}

fn filter(
    quiet: bool,
    verbose: u8,
    environment: &dyn Environment,
) -> Result<EnvFilter, SettingsError> {
    for name in ["LCIC_SYNC_LOG", "RUST_LOG"] {
        let Some(value) = environment.filled(name) else {
            continue;
        };
        let found = value.to_string_lossy().into_owned();
        return EnvFilter::try_new(&found).map_err(|_| SettingsError::Value {
            name: name.into(),
            found,
            expected: "a filter like info or lcic_sync=debug".into(),
        });
    }
    let filter = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,lcic_sync=info",
        (false, 2) => "warn,lcic_sync=debug",
        (false, _) => "warn,lcic_sync=trace",
    };
    Ok(EnvFilter::new(filter))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use anyhow::{Context, anyhow};

    use super::*;

    struct Log(&'static str, &'static str);

    impl Environment for Log {
        fn var(&self, name: &str) -> Option<OsString> {
            (name == self.0).then(|| self.1.into())
        }

        fn current_dir(&self) -> io::Result<PathBuf> {
            unreachable!("logs need no directory")
        }

        fn passwd(&self) -> Option<String> {
            None
        }

        fn uid(&self) -> u32 {
            0
        }

        fn entropy(&self) -> u64 {
            0
        }
    }

    #[test]
    fn a_quiet_night_is_silent_unless_a_person_is_needed() {
        let (screen, captured) = Screen::captured();
        let quiet = Printer::on(screen, true, 0);
        quiet.say("hello");
        quiet.warn("hm");
        quiet.detail("by the way");
        quiet.last_words("200 rows\n", Exit::Done);
        assert_eq!(captured.text(), "");
        quiet.last_words("2 failed\n", Exit::SomeFailed);
        quiet.error(&anyhow!("no keys"));
        assert_eq!(captured.text(), "2 failed\nerror: no keys\n");
    }

    #[test]
    fn details_are_for_the_curious() {
        for (verbose, expected) in [
            (0, "hello\nwarning: hm\n"),
            (1, "hello\nwarning: hm\nbtw\n"),
        ] {
            let (screen, captured) = Screen::captured();
            let printer = Printer::on(screen, false, verbose);
            printer.say("hello");
            printer.warn("hm");
            printer.detail("btw");
            assert_eq!(captured.text(), expected);
        }
    }

    #[test]
    fn an_error_is_one_line_and_its_hints_are_others() {
        let error: anyhow::Error = Err::<(), _>(anyhow!("file not found\nhint: look elsewhere"))
            .context("users.csv: \x1b[31mnot read")
            .unwrap_err();
        assert_eq!(
            in_words(&error),
            "error: users.csv:  [31mnot read: file not found\nhint: look elsewhere"
        );
        let inner = io::Error::other("disk full");
        let error = anyhow::Error::new(inner).context("results.csv: disk full");
        assert_eq!(in_words(&error), "error: results.csv: disk full");
    }

    #[test]
    fn only_a_large_run_on_a_terminal_is_confirmed() {
        let table = [
            (1001, false, false, true, true),
            (1000, false, false, true, false),
            (1001, true, false, true, false),
            (1001, false, true, true, false),
            (1001, false, false, false, false),
        ];
        for (changes, is_loopback, yes, is_terminal, expected) in table {
            let found = asks(changes, is_loopback, yes, is_terminal);
            assert_eq!(
                found, expected,
                "{changes} {is_loopback} {yes} {is_terminal}"
            );
        }
        let place = "https://lcic.tencentcloudapi.com";
        let question = question(1_000_000, 1_000_001, place, Lang::En);
        assert_eq!(
            question,
            "Send 1,000,000 changes (from 1,000,001 rows) to https://lcic.tencentcloudapi.com?"
        );
    }

    #[test]
    fn only_yes_is_yes() {
        let table = [
            ("y\n", true),
            (" YES \n", true),
            ("n\n", false),
            ("\n", false),
            ("", false),
            ("yesterday\n", false),
        ];
        for (answer, expected) in table {
            let (screen, captured) = Screen::captured();
            let printer = Printer::on(screen, false, 0);
            let found = printer.confirm_with("Send?", &mut answer.as_bytes());
            assert_eq!(found, expected, "{answer:?}");
            assert!(captured.text().starts_with("Send? [y/N] "));
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is_one() {
        struct Fails(io::ErrorKind);
        impl Write for Fails {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(write_data(&mut Fails(io::ErrorKind::BrokenPipe), "{}").is_ok());
        assert!(write_data(&mut Fails(io::ErrorKind::StorageFull), "{}").is_err());
    }

    #[test]
    fn logs_are_as_loud_as_asked_for() {
        let none = Log("", "");
        let table = [
            (true, 0, "error"),
            (false, 0, "warn"),
            (false, 1, "lcic_sync=info,warn"),
            (false, 2, "lcic_sync=debug,warn"),
            (false, 7, "lcic_sync=trace,warn"),
        ];
        for (quiet, verbose, expected) in table {
            let found = filter(quiet, verbose, &none).unwrap().to_string();
            assert_eq!(found, expected);
        }
        let found = filter(false, 0, &Log("RUST_LOG", "hyper=debug")).unwrap();
        assert_eq!(found.to_string(), "hyper=debug");
        let error = filter(false, 0, &Log("LCIC_SYNC_LOG", "a=b=c")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("LCIC_SYNC_LOG: found \"a=b=c\"")
        );
    }
}
