//! What matters to a run that nobody watches: how it is logged, who is told of it, what of it is
//! kept. From here the settings come; [`super::log_file`], [`super::ping`], [`super::metrics`] and
//! [`super::prune`] do what they say.

use std::path::{Path, PathBuf};

use super::args::ApplyArgs;
use super::exit::Exit;
use super::look::Look;
use super::secret_url::SecretUrl;
use super::settings::SettingsError;
use crate::lang::Lang;
use crate::report::summary::Summary;
use crate::report::words::{clean, outcomes};

/// The settings of this module.
#[derive(Debug, Clone, Default)]
pub struct Unattended {
    /// Silent when all is well, one line when not.
    pub cron: bool,
    /// Where log lines go instead of the screen; absolute.
    pub log_file: Option<PathBuf>,
    /// How they are written.
    pub log_format: LogFormat,
    /// How many run directories are kept.
    pub keep_runs: Option<u64>,
    /// Who is told of starts and ends.
    pub ping_url: Option<SecretUrl>,
    /// Where numbers are left for Prometheus; absolute.
    pub metrics_file: Option<PathBuf>,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl Unattended {
    /// Resolves what was typed. `state_dir` is where the log goes that nobody named a place for.
    pub(super) fn resolve(
        look: &Look<'_>,
        args: &ApplyArgs,
        state_dir: &Path,
    ) -> Result<Self, SettingsError> {
        let cron = look.switch("--cron", args.cron)?;
        let log_file = look.path("--log-file", args.log_file.as_deref())?;
        let log_format = look.value("--log-format", args.log_format.as_deref())?;
        let log_format = log_format.map(|found| {
            found.read("text or json", |text| {
                let formats = [LogFormat::Text, LogFormat::Json].into_iter();
                formats.into_iter().find(|format| format.name() == text)
            })
        });
        let ping_url = look.value("--ping-url", args.ping_url.as_deref())?;
        let ping_url =
            ping_url.map(|found| found.read_secret("an http or https URL", SecretUrl::read));
        Ok(Self {
            log_file: log_file.or_else(|| cron.then(|| state_dir.join("lcic-sync.log"))),
            log_format: log_format.transpose()?.unwrap_or_default(),
            keep_runs: look.whole("--keep-runs", args.keep_runs.as_deref(), 1..=u64::MAX)?,
            ping_url: ping_url.transpose()?,
            metrics_file: look.path("--metrics-file", args.metrics_file.as_deref())?,
            cron,
        })
    }
}

/// How a run ended, in one line for a mail or a log: outcome, counts, and where to read more.
pub fn line(exit: Exit, summary: &Summary, directory: &Path, lang: Lang) -> String {
    let mut told = lang.exit_line(exit.number(), exit.meaning(lang));
    if let Some(message) = &summary.message {
        let lines: Vec<String> = lang.retold(message).lines().map(clean).collect();
        told += lang.colon();
        told += &lines.join(lang.semicolon());
    }
    // What was refused, or stopped, before it was read can't be told as "0 rows".
    let was_read = summary.counts.read > 0 || exit == Exit::Done;
    let counts = match was_read {
        true => outcomes(&summary.counts, lang),
        false => lang.nothing_was_sent().into(),
    };
    [told, counts, directory.display().to_string()].join(lang.semicolon())
}
